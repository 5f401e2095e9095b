"""Runs that are not trained: a child program that writes what a run writes."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import stub_run
from atft.callbacks.record.receipt import Receipt, write_receipt
from crossval_files import write_predictions


class Stub(NamedTuple):
    """The child program, and the folder that says what it writes."""

    folder: Path
    program: list[str]

    def end(self, **endings: list[str]) -> None:
        """Say how the starts of some runs end."""
        (self.folder / "endings.json").write_text(json.dumps(endings))


@pytest.fixture
def stub(tmp_path: Path) -> Stub:
    """A child program whose runs all finish."""
    folder = tmp_path / "templates"
    folder.mkdir()
    metrics: dict[str, float | None] = {"val/rank_ic": 0.0312, "test/rank_ic": 0.0287}
    write_receipt(Receipt("completed", metrics=metrics), folder)
    write_predictions(folder / "predictions.parquet", 0)
    stub = Stub(folder, [sys.executable, str(Path(stub_run.__file__)), str(folder)])
    stub.end()
    return stub


@pytest.fixture
def starts() -> Callable[[Path], list[dict[str, str]]]:
    """The starts of the stub in a directory, in their order: the run's name and its options."""

    def read(directory: Path) -> list[dict[str, str]]:
        path = directory / "starts.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    return read
