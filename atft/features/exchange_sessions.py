"""Dates of prices against the sessions of an exchange: which sessions have no rows, and which dates are no session.

Only counts: what a hole in the calendar does to features and labels is decided by `atft.trading_days`, which needs
no knowledge of any exchange.
"""

import warnings
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from atft.errors import InputError, clip, nearest, one_line

MAX_SHOWN_DAYS = 5
MARGIN = timedelta(days=14)


def session_line(dates: Sequence[date], exchange: str) -> str:
    """Compare dates, ascending and at least one, with the sessions between the first and the last of them.

    Args:
        exchange: ISO code of the market, ``XNYS``, or another name that `exchange_calendars` knows.

    Returns:
        One line: how many sessions have no rows and how many dates are no session, the first few by name. Dates
        before the calendar begins do not count.

    Raises:
        InputError: `exchange_calendars` is not installed, or does not know the exchange.
    """
    calendar = _calendar(dates[0], dates[-1], exchange)
    first = max(dates[0], calendar.first_session.date())
    sessions = {day for session in calendar.sessions if first <= (day := session.date()) <= dates[-1]}
    known = {day for day in dates if day >= first}
    missing, other = sorted(sessions - known), sorted(known - sessions)
    return (
        f"calendar {exchange}: {len(sessions):,} sessions from {first} to {dates[-1]}; "
        f"without rows: {_some(missing)}; dates that are no session: {_some(other)}"
    )


def _some(days: Sequence[date]) -> str:
    if not days:
        return "0"
    more = ", ..." if len(days) > MAX_SHOWN_DAYS else ""
    return f"{len(days):,} ({', '.join(map(str, days[:MAX_SHOWN_DAYS]))}{more})"


def _calendar(first: date, last: date, exchange: str) -> Any:
    """The calendar of an exchange, from some days before ``first``, or as early as it is known."""
    try:
        import exchange_calendars
        from exchange_calendars import errors
    except ImportError as error:
        raise InputError(
            f"calendar {exchange!r:.40} needs exchange_calendars; run: pip install 'atft[calendars]'"
        ) from error
    try:
        with warnings.catch_warnings():  # of pandas, about how the package calls it
            warnings.simplefilter("ignore")
            # A calendar of a single day is an error of the package, hence the margin.
            earliest = exchange_calendars.get_calendar(exchange).bound_min()
            start = max(first - MARGIN, earliest.date()) if earliest is not None else first - MARGIN
            return exchange_calendars.get_calendar(exchange, start=str(start), end=str(last + MARGIN))
    except errors.InvalidCalendarName as error:
        known = exchange_calendars.get_calendar_names()
        raise InputError(
            f"calendar {exchange!r:.40}: no such exchange{nearest(exchange.upper(), known)}"
        ) from error
    except (errors.CalendarError, ValueError) as error:
        raise InputError(
            f"calendar {exchange}: {clip(one_line(error), 120)}; leave the exchange out"
        ) from error
