"""The receipt tells what really ran: rows, classes that stepped, how it ended and why."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atft.callbacks.record.receipt import Coverage, read_receipt
from atft.callbacks.record.run_record import RunRecord, gpu_figures
from atft.tasks.day_data import DayData
from atft.tasks.ranking import RankingTask

SPEEDS = ["speed/days_per_second", "speed/stock_days_per_second", "speed/waiting_share"]


def test_every_planned_row_and_day_is_seen_in_epochs_of_different_numbers_of_blocks(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Coverage, ...]] = []
    blocks: list[int] = []
    former = RunRecord.on_train_epoch_end

    def watch(self: RunRecord, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        former(self, trainer, module)
        now = self.receipt
        seen.append(tuple(Coverage(c.planned, c.seen) for d in (now.rows, now.days) for c in d.values()))
        blocks.append(len(trainer.train_dataloader.plan))  # type: ignore[union-attr]

    monkeypatch.setattr(RunRecord, "on_train_epoch_end", watch)
    elsewhere = ["--trainer.default_root_dir", tmp_path, "--trainer.max_epochs", "6"]
    # 40 rows a step: blocks of two days, and days of 20 stocks stay whole.
    assert atft("fit", "--config", tiny_run.config, *elsewhere, "--data.loader.batch_size", "40").code == 0
    assert len(set(blocks)) > 1
    assert len(seen) == 6 and all(c.planned == c.seen > 0 for epoch in seen for c in epoch)


def test_days_larger_than_a_step_are_seen_whole(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    small = ["--trainer.default_root_dir", tmp_path, "--data.loader.batch_size", "7"]
    assert atft("fit", "--config", tiny_run.config, *small, "--trainer.max_epochs", "1").code == 0
    receipt = read_receipt(tmp_path / "tiny" / "version_0")
    assert receipt.steps > 2 * receipt.days["train"].planned
    assert receipt.rows["train"].seen == receipt.rows["train"].planned
    assert receipt.days["train"].seen == receipt.days["train"].planned


def test_a_completed_run_says_what_stepped_how_long_and_on_what(tiny_run: Any) -> None:
    receipt = read_receipt(tiny_run.directory)
    assert (receipt.status, receipt.reason, receipt.epochs) == ("completed", "", 2)
    assert (receipt.optimizer, receipt.scheduler) == ("AdamW", "WarmupCosine")
    assert receipt.run == str(tiny_run.directory) and receipt.resumed_from is None
    seconds = receipt.seconds
    assert len(seconds["per_epoch"]) == 2
    assert 0 <= seconds["waiting_for_data"] < sum(seconds["per_epoch"]) < seconds["total"]
    assert set(receipt.digests) == {"data", "config", "code"} and all(receipt.digests.values())
    assert receipt.digests["data"] == tiny_run.cache.name
    assert list(receipt.terms) == ["huber", "ic", "rank_ic", "sharpe"]  # the config's order
    assert sum(t["gradient_share"] or 0 for t in receipt.terms.values()) == pytest.approx(1, abs=1e-5)
    assert receipt.retries == receipt.alarms == []


def test_the_receipt_says_what_balanced_weights_have_come_to(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atft.tasks.term_shares.MEASURED_EVERY_STEPS", 1)
    assert all("weight" not in t for t in read_receipt(tiny_run.directory).terms.values())
    asked = ["--model.objective.gradient_shares", "{huber: 0.1, ic: 0.2, sharpe: 0.7}"]
    run = ["--trainer.default_root_dir", tmp_path, "--trainer.max_epochs", "1"]
    assert atft("fit", "--config", tiny_run.config, *asked, *run).code == 0
    weights = {n: t["weight"] for n, t in read_receipt(tmp_path / "tiny" / "version_0").terms.items()}
    assert sum(weights.values()) == pytest.approx(1) and weights["rank_ic"] == pytest.approx(0.5)
    assert weights["sharpe"] != pytest.approx(0.1, rel=0.1)


@pytest.fixture(scope="module")
def declining(tiny_run: Any, atft: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose second of four epochs is the best, and of which every other epoch is validated."""
    folder = tmp_path_factory.mktemp("declining")
    planted = iter([0.4, 0.1])

    def plant(self: RankingTask) -> None:
        values = self.val_metrics.compute() | {"rank_ic": torch.tensor(next(planted))}
        self.log_own({f"val/{name}": value for name, value in values.items()})
        self.val_metrics.reset()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RankingTask, "on_validation_epoch_end", plant)
        asked = ["--trainer.max_epochs", "4", "--trainer.check_val_every_n_epoch", "2"]
        asked += ["--trainer.default_root_dir", str(folder)]
        assert atft("fit", "--config", tiny_run.config, *asked).code == 0
    return folder / "tiny" / "version_0"


def test_all_final_metrics_are_of_the_selected_epoch_and_the_last_ones_have_a_name(declining: Path) -> None:
    written = json.loads((declining / "metrics.json").read_text())
    second, last = written["epochs"][1], written["epochs"][3]
    receipt = read_receipt(declining)
    assert receipt.selected_step == written["selected_step"] == second["step"] == last["step"] / 2
    assert written["final"] == receipt.metrics and written["last_epoch"] == receipt.last_epoch
    measured = {name for name in second if name.startswith("val/")}
    assert measured == set(receipt.last_epoch) and {"val/hit_rate", "val/scale"} < measured
    assert receipt.last_epoch == {name: last[name] for name in measured}
    # RankIC and its like are computed again from the predictions file, over the same validation days.
    for name in measured - {"val/rank_ic"}:
        assert receipt.metrics[name] == pytest.approx(second[name], abs=1e-3), name
        assert second[name] != last[name], name


def test_an_epoch_without_a_validation_shows_no_validation_metric(declining: Path) -> None:
    epochs = json.loads((declining / "metrics.json").read_text())["epochs"]
    assert [any(name.startswith("val/") for name in epoch) for epoch in epochs] == [False, True, False, True]
    assert all("train/loss" in epoch for epoch in epochs)
    log = (declining / "run.log").read_text().splitlines()
    lines = [line for line in log if line.startswith("epoch")]
    assert ["val/" in line for line in lines] == [False, True, False, True]


def test_the_class_that_was_asked_for_is_the_one_that_stepped(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    asked = ["--model.optimizer", "atft.optim.adabelief.AdaBelief"]
    asked += ["--model.scheduler", "atft.optim.schedules.WarmRestarts", "--trainer.max_epochs", "1"]
    assert atft("fit", "--config", tiny_run.config, *asked, "--trainer.default_root_dir", tmp_path).code == 0
    receipt = read_receipt(tmp_path / "tiny" / "version_0")
    assert (receipt.optimizer, receipt.scheduler) == ("AdaBelief", "WarmRestarts")
    options = yaml.safe_load((tmp_path / "tiny" / "version_0" / "config.yaml").read_text())["model"][
        "optimizer"
    ]
    assert options["init_args"]["eps"] == 1e-16 and options["init_args"]["weight_decay"] == 0.0


def test_a_limited_run_says_so(tiny_run: Any, atft: Callable[..., Any], tmp_path: Path) -> None:
    limits = ["--trainer.limit_train_batches", "2", "--trainer.max_epochs", "1"]
    limits += ["--data.loader.batch_size", "40"]
    outcome = atft("fit", "--config", tiny_run.config, *limits, "--trainer.default_root_dir", tmp_path)
    receipt = read_receipt(tmp_path / "tiny" / "version_0")
    assert outcome.code == 0 and "limited (limit_train_batches=2)" in outcome.out
    assert (receipt.status, receipt.reason) == ("limited", "limit_train_batches=2")
    assert 0 < receipt.rows["train"].seen < receipt.rows["train"].planned


@pytest.mark.parametrize("limit", [["--trainer.limit_train_batches", "5"], ["--trainer.fast_dev_run", "2"]])
def test_a_limited_run_trains_on_every_row_that_it_reads_and_is_compared_like_any_other(
    limit: list[str], tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepped: list[bool] = []
    monkeypatch.setattr(
        RankingTask,
        "on_train_batch_start",
        lambda self, batch, index: stepped.append(batch.closes_step),
    )
    more = ["--data.loader.batch_size", "150", "--trainer.default_root_dir", tmp_path]
    outcome = atft("fit", "--config", tiny_run.config, *limit, *more, "--trainer.max_epochs", "1")
    receipt = read_receipt(tmp_path / "tiny" / "version_0")
    assert outcome.code == 0 and receipt.status == "limited", outcome
    assert len(stepped) == int(limit[1]) and stepped[-1]
    assert receipt.steps == sum(stepped) > 0
    folder = tmp_path / "tiny" / "version_0"
    assert all((folder / n).is_file() for n in ("best_model.ckpt", "last.ckpt", "comparison.txt"))


def test_a_run_that_stops_early_says_why(tiny_run: Any, atft: Callable[..., Any], tmp_path: Path) -> None:
    # A rate of nothing: the second epoch is no better than the first.
    still = ["--model.optimizer.init_args.lr", "1e-12", "--early_stopping.patience", "1"]
    more = ["--trainer.max_epochs", "9", "--trainer.default_root_dir", tmp_path]
    outcome = atft("fit", "--config", tiny_run.config, *still, *more, "--model.scheduler", "null")
    receipt = read_receipt(tmp_path / "tiny" / "version_0")
    assert outcome.code == 0 and receipt.status == "stopped" and receipt.epochs == 2
    assert receipt.reason.startswith("no better val/rank_ic than") and "for 1 epoch" in receipt.reason


def test_a_run_that_fails_says_why_and_keeps_what_it_had(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(self: RunRecord, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.current_epoch == 1:
            raise RuntimeError("out of\n   luck")

    monkeypatch.setattr(RunRecord, "on_validation_epoch_start", breaks)
    with pytest.raises(RuntimeError, match="luck") as raised:
        atft("fit", "--config", tiny_run.config, "--trainer.default_root_dir", tmp_path)
    run = tmp_path / "tiny" / "version_0"
    receipt = read_receipt(run)
    place = f"at test_run_record.py line {breaks.__code__.co_firstlineno + 2}"
    assert (receipt.status, receipt.reason) == ("failed", f"RuntimeError {place}: out of luck")
    # Python prints it below the traceback.
    assert raised.value.__notes__ == [f"raised {place}; everything about the run: {run}"]
    assert receipt.epochs == 1 and len(receipt.seconds["per_epoch"]) == 1
    assert (run / "run.log").read_text().endswith(f"ended by RuntimeError {place}: out of luck\n")


def test_a_run_whose_evaluation_fails_is_not_completed(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import atft.commands.after_fit as after_fit

    def breaks(*_: Any) -> None:
        raise ValueError("no table")

    monkeypatch.setattr(after_fit, "compare_with_baselines", breaks)
    elsewhere = ["--trainer.max_epochs", "1", "--trainer.default_root_dir", tmp_path]
    with pytest.raises(ValueError, match="no table"):
        atft("fit", "--config", tiny_run.config, *elsewhere)
    receipt = read_receipt(tmp_path / "tiny" / "version_0")
    place = f"at test_run_record.py line {breaks.__code__.co_firstlineno + 1}"
    assert (receipt.status, receipt.reason) == ("failed", f"ValueError {place}: no table")


def test_an_interrupted_run_is_stopped_and_ends_with_130(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    def interrupt(self: RunRecord, *_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RunRecord, "on_validation_epoch_start", interrupt)
    before = signal.getsignal(signal.SIGINT)
    try:
        outcome = atft("fit", "--config", tiny_run.config, "--trainer.default_root_dir", tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)  # Lightning ignores it from here on
    assert outcome.code == 130
    assert read_receipt(tmp_path / "tiny" / "version_0").status == "stopped"


def test_a_final_metric_that_is_no_number_fails_the_run(tmp_path: Path) -> None:
    record = RunRecord("name: a\n", tmp_path)
    record.finish({"test/rank_ic": float("nan"), "val/rank_ic": 0.1})
    receipt = read_receipt(tmp_path)
    assert receipt.status == "failed" and receipt.reason.startswith("test/rank_ic is not a number")


def test_a_terms_figures_in_the_receipt_are_the_means_of_the_epochs_that_have_them(tiny_run: Any) -> None:
    epochs = json.loads((tiny_run.directory / "metrics.json").read_text())["epochs"]
    for name, figures in read_receipt(tiny_run.directory).terms.items():
        for kind, folder in (("value", "term"), ("gradient_share", "gradient_share")):
            logged = [e[f"train/{folder}/{name}"] for e in epochs if f"train/{folder}/{name}" in e]
            assert logged and figures[kind] == pytest.approx(sum(logged) / len(logged))


@pytest.mark.parametrize("over", [True, False])
def test_the_reason_of_an_end_is_kept_where_training_was_over(over: bool, tmp_path: Path) -> None:
    before, after = RunRecord("", tmp_path), RunRecord("", tmp_path)
    before.history, before.stopped = [{"epoch": 0}, {"epoch": 1}], "the criterion of phase a"
    after.over = over
    after.load_state_dict(before.state_dict())
    assert after.history == before.history and after.receipt.epochs == 2
    assert after.stopped == ("the criterion of phase a" if over else "")


def test_without_a_gpu_nothing_is_said_of_one() -> None:
    assert gpu_figures(torch.device("cpu")) == {}


@pytest.mark.parametrize(("library", "names"), [(None, 1), (object(), 2)])
def test_with_a_gpu_memory_is_told_and_use_where_the_library_is(
    monkeypatch: pytest.MonkeyPatch, library: Any, names: int
) -> None:
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda device: 3_500_000_000)
    monkeypatch.setattr("torch.cuda.utilization", lambda device: 87)
    monkeypatch.setattr("atft.callbacks.record.run_record.find_spec", lambda name: library)
    figures = gpu_figures(torch.device("cuda", 0))
    assert figures == dict([("speed/gpu_memory_gb", 3.5), ("speed/gpu_use", 0.87)][:names])


def test_every_epoch_tells_its_speed_in_tensorboard_and_in_the_metrics_file(tiny_run: Any) -> None:
    epochs = json.loads((tiny_run.directory / "metrics.json").read_text())["epochs"]
    events = EventAccumulator(str(tiny_run.directory)).Reload()
    receipt = json.loads((tiny_run.directory / "receipt.json").read_text())
    for name in SPEEDS:
        assert [e.value for e in events.Scalars(name)] == pytest.approx([e[name] for e in epochs])
    ratio = receipt["rows"]["train"]["seen"] / receipt["days"]["train"]["seen"]
    for epoch in epochs:
        assert epoch[SPEEDS[1]] / epoch[SPEEDS[0]] == pytest.approx(ratio, rel=1e-4)
        assert 0 < epoch[SPEEDS[2]] < 1


def test_a_slow_loader_shows_as_waiting_and_a_slow_validation_does_not(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        """A clock that only the loader and the network move."""

        now = 0.0

        @classmethod
        def perf_counter(cls) -> float:
            return cls.now

    def taking(seconds: float, kind: type, name: str) -> None:
        former = getattr(kind, name)

        def slow(self: Any, *arguments: Any) -> Any:
            Clock.now += seconds
            return former(self, *arguments)

        monkeypatch.setattr(kind, name, slow)

    monkeypatch.setattr("atft.callbacks.record.run_record.time", Clock)
    taking(1.0, DayData, "on_after_batch_transfer")
    taking(3.0, RankingTask, "training_step")
    taking(50.0, RankingTask, "validation_step")
    elsewhere = ["--trainer.max_epochs", "1", "--trainer.default_root_dir", tmp_path]
    assert atft("fit", "--config", tiny_run.config, *elsewhere).code == 0
    (epoch,) = json.loads((tmp_path / "tiny" / "version_0" / "metrics.json").read_text())["epochs"]
    receipt = json.loads((tmp_path / "tiny" / "version_0" / "receipt.json").read_text())
    trained = receipt["rows"]["train"]["seen"] / epoch["speed/stock_days_per_second"]
    blocks = receipt["seconds"]["waiting_for_data"]  # a second each
    assert epoch["speed/waiting_share"] == pytest.approx(1 / 4) and trained == pytest.approx(4 * blocks)
    assert epoch["seconds"] > trained + 50
