"""On a CUDA device the same numbers as on the CPU; run with ``pytest -m gpu`` where there is one."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from atft.batch import DayBatch
from atft.callbacks.guards.non_finite import NonFiniteGuard
from atft.callbacks.guards.spike import SpikeGuard
from atft.losses.objective import DayObjective, ObjectiveOptions
from atft.tasks.padded_block import pad_block
from networks import small_atft
from small_task import IN_MEMORY, fit, small_task

pytestmark = [
    IN_MEMORY,
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]


def on(device: str, batch: DayBatch) -> DayBatch:
    return DayBatch(*(v.to(device) if isinstance(v, torch.Tensor) else v for v in batch))


def test_scores_losses_and_gradients_equal_those_of_the_cpu(make_batch: Callable[..., DayBatch]) -> None:
    options = {"hidden_size": 16, "gat_layers": 2, "dropout": 0.0, "gat_dropout": 0.0}
    found = {}
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        network = small_atft(**options).to(device)
        objective = DayObjective(ObjectiveOptions(), [1, 5]).to(device)
        batch = on(device, make_batch())
        forecast = network(batch)
        loss = objective(forecast, batch).loss.mean()
        loss.backward()
        gradients = [p.grad.cpu() for p in network.parameters() if p.grad is not None]
        found[device] = (
            forecast.score.detach().cpu(),
            loss.detach().cpu(),
            torch.cat([g.ravel() for g in gradients]),
        )
    for ours, theirs in zip(found["cuda"], found["cpu"], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


@pytest.fixture
def blocks(make_batch: Callable[..., DayBatch]) -> list[DayBatch]:
    """Sixteen blocks of two padded sizes, two a step."""
    given = [make_batch(stocks=(170, 250)[i % 2] + i, seed=i) for i in range(16)]
    return [b._replace(weight=b.weight / 2, closes_step=i % 2 == 1, position=i) for i, b in enumerate(given)]


def test_padding_changes_no_score_on_the_device(make_batch: Callable[..., DayBatch]) -> None:
    network = small_atft(dropout=0.0).cuda().eval()
    batch = on("cuda", make_batch(stocks=100))
    with torch.no_grad():
        plain, padded = network(batch).score, network(pad_block(batch)).score[:, :100]
    torch.testing.assert_close(padded, plain, atol=1e-5, rtol=1e-4)


def trained(blocks: list[DayBatch], folder: Path, graphs: bool, **options: Any) -> Any:
    """A small task after three epochs."""
    task = small_task(
        objective=ObjectiveOptions(terms={"ic": 0.7, "sharpe": 0.3}), gradient_clip=1.0, cuda_graphs=graphs
    )
    fit(task, blocks, folder, NonFiniteGuard(), SpikeGuard(), accelerator="gpu", max_epochs=3, **options)
    return task


def test_replayed_blocks_train_as_plain_ones(blocks: list[DayBatch], tmp_path: Path) -> None:
    replayed, plain = (trained(blocks, tmp_path, graphs) for graphs in (True, False))
    assert replayed.block_graphs.failure == ""
    assert len(replayed.block_graphs._graphs) >= 2 and not plain.block_graphs._graphs
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(replayed.state_dict()[name], value, atol=1e-4, rtol=1e-3, msg=name)


def test_bf16_mixed_trains_from_graphs(blocks: list[DayBatch], tmp_path: Path) -> None:
    short = trained(blocks, tmp_path, True, precision="bf16-mixed")
    assert short.block_graphs.failure == "" and short.block_graphs._graphs
    whole = trained(blocks, tmp_path, False)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(short.state_dict()[name], value, atol=2e-2, rtol=5e-2, msg=name)


def test_a_seed_repeats_dropout_in_a_replayed_graph(blocks: list[DayBatch], tmp_path: Path) -> None:
    from atft.nn.atft_gat_fan import ATFTGATFAN

    dropping = partial(ATFTGATFAN, hidden_size=8, dropout=0.5, graph="none")
    weights = []
    for _ in range(2):
        task = small_task(network=dropping)
        fit(task, blocks, tmp_path, accelerator="gpu", max_epochs=3)
        assert task.block_graphs._graphs
        weights.append(task.network.heads.score.weight.detach().cpu())
    torch.testing.assert_close(weights[0], weights[1], atol=1e-5, rtol=1e-4)


class NoWaiting(pl.Callback):
    """Let an operation inside of a training step that waits for the device raise, after the first blocks."""

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
        if trainer.current_epoch == 2 and index:
            torch.cuda.set_sync_debug_mode("error")

    def on_train_batch_end(self, *_: Any) -> None:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("graphs", [False, True])
def test_a_step_waits_for_nothing(graphs: bool, blocks: list[DayBatch], tmp_path: Path) -> None:
    task = small_task(gradient_clip=1.0, optimizer=partial(torch.optim.AdamW, lr=1e-3), cuda_graphs=graphs)
    watch = [NoWaiting(), NonFiniteGuard(), SpikeGuard()]
    try:
        fit(task, blocks, tmp_path, *watch, accelerator="gpu", max_epochs=3, log_every_n_steps=0)
    finally:
        torch.cuda.set_sync_debug_mode("default")


class Batches(pl.Callback):
    """Keep the blocks of an epoch, on the CPU."""

    def __init__(self) -> None:
        self.seen: list[DayBatch] = []

    def on_train_batch_start(self, trainer: Any, module: Any, batch: DayBatch, index: int) -> None:
        assert batch.features.is_cuda
        self.seen.append(on("cpu", batch))


def test_every_residency_gives_the_same_blocks(tmp_path: Path) -> None:
    from atft.runs.run_trainer import RunTrainer
    from benchmarks.gpu_epoch import TINY, Case, build
    from benchmarks.reference_load import write_cache

    cache = write_cache(tmp_path, TINY)
    seen = {}
    for residency in ("host", "pinned", "device"):
        task, data = build(Case("tokyo", residency), TINY, cache, tiny=True)
        silent = ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing")
        given: dict[str, Any] = dict.fromkeys(silent, False)
        keep = Batches()
        trainer = RunTrainer(
            default_root_dir=tmp_path,
            accelerator="gpu",
            max_epochs=1,
            limit_val_batches=0,
            limit_train_batches=8,
            use_distributed_sampler=False,
            callbacks=[keep],
            **given,
        )
        trainer.fit(task, datamodule=data)
        seen[residency] = keep.seen
    for residency in ("pinned", "device"):
        for ours, theirs in zip(seen[residency], seen["host"], strict=True):
            for name, value, expected in zip(DayBatch._fields, ours, theirs, strict=True):
                if isinstance(value, torch.Tensor):
                    torch.testing.assert_close(
                        value, expected, rtol=0, atol=0, equal_nan=True, msg=f"{residency}: {name}"
                    )


def test_a_run_trains_and_compares_on_the_device(tmp_path: Path) -> None:
    config = Path(__file__).parent.parent / "configs" / "quickstart.yaml"
    small = [
        "--data.panel.simulate.stocks",
        "40",
        "--trainer.max_epochs",
        "1",
        "--trainer.precision",
        "bf16-mixed",
    ]
    place = ["--trainer.default_root_dir", str(tmp_path), "--data.cache.dir", str(tmp_path / "cache")]
    from atft.cli import main

    assert main(["fit", "--config", str(config), "--trainer.accelerator", "gpu", *small, *place]) == 0
    assert list(tmp_path.rglob("predictions.parquet"))
