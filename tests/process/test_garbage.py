"""Cycles are searched rarely while a program starts, and as usual once it trains."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from atft import __main__ as program
from atft.process.garbage import USUAL, WHILE_STARTING, collect_as_usual, collect_rarely


@pytest.fixture(autouse=True)
def thresholds_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_a_program_starts_with_few_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []
    monkeypatch.setattr("sys.argv", ["atft", "evaluate"])
    monkeypatch.setattr(program.cli, "main", lambda: called.append(gc.get_threshold()) or 0)
    monkeypatch.setattr(program, "end_process", lambda status: called.append(status))
    program.main()
    assert called == [WHILE_STARTING, 0]


def test_searches_are_as_usual_again_where_a_trainer_is_built() -> None:
    from atft.commands.train import build
    from atft.errors import InputError

    collect_rarely()
    with pytest.raises(InputError):
        build("fit", ["--no_such_key", "1"])
    assert gc.get_threshold() == USUAL
    collect_rarely()
    collect_as_usual()
    assert gc.get_threshold() == USUAL
