"""Prices to a trained network in one command: the panel it makes, its name, and the dates of its split."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from atft.commands import from_prices
from atft.commands.from_prices import (
    keys_of_words,
    prices_panel,
    split_by_share,
)
from atft.data.split import SplitOptions, resolve_split
from atft.errors import InputError
from atft.features.options import FeatureOptions
from atft.features.prices_panel import panel_digest
from price_layouts import market, weekdays, yfinance_files

SMALL = ["--features.min_traded_value", "0", "--model.horizons", "[1]", "--data.split.embargo_days", "0"]


def test_a_folder_of_vendor_files_is_trained_on_in_one_command(
    atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files").mkdir()
    yfinance_files(market(310, tuple(f"S{i}" for i in range(12))), tmp_path / "files")
    outcome = atft(
        "fit", "--prices", "files", *SMALL, "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"
    )
    assert outcome.code == 0, outcome
    assert outcome.out.startswith(
        "files: yfinance, 12 files; code = the file's name; open, high, low times Adj Close / "
    )
    (panel,) = (tmp_path / "panels").iterdir()
    run = tmp_path / "lightning_logs" / "prices" / "version_0"
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["data"]["panel"]["path"] == str(panel.relative_to(tmp_path))
    dates = sorted(pl.read_parquet(panel / "*.parquet").filter("universe")["date"].unique())
    periods = [config["data"]["split"][name] for name in ("train", "val", "test")]
    assert periods[0][0] == str(dates[0]) and periods[-1][1] == str(dates[-1])
    assert f"split by shares of the days: train {periods[0][0]} to {periods[0][1]}, val " in outcome.out
    assert (run / "predictions.parquet").is_file()
    # The same prices find the panel again, other options do not.
    assert prices_panel("files", ["--min_traded_value", "0"], [1])[0] == panel.relative_to(tmp_path)
    options = FeatureOptions(min_traded_value=1)
    assert panel_digest(Path("files"), options) not in panel.name


def test_a_word_that_is_no_number_is_left_to_the_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_prices, "prices_panel", lambda *_: (tmp_path / "p", FeatureOptions()))
    monkeypatch.setattr(from_prices, "split_by_share", lambda *gap: {"train": (str(gap[1]), str(gap[2]))})
    words = ["--prices", "a", "--model.horizons", "[x, 3]", "--data.split.embargo_days", "soon"]
    assert from_prices.words_of_panel(words)[-2:] == ["--data.split.train", "[3, 20]"]


@pytest.mark.parametrize(("days", "labels", "embargo"), [(400, 20, 20), (301, 5, 0), (60, 1, 0)])
def test_the_dates_of_a_split_are_shares_of_the_days_that_labels_and_embargo_leave(
    tmp_path: Path, days: int, labels: int, embargo: int
) -> None:
    calendar = weekdays(days)
    stocks = 30
    rows = {"date": [d for d in calendar for _ in range(stocks)], "universe": [True] * (days * stocks)}
    pl.DataFrame(rows).write_parquet(tmp_path / "p.parquet")
    found = split_by_share(tmp_path / "p.parquet", labels, embargo)
    texts = {name: [str(d) for d in dates] for name, dates in found.items()}
    options = SplitOptions(**texts, embargo_days=embargo)
    split = resolve_split(calendar, options, labels, 1, [stocks] * days)
    labelled = [len(split.train), len(split.val), int((split.test < days - labels).sum())]
    assert sum(labelled) == days - 2 * (labels + embargo) - labels
    for count, share in zip(labelled, (0.7, 0.15, 0.15), strict=True):
        assert abs(count - share * sum(labelled)) <= 1
    assert found["train"][0] == calendar[0] and found["test"][1] == calendar[-1]


def test_too_few_days_for_a_split_are_one_line(tmp_path: Path) -> None:
    rows = {"date": [date(2015, 1, 5)] * 30, "universe": [True] * 30}
    pl.DataFrame(rows).write_parquet(tmp_path / "p.parquet")
    with pytest.raises(
        InputError, match="stocks are ranked on 1 day, a split needs 140; give longer prices, or lower"
    ):
        split_by_share(tmp_path / "p.parquet", 20, 20)


def test_prices_of_one_stock_are_one_line(tmp_path: Path) -> None:
    pl.DataFrame({"date": weekdays(300), "universe": [True] * 300}).write_parquet(tmp_path / "p.parquet")
    with pytest.raises(
        InputError, match="one stock a day, a ranking needs several; give a folder with a file a stock"
    ):
        split_by_share(tmp_path / "p.parquet", 1, 0)


def test_a_value_comes_from_the_last_config_or_word_that_has_it(tmp_path: Path) -> None:
    for name, text in (
        ("a", "data: {split: {embargo_days: 3}}"),
        ("b", "data.split: {train: [1, 2]}\nname: b"),
    ):
        (tmp_path / f"{name}.yaml").write_text(text)
    configs = ["--config", str(tmp_path / "a.yaml"), f"-c{tmp_path / 'b.yaml'}"]
    assert keys_of_words([*configs, "--model.horizons", "[1, 5]", "--data.panel.schema.date=Date"]) == {
        "data.split.embargo_days": 3,
        "data.split.train": [1, 2],
        "name": "b",
        "model.horizons": [1, 5],
        "data.panel.schema.date": "Date",
    }


@pytest.mark.parametrize("period", ["val", "test"])
def test_a_period_that_the_user_names_is_not_replaced_by_a_share(
    period: str, atft: Callable[..., Any]
) -> None:
    words = ["--prices", "none", f"--data.split.{period}", "[2015-03-02, 2015-03-31]"]
    assert atft("fit", *words).error_line == (
        f"data.split.{period} is given without data.split.train; give both, or none for shares of the days"
    )


def test_prices_and_a_panel_and_an_unknown_option_of_features_are_one_line(atft: Callable[..., Any]) -> None:
    both = atft("fit", "--prices", "a.csv", "--data.panel.path", "b.parquet")
    assert both.error_line == "--prices makes the panel; leave --data.panel.path out, or --prices"
    for command in ("features", "fit"):
        several = atft(command, "--prices", "a.csv", "b.csv", "--name", "x").error_line
        assert several.startswith(
            "--prices takes one file, folder or glob, got a.csv and b.csv; a glob needs quotes"
        )
        twice = atft(command, "--prices", "a.csv", "--prices=b.csv", "--name", "x").error_line
        assert twice.startswith("--prices is given twice; put the files into one folder")
    wrong = atft("crossval", "--prices", "a.csv", "--features.min_clos", "1")
    assert "unknown key 'min_clos'; did you mean 'min_close'" in wrong.error_line
    assert "nowhere.csv: no such file" in atft("fit", "--prices", "nowhere.csv").error_line
