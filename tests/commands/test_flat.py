"""Paths and options of a command that writes a file; join, whose panel gets wider."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atft.commands.flat import parse_flat
from atft.errors import InputError
from atft.features.options import FeatureOptions


def parse(*arguments: str) -> tuple[dict[str, Any], Any]:
    return parse_flat("features", list(arguments))


def test_paths_and_options_come_as_given(tmp_path: Path) -> None:
    config = tmp_path / "a.yaml"
    config.write_text("min_history_days: 30\nhorizons: [1]\n")
    places = ("--out", "b", "--prices", "a", "--threads", "1")
    values, options = parse("--config", str(config), *places, "--horizons", "[1, 5]")
    assert (values["prices"], values["out"]) == ("a", "b")
    assert options == FeatureOptions(min_history_days=30, horizons=[1, 5])


def test_what_is_missing_or_unknown_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^features: .*prices"):
        parse("--out", "b")
    with pytest.raises(InputError, match=r"unknown key 'horizon'; did you mean 'horizons'"):
        parse("--out", "b", "--prices", "a", "--horizon", "3")


def test_parsing_imports_no_torch() -> None:
    code = (
        "import sys; from atft.commands.flat import parse_flat; "
        "parse_flat('features', ['--prices', 'a', '--out', 'b']); print(*sys.modules)"
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


def test_a_panel_gets_columns_and_a_line_says_how_many_rows_know_them(
    make_panel: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    panel, out = make_panel(), tmp_path / "wide.parquet"
    first = pl.read_parquet(panel)["date"].min()
    pl.DataFrame({"code": ["S001"], "filed": [first], "eps": [2.5]}).write_csv(tmp_path / "eps.csv")
    where = ["--panel", panel, "--with", tmp_path / "eps.csv", "--out", out]
    outcome = atft("join", *where, "--on", "date,code", "--known", "filed", "--lag", "2")
    assert outcome.code == 0, outcome
    assert "x_eps, known on" in outcome.out
    known = pl.read_parquet(out).filter(pl.col("x_eps").is_not_null())
    assert set(known["code"]) == {"S001"} and known["date"].min() > first
    wrong = atft("join", *where, "--known", "date")
    assert wrong.code == 2 and "no column 'date'" in wrong.err


@pytest.mark.parametrize(
    "words",
    [
        ["features", "--prices", "prices.parquet"],
        ["simulate"],
        ["join", "--panel", "panel.parquet", "--with", "eps.csv"],
    ],
)
def test_a_panel_is_not_written_as_text_that_no_command_reads(
    words: list[str], make_panel: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    panel = make_panel()
    words = [str(panel) if word.endswith(".parquet") else word for word in words]
    line = f"{words[0]}: out {tmp_path / 'mine.csv'}: a panel is a Parquet file; name it mine.parquet"
    assert line in atft(*words, "--out", tmp_path / "mine.csv").error_line
    assert not (tmp_path / "mine.csv").exists()
