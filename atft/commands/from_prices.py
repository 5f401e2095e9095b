"""``--prices`` of the commands that train: make the panel first, then train on it, in one command.

The panel is named by what it is made of (the bytes of the prices, the options, atft's code of features), so the
same prices find it again. Where no config has a split, its dates are shares of the days on which stocks are ranked.
They are dates before the run begins, which its checkpoint keeps: a longer panel never moves them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.errors import InputError, clip

if TYPE_CHECKING:
    from atft.features.options import FeatureOptions

COMMANDS = ("fit", "crossval", "pretrain", "baseline")
DEFAULT_CONFIG = "prices"
PREFIX = "--features."
FOLDER = Path("panels")
SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
"""Of the days that the gaps between the periods leave."""
MIN_DAYS = 40
"""What the gaps must leave, of which validation and test have six each."""


def words_of_panel(words: Sequence[str]) -> list[str]:
    """Replace ``--prices PATH`` and ``--features.KEY VALUE`` by the path of the panel, made where it is missing.

    Adds the shipped config ``prices`` where no config is named, and the dates of a split where none has one.

    Raises:
        InputError: a panel is named too, the prices or an option cannot be used, or the days are too few to split.
    """
    prices, options, rest = divided_words(words)
    if any(word.startswith("--data.panel.path") for word in rest):
        raise InputError("--prices makes the panel; leave --data.panel.path out, or --prices")
    if not any(word.startswith(("-c", "--config")) for word in rest):
        rest = ["--config", DEFAULT_CONFIG, *rest]
    sources = keys_of_words(rest)
    # A value that is no whole number is the parser's to name, when it sees all keys.
    horizons = key_value(sources, "model.horizons", [])
    horizons = [h for h in horizons if type(h) is int and h > 0] if isinstance(horizons, list) else []
    panel, features = prices_panel(prices, options, horizons)
    rest += ["--data.panel.path", str(panel), "--data.panel.simulate", "null"]
    if key_value(sources, "data.split.train", None) is None:
        longest = max(horizons or features.horizons) + features.lag
        embargo = key_value(sources, "data.split.embargo_days", None)
        split = split_by_share(panel, longest, embargo if type(embargo) is int and embargo >= 0 else 20)
        for period, (first, last) in split.items():
            rest += [f"--data.split.{period}", f"[{first}, {last}]"]
        ranges = ", ".join(f"{period} {first} to {last}" for period, (first, last) in split.items())
        print(f"split by shares of the days: {ranges}")  # noqa: T201
    return rest


def divided_words(words: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """The path after ``--prices``, the words of `features`, and all others; raises where one has no value."""
    check_one_path(words)
    prices, options, others, rest = "", [], [], list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name != "--prices" and not name.startswith(PREFIX):
            others.append(word)
            continue
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise InputError(f"{name} needs a value")
            value = rest.pop(0)
        if name == "--prices":
            prices = value
        else:
            options += [f"--{name.removeprefix(PREFIX)}", value]
    return prices, options, others


def check_one_path(words: Sequence[str]) -> None:
    """Check that one word follows ``--prices``: of a glob without quotes the shell makes many."""
    for word, path, after in zip(words, words[1:], words[2:], strict=False):
        if word == "--prices" and not path.startswith("-") and not after.startswith("-"):
            raise InputError(
                f"--prices takes one file, folder or glob, got {clip(path, 60)} and {clip(after, 60)}; "
                f"a glob needs quotes: --prices 'daily/*.csv'"
            )


def keys_of_words(words: Sequence[str]) -> list[Mapping[str, Any]]:
    """What the configs among the words say, then what the other words do, as mappings; later ones win."""
    import yaml

    from atft.commands.shipped_configs import config_path
    from atft.yaml_text import load, read_mapping

    configs: list[Mapping[str, Any]] = []
    keys: list[Mapping[str, Any]] = []
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name.startswith("-c") and name != "-c":  # -cFILE is -c FILE
            name, equals, value = "-c", "=", name[2:] + equals + value
        if not equals and rest and not rest[0].startswith("--"):
            value = rest.pop(0)
        if name in ("-c", "--config"):
            configs.append(read_mapping(config_path(value)))
        elif name.startswith("--"):
            try:
                keys.append({name[2:]: load(value or "null")})
            except yaml.YAMLError:  # a word that is no YAML stands for itself
                keys.append({name[2:]: value})
    return [*configs, *keys]


def key_value(sources: Sequence[Mapping[str, Any]], key: str, default: Any) -> Any:
    """The last value of a dotted key in mappings that may nest it, or write a part of it with dots."""
    for source in reversed(sources):
        parts, inside = key.split("."), source
        for end in range(len(parts), 0, -1):
            head, tail = ".".join(parts[:end]), ".".join(parts[end:])
            if head in inside:
                if not tail:
                    return inside[head]
                if (
                    isinstance(inside[head], Mapping)
                    and (found := key_value([inside[head]], tail, None)) is not None
                ):
                    return found
    return default


def prices_panel(prices: str, words: list[str], horizons: Sequence[int]) -> tuple[Path, "FeatureOptions"]:
    """The panel of some prices, which is made and reported where it is missing, and the options it is made with.

    Args:
        prices: file, folder or glob.
        words: options of `features`.
        horizons: of the network, whose targets the panel must have.
    """
    from atft.commands.flat import parse_flat
    from atft.features.options import FeatureOptions
    from atft.features.prices_panel import panel_of_prices
    from atft.panel import panel_files
    from atft.progress import Progress

    (path, _), options = parse_flat("features", FeatureOptions, ["--prices", prices, "--out", "-", *words])
    options = replace(options, horizons=sorted({*options.horizons, *horizons}))
    with Progress("features"):
        panel, report = panel_of_prices(path, options, FOLDER)
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

    Args:
        panel: of `features`.
        label_days: trading days that the longest label reaches.
        embargo_days: of the split.

    Raises:
        InputError: fewer than 40 days remain, or no day has two stocks.
    """
    import numpy as np

    from atft.data.split import stock_floor
    from atft.panel import panel_files
    from atft.parquet import open_parquet

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
            f"{panel}: stocks are ranked on {len(days)} days, a split needs {len(days) - shared + MIN_DAYS}; give "
            f"longer prices, or lower --features.min_history_days, --data.split.embargo_days or --model.horizons"
        )
    train, val = (round(SHARES[period] * shared) for period in ("train", "val"))
    # A period ends where the next one begins; what its labels reach into is left out when the days are counted.
    starts = [0, train + gap, train + val + 2 * gap, len(days)]
    dates = days.tolist()
    return {
        period: (dates[start], dates[end - 1])
        for period, start, end in zip(SHARES, starts[:-1], starts[1:], strict=True)
    }
