"""The value of a run is its selected checkpoint's, nothing stands in for it, and runs share what they read."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
import torch
import yaml
from lightning.pytorch.loggers import WandbLogger

from atft.callbacks.record.receipt import read_receipt
from atft.callbacks.record.run_checkpoint import Measured, measured_of
from atft.data.cache import shared_cache
from atft.errors import InputError
from atft.files.checkpoint_file import read_checkpoint
from atft.runs.run_trainer import RunTrainer
from atft.search.question.frozen import data_digest
from atft.search.question.options import SweepOptions
from atft.search.study.outcome import Outcome
from atft.search.trial.failures import TrialFailed
from atft.search.trial.fit import _end_wandb_runs, fit, receipt_metrics, take_over, value_of
from atft.search.trial.record import TrialRecord
from atft.search.trial.resume import PreviousRun, nearest_run
from atft.tasks.ranking import RankingTask

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")


Make = Callable[..., SweepOptions]


def a_trial(sweep: SweepOptions, config: dict[str, Any]) -> TrialRecord:
    study = optuna.create_study(direction="maximize")
    study.set_user_attr(
        "data_digest",
        data_digest(SimpleNamespace(simulate=None, path=config["data"]["panel"]["path"]), sweep.root),
    )
    return TrialRecord(sweep, study.ask(), lambda: False)


def test_a_runs_final_metrics_are_its_selected_epochs_validation_and_the_metric_that_is_optimised() -> None:
    chosen = Measured(8, 1, {"val/rank_ic": 0.1, "train/loss": 2.0, "train/term/ic": 1.0})
    assert receipt_metrics(chosen, "train/loss") == {"val/rank_ic": 0.1, "train/loss": 2.0}


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({}, "is missing"),
        ({"val/ic": math.nan}, "is not a finite number"),
        ({"val/ic": -math.inf}, "is not a finite"),
    ],
)
def test_a_value_that_is_missing_or_no_number_fails(
    metrics: dict[str, float], said: str, tmp_path: Path
) -> None:
    with pytest.raises(TrialFailed, match=f"val/ic of the selected epoch {said}"):
        value_of(Measured(8, 1, metrics), "val/ic", tmp_path)
    assert value_of(Measured(8, 1, {"val/ic": 0.0}), "val/ic", tmp_path) == 0.0


def test_a_trial_ends_its_run_of_wandb_for_the_next_one_of_the_process() -> None:
    ended: list[str] = []
    logger = WandbLogger.__new__(WandbLogger)
    logger._experiment = SimpleNamespace(finish=lambda: ended.append("run"))  # type: ignore[assignment]
    unused = WandbLogger.__new__(WandbLogger)
    unused._experiment = None
    _end_wandb_runs(SimpleNamespace(trainer=SimpleNamespace(loggers=[unused, logger])))  # type: ignore[arg-type]
    assert ended == ["run"]


@pytest.mark.parametrize(
    ("options", "epoch"),
    [({}, 1), ({"save_top_k": 3}, 1), ({"select": "last"}, 2)],
    ids=str,
)
def test_the_value_is_the_selected_epochs_whatever_the_checkpoint_keeps(
    options: dict[str, Any],
    epoch: int,
    tiny_run: Any,
    make_sweep: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted = [0.1, 0.3, 0.2]

    def plant(self: RankingTask) -> None:
        self.log_own({"val/rank_ic": planted[self.current_epoch], "val/scale": 1.0})
        self.val_metrics.reset()

    monkeypatch.setattr(RankingTask, "on_validation_epoch_end", plant)
    config = yaml.safe_load(tiny_run.config.read_text())
    config["trainer"]["max_epochs"], config["checkpoint"] = 3, {"select": "best", **options}
    trial = a_trial(make_sweep(), config)
    assert fit(trial, config, trial.directory) == pytest.approx(planted[epoch])
    assert measured_of(trial.directory / "best_model.ckpt").epoch == epoch


def test_a_trial_begins_with_the_weights_that_its_config_names(
    tiny_run: Any, make_sweep: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[torch.Tensor] = []

    def stop(trainer: Any, task: RankingTask, **_: Any) -> None:
        begun.append(task.network.heads.score.weight.detach().clone())
        raise InputError("seen")

    monkeypatch.setattr(RunTrainer, "fit", stop)
    best = tiny_run.directory / "best_model.ckpt"
    config = yaml.safe_load(tiny_run.config.read_text()) | {"init_from": str(best), "seed_everything": 9}
    trial = a_trial(make_sweep(), config)
    with pytest.raises(InputError, match="seen"):
        fit(trial, config, trial.directory)
    assert torch.equal(begun[0], read_checkpoint(best)["state_dict"]["network.heads.score.weight"])
    with pytest.raises(InputError, match="no such file"):
        fit(trial, config | {"init_from": "absent.ckpt"}, trial.directory)


def test_the_runs_of_a_process_share_a_cache_and_end_alike(tiny_run: Any, make_sweep: Make) -> None:
    config = yaml.safe_load(tiny_run.config.read_text())
    values, opened = [], []
    for name in ("one", "other"):
        trial = a_trial(make_sweep(study=name), config)
        values.append(fit(trial, config, trial.directory))
        opened.append(shared_cache.cache_info().misses)
    assert values[0] == values[1] and read_receipt(trial.directory).outcome == Outcome.COMPLETE
    assert opened[0] == opened[1]  # the second opened none


def test_a_run_that_is_taken_over_has_its_checkpoint_once_all_else_is_copied(
    tiny_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    previous, copy = PreviousRun(tiny_run.directory, [], over=True), tmp_path / "trial_1"

    def killed(*_: Any) -> None:
        raise InterruptedError

    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr("atft.search.trial.fit.keep_last", killed)
        take_over(previous, copy, "val/rank_ic")
    assert (copy / "best_model.ckpt").is_file()
    assert nearest_run([copy, tiny_run.directory]) == tiny_run.directory
    take_over(previous, copy, "val/rank_ic")
    assert (copy / "last.ckpt").read_bytes() == (tiny_run.directory / "last.ckpt").read_bytes()
