"""``--prices`` of the commands that train: make the panel first, then train on it, in one command.

The panel is named by what it is made of (the bytes of the prices, the options, atft's code of features), so the
same prices find it again. Where no config has a split, its dates are shares of the days on which stocks are ranked.
They are dates before the run begins, which its checkpoint keeps: a longer panel never moves them.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.commands.arguments import check_one_path, read_words, take_options
from atft.errors import InputError, counted

if TYPE_CHECKING:
    from atft.features.options import FeatureOptions

COMMANDS = ("fit", "crossval", "pretrain", "baseline")
DEFAULT_CONFIG = "prices"
PREFIX = "features."
FOLDER = Path("panels")
SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
"""Of the days that the gaps between the periods leave."""
MIN_DAYS = 40
"""What the gaps must leave, of which validation and test have six each."""


def words_of_panel(words: Sequence[str]) -> list[str]:
    """Replace ``--prices PATH`` and ``--features.KEY VALUE`` by the path of the panel, made where it is missing.

    Adds the shipped config ``prices`` where no config is named, and the dates of a split where none has one.

    Raises:
        InputError: a panel is named too, or a period of the split without its training days; the prices or an
            option cannot be used; or the days are too few to split.
    """
    check_one_path(words)
    taken, rest = take_options(words, "--prices", f"--{PREFIX}")
    names = {word.name for word in read_words(rest)}
    if "--data.panel.path" in names:
        raise InputError("--prices makes the panel; leave --data.panel.path out, or --prices")
    if "--config" not in names:
        rest = ["--config", DEFAULT_CONFIG, *rest]
    keys = keys_of_words(rest)
    given = [period for period in SHARES if keys.get(f"data.split.{period}") is not None]
    if given and "train" not in given:  # the shares would take its place
        raise InputError(
            f"data.split.{given[0]} is given without data.split.train; give both, or none for shares of the days"
        )
    # A value that is no whole number is the parser's to name, when it sees all keys.
    horizons = keys.get("model.horizons")
    horizons = [h for h in horizons if type(h) is int and h > 0] if isinstance(horizons, list) else []
    options = [f"--{name.removeprefix(PREFIX)}={value}" for name, value in taken if name != "prices"]
    panel, features = prices_panel(dict(taken)["prices"], options, horizons)
    rest += ["--data.panel.path", str(panel), "--data.panel.simulate", "null"]
    if not given:
        longest = max(horizons or features.horizons) + features.lag
        embargo = keys.get("data.split.embargo_days")
        split = split_by_share(panel, longest, embargo if type(embargo) is int and embargo >= 0 else 20)
        for period, (first, last) in split.items():
            rest += [f"--data.split.{period}", f"[{first}, {last}]"]
        ranges = ", ".join(f"{period} {first} to {last}" for period, (first, last) in split.items())
        print(f"split by shares of the days: {ranges}")  # noqa: T201
    return rest


def keys_of_words(words: Sequence[str]) -> dict[str, Any]:
    """Dotted keys that the configs among the words set, and then the other words; later ones win."""
    from atft.commands.shipped_configs import config_path
    from atft.files.yaml_text import flat_keys, read_mapping, read_value

    configs: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, value, _ in read_words(words):
        if name == "--config":
            configs |= flat_keys(read_mapping(config_path(value or "")))
        elif name.startswith("--"):
            others |= flat_keys({name[2:]: read_value(value or "null")})
    return configs | others


def prices_panel(prices: str, words: list[str], horizons: Sequence[int]) -> tuple[Path, "FeatureOptions"]:
    """The panel of a file, folder or glob of prices, made and reported where it is missing, and its options.

    ``words`` are options of `features`; the panel has targets of the network's ``horizons`` too.
    """
    from atft.commands.flat import parse_flat
    from atft.features.prices_panel import panel_of_prices
    from atft.files.panel_files import panel_files
    from atft.process.progress import Progress

    _, options = parse_flat("features", ["--prices", prices, "--out", "-", *words])
    options = replace(options, horizons=sorted({*options.horizons, *horizons}))
    with Progress("features"):
        panel, report = panel_of_prices(Path(prices), options, FOLDER)
        # Days may have been appended since; a month's file has its name.
        until = panel_files(panel)[-1].name[:7]
        before = f"{panel}: made from these prices before, its days end in {until}"
        lines = [before] if report is None else report.lines()
        print("\n".join(lines))  # noqa: T201
    return panel, options


def split_by_share(panel: Path, label_days: int, embargo_days: int) -> dict[str, tuple[date, date]]:
    """First and last date of each period, as shares of the days on which stocks are ranked and labels are known.

    What labels and embargo take between two periods is not shared out, nor are the last days, whose labels are not
    known yet; these belong to the test days.

    Raises:
        InputError: fewer than 40 days remain, or no day has two stocks.
    """
    import numpy as np

    from atft.data.split import stock_floor
    from atft.files.panel_files import panel_files
    from atft.files.parquet import open_parquet

    ranked = []
    for path in panel_files(panel):
        with open_parquet(path) as file:
            rows = file.read(["date", "universe"])
        ranked.append(rows["date"].filter(rows["universe"]).to_numpy())
    days, stocks = np.unique(np.concatenate(ranked), return_counts=True)
    if stocks.max() < 2:
        raise InputError(
            f"{panel}: one stock a day, a ranking needs several; give a folder with a file a stock"
        )
    days = days[stocks >= stock_floor(stocks, 20)]
    gap = label_days + embargo_days
    shared = len(days) - 2 * gap - label_days
    if shared < MIN_DAYS:
        raise InputError(
            f"{panel}: stocks are ranked on {counted(len(days), 'day')}, a split needs "
            f"{len(days) - shared + MIN_DAYS}; give longer prices, or lower "
            f"--features.min_history_days, --data.split.embargo_days or --model.horizons"
        )
    train, val = (round(SHARES[period] * shared) for period in ("train", "val"))
    # A period ends where the next one begins; what its labels reach into is left out when the days are counted.
    starts = [0, train + gap, train + val + 2 * gap, len(days)]
    dates = days.tolist()
    return {
        period: (dates[start], dates[end - 1])
        for period, start, end in zip(SHARES, starts[:-1], starts[1:], strict=True)
    }
