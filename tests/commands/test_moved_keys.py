"""A key of an earlier version is one line that says what to write instead."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atft.commands.moved_keys import TERM_OPTIONS
from atft.losses.terms import options_of


@pytest.mark.parametrize("key", TERM_OPTIONS)
def test_every_option_of_a_term_is_where_the_table_says(key: str) -> None:
    term, option = TERM_OPTIONS[key]
    assert option in options_of(term, 1.0)


def test_the_line_says_what_to_write(
    atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old.yaml").write_text("model: {objective: {huber_delta: 2.0}}\n")
    assert atft("fit", "--config", "old.yaml").refusal == (
        "old.yaml: key 'model.objective.huber_delta' has moved; write "
        "model.objective.terms: {huber: {weight: ..., delta: ...}}"
    )
