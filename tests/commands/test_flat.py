"""Paths and options of a command that writes a file."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from atft.commands.flat import parse_flat
from atft.errors import InputError
from atft.features.options import FeatureOptions


def parse(*arguments: str) -> tuple[list[Path], Any]:
    return parse_flat("features", FeatureOptions, list(arguments))


def test_paths_come_in_their_order_and_options_as_given(tmp_path: Path) -> None:
    config = tmp_path / "a.yaml"
    config.write_text("min_history_days: 30\nhorizons: [1]\n")
    places = ("--out", "b", "--prices", "a", "--threads", "1")
    paths, options = parse("--config", str(config), *places, "--horizons", "[1, 5]")
    assert paths == [Path("a"), Path("b")]
    assert options == FeatureOptions(min_history_days=30, horizons=[1, 5])


def test_what_is_missing_or_unknown_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^features: .*prices"):
        parse("--out", "b")
    with pytest.raises(InputError, match=r"unknown key 'horizon'; did you mean 'horizons'"):
        parse("--out", "b", "--prices", "a", "--horizon", "3")


def test_parsing_imports_no_torch() -> None:
    code = (
        "import sys; from atft.commands.flat import parse_flat; from atft.features.options import FeatureOptions; "
        "parse_flat('features', FeatureOptions, ['--prices', 'a', '--out', 'b']); print(*sys.modules)"
    )
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "lightning"} & set(imported.split())


@pytest.mark.parametrize(
    ("words", "calendar", "columns"),
    [
        (["--calendar", "XNYS"], "XNYS", {}),
        (["--calendar", "{exchange: XNYS, gaps: keep}"], {"exchange": "XNYS", "gaps": "keep"}, {}),
        (["--calendar.gaps", "keep"], {"gaps": "keep"}, {}),
        (["--columns", '{close: "Adj Close", code: Symbol}'], {}, {"close": "Adj Close", "code": "Symbol"}),
    ],
)
def test_an_exchange_rules_and_columns_are_read(words: list[str], calendar: Any, columns: Any) -> None:
    _, options = parse("--prices", "a", "--out", "b", *words)
    assert (options.calendar, options.columns) == (calendar, columns)
