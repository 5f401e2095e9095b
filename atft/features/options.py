"""What `features` may be told, and what it tells back."""

from dataclasses import dataclass, field

from atft.errors import InputError, nearest
from atft.trading_days import DayRules

GATES = {
    "duplicates": ("error", "exclude"),
    "non_positive": ("error", "exclude"),
    "frozen": ("error", "exclude", "keep"),
    "jumps": ("error", "exclude", "keep"),
    "splits": ("error", "exclude", "adjust", "keep"),
    "copies": ("error", "exclude", "keep"),
}


@dataclass(frozen=True)
class FeatureOptions:
    """How prices become a panel.

    A gate set to "error" refuses the file in one line at the first bad row; set to "exclude" it leaves the
    bad rows out, as if the stock had not traded, and counts them; set to "keep" it does nothing. No gate looks
    ahead: a row is judged by itself and the rows before it.

    Args:
        min_close: universe: the day's close must be at least this many dollars (or yen, ...).
        min_traded_value: universe: close times volume, averaged over the last 20 trading days, must be at
            least this.
        min_history_days: universe: the stock must have at least this many rows up to and including the day.
        horizons: forward returns to write, in trading days.
        lag: trading days that ``target_{h}d`` waits before it buys; ``target_{h}d_lag1`` always waits one.
        duplicates: gate for a second row of the same date and code: error or exclude (all but the first).
        non_positive: gate for a close that is missing or not above 0: error or exclude. Such an open, high
            or low only makes that one price unknown.
        frozen: gate for a close that has not changed for ``frozen_days`` rows: error, exclude or keep.
        frozen_days: rows without any change from which on a close counts as frozen.
        jumps: gate for a one-row return beyond ``return_cap``: error, exclude or keep. Exclude also joins the
            prices before and after, so that no later feature straddles a split that was not adjusted.
        return_cap: largest believable return as a fraction: 3 means four times, or a quarter of, the close
            before.
        splits: gate for a close that is a usual split ratio (1/2, 2/3, 3, ...) of the one before, without the
            range and volume of a real move: error, exclude (as a jump), adjust (the prices from there on, so
            that ``min_close`` sees them on the old basis) or keep.
        copies: gate for a code whose closes have been those of another code for 60 days: error, exclude (while
            it repeats an older code, or the first of the two) or keep.
        rare_weekdays: gate for rows on weekdays that the market rarely trades, as Saturdays: error, exclude (as
            if they were not in the file) or keep (each such date is a trading day).
        thin_days: gate for days with less than half of the usual stocks, or 5 % of the usual traded value: error,
            exclude (the market was closed) or keep (it was open, and most rows are missing).
        gaps: stretches without rows, longer than the market's usual holidays: unknown (what straddles them is
            null), error or keep (the days before and after follow one another).
        jump_labels: forward returns over an excluded jump or split: "null", or "keep" for the raw ratio of the
            closes.
    """

    min_close: float = 2.0
    min_traded_value: float = 1e6
    min_history_days: int = 250
    horizons: list[int] = field(default_factory=lambda: [1, 5, 10, 20])
    lag: int = 0
    duplicates: str = "error"
    non_positive: str = "exclude"
    frozen: str = "exclude"
    frozen_days: int = 10
    jumps: str = "exclude"
    return_cap: float = 3.0
    splits: str = "exclude"
    copies: str = "exclude"
    rare_weekdays: str = "error"
    thin_days: str = "error"
    gaps: str = "unknown"
    jump_labels: str = "null"

    @property
    def day_rules(self) -> DayRules:
        """The gates of whole days."""
        return DayRules(self.rare_weekdays, self.thin_days, self.gaps)

    def check(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            InputError: an option is out of its range; one line naming it.
        """
        for gate, ways in GATES.items():
            _one_of(gate, getattr(self, gate), ways)
        self.day_rules.check()
        _one_of("jump_labels", self.jump_labels, ("null", "keep"))
        if not self.horizons or len(set(self.horizons)) != len(self.horizons) or min(self.horizons) < 1:
            raise InputError(f"horizons must be distinct trading days >= 1, got {self.horizons}")
        for name, least in (("lag", 0), ("frozen_days", 2), ("min_history_days", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("min_close", "min_traded_value"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} must be at least 0, got {getattr(self, name)}")
        if not self.return_cap > 0:
            raise InputError(f"return_cap must be above 0, got {self.return_cap}")


def _one_of(name: str, value: str, ways: tuple[str, ...]) -> None:
    if value not in ways:
        raise InputError(f"{name} must be one of {', '.join(ways)}, got {value!r}{nearest(value, ways)}")


@dataclass(frozen=True)
class PanelReport:
    """What was written and what was left out."""

    out: str
    rows: int
    days: int
    stocks: int
    universe_rows: int
    """Rows that may be ranked."""
    features: tuple[str, ...]
    """The ``x_*`` columns, in file order."""
    exclusions: dict[str, int]
    """Rows left out, per gate; a row is counted once, at the first gate that it meets."""
    unknown: dict[str, int]
    """Prices that were taken as missing in rows that were kept."""
    flat: tuple[str, ...]
    """Features without any spread across the universe on more than 5 % of the days (a few are tolerated)."""
    notes: tuple[str, ...] = ()
    """What was found in the calendar and the series, a line each, by name."""

    def lines(self) -> list[str]:
        """The report as text, a fact a line."""
        out = [
            f"{self.out}: {self.rows:,} rows, {self.days:,} days, {self.stocks:,} stocks, "
            f"{len(self.features)} features; {self.universe_rows:,} rows in the universe"
        ]
        out += [f"left out, {gate}: {count:,} rows" for gate, count in self.exclusions.items()]
        out += self.notes
        out += [f"taken as missing, {what}: {count:,} rows" for what, count in self.unknown.items()]
        if self.flat:
            out.append(f"no spread across the universe on more than 5 % of days: {', '.join(self.flat)}")
        return out
