"""The options of `features`: how prices become a panel."""

from dataclasses import dataclass, field

from atft.day_series import MAX_HORIZON
from atft.errors import InputError
from atft.features.price_dialects import check_columns
from atft.option_types import check_least, check_option_types
from atft.trading_days import day_rules

CHECKS = {
    "duplicates": ("error", "exclude"),
    "frozen": ("error", "exclude", "keep"),
    "jumps": ("error", "exclude", "keep"),
    "splits": ("error", "exclude", "adjust", "keep"),
    "copies": ("error", "exclude", "keep"),
}


@dataclass(frozen=True)
class FeatureOptions:
    """How prices become a panel.

    A check set to "error" stops with one line at the first bad row. Set to "exclude" it leaves the bad rows out, as
    if the stock had not traded, and counts them. Set to "keep" it does nothing. No check looks ahead: a row is
    judged by itself and the rows before it.

    Args:
        min_close: universe: least close of the day, in the currency of the file.
        min_traded_value: universe: least close times volume, on average over the last 20 trading days.
        min_history_days: universe: least rows of the stock up to and including the day.
        horizons: horizons of the forward returns to write, in trading days.
        lag: trading days that ``target_{h}d`` waits before it buys; ``target_{h}d_lag1`` always waits one.
        as_traded: add the feature ``x_price_level``, the log of the close. Only if the closes are those at which
            the stocks traded: adjusted ones, which nearly all vendors sell, know later splits.
        duplicates: a second row of the same date and code: error or exclude (all but the first).
        frozen: a close that has not changed for 10 rows: error, exclude or keep.
        jumps: a close more than four times, or less than a quarter of, the one before: error, exclude or keep.
            exclude also joins the prices before and after, so that no later return straddles the jump; volumes
            stay as they are.
        splits: a close at a usual split ratio (1/2, 2/3, 3, ...) of the one before, without the range and volume
            of a real move: error, exclude (as a jump, but volumes are joined too, so that no later feature
            straddles it), adjust (the prices and volumes from there on, so that ``min_close`` sees them on the old
            basis) or keep.
        copies: a code whose closes have been those of another code for 60 days: error, exclude (while it repeats
            an older code, or the first of the two) or keep.
        calendar: how to treat days that look wrong, by kind. rare_weekdays (rows on weekdays that the market rarely
            trades) and thin_days (less than half of the usual stocks, or 5 % of the usual traded value): error
            (default), exclude (no trading days: their rows are left out) or keep. gaps (no rows for longer than the
            usual holidays): unknown (default: days without a price, so that labels across them are null), error or
            keep. The key exchange, or its code alone (XNYS), compares the dates with the sessions of that exchange
            and prints a line; needs pip install 'atft[calendars]'.
        columns: names of the columns by role, ignoring case, if no known layout fits: {close: "Adj Close", code:
            Symbol}. Roles are date, code, open, high, low, close, volume, adjusted_close and sector.
    """

    min_close: float = 2.0
    min_traded_value: float = 1e6
    min_history_days: int = 250
    horizons: list[int] = field(default_factory=lambda: [1, 5, 10, 20])
    lag: int = 0
    as_traded: bool = False
    duplicates: str = "error"
    frozen: str = "exclude"
    jumps: str = "exclude"
    splits: str = "exclude"
    copies: str = "exclude"
    calendar: dict[str, str] | str = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_option_types("features", self)
        for check, ways in CHECKS.items():
            way = getattr(self, check)
            if way not in ways:
                raise InputError(f"{check} must be one of {', '.join(ways)}, got {way!r:.40}")
        day_rules(self.day_rules, "calendar")
        check_columns(self.columns)
        if not self.horizons or len(set(self.horizons)) != len(self.horizons) or min(self.horizons) < 1:
            raise InputError(f"horizons must be distinct trading days >= 1, got {self.horizons}")
        if max(self.horizons) > MAX_HORIZON:
            raise InputError(f"horizons must be at most {MAX_HORIZON:,} trading days, got {self.horizons}")
        check_least("", self, MAX_HORIZON, lag=0)
        check_least("", self, min_history_days=1, min_close=0, min_traded_value=0)

    @property
    def labels(self) -> dict[str, tuple[int, int]]:
        """Column of each label -> its horizon, and the trading days that it waits before it buys."""
        kinds = (("", self.lag), ("_lag1", 1))
        return {f"target_{h}d{suffix}": (h, lag) for suffix, lag in kinds for h in self.horizons}

    @property
    def label_days(self) -> int:
        """Days before the last one whose labels are not all known: what a later day may change."""
        return max(horizon + lag for horizon, lag in self.labels.values())

    @property
    def day_rules(self) -> dict[str, str]:
        """What days that look wrong do, by kind."""
        rules = {} if isinstance(self.calendar, str) else self.calendar
        return {kind: way for kind, way in rules.items() if kind != "exchange"}

    @property
    def exchange(self) -> str | None:
        """Code of the exchange whose sessions the dates are compared with."""
        return self.calendar if isinstance(self.calendar, str) else self.calendar.get("exchange")
