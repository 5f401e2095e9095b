"""What the columns of a price file mean: vendors' dialects as data, recognised by their headers, ignoring case.

Three shapes: one row a date and code (``DIALECTS``), two header rows of prices and codes, and a wide table of a
date and a column a code. What a file does not say is never guessed: a header that fits nothing raises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from atft.errors import InputError, check_unique, listed, nearest
from atft.features.price_names import CODES, bare_stem, is_adjusted_close, plain_name, words_of

T = TypeVar("T")
PRICES = ("open", "high", "low", "close", "volume")
ADJUSTED = "adjusted_close"
ROLES = ("date", "code", *PRICES, ADJUSTED, "sector")
"""What ``columns`` may name."""
BAR = ("open", "high", "low", "close")
PERIOD, DAILY = "period", "D"
"""Role of a column that says how long each bar is, and what it must say."""


class Dialect(NamedTuple):
    """A vendor's names, in lower case: of each role those that may stand for it, the preferred first."""

    name: str
    roles: Mapping[str, tuple[str, ...]]
    needs: tuple[str, ...] = ("date", *BAR, "volume")
    """Roles without which it is another dialect; a missing code is the file's name."""


INDEX = ("", "__index_level_0__", "unnamed: 0", "index")
"""Names of an index that has none: a frame's dates, where no column has them."""
PLAIN: dict[str, tuple[str, ...]] = {
    "date": ("date", "datetime", "timestamp", "trade_date", "day", *INDEX),
    "code": CODES,
    **{price: (price,) for price in BAR},
    "volume": ("volume", "vol"),
    ADJUSTED: ("adj close", "adj_close", "adjclose", "adjusted_close", "adjusted close", "adjustmentclose"),
    "sector": ("sector",),
}
DIALECTS = (
    Dialect(
        "Stooq",
        {"date": ("<date>",), "code": ("<ticker>",), "volume": ("<vol>",), PERIOD: ("<per>",)}
        | {p: (f"<{p}>",) for p in BAR},
    ),
    Dialect(
        "Tiingo",
        {"date": ("date",), "code": ("ticker", "symbol", "code")} | {p: (f"adj{p}",) for p in PRICES},
    ),
    Dialect("J-Quants", {"date": ("date",), "code": ("code",)} | {p: (f"adjustment{p}",) for p in PRICES}),
    Dialect(
        "J-Quants",
        {"date": ("date",), "code": ("code",), "volume": ("adjvo",)} | {p: (f"adj{p[0]}",) for p in BAR},
    ),
    Dialect(
        "Qlib",
        {"date": ("datetime", "date"), "code": ("instrument", "symbol")} | {p: (f"${p}",) for p in PRICES},
    ),
    Dialect(
        "Tushare (on mainland exchanges a volume counts lots of 100 shares)",
        PLAIN | {"date": ("trade_date",), "code": ("ts_code",), "volume": ("vol",)},
        ("date", "code", *BAR, "volume"),
    ),
    Dialect("yfinance", PLAIN | {ADJUSTED: ("adj close",)}, ("date", *BAR, "volume", ADJUSTED)),
    Dialect("daily bars", PLAIN, ("date", *BAR)),
    Dialect("closes", PLAIN, ("date", "close")),
)
"""A file has the first dialect whose required roles its header names."""
PRICE_OF = {name: role for role in (*PRICES, ADJUSTED) for name in PLAIN[role]}
IGNORED = ("dividends", "stock splits", "capital gains", "repaired?", "average")
"""Of files with two header rows, what is no price."""
LEVELS = ("", "price", "ticker", "tickers", "symbol", "symbols", "attributes", "code")
"""What stands at the beginning of a second header row, where a row of prices has its date."""
WIDE, MIN_WIDE_CODES = "wide table", 2
WRITTEN_HERE = {
    "a list of ranked stocks": ("date", "rank", "code", "rank_before"),
    "predictions": ("date", "code", "horizon", "score"),
}
"""What atft writes that is no prices -> columns by which it is known."""


@dataclass(frozen=True)
class Layout:
    """Which column of a file has what."""

    dialect: str
    date: str
    code: str | None
    """Column of the codes; None: they are keys of ``bars``, or the one code is the file's name."""
    bars: Mapping[str, Mapping[str, str]]
    """Code -> price (of `PRICES`, or the adjusted close) -> column; one key "" where the codes are elsewhere."""
    sector: str | None = None
    period: str | None = None
    """Column whose cells must be `DAILY`."""
    unused: tuple[str, ...] = ()

    @property
    def prices(self) -> tuple[str, ...]:
        """Prices that some code has, in the order of `PRICES`, the adjusted close last."""
        known = {price for bar in self.bars.values() for price in bar}
        return tuple(price for price in (*PRICES, ADJUSTED) if price in known)

    @property
    def columns(self) -> list[str]:
        """The columns to read, each once."""
        others = [self.date, self.code, self.sector, self.period]
        prices = [column for bar in self.bars.values() for column in bar.values()]
        return list(dict.fromkeys(c for c in (*others, *prices) if c is not None))


def use_adjusted_close(path: Path, prices: dict[str, T]) -> None:
    """Let an adjusted close be the close where there is no other; beside an open it raises InputError."""
    if ADJUSTED in prices and "close" not in prices:
        if "open" in prices:
            raise InputError(
                f"{path}: an adjusted close and an open, but no close to adjust the open by; add it, or if all "
                f"prices are adjusted, name the column close, {columns_option('close')}"
            )
        prices["close"] = prices.pop(ADJUSTED)


def check_columns(columns: Mapping[str, str]) -> None:
    """Check that the option ``columns`` names roles; raises InputError."""
    for role in columns:
        if role not in ROLES:
            raise InputError(f"columns has no {role!r}{nearest(role, ROLES)}")


def layout_of(path: Path, names: Sequence[str], second: Sequence[str], columns: Mapping[str, str]) -> Layout:
    """Say what the columns of a file mean.

    Args:
        path: the file; the stem of a wide table's name may say which price it has, ``volume.csv``.
        names: the header, a name a column.
        second: what stands under it where the file has two header rows, or has codes and prices in pairs; else
            empty.
        columns: role -> column, for what no dialect has; case is ignored.

    Raises:
        InputError: no dialect fits, or a column that is needed occurs twice.
    """
    if second:
        if columns:
            raise InputError(f"{path}: its two header rows name its prices; leave columns out")
        return _of_pairs(path, names, second)
    # Without case: of names that differ in it the one in lower case, else the first.
    by_name = {plain_name(name): name for name in reversed(names)}
    by_name |= {name: name for name in names if name == plain_name(name)}
    for name in filter(is_adjusted_close, names):
        by_name.setdefault(ADJUSTED, name)
    chosen = _chosen_columns(path, columns, by_name)
    for dialect in DIALECTS:
        known = _known_columns(dialect.roles, by_name)
        # A vendor is recognised by a price that it names itself: columns that were chosen would fit every vendor,
        # and the first would hide an adjusted close or a sector that it has no name for.
        if dialect.roles is not PLAIN and known.keys().isdisjoint((*PRICES, ADJUSTED)):
            continue
        column_of = {role: name for role, name in known.items() if name not in chosen.values()} | chosen
        use_adjusted_close(path, column_of)
        if column_of.keys() >= set(dialect.needs):
            return _of_rows(path, dialect, column_of, names)
    return _wide(path, names, _known_columns({"date": PLAIN["date"]}, by_name) | chosen)


def _chosen_columns(path: Path, columns: Mapping[str, str], by_name: Mapping[str, str]) -> dict[str, str]:
    """The file's columns for the roles that the option ``columns`` names."""
    for role, name in columns.items():
        if plain_name(name) not in by_name:
            raise InputError(
                f"{path}: no column {name!r} for columns.{role}{nearest(name, by_name.values())}"
            )
    chosen = {role: by_name[plain_name(name)] for role, name in columns.items()}
    # Beside another close, a chosen close that is adjusted: the bar's other prices are those of the unadjusted one.
    if is_adjusted_close(chosen.get("close", "")) and "close" in by_name:
        chosen[ADJUSTED] = chosen.pop("close")
    return chosen


def _known_columns(roles: Mapping[str, tuple[str, ...]], by_name: Mapping[str, str]) -> dict[str, str]:
    """The file's columns for roles, each by the first of its names that the header has."""
    # The last one found stays, so from the least preferred name on.
    known = ((role, name) for role, names in roles.items() for name in reversed(names) if name in by_name)
    return {role: by_name[name] for role, name in known}


def _of_rows(path: Path, dialect: Dialect, column_of: Mapping[str, str], names: Sequence[str]) -> Layout:
    """The layout of a row a date and code, by its columns: role -> column."""
    bar = [price for price in BAR if price in column_of]
    if len(bar) not in (1, len(BAR)):
        raise _unknown(path, next(price for price in BAR if price not in column_of), names)
    twice = [column for column in column_of.values() if names.count(column) > 1]
    if twice:
        raise InputError(f"{path}: two columns are named {twice[0]!r}; rename or drop one")
    return Layout(
        dialect.name,
        column_of["date"],
        column_of.get("code"),
        {"": {price: column_of[price] for price in (*PRICES, ADJUSTED) if price in column_of}},
        column_of.get("sector"),
        column_of.get(PERIOD),
        tuple(name for name in names if name not in column_of.values() and name.strip()),
    )


def _of_pairs(path: Path, names: Sequence[str], second: Sequence[str]) -> Layout:
    """The layout of columns that have a price and a code each, in either order."""
    firsts, seconds = ({plain_name(name) for name in row[1:]} for row in (names, second))
    prices = {*PRICE_OF, *IGNORED}
    if not (firsts <= prices or seconds <= prices):
        raise InputError(f"{path}: two header rows, and none has prices only ({listed(firsts)}); write one")
    bars: dict[str, dict[str, str]] = {}
    for column, pair in enumerate(zip(names, second, strict=True)):
        price, code = pair if firsts <= prices else reversed(pair)
        role = PRICE_OF.get(plain_name(price))
        if column and role is not None:
            bar = bars.setdefault(code.strip(), {})
            if role in bar:
                raise InputError(f"{path}: two columns are {price} of {code}; rename or drop one")
            bar[role] = str(column)
    for bar in bars.values():
        use_adjusted_close(path, bar)
    if not any("close" in bar for bar in bars.values()):
        raise _unknown(path, "close", names)
    return Layout("yfinance, two header rows", "0", None, bars)


def _wide(path: Path, names: Sequence[str], column_of: Mapping[str, str]) -> Layout:
    """The layout of a date and a column a code, whose cells are the price that the file's name says, or closes."""
    for what, columns in WRITTEN_HERE.items():
        if {plain_name(name) for name in names}.issuperset(columns):
            raise InputError(f"{path}: {what}, no prices; keep it in another folder")
    if "date" not in column_of:
        raise _unknown(path, "date", names)
    day = column_of["date"]
    # A frame's index beside the dates numbers its rows: no stock.
    unused = tuple(name for name in names if name != day and plain_name(name) in INDEX)
    codes = [name for name in names if name not in (day, *unused)]
    # A ticker may be LOW or OPEN; a table of which many columns are prices is another one that lacks its close.
    known = [name for name in codes if words_of(name) & {*PRICE_OF} or plain_name(name) in (*CODES, "sector")]
    if len(column_of) > 1 or len(codes) < MIN_WIDE_CODES or 4 * len(known) >= len(codes):
        raise _unknown(path, "close", names)
    check_unique(path, [name.strip() for name in codes])
    price = _price_of_file(path)
    bars = {name.strip(): {price: name} for name in codes}
    return Layout(WIDE, day, None, bars, unused=tuple(filter(str.strip, unused)))


def _price_of_file(path: Path) -> str:
    """The price that a wide table's file is named for, as PX_VOLUME.csv and volume_2015.csv are, else close."""
    stem = plain_name(bare_stem(path))
    words = {stem} if stem in PRICE_OF else words_of(stem)
    prices = {PRICE_OF[word] for word in words if word in PRICE_OF}
    return prices.pop() if len(prices) == 1 else "close"


def _unknown(path: Path, role: str, names: Sequence[str]) -> InputError:
    folder = next((part.name for part in path.parents if plain_name(part.name).startswith(f"{role}=")), None)
    if folder is not None:
        return InputError(f"{path}: {role!r} is in the folder's name only, {folder}; write it into the files")
    return InputError(
        f"{path}: no column {role!r}; name it, {columns_option(role)}; its columns are {listed(names)}"
    )


def columns_option(*roles: str) -> str:
    """The option that names the columns of some roles, in a shell and in Python."""
    pairs = ", ".join(f"{role}: NAME" for role in roles)
    return f"--columns '{{{pairs}}}' (in Python FeatureOptions(columns=...))"
