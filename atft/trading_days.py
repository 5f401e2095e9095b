"""Which dates are trading days, decided before anything counts them.

A label of five days counts five entries of the calendar, so a date that is no session, or a session that is
missing, moves the labels, returns and windows of every stock around it. Four rules, from plain counts per date:

- a date in the future is an error, whatever the options say;
- a weekday that the market does not trade (Saturday rows, a coin beside stocks) is rare;
- a day with less than half of the stocks, or 5 % of the traded value, of its trailing median is thin;
- a gap is a run of missing weekdays longer than the market's usual holidays. Its weekdays become days of the
  calendar on which nothing is observed; a label or one-day return across it is unknown.

Thin days are found by the days before them only; weekdays and usual holidays by the whole file, because it
takes a year of it to know them.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

import numpy as np
from jaxtyping import Bool, Float, Int

from atft.errors import InputError, counted, nearest

DAY_RULES = {
    "rare_weekdays": ("error", "exclude", "keep"),
    "thin_days": ("error", "exclude", "keep"),
    "gaps": ("unknown", "error", "keep"),
}
"""What a calendar's faults can do, the default first; key ``calendar`` of prices and of panels."""
TREATMENT = {"exclude": "left out", "unknown": "unknown across", "keep": "kept"}
"""How a finding says what was done about the days of a fault."""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
USUAL_SHARE = np.array([0.25, 0.25, 0.25, 0.25, 0.25, 0.75, 0.75])
"""Least share of a usual weekday's rows. A market trades on Saturdays nearly every week or hardly ever."""
MIN_WEEKS = 3
"""No weekday is rare for fewer missing weeks: a file of eight days has some weekdays once and others twice."""
TRAILING_DAYS, MIN_TRAILING_DAYS, LASTING_DAYS = 60, 5, 120
MIN_STOCKS_SHARE, MIN_VALUE_SHARE = 0.5, 0.05
"""Half days before holidays keep all stocks and a fifth of the value (NASDAQ 2003 to 2017: 0.52 and 0.22)."""
MIN_USUAL_STOCKS = 10
"""Of fewer stocks, half may be quiet on a day that is a session."""
SHORTEST_USUAL_GAP, LONGEST_USUAL_GAP = 4, 8
"""Missing weekdays: 4 are always usual (September 2001), 9 never (the longest Asian holidays have 8)."""
MAX_INSERTED = 260
"""Days inserted into one gap, at most: no feature window is longer. A longer label raises it."""


def day_rules(chosen: Mapping[str, str], key: str) -> dict[str, str]:
    """Complete what an option ``key`` says of each fault of the calendar with the defaults, or raise by name."""
    for fault, way in chosen.items():
        if fault not in DAY_RULES:
            raise InputError(f"{key} has no {fault!r}{nearest(str(fault), DAY_RULES)}")
        ways = DAY_RULES[fault]
        if way not in ways:
            raise InputError(f"{key}.{fault} must be one of {', '.join(ways)}, got {way!r:.40}")
    return {fault: chosen.get(fault, ways[0]) for fault, ways in DAY_RULES.items()}


@dataclass(frozen=True)
class TradingDays:
    """The calendar: dates that were kept and days that were inserted into gaps, ascending."""

    calendar: tuple[date, ...]
    source: Int[np.ndarray, " calendar"]
    """Index of each day among the dates of the file, -1 for an inserted day."""
    findings: tuple[str, ...]
    """A line for each thing that was left out, inserted or kept; empty for a clean calendar."""


def find_trading_days(
    dates: Sequence[date],
    stocks: Int[np.ndarray, " dates"],
    value: Float[np.ndarray, " dates"],
    rules: Mapping[str, str],
    where: str,
    today: date,
    longest_label_days: int,
    key: str = "calendar",
    kind: str = "",
) -> TradingDays:
    """Decide which dates are trading days, and complete the calendar where a stretch of it is missing.

    The ``dates`` are distinct and ascending, at least one. ``stocks`` counts the rows of each that matter (a usable
    close, a known row of a panel), ``value`` is its traded value in any currency, 0 where unknown. ``where`` (the
    file), ``key`` (the option that holds the rules) and ``kind`` (which stocks are counted) are for messages.

    Of a gap longer than ``MAX_INSERTED`` weekdays (or the longest label) only the last ones are inserted: neither
    labels nor windows can tell the difference, and memory stays bounded.

    Raises:
        InputError: a date is in the future, or a fault whose rule is "error" was found.
    """
    rules = day_rules(rules, key)
    if dates[-1] > today + timedelta(days=1):
        later = int((np.array(dates) > today).sum())
        raise InputError(
            f"{where}: {counted(later, 'date')} in the future, the last {dates[-1]} (today is {today}); "
            f"correct or remove their rows"
        )
    findings: list[str] = []

    def judged(fault: str, what: str, examples: Sequence[str], remedy: str) -> str:
        if not examples:
            return ""
        text = f"{what}: {len(examples):,}, the first {', '.join(examples[:3])}"
        if rules[fault] == "error":
            raise InputError(f"{where}: {text}; {remedy}")
        findings.append(f"{TREATMENT[rules[fault]]}, {text}")
        return rules[fault]

    weekday = np.array([day.weekday() for day in dates])
    usual = usual_weekdays(weekday, stocks)
    rare = ~usual[weekday]
    # A rare weekday is no session, so it is neither thin nor a measure of what is usual.
    few, idle = thin_days(stocks, value, ~rare)
    names = " and ".join(name for w, name in enumerate(WEEKDAYS) if rare[weekday == w].any())
    rows = [f"{counted(n, 'stock')}{kind}" for n in stocks.tolist()]
    traded = [f"{v:.3g}" for v in value.tolist()]
    kept = np.ones(len(dates), dtype=bool)
    for fault, which, what, numbers in (
        ("rare_weekdays", rare, f"dates on {names}, when this market rarely trades", rows),
        ("thin_days", few, "days with less than half of the usual stocks", rows),
        ("thin_days", idle, f"days with less than {MIN_VALUE_SHARE:.0%} of the usual traded value", traded),
    ):
        remedy = f"correct them, or set {key}.{fault} to exclude (no sessions) or keep (sessions)"
        examples = [f"{dates[i]} ({numbers[i]})" for i in np.flatnonzero(which).tolist()]
        if judged(fault, what, examples, remedy) == "exclude":
            kept[which] = False

    sessions = [dates[i] for i in np.flatnonzero(kept).tolist()]
    missing = missing_weekdays(sessions, usual)
    longest = longest_usual_gap(missing, (dates[-1] - dates[0]).days / 365.25)
    gap = missing > longest
    remedy = f"complete the file, or set {key}.gaps to unknown or keep"
    examples = [f"{sessions[i]} to {sessions[i + 1]} ({missing[i]:,} missing)" for i in np.flatnonzero(gap)]
    way = judged("gaps", f"gaps of more than {counted(longest, 'weekday')}", examples, remedy)
    inserted = np.minimum(missing, max(MAX_INSERTED, longest_label_days)) * (gap & (way != "keep"))
    calendar, source = list[date](), list[int]()
    # Nothing comes before the first session.
    for i, count in zip(np.flatnonzero(kept).tolist(), [0, *inserted.tolist()], strict=False):
        if count:
            before = np.busday_offset(np.datetime64(dates[i]), np.arange(-count, 0), "forward", usual)
            calendar += before.tolist()
        calendar.append(dates[i])
        source += [-1] * count + [i]
    return TradingDays(tuple(calendar), np.array(source, dtype=np.int64), tuple(findings))


def usual_weekdays(
    weekday: Int[np.ndarray, " dates"], stocks: Int[np.ndarray, " dates"]
) -> Bool[np.ndarray, "7"]:
    """Say on which weekdays, 0 for Monday, the market trades: those with most of the rows of a usual one.

    The usual one is the median of the five weekdays with most rows, so that markets that trade from Sunday to
    Thursday, or on all seven days, are what they are.
    """
    total = np.bincount(weekday, weights=stocks, minlength=7)
    best = np.sort(total)[-5:]
    typical = float(np.median(best[best > 0])) if total.any() else 0.0
    a_day = float(np.median(stocks[stocks > 0])) if total.any() else 0.0
    rare = (total < USUAL_SHARE * typical) & (total <= typical - MIN_WEEKS * a_day)
    usual: np.ndarray = ~rare & (np.bincount(weekday, minlength=7) > 0)
    return usual


def thin_days(
    stocks: Int[np.ndarray, " dates"], value: Float[np.ndarray, " dates"], session: Bool[np.ndarray, " dates"]
) -> tuple[Bool[np.ndarray, " dates"], Bool[np.ndarray, " dates"]]:
    """Say which days have too few stocks, and which of the others too little traded value.

    Each is compared with the median of the last 60 sessions before it that were not thin. After half a year of thin
    days in a row, their size is the usual one. A day without any stock is always thin.
    """
    few, idle = np.zeros((2, len(stocks)), dtype=bool)
    counts, values = stocks.tolist(), value.tolist()
    usual: deque[int] = deque(maxlen=TRAILING_DAYS)
    run: list[int] = []
    for i in np.flatnonzero(session).tolist():
        # A few dozen numbers: ten times faster than NumPy's median, and the calendar is judged at each new day.
        typical = median(counts[j] for j in usual) if len(usual) >= MIN_TRAILING_DAYS else 0.0
        if typical >= MIN_USUAL_STOCKS:
            few[i] = counts[i] < MIN_STOCKS_SHARE * typical
            idle[i] = not few[i] and values[i] < MIN_VALUE_SHARE * median(values[j] for j in usual)
        if few[i] or idle[i]:
            run.append(i)
            if len(run) == LASTING_DAYS:
                usual.extend(run)
        else:
            run.clear()
            usual.append(i)
    return few | (session & (stocks == 0) & bool(stocks.any())), idle


def missing_weekdays(dates: Sequence[date], usual: Bool[np.ndarray, "7"]) -> Int[np.ndarray, " gaps"]:
    """Count the usual weekdays that lie between each date and the next one."""
    days = np.array(dates, dtype="datetime64[D]")
    missing: np.ndarray = np.busday_count(days[:-1] + np.timedelta64(1, "D"), days[1:], usual)
    return missing


def longest_usual_gap(missing: Int[np.ndarray, " gaps"], years: float) -> int:
    """Missing weekdays that are a usual holiday: one more than what recurs once a year, from 4 to 8.

    A file of fewer dates than weekdays (weekly, monthly) has usual gaps of about its own step.
    """
    if not len(missing):
        return SHORTEST_USUAL_GAP
    once_a_year = max(2, int(np.ceil(years)))
    recurs = int(np.sort(missing)[-once_a_year]) if len(missing) >= once_a_year else 0
    step = int(np.median(missing))
    return max(SHORTEST_USUAL_GAP + 2 * step, min(LONGEST_USUAL_GAP, recurs + 1))


def day_index(calendar: Sequence[date], day: date, side: str) -> int:
    """Index on the calendar of the first day >= ``day`` (side "from") or the last day <= ``day`` ("to").

    ``len(calendar)`` or -1 where there is none.
    """
    return bisect_left(calendar, day) if side == "from" else bisect_right(calendar, day) - 1
