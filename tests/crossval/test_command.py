"""crossval, and fit --seeds: help, options and what they lead to."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from atft.crossval.options import HELP


def test_help_is_printed_before_anything_heavy_is_imported() -> None:
    code = "import sys; from atft.cli import main; main(['crossval', '--help']); print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.startswith(HELP) and not {"'torch'", "'lightning'", "'polars'", "'numpy'"} & set(
        out.split(", ")
    )


def test_without_a_config_the_line_names_this_command(atft: Callable[..., Any]) -> None:
    assert atft("crossval").error_line == "crossval needs --config FILE, --prices PATH or --resume DIR"
    assert atft("fit", "--seeds", "2").error_line.startswith("fit needs --config FILE")


def test_fit_with_seeds_is_this_command(monkeypatch: pytest.MonkeyPatch, atft: Callable[..., Any]) -> None:
    asked: list[tuple[bool, int | None, list[str]]] = []

    def note(plain: bool, options: Any, words: list[str], program: list[str]) -> None:
        asked.append((plain, options.seeds, words))

    monkeypatch.setattr("atft.crossval.cross_validate.cross_validate", note)
    assert atft("fit", "--config", "a.yaml", "--seeds=5").code == 0
    assert atft("crossval", "--config", "a.yaml").code == 0
    assert asked == [(True, 5, ["--config", "a.yaml"]), (False, None, ["--config", "a.yaml"])]
