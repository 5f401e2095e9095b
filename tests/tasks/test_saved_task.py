"""A task comes back from its checkpoint: the same scores, and nothing that the file names is run."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from atft.batch import DayBatch
from atft.errors import InputError
from atft.files.checkpoint_file import read_checkpoint
from atft.files.checkpoint_io import AtomicCheckpointIO
from atft.losses.options import ObjectiveOptions
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.tasks.ranking import RankingTask
from small_task import IN_MEMORY, SIZES, fit, small_task

pytestmark = IN_MEMORY


def saved(folder: Path, blocks: list[DayBatch], task: RankingTask) -> Path:
    """Train a task for an epoch and save it with Lightning's own writer."""
    run = fit(task, blocks, folder, enable_checkpointing=True)
    run.save_checkpoint(folder / "own.ckpt")
    return folder / "own.ckpt"


def test_a_run_of_the_command_line_comes_back_with_its_network_objective_and_weights(tiny_run: Any) -> None:
    path = tiny_run.directory / "best_model.ckpt"
    task = RankingTask.load_from_checkpoint(path)
    weights = read_checkpoint(path)["state_dict"]
    assert all(torch.equal(weights[name], value) for name, value in task.state_dict().items())
    assert task.features == [f"x_{i}" for i in range(6)] and task.regimes == ["regime_volatility"]
    assert list(task.network.horizons) == [1, 5]
    assert task.objective.options.terms == {"huber": 0.1, "ic": 0.3, "rank_ic": 0.5, "sharpe": 0.1}


def test_a_task_saved_by_a_plain_trainer_scores_as_before(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    batch = make_batch()
    task = small_task()
    path = saved(tmp_path, [batch, make_batch(seed=1)], task)
    back = RankingTask.load_from_checkpoint(path)
    with torch.no_grad():
        assert torch.equal(back.eval()(batch).score, task.eval()(batch).score)


def test_a_task_that_came_back_trains_again(make_batch: Callable[..., DayBatch], tmp_path: Path) -> None:
    path = saved(tmp_path, [make_batch()], small_task())
    back = RankingTask.load_from_checkpoint(path, optimizer=partial(torch.optim.SGD, lr=0.1))
    before = [p.detach().clone() for p in back.parameters()]
    fit(back, [make_batch(seed=2)], tmp_path)
    assert any(not torch.equal(a, b) for a, b in zip(before, back.parameters(), strict=True))
    with pytest.raises(InputError, match=r"model\.optimizer is missing"):
        RankingTask.load_from_checkpoint(path).build_optimizer(1)


def test_a_network_without_a_name_is_given_by_the_caller(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    path = saved(tmp_path, [make_batch()], small_task(network=lambda inputs: ATFTGATFAN(inputs, **SIZES)))
    with pytest.raises(InputError, match=r"own\.ckpt: its configuration names no network; give network="):
        RankingTask.load_from_checkpoint(path)
    assert RankingTask.load_from_checkpoint(path, network=partial(ATFTGATFAN, **SIZES)).features
    other = partial(ATFTGATFAN, **{**SIZES, "hidden_size": 16})
    with pytest.raises(InputError, match="its network has other sizes"):
        RankingTask.load_from_checkpoint(path, network=other)


def test_a_part_that_a_phase_had_switched_off_is_off(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    task = small_task()
    task.network.set_parts(graph=False)
    back = RankingTask.load_from_checkpoint(saved(tmp_path, [make_batch()], task))
    assert back.network.parts == {**task.network.parts, "graph": False}


def test_nothing_that_the_file_names_is_imported(tiny_run: Any, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "planted.py").write_text("raise SystemExit('it ran')")
    monkeypatch.syspath_prepend(str(tmp_path))
    content = read_checkpoint(tiny_run.directory / "best_model.ckpt")
    text = content["atft"]["config"]
    trains: dict[str, Any] = {"optimizer": torch.optim.SGD}
    for place, name, options in (
        ("atft.nn.atft_gat_fan.ATFTGATFAN", "planted.Net", {}),
        ("huber:", "planted.loss:", trains),
    ):
        content["atft"]["config"] = text.replace(place, name)
        assert content["atft"]["config"] != text
        AtomicCheckpointIO().save_checkpoint(content, tmp_path / "hostile.ckpt")
        with pytest.raises(InputError, match=r"planted.* which a checkpoint may not import"):
            RankingTask.load_from_checkpoint(tmp_path / "hostile.ckpt", **options)
    task = RankingTask.load_from_checkpoint(tmp_path / "hostile.ckpt")  # to score
    assert "planted.loss" not in task.objective.options.terms and "planted" not in sys.modules


def test_a_checkpoint_with_code_in_it_is_an_error(tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "it_ran",))

    torch.save({"state_dict": Runs()}, tmp_path / "pickle.ckpt")
    with pytest.raises(InputError, match="not a readable checkpoint"):
        RankingTask.load_from_checkpoint(tmp_path / "pickle.ckpt")
    assert not (tmp_path / "it_ran").exists()


def test_a_task_of_other_horizons_than_its_data_is_an_error_before_a_step(tiny_run: Any) -> None:
    from atft.commands.train import build

    data = build("fit", ["--config", str(tiny_run.config)]).datamodule
    task = RankingTask.for_data(data, ATFTGATFAN, ObjectiveOptions())
    assert list(task.network.horizons) == [1, 5] and task.features == data.features
    data.horizons = [5, 1]
    trainer = pl.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    with pytest.raises(InputError, match=r"model\.horizons are \[1, 5\], the data's \[5, 1\]"):
        trainer.validate(task, data, verbose=False)
