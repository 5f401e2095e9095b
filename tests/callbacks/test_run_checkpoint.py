"""last.ckpt is the last epoch's, best_model.ckpt the best one's, over resumes too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from atft.callbacks.run_checkpoint import RunCheckpoint


def test_the_last_checkpoint_is_of_the_last_epoch_and_not_of_the_best_one(
    make_panel: Callable[..., Path],
    tiny_config: Callable[..., Path],
    atft: Callable[..., Any],
    tmp_path: Path,
) -> None:
    # A rate of nearly nothing first and a ruinous one after: the first epoch stays the best.
    config = tiny_config(
        tmp_path,
        make_panel(),
        trainer__max_epochs=3,
        checkpoint={"mode": "min", "monitor": "train/learning_rate"},
        model__scheduler={
            "class_path": "atft.optim.schedules.WarmupCosine",
            "init_args": {"warmup_epochs": 3.0, "epochs": 4},
        },
    )
    assert atft("fit", "--config", config).code == 0
    run = tmp_path / "logs" / "tiny" / "version_0"
    assert torch.load(run / "best_model.ckpt")["epoch"] == 0
    assert torch.load(run / "last.ckpt")["epoch"] == 2
    assert sorted(p.name for p in run.glob("*.ckpt")) == ["best_model.ckpt", "last.ckpt"]


def state_of(folder: Path, score: float) -> dict[str, Any]:
    best = folder / "best_model.ckpt"
    folder.mkdir()
    best.write_bytes(b"the best weights")
    return {"dirpath": str(folder), "best_model_path": str(best), "best_model_score": torch.tensor(score)}


def checkpoint_into(folder: Path) -> RunCheckpoint:
    folder.mkdir()
    return RunCheckpoint(str(folder), filename="best_model", monitor="val/rank_ic", mode="max")


def test_a_resumed_run_takes_the_former_best_along(tmp_path: Path) -> None:
    state = state_of(tmp_path / "version_0", 0.3)
    resumed = checkpoint_into(tmp_path / "version_1")
    resumed.load_state_dict(state)
    assert Path(resumed.best_model_path).read_bytes() == b"the best weights"
    assert Path(resumed.best_model_path).parent == tmp_path / "version_1"
    assert not resumed.check_monitor_top_k(_trainer(), torch.tensor(0.2))
    assert resumed.check_monitor_top_k(_trainer(), torch.tensor(0.4))


def test_a_resumed_run_whose_former_best_is_gone_selects_among_the_epochs_to_come(tmp_path: Path) -> None:
    state = state_of(tmp_path / "version_0", 0.3)
    Path(state["best_model_path"]).unlink()
    resumed = checkpoint_into(tmp_path / "version_1")
    resumed.load_state_dict(state)
    assert resumed.best_model_path == "" and resumed.check_monitor_top_k(_trainer(), torch.tensor(-1.0))


def _trainer() -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(strategy=SimpleNamespace(reduce_boolean_decision=lambda decision: decision))


@pytest.mark.parametrize("name", ["best_model.ckpt", "last.ckpt"])
def test_a_checkpoint_carries_features_and_configuration(tiny_run: Any, name: str) -> None:
    held = torch.load(tiny_run.directory / name)["atft"]
    assert held["features"] == [f"x_{i}" for i in range(6)] and "hidden_size: 8" in held["config"]
