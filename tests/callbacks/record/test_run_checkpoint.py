"""last.ckpt is the last epoch's, best_model.ckpt the best one's: under every option, over resumes too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from atft.batch import DayBatch
from atft.callbacks.record.messages import EpochLine
from atft.callbacks.record.run_checkpoint import (
    Measured,
    RunCheckpoint,
    find_checkpoint,
    measured_now,
    measured_of,
    validation_of,
)
from atft.errors import InputError
from atft.files.checkpoint_file import BEST
from atft.tasks.ranking import RankingTask
from small_task import IN_MEMORY, StopsAfter, fit, small_task
from tests.support.checkpoints import small_checkpoint

pytestmark = IN_MEMORY
PLANTED = [0.10, 0.40, 0.20, 0.35, 0.30]
"""val/rank_ic of each epoch: the best is neither the first nor the last."""


class Weights(pl.Callback):
    """Remember the weights after each epoch."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, torch.Tensor]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.epochs.append({n: v.clone() for n, v in pl_module.state_dict().items()})


@pytest.fixture
def train(
    make_batch: Callable[..., DayBatch], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[RunCheckpoint, Weights]]:
    """Train five epochs of three steps with planted validation values: ``train(save_top_k=3)``."""

    def plant(self: RankingTask) -> None:
        self.log_own({"val/rank_ic": PLANTED[self.current_epoch], "val/scale": float(self.current_epoch)})
        self.val_metrics.reset()

    monkeypatch.setattr(RankingTask, "on_validation_epoch_end", plant)
    blocks = [make_batch(seed=s) for s in range(3)]

    def run(
        *callbacks: pl.Callback,
        folder: str = "run",
        ckpt_path: Path | None = None,
        max_epochs: int = 5,
        check_val_every_n_epoch: int = 1,
        **options: Any,
    ) -> tuple[RunCheckpoint, Weights]:
        (tmp_path / folder).mkdir()
        checkpoint, weights = RunCheckpoint(**options), Weights()
        checkpoint.dirpath = str(tmp_path / folder)
        fit(
            small_task(),
            blocks,
            tmp_path,
            *callbacks,
            checkpoint,
            weights,
            val_blocks=blocks[:1],
            enable_checkpointing=True,
            ckpt_path=ckpt_path,
            max_epochs=max_epochs,
            check_val_every_n_epoch=check_val_every_n_epoch,
            num_sanity_val_steps=0,
        )
        return checkpoint, weights

    return run


def holds(path: Path, weights: dict[str, torch.Tensor]) -> bool:
    kept = torch.load(path)["state_dict"]
    return all(torch.equal(kept[name], value) for name, value in weights.items())


@pytest.mark.parametrize(
    ("options", "best", "names"),
    [
        ({}, 2, {BEST}),
        ({"save_top_k": 2}, 2, {BEST, "step_6.ckpt", "step_12.ckpt"}),
        ({"save_top_k": 3}, 2, {BEST, "step_6.ckpt", "step_12.ckpt", "step_15.ckpt"}),
        ({"save_top_k": -1}, 2, {BEST, *(f"step_{3 * e}.ckpt" for e in range(1, 6))}),
        ({"mode": "min"}, 1, {BEST}),
        ({"mode": "min", "save_top_k": 2}, 1, {BEST, "step_3.ckpt", "step_9.ckpt"}),
        ({"monitor": "train/learning_rate", "mode": "min"}, 1, {BEST}),
        ({"select": "last"}, 5, {BEST}),
        ({"select": "last", "check_val_every_n_epoch": 2}, 4, {BEST}),
        ({"every_n_epochs": 2}, 2, {BEST}),
        ({"every_n_epochs": 3}, 3, {BEST}),
        ({"every_n_train_steps": 2}, 2, {BEST}),
        ({"check_val_every_n_epoch": 2}, 2, {BEST}),
        ({"check_val_every_n_epoch": 2, "save_top_k": -1}, 2, {BEST, "step_6.ckpt", "step_12.ckpt"}),
        ({"save_last": False}, 2, {BEST}),
        ({"save_weights_only": True}, 2, {BEST}),
    ],
    ids=lambda given: str(sorted(given)) if isinstance(given, set) else str(given),
)
def test_the_best_epochs_weights_and_score_are_in_the_best_checkpoint(
    options: dict[str, Any], best: int, names: set[str], train: Callable[..., Any], tmp_path: Path
) -> None:
    checkpoint, weights = train(**options)
    run = tmp_path / "run"
    last = {"last.ckpt"} if options.get("save_last", True) else set()
    assert {p.name for p in run.glob("*.ckpt")} == names | last
    assert holds(run / BEST, weights.epochs[best - 1])
    assert holds(Path(checkpoint.best_model_path), weights.epochs[best - 1])
    found = measured_of(run / BEST)
    assert checkpoint.selected == found
    assert (found.step, found.epoch) == (3 * best, best - 1)
    assert validation_of(found.metrics) == {
        "val/rank_ic": pytest.approx(PLANTED[best - 1]),
        "val/scale": best - 1,
    }
    if last:
        assert holds(run / "last.ckpt", weights.epochs[-1])
        validated = options.get("check_val_every_n_epoch", 1) == 1
        assert bool(validation_of(measured_of(run / "last.ckpt").metrics)) == validated


def test_every_file_that_is_kept_carries_the_score_of_its_own_weights(train: Callable[..., Any]) -> None:
    checkpoint, weights = train(save_top_k=3)
    for path, score in checkpoint.best_k_models.items():
        found = measured_of(Path(path))
        assert (
            found.metrics["val/rank_ic"] == pytest.approx(float(score)) == pytest.approx(PLANTED[found.epoch])
        )
        assert holds(Path(path), weights.epochs[found.epoch]) and found.step == 3 * (found.epoch + 1)


def test_a_checkpoint_within_an_epoch_has_no_score_and_is_no_selection(
    train: Callable[..., Any], tmp_path: Path
) -> None:
    seen: list[tuple[int, bool]] = []

    class Look(pl.Callback):
        def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
            path = tmp_path / "run" / "last.ckpt"
            if path.exists():
                found = measured_of(path)
                seen.append((found.step, bool(validation_of(found.metrics))))

    train(Look(), every_n_train_steps=2)
    # Steps 6 and 12 end an epoch, and are saved there with their score.
    assert dict(seen) == {
        2: False,
        3: True,
        4: False,
        6: True,
        8: False,
        9: True,
        10: False,
        12: True,
        14: False,
    }


@pytest.mark.parametrize("every", [None, 1, 2])
@pytest.mark.parametrize("select", ["best", "last"])
def test_an_epoch_that_a_stop_cut_off_is_selected_while_the_last_checkpoint_is_of_the_middle_of_it(
    select: str, every: int | None, train: Callable[..., Any], tmp_path: Path
) -> None:
    checkpoint, weights = train(StopsAfter(5), select=select, every_n_train_steps=every)
    best, last = (measured_of(tmp_path / "run" / name) for name in (BEST, "last.ckpt"))
    assert checkpoint.selected == best and (best.step, best.epoch) == (5, 1)
    assert validation_of(best.metrics)["val/rank_ic"] == pytest.approx(PLANTED[1])
    assert last.step == 5 and validation_of(last.metrics) == {}
    assert all(holds(tmp_path / "run" / name, weights.epochs[1]) for name in (BEST, "last.ckpt"))
    progress = torch.load(tmp_path / "run" / "last.ckpt")["loops"]["fit_loop"]["epoch_progress"]["current"]
    assert (progress["started"], progress["processed"]) == (2, 1)


@pytest.mark.parametrize("options", [{}, {"save_top_k": 2}, {"select": "last"}])
def test_a_resumed_run_selects_among_the_epochs_and_what_was_cut_off(
    options: dict[str, Any], train: Callable[..., Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _, first = train(StopsAfter(5), folder="before", **options)
    (tmp_path / "before").rename(tmp_path / "moved")
    checkpoint, _ = train(
        EpochLine(), folder="after", ckpt_path=tmp_path / "moved" / "last.ckpt", max_epochs=1, **options
    )
    assert "warning" not in capfd.readouterr().err
    assert checkpoint.selected is not None and (checkpoint.selected.step, checkpoint.selected.epoch) == (5, 1)
    assert holds(tmp_path / "after" / BEST, first.epochs[1])


def test_weights_alone_that_a_stop_cut_off_are_written_when_the_epoch_is_over(
    train: Callable[..., Any], tmp_path: Path
) -> None:
    train(StopsAfter(5), save_weights_only=True)
    assert validation_of(measured_of(tmp_path / "run" / "last.ckpt").metrics)["val/rank_ic"] == pytest.approx(
        PLANTED[1]
    )


@pytest.mark.parametrize("save_top_k", [1, 2, -1])
@pytest.mark.parametrize("before", [1, 2])
def test_a_resumed_run_selects_among_all_epochs(
    before: int, save_top_k: int, train: Callable[..., Any], tmp_path: Path
) -> None:
    _, first = train(folder="before", save_top_k=before, max_epochs=3)
    former = tmp_path / "before"
    best = (former / BEST).read_bytes()
    checkpoint, _ = train(folder="after", save_top_k=save_top_k, ckpt_path=former / "last.ckpt")
    after = tmp_path / "after"
    assert holds(after / BEST, first.epochs[1]) and checkpoint.selected == measured_of(after / BEST)
    assert Path(checkpoint.best_model_path).parent == after and checkpoint.selected.epoch == 1
    assert (former / BEST).read_bytes() == best
    scores = sorted((round(float(s), 2) for s in checkpoint.best_k_models.values()), reverse=True)
    # Epochs 4 and 5 compete with what the former run had kept: .40 alone, or .40 and .20 as well.
    kept = [0.4, 0.35, 0.3] + ([0.2] if before == 2 else [])
    assert scores == kept[: None if save_top_k == -1 else save_top_k]
    assert all(Path(path).is_file() for path in checkpoint.best_k_models)


def test_a_resumed_run_whose_former_best_is_gone_says_so_and_selects_among_the_epochs_to_come(
    train: Callable[..., Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train(folder="before", max_epochs=3)
    (tmp_path / "before" / BEST).unlink()
    checkpoint, _ = train(EpochLine(), folder="after", ckpt_path=tmp_path / "before" / "last.ckpt")
    assert checkpoint.selected.epoch == 3
    said = capfd.readouterr().err
    assert f"warning: {tmp_path / 'before' / BEST}: the previous run's best checkpoint is missing" in said


def test_a_resumed_run_finds_the_best_where_its_folder_was_moved_and_takes_no_other_runs(
    train: Callable[..., Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _, first = train(folder="before", max_epochs=3)
    (tmp_path / "before").rename(tmp_path / "moved")
    train(folder="before", max_epochs=1)  # another run under the old name, with a best of .10
    checkpoint, _ = train(folder="after", ckpt_path=tmp_path / "moved" / "last.ckpt")
    assert checkpoint.selected.epoch == 1 and holds(tmp_path / "after" / BEST, first.epochs[1])
    assert "warning" not in capfd.readouterr().err
    (tmp_path / "moved" / BEST).unlink()
    checkpoint, _ = train(EpochLine(), folder="again", ckpt_path=tmp_path / "moved" / "last.ckpt")
    assert checkpoint.selected.epoch == 3 and "is missing, also beside" in capfd.readouterr().err


@pytest.mark.parametrize("save_top_k", [1, 2])
def test_a_run_that_goes_on_in_its_own_folder_keeps_its_selection(
    save_top_k: int, train: Callable[..., Any], tmp_path: Path
) -> None:
    checkpoint, weights = train(save_top_k=save_top_k)
    again = RunCheckpoint(monitor="val/rank_ic", mode="max", save_top_k=save_top_k)
    again.dirpath = checkpoint.dirpath
    again.load_state_dict(checkpoint.state_dict())
    assert again.selected == checkpoint.selected and again.best_k_models == checkpoint.best_k_models
    assert holds(tmp_path / "run" / BEST, weights.epochs[1])
    assert not list((tmp_path / "run").glob(".*.tmp"))


@pytest.mark.parametrize(("before", "after"), [("last", "last"), ("best", "last"), ("last", "best")])
def test_a_resumed_run_goes_on_with_its_own_choice_of_the_epoch(
    before: str, after: str, train: Callable[..., Any], tmp_path: Path
) -> None:
    _, first = train(folder="before", select=before, max_epochs=4)
    former = tmp_path / "before" / "last.ckpt"
    over, weights = train(folder="over", select=after, max_epochs=4, ckpt_path=former)
    assert (
        over.selected.epoch == 3 and holds(tmp_path / "over" / BEST, first.epochs[3]) and not weights.epochs
    )
    assert not over.lost
    checkpoint, weights = train(folder="after", select=after, ckpt_path=former)
    # Of the two that are left, the fourth epoch's .35 is better than the fifth's .30.
    epoch = 4 if after == "last" else 3
    assert checkpoint.selected.epoch == epoch and checkpoint.selected == measured_of(
        tmp_path / "after" / BEST
    )
    assert holds(tmp_path / "after" / BEST, ([*first.epochs, *weights.epochs])[epoch])


@pytest.mark.parametrize(
    "options", [{"every_n_train_steps": 2}, {"save_top_k": 2}, {"monitor": "val/scale", "mode": "min"}]
)
def test_a_resumed_run_with_other_options_selects_among_the_former_epochs_too(
    options: dict[str, Any], train: Callable[..., Any], tmp_path: Path
) -> None:
    _, first = train(folder="before", max_epochs=3)
    checkpoint, _ = train(folder="after", ckpt_path=tmp_path / "before" / "last.ckpt", **options)
    assert checkpoint.selected.epoch == 1 and holds(tmp_path / "after" / BEST, first.epochs[1])
    assert not checkpoint.lost


def test_a_former_best_is_measured_by_the_metric_that_selects_now(
    train: Callable[..., Any], tmp_path: Path
) -> None:
    train(folder="before", max_epochs=3)
    former = tmp_path / "before" / "last.ckpt"
    checkpoint, weights = train(folder="after", ckpt_path=former, monitor="val/scale")
    assert checkpoint.selected.epoch == 4 and holds(tmp_path / "after" / BEST, weights.epochs[-1])
    over, _ = train(folder="over", ckpt_path=former, monitor="val/scale", max_epochs=3)
    assert over.selected.epoch == 1 and float(over.best_model_score) == 1


def test_of_several_former_files_the_best_by_the_new_metric_is_selected(
    train: Callable[..., Any], tmp_path: Path
) -> None:
    train(folder="before", save_top_k=2, max_epochs=3)  # keeps epochs 2 and 3
    former = tmp_path / "before" / "last.ckpt"
    over, _ = train(folder="over", ckpt_path=former, monitor="val/scale", max_epochs=3)
    assert over.selected.epoch == 2 and float(over.best_model_score) == 2


def test_a_resumed_run_that_misses_another_file_than_the_best_says_nothing(
    train: Callable[..., Any], tmp_path: Path
) -> None:
    train(folder="before", save_top_k=2, max_epochs=3)
    (tmp_path / "before" / "step_9.ckpt").unlink()
    former = tmp_path / "before" / "last.ckpt"
    over, _ = train(folder="over", save_top_k=2, ckpt_path=former, max_epochs=3)
    assert over.selected.epoch == 1 and not over.lost


@pytest.mark.parametrize("mode", ["max", "min"])
def test_a_former_best_that_has_no_number_by_the_new_metric_is_the_worst(
    mode: str, train: Callable[..., Any], tmp_path: Path
) -> None:
    train(folder="before", max_epochs=3)
    content = torch.load(tmp_path / "before" / BEST)
    content["atft"]["measured"]["val/scale"] = torch.nan
    torch.save(content, tmp_path / "before" / BEST)
    former = tmp_path / "before" / "last.ckpt"
    checkpoint, _ = train(folder="after", ckpt_path=former, monitor="val/scale", mode=mode)
    # The fourth epoch's scale is 3, the fifth's 4.
    assert checkpoint.selected.epoch == (4 if mode == "max" else 3)


def test_a_resumed_run_that_is_over_keeps_the_last_epoch_that_was_validated(
    train: Callable[..., Any], tmp_path: Path
) -> None:
    options: dict[str, Any] = {"select": "last", "max_epochs": 3, "check_val_every_n_epoch": 2}
    _, first = train(folder="before", **options)
    over, _ = train(folder="over", ckpt_path=tmp_path / "before" / "last.ckpt", **options)
    assert over.selected.epoch == 1 and holds(tmp_path / "over" / BEST, first.epochs[1])


def test_on_a_disk_without_links_the_second_name_is_a_copy(
    train: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(source: Any, target: Any) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", no_link)
    checkpoint, weights = train(save_top_k=2)
    assert holds(tmp_path / "run" / BEST, weights.epochs[1])
    assert Path(checkpoint.best_model_path).stat().st_nlink == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"select": "first"}, r"checkpoint\.select: must be best or last, got 'first'$"),
        (
            {"select": "last", "save_top_k": 3},
            r"checkpoint\.save_top_k: 3 keeps the best epochs, .* leave it out",
        ),
        ({"save_top_k": 0}, r"checkpoint\.save_top_k: 0 keeps nothing .* 1 keeps the best epoch"),
        ({"save_top_k": -2}, r"checkpoint: Invalid value for save_top_k=-2"),
        ({"mode": "up"}, r"checkpoint: `mode` can be min, max but got up"),
        ({"every_n_epochs": 0}, r"checkpoint\.every_n_epochs: must be at least 1"),
    ],
    ids=str,
)
def test_an_option_under_which_nothing_can_be_selected_is_an_error(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        RunCheckpoint(**options)
    assert len(str(caught.value)) < 200


def test_a_users_own_checkpoint_callback_is_not_the_runs(train: Callable[..., Any], tmp_path: Path) -> None:
    found: list[Any] = []

    class Ask(pl.Callback):
        def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            found.extend([trainer.checkpoint_callback, find_checkpoint(trainer)])

    other = ModelCheckpoint(dirpath=tmp_path / "theirs", every_n_train_steps=1, save_top_k=-1)
    with pytest.warns(UserWarning, match="no pre-optimization state"):
        checkpoint, _ = train(other, Ask())
    assert found == [other, checkpoint]


@pytest.mark.parametrize("name", ["best_model.ckpt", "last.ckpt"])
def test_a_checkpoint_carries_features_and_configuration(tiny_run: Any, name: str) -> None:
    content = torch.load(tiny_run.directory / name)["atft"]
    assert content["features"] == [f"x_{i}" for i in range(6)] and "hidden_size: 8" in content["config"]


def test_a_metric_is_known_from_its_validation_until_the_weights_change_and_stands_in_every_checkpoint(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    blocks = [make_batch(seed=s) for s in range(2)]
    seen: list[Measured] = []

    class Look(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            assert not validation_of(measured_now(trainer).metrics)

        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            seen.append(measured_now(trainer))
            path = tmp_path / f"{len(seen)}.ckpt"
            trainer.save_checkpoint(path, weights_only=False)
            assert measured_of(path) == seen[-1]

    module = small_task()
    fit(module, blocks, tmp_path, Look(), val_blocks=blocks, max_epochs=4, check_val_every_n_epoch=2)
    assert [(m.step, m.epoch) for m in seen] == [(2, 0), (4, 1), (6, 2), (8, 3)]
    assert ["val/rank_ic" in validation_of(m.metrics) for m in seen] == [False, True, False, True]
    assert all("train/loss" in m.metrics and "train/loss" not in validation_of(m.metrics) for m in seen)
    # The weights in the file are those that were measured.
    module.load_state_dict(torch.load(tmp_path / "2.ckpt")["state_dict"])
    trainer = pl.Trainer(
        **dict.fromkeys(
            ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False
        ),
        accelerator="cpu",
    )
    loader = torch.utils.data.DataLoader(blocks, batch_size=None)  # type: ignore[arg-type]
    (again,) = trainer.validate(module, loader, verbose=False)
    assert again["val/rank_ic"] == seen[1].metrics["val/rank_ic"]


def test_a_checkpoint_that_says_nothing_was_not_measured(tmp_path: Path) -> None:
    torch.save(small_checkpoint(global_step=3, epoch=1), tmp_path / "old.ckpt")
    assert measured_of(tmp_path / "old.ckpt") == Measured(3, 1, {})
    with pytest.raises(InputError, match="no such file"):
        measured_of(tmp_path / "none.ckpt")
