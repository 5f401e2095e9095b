"""A lost database comes back from the trials' directories."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from atft.errors import InputError
from atft.search.question.frozen import identify
from atft.search.question.options import SweepOptions, read_sweep
from atft.search.show.rebuild import read_trials, restore, run
from atft.search.study.files import publish_trial, study_labels
from atft.search.study.outcome import Outcome, outcome_of
from atft.search.study.study import begin_study, open_study


@pytest.fixture
def lost(
    write_sweep: Callable[..., Path], make_study: Callable[..., optuna.Study], own_config: Path
) -> Callable[..., tuple[Path, optuna.Study]]:
    """A sweep whose trials left their files and whose database is gone: the sweep's path, its former study."""

    def lose(**trials: Any) -> tuple[Path, optuna.Study]:
        path = write_sweep()
        sweep = read_sweep(path)
        study = make_study(**trials)
        labels = {**study_labels(study), "config_digest": identify(sweep).config_digest}
        labels["data_digest"] = identify(sweep).data_digest
        for trial in study.trials:
            directory = sweep.directory / f"trial_{trial.number}"
            directory.mkdir(parents=True)
            outcome = outcome_of(trial)
            publish_trial(
                directory, labels, trial, outcome, trial.value if outcome == Outcome.COMPLETE else None
            )
        return path, study

    return lose


def test_the_rebuilt_study_has_its_finished_trials_as_they_were(
    lost: Callable[..., tuple[Path, optuna.Study]], capsys: pytest.CaptureFixture[str]
) -> None:
    path, before = lost(values=[0.01, 0.03], pruned=1, failed=1, running=1)
    assert run(["--config", str(path)]) == 0
    assert "5 trials entered again, 3 of them finished" in capsys.readouterr().out
    sweep = read_sweep(path)
    after = begin_study(sweep, identify(sweep))  # with every check that a resumed sweep makes
    assert after.user_attrs["study_id"] == "0123456789abcdef"
    for was, now in zip(before.trials, after.trials, strict=True):
        assert (now.number, now.params, now.value) == (was.number, was.params, was.value)
        assert now.intermediate_values == was.intermediate_values
        assert now.distributions == was.distributions
        if outcome_of(was) != "running":
            assert outcome_of(now) == outcome_of(was) and now.user_attrs == was.user_attrs
            assert now.datetime_start == was.datetime_start
    assert outcome_of(after.trials[-1]) == "failed", "a trial that ran is to be tried again"
    assert (sweep.directory / "all_trials.json").is_file()


def test_numbers_stay_where_a_directory_is_lost(
    lost: Callable[..., tuple[Path, optuna.Study]], make_sweep: Callable[..., SweepOptions]
) -> None:
    path, _ = lost(values=[0.01, 0.02, 0.03])
    sweep = make_sweep()
    shutil.rmtree(sweep.directory / "trial_1")
    run(["--config", str(path)])
    trials = open_study(sweep).trials
    assert [outcome_of(t) for t in trials] == ["complete", "surplus", "complete"]
    assert [t.value for t in trials] == [0.01, None, 0.03]


def test_a_study_that_is_there_is_left_alone(lost: Callable[..., tuple[Path, optuna.Study]]) -> None:
    path, _ = lost(values=[0.01])
    run(["--config", str(path)])
    with pytest.raises(InputError, match=r"has study 'small' already; it is not lost"):
        run(["--config", str(path)])


def test_trials_of_another_question_or_of_two_studies_are_errors(
    lost: Callable[..., tuple[Path, optuna.Study]],
    write_sweep: Callable[..., Path],
    make_sweep: Callable[..., SweepOptions],
    make_study: Callable[..., optuna.Study],
) -> None:
    lost(values=[0.01])
    with pytest.raises(
        InputError,
        match=r"the config_digest of the trials of study small is \w{16}, now it is \w{16}; restore",
    ):
        run(["--config", str(write_sweep(metric="val/ic"))])
    directory = make_sweep().directory / "trial_7"
    directory.mkdir()
    other = make_study(values=[0.1])
    publish_trial(directory, {**study_labels(other), "study_id": "f" * 16}, other.trials[0])
    with pytest.raises(InputError, match="has trials of several studies"):
        run(["--config", str(write_sweep())])


def test_without_directories_there_is_nothing_to_rebuild_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to rebuild from"):
        read_trials(tmp_path)


def test_a_restored_study_has_no_trial_that_none_reported() -> None:
    study = restore(optuna.storages.InMemoryStorage(), "empty", "maximize", [])
    assert study.trials == []
