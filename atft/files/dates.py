"""Read trading days: one rule for prices and panels, CSV and Parquet.

A trading day is a local date of the exchange. Plain dates are it, in ISO form or as YYYYMMDD, text or number; a
timestamp is it where it is midnight as written or in its own time zone. Any other time of day raises, because the
day it belongs to depends on a zone that the file does not name: midnight in Tokyo, stored in UTC, is 15:00 the day
before. UTC offsets of one exchange differ by an hour between winter and summer; further apart they are two
exchanges, whose days are not one calendar.
"""

import re
from collections.abc import Sequence
from datetime import date, time, timedelta
from typing import SupportsInt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atft.errors import InputError
from atft.files.cells import CellRange, decoded, first_true, is_text, read_names

EPOCH = date(1970, 1, 1)
DayNumbers = np.ndarray[tuple[int], np.dtype[np.int32]]
"""Days since 1970-01-01."""
_FIRST_YEAR = date(1900, 1, 1)
MAX_OFFSET_CHANGE_MINUTES = 60
"""Between winter and summer of one exchange."""
_DAY = 86_400
_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?)?"
    r" ?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_ERA = re.compile(r"(?:era)?[ _]?([0-9]{1,5})", re.I)
_COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:\.0)?")
_ROUNDED = (pa.float16(), pa.float32())
"""Of neighbouring days written as YYYYMMDD they hold every second one."""
# Zones of large exchanges, to name the one in which a column stored in UTC is midnight.
_EXCHANGES = (
    *("Asia/Tokyo", "America/New_York", "Europe/London", "Asia/Shanghai", "Asia/Kolkata", "Europe/Paris"),
    *("Australia/Sydney", "America/Sao_Paulo", "Europe/Moscow", "Africa/Johannesburg", "Asia/Bangkok"),
)


def as_day_numbers(dates: Sequence[date]) -> DayNumbers:
    """Dates as days since 1970-01-01."""
    numbers: DayNumbers = np.array(dates, dtype="datetime64[D]").astype(np.int32)
    return numbers


def as_dates(numbers: np.ndarray) -> list[date]:
    """Days since 1970-01-01 as dates."""
    dates: list[date] = numbers.astype("datetime64[D]").tolist()
    return dates


def date_of(number: SupportsInt) -> date:
    """One such day as a date."""
    return EPOCH + timedelta(days=int(number))


class DayReader:
    """Reads the date column of one table, batch by batch, and remembers the UTC offsets it has met.

    Dates more than a year after ``today``, by default the date of this computer, raise. With ``first_era``, the
    date of era 1, the column counts weekly eras instead.
    """

    def __init__(self, today: date | None = None, first_era: date | None = None) -> None:
        self.first_era = first_era
        self.last = (today or date.today()) + timedelta(days=366)
        self._offsets: tuple[int | None, int, int] | None = None
        """Of the first row, the lowest and the highest, in minutes."""

    def read(self, column: pa.Array, cells: CellRange) -> DayNumbers:
        """Return the trading day of each row.

        Raises:
            InputError: another type, a null, a text that is no date, a time of day, offsets of two exchanges,
                or a year before 1900 or more than a year from now.
        """
        column = decoded(column)
        if self.first_era is not None:
            # Before numbers are taken for YYYYMMDD: an era is a small one.
            days = (self.first_era - EPOCH).days + 7 * (_eras(column, cells) - 1)
            self._check_years(days, cells)
            return days.astype(np.int32)
        if column.type in _ROUNDED:
            raise InputError(
                f"{cells} is {column.type}, which rounds numbers such as 20150105; write int32 or text"
            )
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            try:
                column = column.cast(pa.int64()).cast(pa.string())
            except pa.ArrowInvalid as error:
                raise InputError(f"{cells} must hold dates; write numbers as YYYYMMDD") from error
        kind = column.type
        if not (is_text(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            raise InputError(f"{cells} must hold dates, it is {kind}; cast it to a date")
        if column.null_count:
            raise cells.fault(first_true(column.is_null()), "no date; fill it in or drop the row")
        if not len(column):
            return np.empty(0, dtype=np.int32)
        if is_text(kind):
            days = self._from_texts(column, cells)
        elif pa.types.is_timestamp(kind):
            days = self._from_timestamps(column, cells)
        else:
            days = column.cast(pa.date32(), safe=False).cast(pa.int32()).to_numpy()
            self._check_years(days, cells)
            self._check_offset(None, 0, cells)
        return days.astype(np.int32)

    def read_known(self, column: pa.Array, cells: CellRange) -> np.ndarray:
        """Return the day of each row as float32, NaN where it is null; raises as `read` does but for nulls."""
        column = decoded(column)
        known = column.drop_null()
        if not len(known):
            return np.full(len(column), np.nan, dtype=np.float32)
        days = self.read(column.fill_null(known[0]), cells)
        empty = column.is_null().to_numpy(zero_copy_only=False)
        return np.where(empty, np.float32(np.nan), days.astype(np.float32))

    def _from_timestamps(self, column: pa.Array, cells: CellRange) -> np.ndarray:
        zone, second = column.type.tz, _TICKS[column.type.unit]
        instants: np.ndarray = column.cast(pa.int64()).to_numpy()
        days, clock = np.divmod(instants, _DAY * second)
        # Before the zone is asked, which cannot answer for years that do not exist.
        self._check_years(days, cells)
        local = instants
        if zone is not None:
            try:
                local = pc.local_timestamp(column).cast(pa.int64()).to_numpy()
            except pa.ArrowInvalid as error:
                raise InputError(f"{cells}: time zone {zone!r} is unknown; write plain dates") from error
            days, clock = np.divmod(local, _DAY * second)
        if clock.any():
            row = int((clock != 0).argmax())
            utc = instants // second if zone is not None and (local == instants).all() else None
            named = None if zone is None else f"in {zone}"
            raise _time_of_day(int(local[row]) // second, named, utc, row, cells)
        shift = int(local[0] - instants[0]) // (60 * second)
        self._check_offset(None if zone is None else shift, 0, cells)
        return days

    def _from_texts(self, column: pa.Array, cells: CellRange) -> np.ndarray:
        # The distinct texts are few and come in the order of their first rows.
        encoded = column.dictionary_encode()
        parsed: list[tuple[int, int, int | None]] = []
        for i, text in enumerate(encoded.dictionary.to_pylist()):
            try:
                parsed.append(_parsed(text.strip()))
            except ValueError as error:
                raise cells.fault(
                    first_true(pc.equal(encoded.indices, i)),
                    f"{text[:40]!r} is not an ISO date; write dates like 2015-01-31",
                ) from error
        days, clocks, offsets = zip(*parsed, strict=True)
        every, seconds = np.array(days, dtype=np.int64), np.array(clocks, dtype=np.int64)
        rows: np.ndarray = encoded.indices.to_numpy()
        by_row: np.ndarray = every[rows]
        self._check_years(by_row, cells)
        if seconds.any():
            i = int((seconds != 0).argmax())
            utc = not any(offsets) and offsets[0] is not None
            zone = None if offsets[i] is None else f"at {_offset_text(offsets[i])}"
            at = every * _DAY + seconds
            raise _time_of_day(int(at[i]), zone, at if utc else None, int(np.argmax(rows == i)), cells)
        for offset in dict.fromkeys(offsets):
            self._check_offset(offset, int(np.argmax(rows == offsets.index(offset))), cells)
        return by_row

    def _check_years(self, days: np.ndarray, cells: CellRange) -> None:
        outside = (days < (_FIRST_YEAR - EPOCH).days) | (days > (self.last - EPOCH).days)
        if outside.any():
            row = int(outside.argmax())
            day = np.datetime64(int(days[row]), "D")
            raise cells.fault(row, f"{day} is not between {_FIRST_YEAR} and {self.last}; correct it")

    def _check_offset(self, offset: int | None, row: int, cells: CellRange) -> None:
        """Compare a row's UTC offset in minutes, None for none, with those of all rows before it."""
        minutes = offset or 0
        first, low, high = self._offsets or (offset, minutes, minutes)
        low, high = min(low, minutes), max(high, minutes)
        if (offset is None) != (first is None) or high - low > MAX_OFFSET_CHANGE_MINUTES:
            raise cells.fault(
                row,
                f"{_offset_text(offset)}, where the first row has {_offset_text(first)}; "
                f"write plain dates of one exchange",
            )
        self._offsets = first, low, high


def _eras(column: pa.Array, cells: CellRange) -> np.ndarray:
    """Number of the era of each row: 12, "0012", "era12" and "era 12" are 12."""
    names = read_names(column, cells)
    if names.null_count:
        raise cells.fault(first_true(names.is_null()), "no era; fill it in or drop the row")
    encoded, numbers = names.dictionary_encode(), []
    for i, text in enumerate(encoded.dictionary.to_pylist()):
        era = _ERA.fullmatch(text)
        if era is None:
            row = first_true(pc.equal(encoded.indices, i))
            raise cells.fault(row, f"{text[:40]!r} is not the number of an era, such as 12, 0012 or era12")
        numbers.append(int(era[1]))
    eras: np.ndarray = np.array(numbers, dtype=np.int64)[encoded.indices.to_numpy()]
    return eras


def _parsed(text: str) -> tuple[int, int, int | None]:
    """Day, second of the day (rounded up) and UTC offset in minutes of an ISO or compact text, or ValueError."""
    compact = _COMPACT.fullmatch(text)
    parts = _ISO.fullmatch("-".join(compact.groups()) if compact else text)
    if parts is None:
        raise ValueError(text)
    day, hour, minute, second, fraction, zone = parts.groups()
    clock = time(int(hour or 0), int(minute or 0), int(second or 0))
    at = 3600 * clock.hour + 60 * clock.minute + clock.second + (int(fraction or 0) > 0)
    number = (date.fromisoformat(day) - EPOCH).days
    if zone is None:
        return number, at, None
    if zone == "Z":
        return number, at, 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    offset = (60 * int(digits[:2]) + int(digits[2:])) * (-1 if zone[0] == "-" else 1)
    if abs(offset) > 14 * 60:
        raise ValueError(text)
    return number, at, offset


def _time_of_day(
    local: int, zone: str | None, instants: np.ndarray | None, row: int, cells: CellRange
) -> InputError:
    """The error for a local time, in seconds since 1970, that is not midnight.

    ``zone`` is how the message names its zone; ``instants`` are all rows' times where the column is stored in UTC.
    """
    text = str(np.datetime64(local, "s")).replace("T", " ").removesuffix(":00")
    home = None if instants is None else _midnight_zone(np.unique(instants))
    if zone is None:
        text += " has a time of day and no time zone; write the exchange's plain dates"
    elif home is None:
        text += f" {zone} is not midnight; write the exchange's plain dates"
    else:
        text += f" {zone} is midnight in {home}; if that is the exchange's zone, convert the column to it, "
        text += "else write plain dates"
    return cells.fault(row, text)


def _midnight_zone(instants: np.ndarray) -> str | None:
    """A large exchange's zone in which all these UTC seconds are midnight, else their one offset, else None."""
    for zone in _EXCHANGES:
        try:
            local = pc.local_timestamp(pa.array(instants, pa.timestamp("s", zone)))
        except pa.ArrowInvalid:  # a computer without this zone
            continue
        if not (local.cast(pa.int64()).to_numpy() % _DAY).any():
            return zone
    seconds = np.unique(instants % _DAY)
    if len(seconds) > 1 or seconds[0] % 900:
        return None
    # Exchanges lie between UTC-10:00 and UTC+13:00.
    minutes = int(seconds[0]) // 60
    return _offset_text(-minutes if minutes <= 600 else 1440 - minutes)


def _offset_text(minutes: int | None) -> str:
    if minutes is None:
        return "no UTC offset"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"
