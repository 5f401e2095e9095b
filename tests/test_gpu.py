"""On a CUDA device the same numbers as on the CPU; run with ``pytest -m gpu`` where there is one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from atft.batch import DayBatch
from atft.cli import main
from atft.losses.objective import DayObjective, ObjectiveOptions
from networks import small_atft

pytestmark = [
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
    assert main(["fit", "--config", str(config), "--trainer.accelerator", "gpu", *small, *place]) == 0
    assert list(tmp_path.rglob("predictions.parquet"))
