"""Dates to trading days: what counts as a day, and what each fault says."""

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from atft.errors import InputError
from atft.files.cells import CellRange
from atft.files.dates import EPOCH, DayReader

PLACE = CellRange(Path("p.parquet"), "date")
TODAY = dt.date(2026, 6, 30)
DAYS = [dt.date(2020, 1, 6), dt.date(2020, 7, 7)]
MIDNIGHTS = [dt.datetime(d.year, d.month, d.day) for d in DAYS]


def days_of(*columns: pa.Array) -> list[dt.date]:
    reader = DayReader(TODAY)
    return [EPOCH + dt.timedelta(days=int(d)) for c in columns for d in reader.read(c, PLACE)]


def fault(*columns: pa.Array) -> str:
    with pytest.raises(InputError) as caught:
        days_of(*columns)
    message = str(caught.value)
    assert message.startswith("p.parquet: column 'date'") and "\n" not in message and len(message) < 200
    return message


def zoned(zone: str, unit: str = "us", stored: str | None = None) -> pa.Array:
    """Midnights of the two days in a zone, as a column of that zone or of ``stored``."""
    moments = [m.replace(tzinfo=ZoneInfo(zone)) for m in MIDNIGHTS]
    return pa.array(moments, pa.timestamp(unit, stored or zone))


@pytest.mark.parametrize(
    "column",
    [
        pa.array(DAYS, pa.date32()),
        pa.array(DAYS, pa.date64()),
        *(pa.array(MIDNIGHTS, pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")),
        pa.array([str(d) for d in DAYS]),
        pa.array([str(d) for d in DAYS], pa.large_string()),
        pa.array([str(d) for d in DAYS], pa.string_view()),
        pa.array([str(d) for d in DAYS]).dictionary_encode(),
        pa.array([f" {d}T00:00 " for d in DAYS]),
        pa.array([f"{d} 00:00:00.000" for d in DAYS]),
        pa.array([f"{d}T00:00:00Z" for d in DAYS]),
        pa.array([f"{d} 00:00:00+09" for d in DAYS]),
        pa.array([f"{d:%Y%m%d}" for d in DAYS]),
        pa.array([int(f"{d:%Y%m%d}") for d in DAYS], pa.int32()),
        pa.array([float(f"{d:%Y%m%d}") for d in DAYS]),
        pa.array([f"{DAYS[0]} 00:00:00-05:00", f"{DAYS[1]} 00:00:00-0400"]),
        *(zoned(zone) for zone in ("Asia/Tokyo", "America/New_York", "Europe/London", "UTC")),
        zoned("Asia/Tokyo", "ns"),
        pa.array([m + dt.timedelta(hours=5) for m in MIDNIGHTS], pa.timestamp("s", "-05:00")),
    ],
    ids=lambda c: str(c.type),
)
def test_every_way_to_write_a_day_is_the_same_trading_day(column: pa.Array) -> None:
    assert days_of(column) == DAYS
    assert DayReader(TODAY).read(column, PLACE).dtype == np.int32


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32()], ids=str)
def test_a_format_that_rounds_a_date_to_its_neighbour_is_an_error(kind: pa.DataType) -> None:
    # 20150105 is 20150104 in float32.
    assert fault(pa.array([np.float32(20150105)]).cast(kind, safe=False)) == (
        f"p.parquet: column 'date' is {kind}, which rounds numbers such as 20150105; write int32 or text"
    )


def test_an_empty_batch_is_no_day() -> None:
    for kind in (pa.date32(), pa.string(), pa.timestamp("us"), pa.timestamp("us", "UTC")):
        assert days_of(pa.array([], kind), pa.array(["2020-01-06+09:00"])) == DAYS[:1]


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Asia/Tokyo", "row 1: 2020-01-05 15:00 in UTC is midnight in Asia/Tokyo; if that is the exchange's"),
        ("Asia/Seoul", "row 1: 2020-01-05 15:00 in UTC is midnight in Asia/Tokyo;"),
        ("America/New_York", "row 1: 2020-01-06 05:00 in UTC is midnight in America/New_York;"),
        ("Europe/London", "row 2: 2020-07-06 23:00 in UTC is midnight in Europe/London;"),
        ("Asia/Kathmandu", "row 1: 2020-01-05 18:15 in UTC is midnight in UTC+05:45;"),
        (
            "America/Halifax",
            "row 1: 2020-01-06 04:00 in UTC is not midnight; write the exchange's plain dates",
        ),
    ],
)
def test_midnights_stored_in_utc_raise_and_name_a_zone_that_makes_every_row_midnight(
    zone: str, said: str
) -> None:
    column = zoned(zone, stored="UTC")
    assert said in fault(column)
    texts = pa.array([moment.isoformat() for moment in column.to_pylist()])
    assert said.replace("in UTC is", "at UTC+00:00 is") in fault(texts)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (
            pa.array([dt.datetime(2020, 1, 6, 9, 30)], pa.timestamp("us")),
            "row 1: 2020-01-06 09:30 has a time of day and no time zone; write the exchange's plain dates",
        ),
        (pa.array(["2020-01-06", "2020-01-07 16:00"]), "row 2: 2020-01-07 16:00 has a time of day"),
        (
            pa.array([dt.datetime(2020, 1, 6, 21)], pa.timestamp("us", "America/New_York")),
            "row 1: 2020-01-06 16:00 in America/New_York is not midnight",
        ),
        (pa.array(["2020-01-06", "06.01.2020"]), "row 2: '06.01.2020' is not an ISO date; write dates like"),
        (pa.array(["2020-02-30"]), "'2020-02-30' is not an ISO date"),
        (pa.array(["2020-01-06T24:00"]), "'2020-01-06T24:00' is not an ISO date"),
        (pa.array(["2020-01-06+99:00"]), "'2020-01-06+99:00' is not an ISO date"),
        (pa.array(["\x1b[2J" + "9" * 5000]), r"row 1: '\x1b[2J9999"),
        (pa.array([DAYS[0], None]), "row 2: no date; fill it in or drop the row"),
        (pa.array([20200106, 18267]), "row 2: '18267' is not an ISO date"),
        (pa.array([20200230]), "row 1: '20200230' is not an ISO date"),
        (pa.array([20200106.5]), "must hold dates; write numbers as YYYYMMDD"),
        (pa.array([True]), "must hold dates, it is bool; cast it to a date"),
        (pa.array([0], pa.timestamp("us", "Mars/Olympus")), "time zone 'Mars/Olympus' is unknown"),
        (
            pa.array([dt.date(1, 1, 1)]),
            "row 1: 0001-01-01 is not between 1900-01-01 and 2027-07-01; correct it",
        ),
        (pa.array([DAYS[0], dt.date(9999, 12, 31)]), "row 2: 9999-12-31 is not between"),
        (pa.array(["9999-12-31"]), "row 1: 9999-12-31 is not between"),
        (pa.array([2**62], pa.timestamp("s", "Asia/Tokyo")), "is not between"),
        (pa.array([-(2**62)], pa.timestamp("s")), "is not between"),
        (pa.array([2**61 // 86_400_000 * 86_400_000], pa.date64()), "is not between"),
        (pa.array([2**31 - 1], pa.int32()).cast(pa.date32()), "is not between"),
    ],
)
def test_what_is_no_trading_day_raises_one_line_that_names_the_row(column: pa.Array, said: str) -> None:
    assert said in fault(column)


def test_offsets_of_one_exchange_are_one_zone_and_those_of_two_raise() -> None:
    winter, summer = pa.array(["2020-01-06T00:00-05:00"]), pa.array(["2020-07-07T00:00-04:00"])
    assert days_of(winter, summer) == days_of(pa.array(DAYS))
    tokyo = pa.array(["2020-07-07T00:00-04:00", "2020-07-07T00:00+09:00"])
    said = "row 2: UTC+09:00, where the first row has UTC-05:00; write plain dates of one exchange"
    assert said in fault(winter, tokyo)
    assert "row 1: no UTC offset, where the first row has UTC-05:00" in fault(winter, pa.array(DAYS))
    assert "row 1: UTC-04:00, where the first row has no UTC offset" in fault(pa.array(DAYS), summer)


def test_three_offsets_an_hour_apart_from_each_other_are_not_one_exchange() -> None:
    texts = [f"2020-01-06T00:00+{hour:02d}:00" for hour in (1, 2, 3)]
    assert "row 3: UTC+03:00, where the first row has UTC+01:00" in fault(pa.array(texts))


def test_a_fault_counts_rows_from_the_beginning_of_the_file() -> None:
    cells = CellRange(Path("p.csv"), "date", first_row=1_000_000)
    with pytest.raises(InputError, match="row 1,000,002"):
        DayReader(TODAY).read(pa.array(["2020-01-06", "x"]), cells)


@pytest.mark.parametrize(
    "eras", [["0001", "0574"], ["era1", "era574"], ["Era 1", "ERA_574"], [1, 574], [1.0, 574.0]]
)
def test_weekly_eras_are_counted_from_the_date_of_the_first(eras: list[Any]) -> None:
    days = DayReader(TODAY, first_era=dt.date(2003, 1, 3)).read(pa.array(eras), PLACE)
    assert [EPOCH + dt.timedelta(days=int(d)) for d in days] == [dt.date(2003, 1, 3), dt.date(2013, 12, 27)]


@pytest.mark.parametrize(
    ("eras", "message"),
    [
        (["0001", "eraX"], "row 2: 'eraX' is not the number of an era, such as 12, 0012 or era12"),
        ([1.5], "row 1: 1.5 must be a whole number below"),
        ([9000], "row 1: 2175-06-23 is not between 1900-01-01 and"),
        (["0001", None], "row 2: no era; fill it in"),
    ],
)
def test_what_is_no_era_is_named(eras: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DayReader(TODAY, first_era=dt.date(2003, 1, 3)).read(pa.array(eras), PLACE)
