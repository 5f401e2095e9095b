"""Checkpoints are whole or absent, and loading one runs no code."""

from pathlib import Path
from typing import Any

import pytest
import torch

from atft.callbacks.atomic_checkpoint import AtomicCheckpointIO
from atft.errors import InputError


def test_a_checkpoint_reads_back_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.ckpt"
    AtomicCheckpointIO().save_checkpoint({"weights": torch.arange(3)}, path)
    assert AtomicCheckpointIO().load_checkpoint(path)["weights"].tolist() == [0, 1, 2]
    assert [p.name for p in path.parent.iterdir()] == ["a.ckpt"]


def test_a_failed_write_keeps_the_former_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    writer = AtomicCheckpointIO()
    writer.save_checkpoint({"epoch": 1}, path)
    with pytest.raises(AttributeError):
        writer.save_checkpoint({"epoch": 2, "bad": lambda: 0}, path)  # a local function does not pickle
    assert writer.load_checkpoint(path) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.ckpt"]


class _Payload:
    def __reduce__(self) -> Any:
        return (print, ("code ran",))


def test_a_checkpoint_that_carries_code_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"payload": _Payload()}, tmp_path / "bad.ckpt")
    with pytest.raises(InputError, match="not a readable checkpoint"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "bad.ckpt")
    assert "code ran" not in capsys.readouterr().out
