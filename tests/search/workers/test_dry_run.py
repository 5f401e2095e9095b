from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial

from atft.errors import InputError
from atft.search.question.frozen import identify
from atft.search.question.options import SweepOptions
from atft.search.study.files import publish_trial
from atft.search.study.study import begin_study
from atft.search.workers import dry_run as module
from atft.search.workers.dry_run import NotWorthStarting, dry_run, estimate

Make = Callable[..., SweepOptions]


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the preflight, which has tests of its own."""
    monkeypatch.setattr("atft.search.question.preflight.preflight", lambda sweep: "preflight: ...")


@pytest.mark.usefixtures("checked", "own_config")
def test_it_trains_one_short_trial_prints_what_to_expect_and_leaves_no_study(
    make_sweep: Make, tmp_path: Path
) -> None:
    sweep = make_sweep(n_trials=10, workers=2, limits={"epochs": 6})
    said: list[str] = []
    assert dry_run(sweep, said.append) == 0
    assert said[0].startswith("preflight: ")
    assert said[2].startswith("one trial: val/rank_ic ") and said[2].count(",") == 1
    assert said[3].startswith("worth starting: 10 trials of 6 epochs with 2 workers take at most about 0:")
    assert list((tmp_path / "logs").iterdir()) == []


@pytest.mark.usefixtures("checked")
def test_the_first_of_several_enqueued_points_is_tried(make_sweep: Make, tmp_path: Path) -> None:
    sweep = make_sweep(n_trials=2)
    points = [sweep.enqueue[0] if sweep.enqueue else {}] * 2
    with module._small_study(replace(sweep, enqueue=points)) as small:
        assert small.enqueue == points[:1] and small.n_trials == 1
    assert list((tmp_path / "logs").iterdir()) == []


@pytest.mark.usefixtures("checked", "own_config")
def test_a_trial_that_fails_is_the_answer(
    make_sweep: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = create_trial(
        state=TrialState.FAIL, user_attrs={"failure": {"class": "data", "reason": "the panel is gone"}}
    )
    monkeypatch.setattr(module, "_train_one", lambda sweep: failed)
    with pytest.raises(NotWorthStarting, match="the trial failed: data, the panel is gone; fix that first"):
        dry_run(make_sweep(), lambda line: None)
    assert list((tmp_path / "logs").iterdir()) == []


@pytest.mark.usefixtures("checked", "own_config")
def test_another_question_under_an_old_name_is_found(
    make_sweep: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = make_sweep()
    begin_study(sweep, identify(sweep))
    with pytest.raises(InputError, match=r"study small: .* things that its values depend on changed"):
        dry_run(replace(sweep, metric="val/ic"), lambda line: None)
    assert "metric: 'val/rank_ic' -> 'val/ic'" in capsys.readouterr().err
    (sweep.directory / "study.db").unlink()
    publish_trial(sweep.trial_directory(0), {"study_id": "lost"}, create_trial(value=0.1))
    with pytest.raises(InputError, match="holds trials of a study that the database does not have"):
        dry_run(sweep, lambda line: None)


@pytest.mark.usefixtures("checked", "own_config")
def test_folds_that_the_days_have_no_room_for_are_found(make_sweep: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folds: 3 validations of 11 days leave 6 training days"):
        dry_run(make_sweep(folds=3), lambda line: None)
    assert list((tmp_path / "logs").iterdir()) == []


@pytest.mark.usefixtures("checked")
def test_a_root_that_takes_no_files_is_an_error(make_sweep: Make, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(InputError, match="cannot write there"):
        dry_run(make_sweep(), lambda line: None)


def test_time_and_space_are_those_of_the_trial_times_epochs_trials_and_folds(toy_sweep: Make) -> None:
    trial = create_trial(state=TrialState.COMPLETE, value=0.1)
    trial.datetime_start = datetime(2026, 1, 1)
    trial.datetime_complete = trial.datetime_start + timedelta(seconds=20)
    sweep = toy_sweep(n_trials=5, workers=2, limits={"epochs": 6})
    said = estimate(sweep, trial, trial_bytes=10_000_000, free_bytes=10**10)
    assert "at most about 0:03:00 " in said and "50 MB of 10 GB" in said
    limited = replace(sweep, limits=replace(sweep.limits, minutes=0.5))
    assert "about 0:01:30 " in estimate(limited, trial, 1, 10**10)
    with pytest.raises(
        NotWorthStarting, match=r"5 trials need 0\.1 GB, the disk has 0\.0 GB free; make room"
    ):
        estimate(sweep, trial, 10_000_000, 40_000_000)
