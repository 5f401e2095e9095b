"""A lost database comes back from the trials' directories."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from atft.errors import InputError
from atft.search.question.frozen import identify
from atft.search.question.options import SweepOptions, read_sweep
from atft.search.question.space import suggest
from atft.search.show.rebuild import read_trials, restore, run
from atft.search.study.budget import due_for_retry
from atft.search.study.files import publish_trial, study_labels
from atft.search.study.outcome import Outcome, finished, outcome_of
from atft.search.study.study import begin_study, open_study

HIDDEN, LR = "model.network.init_args.hidden_size", "model.optimizer.init_args.lr"
SPACE = {HIDDEN: {"type": "int", "low": 4, "high": 12, "step": 4}}


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
    (trial,) = other.trials
    trial.number = 7
    publish_trial(directory, {**study_labels(other), "study_id": "f" * 16}, trial)
    with pytest.raises(InputError, match="has trials of several studies"):
        run(["--config", str(write_sweep())])


def test_a_trial_that_was_retried_stays_failed_whatever_its_file_says(
    lost: Callable[..., tuple[Path, optuna.Study]],
    make_sweep: Callable[..., SweepOptions],
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Killed between its file and the study: the file says complete, the study failed it, and its retry copied it.
    path, _ = lost(values=[0.01, 0.02])
    sweep = make_sweep()
    retry = sweep.directory / "trial_1" / "trial.json"
    record = json.loads(retry.read_text())
    record["user_attrs"] |= {"retry_of": 0, "attempt": 1}
    retry.write_text(json.dumps(record))
    run(["--config", str(path)])
    assert "2 trials entered again, 1 of them finished" in capsys.readouterr().out
    trials = open_study(sweep).trials
    assert [outcome_of(t) for t in trials] == ["failed", "complete"]
    assert [t.number for t in finished(trials)] == [1] and due_for_retry(trials, max_retry=2) == []


@pytest.mark.parametrize("point", [{HIDDEN: 8}, {LR: 1}], ids=["of some keys", "of a whole number"])
def test_an_enqueued_point_that_was_tried_is_not_enqueued_again(
    point: dict[str, Any], write_sweep: Callable[..., Path], own_config: Path
) -> None:
    space = {HIDDEN: SPACE[HIDDEN], LR: {"type": "float", "low": 0, "high": 2}}
    path = write_sweep(space=space, enqueue=[point])
    sweep = read_sweep(path)
    study = begin_study(sweep, identify(sweep))

    def train(trial: optuna.Trial) -> float:
        suggest(trial, sweep.space)
        publish_trial(sweep.trial_directory(0), study_labels(study), study.trials[0], Outcome.COMPLETE, 0.1)
        return 0.1

    study.optimize(train, n_trials=1)
    (sweep.directory / "study.db").unlink()
    run(["--config", str(path)])
    assert len(begin_study(sweep, identify(sweep)).trials) == 1


def test_without_directories_there_is_nothing_to_rebuild_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to rebuild from"):
        read_trials(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        *({"number": n} for n in (1, -1, 1e300, None, "0")),
        *({"value": v} for v in (None, math.nan, "abc")),
        *({"outcome": o} for o in ("lost", None, [])),
        *({key: [1]} for key in ("params", "values", "distributions", "user_attrs", "started")),
    ],
    ids=str,
)
def test_a_damaged_file_is_named_and_nothing_is_rebuilt(tmp_path: Path, change: dict[str, Any]) -> None:
    file = tmp_path / "trial_0" / "trial.json"
    trial = optuna.trial.create_trial(value=0.1)
    trial.number = 0
    publish_trial(file.parent, {"study_id": "a"}, trial, Outcome.COMPLETE, 0.1)
    record = json.loads(file.read_text())
    assert read_trials(tmp_path) == [record]
    if change == {"number": "0"}:
        file.write_bytes(file.read_bytes()[:100])  # cut
    else:
        file.write_text(json.dumps(record | change))
    with pytest.raises(
        InputError, match=r"trial_0/trial\.json does not describe .*; move .*/trial_0 away, and"
    ):
        read_trials(tmp_path)


def test_an_epoch_without_a_number_is_restored_as_one(tmp_path: Path) -> None:
    trial = optuna.trial.create_trial(value=0.1, intermediate_values={0: math.nan, 1: 0.1})
    trial.number = 0
    publish_trial(tmp_path / "trial_0", {"study_id": "a"}, trial, Outcome.COMPLETE, 0.1)
    study = restore(
        optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'study.db'}"),
        "s",
        "maximize",
        read_trials(tmp_path),
    )
    assert (
        math.isnan(study.trials[0].intermediate_values[0]) and study.trials[0].intermediate_values[1] == 0.1
    )


def test_a_restored_study_has_no_trial_that_none_reported() -> None:
    study = restore(optuna.storages.InMemoryStorage(), "empty", "maximize", [])
    assert study.trials == []
