"""export: which file, in which format; what it writes is in tests/export/."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atft.commands.export import what_to_export
from atft.commands.train import build


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "export needs --to pt2 or --to onnx"),
        (["--out", "scorer.bin"], "export needs --to pt2 or --to onnx, got 'bin'"),
        (["--to", "pt2", "--out", "scorer.onnx"], "--out scorer.onnx: a program of --to pt2 ends in .pt2"),
        (["--to", "tflite"], "to"),
    ],
)
def test_a_format_that_is_not_one_is_one_line(
    words: list[str], message: str, tiny_run: Any, atft: Callable[..., Any]
) -> None:
    outcome = atft("export", "--ckpt_path", tiny_run.directory / "best_model.ckpt", *words)
    assert outcome.code == 2 and message in outcome.error_line


def test_a_checkpoint_is_needed(tiny_run: Any, atft: Callable[..., Any]) -> None:
    assert (
        "export needs --config FILE, such as --config quickstart, or --ckpt_path FILE"
        in atft("export", "--to", "pt2").error_line
    )
    assert "export needs --ckpt_path" in atft("export", "--to", "pt2", "--config", tiny_run.config).error_line


def test_by_default_the_program_is_beside_the_checkpoint(tiny_run: Any) -> None:
    checkpoint = tiny_run.directory / "best_model.ckpt"
    cli = build("export", ["--ckpt_path", str(checkpoint), "--to", "pt2"])
    assert what_to_export(cli) == ("pt2", checkpoint, checkpoint.with_name("best_model.pt2"))
    cli.config.out = "scorer.pt2"
    assert what_to_export(cli) == ("pt2", checkpoint, Path("scorer.pt2"))
    cli.config.to = None
    assert what_to_export(cli) == ("pt2", checkpoint, Path("scorer.pt2"))
