"""A trial is a run directory and a number; whatever ends it has a class, a reason, and files that say so."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import pytest
import torch
import yaml

from atft.callbacks.record.receipt import read_receipt
from atft.files.digest import text_digest
from atft.search.question.frozen import StudyChanged, freeze, identify
from atft.search.question.options import SweepOptions, sweep_of
from atft.search.study.files import publish_trial, read_trial, study_labels
from atft.search.study.study import begin_study
from atft.search.trial.failures import Interrupted, TrialFailed
from atft.search.trial.run import run_trial
from atft.tasks.ranking import RankingTask

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]

LR = "model.optimizer.init_args.lr"
SPACE = {LR: {"type": "float", "low": 1e-3, "high": 3e-2, "log": True}}


class Small(NamedTuple):
    """A sweep over the small panel, and its study."""

    sweep: SweepOptions
    study: optuna.Study

    def trial(self, number: int) -> Path:
        return Path(self.sweep.root) / self.sweep.study / f"trial_{number}"

    def run(
        self,
        *former: Path,
        stop: Callable[[], bool] = lambda: False,
        params: dict[str, Any] | None = None,
        **attributes: Any,
    ) -> float:
        """Run the next trial, as a worker does."""
        self.study.enqueue_trial(params or {LR: 0.01}, user_attrs=attributes)
        pruned: list[optuna.TrialPruned] = []

        def objective(trial: optuna.Trial) -> float:
            try:
                return run_trial(self.sweep, trial, former, stop)
            except optuna.TrialPruned as error:
                pruned.append(error)
                raise

        self.study.optimize(objective, n_trials=1)
        if pruned:
            raise pruned[0]
        value = self.study.get_trials()[-1].value
        assert value is not None
        return value

    def frozen(self, number: int) -> optuna.trial.FrozenTrial:
        return self.study.get_trials()[number]


@pytest.fixture
def small(
    make_sweep: Callable[..., SweepOptions], tiny_run: Any, tiny_config: Callable[..., Path], tmp_path: Path
) -> Callable[..., Small]:
    """``small(limits={"epochs": 3})``: changes of the sweep."""

    def make(**changes: Any) -> Small:
        tiny_config(tmp_path, tiny_run.panel, data__cache={"dir": str(tiny_run.folder / "cache")})
        sweep = make_sweep(**{"space": SPACE, "limits": {"epochs": 2}, **changes})
        return Small(sweep, begin_study(sweep, identify(sweep)))

    return make


@pytest.fixture(scope="module")
def shared(
    tiny_run: Any, tiny_config: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Small:
    """A sweep whose trial 0 ran its two epochs and whose trial 1 was interrupted after one; tests only read it."""
    folder = tmp_path_factory.mktemp("shared")
    base = tiny_config(folder, tiny_run.panel, data__cache={"dir": str(tiny_run.folder / "cache")})
    plain = {"study": "small", "base": str(base), "root": str(folder / "logs"), "space": SPACE}
    sweep = sweep_of({**plain, "limits": {"epochs": 2}})
    made = Small(sweep, begin_study(sweep, identify(sweep)))
    made.run()
    with pytest.raises(Interrupted):
        made.run(stop=after(1))
    return made


@pytest.fixture
def interrupted(shared: Small, tmp_path: Path) -> Path:
    """A copy of the directory of a trial that was interrupted after the first of two epochs, to be damaged."""
    return Path(shutil.copytree(shared.trial(1), tmp_path / "interrupted"))


def test_a_base_config_that_is_edited_between_two_trials_changes_neither(
    small: Callable[..., Small], tiny_config: Callable[..., Path], tiny_run: Any, tmp_path: Path
) -> None:
    made = small(limits={"epochs": 1})
    own = Small(freeze(made.sweep, made.study), made.study)
    own.run()
    tiny_config(tmp_path, tiny_run.panel, model__gradient_clip=0.01)
    own.run()
    first, second = (yaml.safe_load((own.trial(i) / "config.yaml").read_text()) for i in (0, 1))
    assert first == second and first["model"]["gradient_clip"] == 1.0
    with pytest.raises(StudyChanged, match=r"tiny.yaml: edited since study small was made"):
        made.run()  # a worker that read the file itself


@pytest.mark.usefixtures("toypkg")
def test_a_trial_searches_the_weight_of_a_term_by_a_metric_of_the_users_own(
    small: Callable[..., Small],
) -> None:
    key = "model.objective.terms.toypkg.loss.tail"
    space = {key: {"type": "float", "low": 0.1, "high": 0.5}}
    own = {"fixed": {"model.metrics": ["toypkg.metrics.top_hit"]}, "metric": "val/top_hit_5d"}
    made = small(limits={"epochs": 1}, space=space, **own)
    value = made.run(params={key: 0.25})
    config = yaml.safe_load((made.trial(0) / "config.yaml").read_text())
    (epoch,) = json.loads((made.trial(0) / "metrics.json").read_text())["epochs"]
    assert config["model"]["objective"]["terms"]["toypkg.loss.tail"] == 0.25
    assert epoch["train/term/toypkg.loss.tail"] > 0 and epoch["val/top_hit_5d"] == value


def after(epochs: int) -> Callable[[], bool]:
    """Stop after so many epochs; the question before training is the first."""
    asked = iter([False] * epochs)
    return lambda: next(asked, True)


def epochs_of(directory: Path) -> list[dict[str, Any]]:
    held = json.loads((directory / "metrics.json").read_text())["epochs"]
    assert isinstance(held, list)
    return held


def test_a_trial_is_a_run_directory_and_its_value_that_of_the_selected_checkpoint(
    small: Callable[..., Small], capfd: pytest.CaptureFixture[str]
) -> None:
    sweep = small(limits={"epochs": 3})
    value = sweep.run()
    said = capfd.readouterr()
    assert "stock-days/s" not in said.out + said.err  # workers share a terminal
    place = sweep.trial(0)
    curve = [e["val/rank_ic"] for e in epochs_of(place)]
    assert value == max(curve) and len(curve) == 3
    assert sweep.frozen(0).intermediate_values == dict(enumerate(curve))
    assert int(torch.load(place / "best_model.ckpt")["epoch"]) == curve.index(value)
    receipt = read_receipt(place)
    assert (receipt.status, receipt.metrics["val/rank_ic"]) == ("completed", value)
    assert (receipt.retried_from, receipt.resumed_from, receipt.alarms) == (None, None, [])
    labels = study_labels(sweep.study)
    assert receipt.digests["study_id"] == labels["study_id"] != ""
    assert json.loads((place / "metrics.json").read_text())["digests"] == receipt.digests
    held = read_trial(place)
    assert held is not None and labels.items() <= held.items()
    assert (held["number"], held["outcome"], held["value"], held["params"]) == (
        0,
        "complete",
        value,
        {LR: 0.01},
    )
    assert held["values"] == {str(i): v for i, v in enumerate(curve)}
    progress = json.loads((place / "progress.json").read_text())
    assert (progress["activity"], progress["epoch"], progress["epochs"]) == ("complete", 3.0, 3)
    assert "epoch   3/3" in (place / "run.log").read_text()
    names = {p.name for p in place.iterdir()}
    assert {"config.yaml", "last.ckpt", "metrics.csv"} < names and "predictions.parquet" not in names
    assert any(n.startswith("events.out.tfevents") for n in names)
    config = yaml.safe_load((place / "config.yaml").read_text())
    assert config["model"]["optimizer"]["init_args"]["lr"] == 0.01
    assert config["early_stopping"]["monitor"] == config["checkpoint"]["monitor"] == "val/rank_ic"


def test_selection_and_value_follow_the_sweeps_metric_and_direction(small: Callable[..., Small]) -> None:
    sweep = small(metric="train/loss")
    value = sweep.run()
    assert value == min(e["train/loss"] for e in epochs_of(sweep.trial(0)))
    assert read_receipt(sweep.trial(0)).metrics["train/loss"] == value


def test_an_interrupted_trial_goes_on_as_if_nothing_had_happened(small: Callable[..., Small]) -> None:
    sweep = small(limits={"epochs": 3})
    with pytest.raises(Interrupted, match="interrupted by the user after epoch 1"):
        sweep.run(stop=after(1))
    stopped = sweep.trial(0)
    assert read_receipt(stopped).status == "stopped"
    assert (read_trial(stopped) or {})["outcome"] == read_receipt(stopped).outcome == "interrupted"
    assert int(torch.load(stopped / "last.ckpt")["epoch"]) == 0
    resumed = sweep.run(stopped)
    whole = sweep.run()
    assert resumed == whole
    assert sweep.frozen(1).intermediate_values == sweep.frozen(2).intermediate_values
    weights = [torch.load(sweep.trial(n) / "last.ckpt")["state_dict"] for n in (1, 2)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    best = [torch.load(sweep.trial(n) / "best_model.ckpt") for n in (1, 2)]
    assert best[0]["epoch"] == best[1]["epoch"]
    curves = [[e["val/rank_ic"] for e in epochs_of(sweep.trial(n))] for n in (1, 2)]
    assert curves[0] == curves[1]
    receipt = read_receipt(sweep.trial(1))
    assert receipt.retried_from == str(stopped) and receipt.resumed_from == str(stopped / "last.ckpt")
    assert receipt.status == "completed"


def test_only_validated_epochs_are_reported_and_a_retry_reports_no_other(small: Callable[..., Small]) -> None:
    sweep = small(limits={"epochs": 4}, fixed={"trainer.check_val_every_n_epoch": 2})
    with pytest.raises(Interrupted):
        sweep.run(stop=after(3))
    assert set(sweep.frozen(0).intermediate_values) == {1}
    assert sweep.run(sweep.trial(0)) == sweep.run()
    values = [sweep.frozen(n).intermediate_values for n in (1, 2)]
    assert values[0] == values[1] and set(values[0]) == {1, 3}
    assert values[0][1] == sweep.frozen(0).intermediate_values[1]
    assert json.loads((sweep.trial(1) / "progress.json").read_text())["values"][-1] == values[0][3]


def test_a_trial_that_had_all_its_epochs_is_not_trained_again(
    small: Callable[..., Small], shared: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, whole = small(), shared.frozen(0)
    former = Path(shutil.copytree(shared.trial(0), tmp_path / "former"))
    # Killed after its last checkpoint: the receipt still says what it said after the epoch.
    content = json.loads((former / "receipt.json").read_text())
    (former / "receipt.json").write_text(json.dumps({**content, "status": "running", "outcome": ""}))

    def trains(*_: Any) -> None:
        raise AssertionError("training again")

    monkeypatch.setattr(RankingTask, "training_step", trains)
    assert sweep.run(former) == whole.value
    assert sweep.frozen(0).intermediate_values == whole.intermediate_values
    receipt = read_receipt(sweep.trial(0))
    assert (receipt.status, receipt.outcome, receipt.run) == ("completed", "complete", str(sweep.trial(0)))
    assert receipt.retried_from == str(former) and receipt.metrics["val/rank_ic"] == whole.value
    assert study_labels(sweep.study).items() <= (read_trial(sweep.trial(0)) or {}).items()


def test_an_epoch_whose_checkpoint_was_never_written_is_trained_again(
    small: Callable[..., Small], shared: Small, interrupted: Path
) -> None:
    sweep, whole = small(), shared.frozen(0)
    # Killed in the second epoch, between its metrics and its checkpoint.
    for name, changes in (
        ("receipt.json", {"status": "running", "reason": ""}),
        ("metrics.json", {"epochs": [*epochs_of(interrupted), {"epoch": 1, "val/rank_ic": 0.99}]}),
    ):
        content = json.loads((interrupted / name).read_text())
        (interrupted / name).write_text(json.dumps({**content, **changes}))
    assert sweep.run(interrupted) == whole.value < 0.99
    assert sweep.frozen(0).intermediate_values == whole.intermediate_values


def test_a_trial_that_broke_within_an_epoch_goes_on_from_there(
    small: Callable[..., Small], shared: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, whole = small(fixed={"checkpoint.every_n_train_steps": 3}), shared.frozen(0)
    former = RankingTask.training_step

    def breaks(self: RankingTask, *given: Any) -> None:
        if self.current_epoch == 1 and self.trainer.is_last_batch:
            raise RuntimeError("broke")
        former(self, *given)

    with monkeypatch.context() as patch, pytest.raises(TrialFailed):
        patch.setattr(RankingTask, "training_step", breaks)
        sweep.run()
    last = torch.load(sweep.trial(0) / "last.ckpt")
    assert last["epoch"] == 1 and last["global_step"] % 3 == 0
    assert sweep.run(sweep.trial(0)) == whole.value
    assert sweep.frozen(1).intermediate_values == whole.intermediate_values
    receipt = read_receipt(sweep.trial(1))
    assert receipt.resumed_from == str(sweep.trial(0) / "last.ckpt") and receipt.alarms == []


@pytest.mark.parametrize("damage", ["last.ckpt", "metrics.json"])
def test_a_damaged_former_trial_is_not_used_and_the_receipt_warns(
    damage: str, small: Callable[..., Small], shared: Small, interrupted: Path
) -> None:
    sweep, path = small(), interrupted / damage
    path.write_bytes(path.read_bytes()[:1000])
    assert sweep.run(interrupted) == shared.frozen(0).value
    receipt = read_receipt(sweep.trial(0))
    assert receipt.resumed_from is None and receipt.retried_from == str(interrupted)
    assert len(receipt.alarms) == 1 and "training starts from the beginning" in receipt.alarms[0]


def test_a_pruned_trial_leaves_a_whole_run_with_the_reason(small: Callable[..., Small]) -> None:
    sweep = small(limits={"epochs": 3})
    sweep.study.pruner = optuna.pruners.ThresholdPruner(lower=2.0, n_warmup_steps=1)
    with pytest.raises(optuna.TrialPruned, match=r"pruned by median at epoch 2: val/rank_ic [+-]0"):
        sweep.run()
    place = sweep.trial(0)
    receipt = read_receipt(place)
    assert receipt.status == "stopped" and receipt.reason.startswith("pruned by median at epoch 2")
    assert len(epochs_of(place)) == receipt.epochs == 2
    assert int(torch.load(place / "last.ckpt")["epoch"]) == 1
    assert len(sweep.frozen(0).intermediate_values) == 2
    assert (read_trial(place) or {})["outcome"] == receipt.outcome == "pruned"
    # Its retry, had it been killed before it could tell, is pruned too, and trains nothing.
    with pytest.raises(optuna.TrialPruned, match="pruned by median at epoch 2"):
        sweep.run(place)


def test_after_the_last_epoch_nothing_is_pruned(small: Callable[..., Small]) -> None:
    sweep = small(limits={"epochs": 1})
    sweep.study.pruner = optuna.pruners.ThresholdPruner(lower=2.0)
    assert -1 < sweep.run() < 1
    assert read_receipt(sweep.trial(0)).status == "completed"


def test_a_trial_whose_time_is_over_counts_with_what_it_has(small: Callable[..., Small]) -> None:
    sweep = small(limits={"epochs": 3, "minutes": 1e-6})
    value = sweep.run()
    assert [e["val/rank_ic"] for e in epochs_of(sweep.trial(0))] == [value]
    receipt = read_receipt(sweep.trial(0))
    assert receipt.status == "stopped" and "limits.minutes: 1e-06 minutes were over" in receipt.reason


def test_a_retry_has_the_time_that_the_epochs_before_it_have_left(small: Callable[..., Small]) -> None:
    sweep = small(limits={"epochs": 3, "minutes": 60.0})
    with pytest.raises(Interrupted, match="after epoch 1"):
        sweep.run(stop=after(1))
    stopped = sweep.trial(0)
    metrics = json.loads((stopped / "metrics.json").read_text())
    metrics["epochs"][0]["seconds"] = 3601.0
    (stopped / "metrics.json").write_text(json.dumps(metrics))
    sweep.run(stopped)
    assert len(epochs_of(sweep.trial(1))) == 2
    assert "limits.minutes: 60 minutes were over after epoch 2" in read_receipt(sweep.trial(1)).reason


def test_a_metric_that_is_never_logged_fails_the_trial_before_training(small: Callable[..., Small]) -> None:
    sweep = small()
    wrong = Small(replace(sweep.sweep, metric="val/rankic"), sweep.study)
    with pytest.raises(TrialFailed, match="did you mean 'val/rank_ic'") as caught:
        wrong.run()
    assert caught.value.kind == "config"
    assert {p.name for p in wrong.trial(0).iterdir()} == {
        *("trial.json", "progress.json", "receipt.json", "run.log")
    }
    assert read_receipt(wrong.trial(0)).status == "failed"
    assert (read_trial(wrong.trial(0)) or {})["user_attrs"]["failure"]["class"] == "config"


def test_no_trial_is_given_a_value_it_does_not_have(
    small: Callable[..., Small], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = small(metric="val/sharpe")

    def all_nan(self: RankingTask) -> None:
        self.log_own({"val/rank_ic": 0.1, "val/scale": 1.0, "val/sharpe": math.nan})
        self.val_metrics.reset()

    monkeypatch.setattr(RankingTask, "on_validation_epoch_end", all_nan)
    with pytest.raises(TrialFailed, match="val/sharpe of the selected epoch is not a finite number"):
        sweep.run()
    assert read_receipt(sweep.trial(0)).status == "failed"
    assert (read_trial(sweep.trial(0)) or {})["value"] is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [(torch.OutOfMemoryError("CUDA out of memory"), "memory"), (KeyError("neighbour"), "code")],
)
def test_what_breaks_a_trial_has_a_class_and_is_kept(
    error: Exception, kind: str, small: Callable[..., Small], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = small()

    def breaks(*_: Any) -> None:
        raise error

    monkeypatch.setattr(RankingTask, "training_step", breaks)
    with pytest.raises(TrialFailed) as caught:
        sweep.run()
    assert caught.value.kind == kind and type(error).__name__ in caught.value.reason
    held = read_trial(sweep.trial(0)) or {}
    assert held["outcome"] == "failed" and held["user_attrs"]["failure"]["class"] == kind
    log = (sweep.trial(0) / "run.log").read_text()
    assert ("Traceback" in log) == (kind == "code")


def test_a_retry_for_memory_trains_with_half_the_batch_and_records_it(small: Callable[..., Small]) -> None:
    sweep = small(limits={"epochs": 1})
    sweep.run(halved_batch=True)
    config = yaml.safe_load((sweep.trial(0) / "config.yaml").read_text())
    assert config["data"]["loader"]["batch_size"] == 50
    retries = read_receipt(sweep.trial(0)).retries
    assert retries == [{"why": "out of memory", "batch_size": 100, "retried_with": 50}]


def test_a_trial_that_is_interrupted_before_training_does_not_train(small: Callable[..., Small]) -> None:
    sweep = small()
    with pytest.raises(Interrupted, match="before training"):
        sweep.run(stop=lambda: True)
    assert not (sweep.trial(0) / "last.ckpt").exists()


@pytest.mark.parametrize("folds", [None, 2])
def test_no_trial_trains_on_another_panel_than_the_study_began_with(
    small: Callable[..., Small], make_panel: Callable[..., Path], folds: int | None
) -> None:
    sweep = small(folds=folds)
    path = Path(yaml.safe_load(Path(sweep.sweep.base).read_text())["data"]["panel"]["path"])
    copy = Path(sweep.sweep.root).parent / path.name
    shutil.copy2(path, copy)
    other = replace(sweep.sweep, fixed={"data.panel.path": str(copy)})
    again = Small(other, sweep.study)
    shutil.copy(make_panel("other.parquet", seed=1), copy)
    with pytest.raises(
        StudyChanged, match=r"its files are not those that study small began with \(digest of their"
    ):
        again.run()
    copy.unlink()
    with pytest.raises(StudyChanged, match="no Parquet file there"):
        again.run()
    # The point is not to blame: it is tried again.
    assert [read_trial(sweep.trial(i))["outcome"] for i in (0, 1)] == ["interrupted"] * 2
    assert not any(sweep.trial(0).rglob("*.ckpt"))


def test_a_directory_of_another_study_is_left_alone(small: Callable[..., Small]) -> None:
    sweep = small()
    foreign = {**study_labels(sweep.study), "study_id": "another"}
    place = sweep.trial(0)
    place.mkdir(parents=True)
    publish_trial(place, foreign, optuna.trial.create_trial(value=1.0))
    before = (place / "trial.json").read_bytes()
    with pytest.raises(TrialFailed, match="another study of that name"):
        sweep.run()
    assert [p.name for p in place.iterdir()] == ["trial.json"]
    assert (place / "trial.json").read_bytes() == before


# -- folds


def test_the_value_over_folds_is_their_mean_reported_once_a_fold(small: Callable[..., Small]) -> None:
    sweep = small(folds=2, limits={"epochs": 1})
    value = sweep.run()
    place = sweep.trial(0)
    each = [epochs_of(place / f"fold_{i}")[0]["val/rank_ic"] for i in range(2)]
    assert value == pytest.approx(sum(each) / 2, abs=1e-12)
    assert sweep.frozen(0).intermediate_values == {0: each[0], 1: value}
    assert all((place / f"fold_{i}" / "best_model.ckpt").is_file() for i in range(2))
    held = json.loads((place / "metrics.json").read_text())
    assert held["final"] == {"val/rank_ic": value}
    assert [f["val/rank_ic"] for f in held["folds"]] == each
    first, second = (f["val"] for f in held["folds"])
    assert first[0] < first[1] < second[0] < second[1]
    assert held["digests"]["study_id"] == study_labels(sweep.study)["study_id"]
    assert read_receipt(place).digests["config"] == text_digest((place / "config.yaml").read_bytes())
    assert read_receipt(place).status == "completed"
    progress = json.loads((place / "progress.json").read_text())
    assert (progress["epoch"], progress["epochs"], progress["fold"]) == (2.0, 2, 1)
    # Seen by each fold: more training days than the one before, the last as many as the split itself.
    seen = [read_receipt(place / f"fold_{i}").days["train"].seen for i in range(2)]
    assert 0 < seen[0] < seen[1]


def test_an_interrupted_trial_of_folds_keeps_the_folds_it_has(small: Callable[..., Small]) -> None:
    sweep = small(folds=2, limits={"epochs": 1})
    with pytest.raises(Interrupted, match="after fold 1"):
        sweep.run(stop=after(1))
    resumed = sweep.run(sweep.trial(0))
    assert resumed == sweep.run()
    first = read_receipt(sweep.trial(1) / "fold_0")
    assert first.retried_from == str(sweep.trial(0) / "fold_0")
    assert read_receipt(sweep.trial(1) / "fold_1").retried_from is None


@pytest.mark.slow  # stopped once: above
def test_a_trial_of_folds_that_is_stopped_again_at_once_keeps_every_fold(small: Callable[..., Small]) -> None:
    sweep = small(folds=2, limits={"epochs": 2})
    with pytest.raises(Interrupted, match="after epoch 1"):
        sweep.run(stop=after(3))  # fold 0 is whole, fold 1 has one epoch of two
    with pytest.raises(Interrupted, match="after fold 1"):
        sweep.run(sweep.trial(0), stop=after(1))
    assert not (sweep.trial(1) / "fold_1").exists()
    assert sweep.run(sweep.trial(1), sweep.trial(0)) == sweep.run()
    whole, resumed = (read_receipt(sweep.trial(2) / f"fold_{i}") for i in (0, 1))
    assert whole.retried_from == str(sweep.trial(1) / "fold_0")
    assert resumed.resumed_from == str(sweep.trial(0) / "fold_1" / "last.ckpt")


def test_folds_are_pruned_between_them(small: Callable[..., Small]) -> None:
    sweep = small(folds=2, limits={"epochs": 1})
    sweep.study.pruner = optuna.pruners.ThresholdPruner(lower=2.0)
    with pytest.raises(optuna.TrialPruned, match="pruned by median at fold 1: mean val/rank_ic"):
        sweep.run()
    assert not (sweep.trial(0) / "fold_1").exists()
    receipt = read_receipt(sweep.trial(0))
    assert receipt.status == "stopped" and receipt.reason.startswith("pruned by median at fold 1")


def test_a_trial_without_the_time_for_all_folds_fails_for_time(small: Callable[..., Small]) -> None:
    sweep = small(folds=2, limits={"epochs": 2, "minutes": 1e-6})
    with pytest.raises(TrialFailed, match="were over after fold 1 of 2") as caught:
        sweep.run()
    assert caught.value.kind == "time"
    assert read_receipt(sweep.trial(0)).status == "failed"


@pytest.mark.filterwarnings(
    "ignore:.*could not find the monitored key.*"
)  # no validation yet, as is asked for
def test_time_that_is_over_before_the_first_validation_fails_for_time(small: Callable[..., Small]) -> None:
    sweep = small(
        limits={"epochs": 2, "minutes": 1e-6}, fixed={"trainer.check_val_every_n_epoch": 2}, folds=None
    )
    with pytest.raises(TrialFailed, match="before its first validation") as caught:
        sweep.run()
    assert caught.value.kind == "time"


def test_a_trial_on_several_devices_is_an_error(small: Callable[..., Small]) -> None:
    sweep = small(fixed={"trainer.devices": 2, "trainer.strategy": "ddp"})
    with pytest.raises(TrialFailed, match="a trial trains on one device, got 2"):
        sweep.run()
