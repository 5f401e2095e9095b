"""Paths and options of a command that turns files into a file."""

from pathlib import Path

import pytest

from atft.commands.flat_options import parse_flat
from atft.errors import InputError
from atft.market.options import MarketOptions

PATHS = {"prices": "read.", "out": "written."}


def parse(*arguments: str) -> tuple[list[Path], MarketOptions]:
    return parse_flat("simulate", "Does it.", PATHS, MarketOptions, list(arguments))


def test_paths_come_in_their_order_and_options_as_given(tmp_path: Path) -> None:
    config = tmp_path / "a.yaml"
    config.write_text("stocks: 30\nseed: 7\n")
    places = ("--out", "b", "--prices", "a", "--threads", "1")
    found, options = parse("--config", str(config), *places, "--seed", "8")
    assert found == [Path("a"), Path("b")]
    assert options == MarketOptions(stocks=30, seed=8)


def test_what_is_missing_or_unknown_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^simulate: .*prices"):
        parse("--out", "b")
    with pytest.raises(InputError, match=r"unknown key 'stoks'; did you mean 'stocks'"):
        parse("--out", "b", "--prices", "a", "--stoks", "3")
