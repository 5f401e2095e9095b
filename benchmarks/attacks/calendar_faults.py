"""Faults of the calendar and of price bases planted into sound prices, each with the check that is right for it."""

import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from benchmarks.attacks.content import difference
from benchmarks.attacks.sound import price_frame

HOLIDAYS = [
    date(2015, 4, 3), date(2015, 5, 25), date(2015, 7, 3), date(2015, 9, 7), date(2015, 11, 26), date(2015, 12, 25)
]  # fmt: skip
LABELS = ("target_1d", "target_5d", "target_1d_lag1", "target_5d_lag1", "return_1d")
SATURDAYS = [date(2015, 1, 10) + timedelta(weeks=w) for w in range(54)]
PRICES = ("open", "high", "low", "close")
DAY, CODE = pl.col("date"), pl.col("code")
CODES = [str(1300 + s) for s in range(30)]
Check = Callable[[pl.DataFrame, pl.DataFrame], str]
"""What is wrong with the panel of the planted prices, beside the panel of the sound ones; empty for nothing."""


class Planted(NamedTuple):
    """Prices with a fault, and the check that their panel must pass."""

    prices: pl.DataFrame
    check: Check


Fault = Callable[[pl.DataFrame], Planted]


def sound_prices() -> pl.DataFrame:
    """A year and a bit of weekdays without six holidays, 30 stocks."""
    return price_frame(days=290).filter(~DAY.is_in(HOLIDAYS))


def exact(actual: pl.DataFrame, sound: pl.DataFrame) -> str:
    """Every row and every bit is the sound panel's."""
    return difference(actual, sound)


def labels(free: Sequence[str] = (), tolerance: float = 0.0, features: bool = True) -> Check:
    """Targets and one-day returns are the sound ones or unknown, and few are unknown.

    Args:
        free: codes whose own prices were changed so that nothing can be asked of them.
        tolerance: for prices that were divided and rounded.
        features: ask it of the features that are returns too.
    """

    def check(actual: pl.DataFrame, sound: pl.DataFrame) -> str:
        both = actual.join(sound, on=["date", "code"], suffix="_sound").filter(~CODE.is_in(list(free)))
        returns = [n for n in sound.columns if n.startswith("x_return_") and n.endswith("d")]
        for name in (*LABELS, *(returns if features else [])):
            right = pl.col(f"{name}_sound")
            wrong = both.filter(
                pl.col(name).is_not_null() & ~((pl.col(name) - right).abs() <= tolerance).fill_null(False)
            )
            if wrong.height:
                row = wrong.row(0, named=True)
                where = f"{row['code']} on {row['date']}"
                return (
                    f"{name} of {where} is {row[name]}, right is {row[f'{name}_sound']}; {wrong.height} cells"
                )
        known = both["target_1d"].count() / max(1, both["target_1d_sound"].count())
        return "" if known > 0.8 else f"only {known:.0%} of the targets are left"

    return check


# -- days that are none


def _bars(frame: pl.DataFrame, day: date, codes: Sequence[str], **columns: pl.Expr) -> pl.DataFrame:
    """Rows dated ``day`` with the prices of the last day before it."""
    before = frame.filter(day > DAY)["date"].max()
    return frame.filter((before == DAY) & CODE.is_in(list(codes))).with_columns(date=pl.lit(day), **columns)


def _added(days: Sequence[date], count: int, check: Check = exact, **columns: pl.Expr) -> Fault:
    """Rows of the first ``count`` stocks on days that are no sessions."""

    def fault(frame: pl.DataFrame) -> Planted:
        extra = [_bars(frame, day, CODES[:count], **columns) for day in days]
        return Planted(pl.concat([frame, *extra]).sort("date", "code"), check)

    return fault


MOVED = {n: pl.col(n) * 1.01 for n in PRICES}
NO_PRICES = {n: pl.lit(None, pl.Float64) for n in PRICES}
NO_VOLUME = {"volume": pl.lit(0.0)}


def _coin(days: Sequence[date]) -> Fault:
    """One more code that trades on these days beside the usual ones."""

    def fault(frame: pl.DataFrame) -> Planted:
        usual = frame.filter(CODE == "1309").with_columns(
            code=pl.lit("COIN"), close=pl.col("close").shift(-7).fill_null(50)
        )
        usual = usual.with_columns(
            high=pl.max_horizontal("high", "close"), low=pl.min_horizontal("low", "close")
        )
        frames = [_bars(usual, day, ["COIN"], **MOVED) for day in days if day > usual["date"].min()]
        return Planted(pl.concat([frame, usual, *frames]).sort("date", "code"), labels())

    return fault


# -- days that are missing


def _without(gone: pl.Expr, check: Check | None = None) -> Fault:
    return lambda frame: Planted(frame.filter(~gone), check or labels())


def _between(first: date, last: date) -> pl.Expr:
    return DAY.is_between(first, last)


def _thin(days: Sequence[date], count: int) -> Fault:
    """Only ``count`` stocks are left on these days."""
    return _without(DAY.is_in(list(days)) & ~CODE.is_in(CODES[:count]))


def _emptied(day: date, **columns: pl.Expr) -> Fault:
    """All rows of a session lose their prices."""
    changed = [pl.when(day == DAY).then(v).otherwise(n).alias(n) for n, v in columns.items()]
    return lambda frame: Planted(frame.with_columns(changed), labels())


def _stale(frame: pl.DataFrame) -> Planted:
    """A session holds the prices of the day before, without volume."""
    bars = _bars(frame, WEDNESDAY, CODES, **NO_VOLUME)
    return Planted(pl.concat([frame.filter(DAY != WEDNESDAY), bars]).sort("date", "code"), labels())


def _monthly(frame: pl.DataFrame) -> Planted:
    """The first half holds one day a month."""
    last = pl.col("date") == pl.col("date").max().over(DAY.dt.truncate("1mo"))
    return Planted(frame.filter((date(2015, 7, 1) <= DAY) | last), labels())


# -- days that are others


def _dated(rows: pl.Expr, other: pl.Expr, free: Sequence[str] = ()) -> Fault:
    def fault(frame: pl.DataFrame) -> Planted:
        moved = frame.with_columns(date=pl.when(rows).then(other).otherwise(DAY))
        return Planted(moved.sort("date", "code"), labels(free))

    return fault


def _zoned(zone: str, stored: str, check: Check | None = exact) -> Fault:
    """Midnights of one time zone stored in another; where no check can pass, only an error is right."""
    local = DAY.cast(pl.Datetime("us")).dt.replace_time_zone(zone).dt.convert_time_zone(stored)
    return lambda frame: Planted(frame.with_columns(date=local), check or _never)


def _written(form: str, zone: str, check: Check | None = exact, hours: int = 0) -> Fault:
    """Dates written as text with the offset that the zone has on the day."""
    moment = (DAY.cast(pl.Datetime("us")) + timedelta(hours=hours)).dt.replace_time_zone(zone)
    if form.endswith("Z"):
        moment = moment.dt.convert_time_zone("UTC")
    return lambda frame: Planted(frame.with_columns(date=moment.dt.to_string(form)), check or _never)


def _two_exchanges(frame: pl.DataFrame) -> Planted:
    """Half of the stocks carry Tokyo's offset, the others New York's."""
    day = DAY.dt.to_string("%Y-%m-%d")
    text = pl.when(CODE < "1315").then(day + "T00:00:00+09:00").otherwise(day + "T00:00:00-05:00")
    return Planted(frame.with_columns(date=text), exact)


def _never(actual: pl.DataFrame, sound: pl.DataFrame) -> str:
    return "accepted, though every day is another one"


# -- prices that change their base


def _scaled(ratio: float, codes: Sequence[str], days: Sequence[date], shares: bool = True) -> Fault:
    """From its day on each code's prices are multiplied by ``ratio``, its volumes divided by it."""

    def fault(frame: pl.DataFrame) -> Planted:
        prices = frame
        for code, day in zip(codes, days, strict=True):
            after = (code == CODE) & (day <= DAY)
            prices = prices.with_columns(
                pl.when(after).then(pl.col(n) * ratio).otherwise(n).alias(n) for n in PRICES
            )
            if shares:
                prices = prices.with_columns(
                    volume=pl.when(after).then(pl.col("volume") / ratio).otherwise("volume")
                )
        return Planted(prices, labels(tolerance=2e-4, features=False))

    return fault


def _print(factor: float) -> Fault:
    """One close of one stock is far off."""
    row = (CODE == "1307") & (date(2015, 8, 12) == DAY)
    wrong = [pl.when(row).then(pl.col(n) * factor).otherwise(n).alias(n) for n in ("high", "low", "close")]
    # The rows of the jump are left out and the prices around them joined: longer returns are near, not right.
    return lambda frame: Planted(frame.with_columns(wrong), labels(features=False))


def _frozen(frame: pl.DataFrame) -> Planted:
    """One stock repeats its bar for thirty days."""
    bar = frame.filter((CODE == "1307") & (date(2015, 8, 12) == DAY)).row(0, named=True)
    rows = (CODE == "1307") & _between(date(2015, 8, 12), date(2015, 9, 22))
    same = [pl.when(rows).then(bar[n]).otherwise(n).alias(n) for n in PRICES]
    return Planted(frame.with_columns(same), labels(free=["1307"]))


def _copy(frame: pl.DataFrame) -> Planted:
    """A code has the prices of another one."""
    again = frame.filter(CODE == "1307").with_columns(code=pl.lit("9999"))

    def check(actual: pl.DataFrame, sound: pl.DataFrame) -> str:
        stay = min(actual.filter(code == CODE).height for code in ("1307", "9999"))
        return labels()(actual, sound) or ("" if stay <= 60 else f"both codes stay, for {stay} days")

    return Planted(pl.concat([frame, again]).sort("date", "code"), check)


MONDAYS = [date(2015, 3, 2) + timedelta(weeks=2 * w) for w in range(20)]
TUESDAY, WEDNESDAY, FRIDAY = date(2015, 8, 4), date(2015, 8, 5), date(2015, 8, 7)
SUMMER = _between(date(2015, 6, 1), date(2015, 8, 31))
TWO_WEEKS = _between(date(2015, 6, 8), date(2015, 6, 19))
NEXT_DAY = DAY.dt.offset_by("1d")
_shuffled = random.Random(2).sample(CODES, 20)
FAULTS: dict[str, Fault] = {
    "three stocks on a Saturday": _added(SATURDAYS[30:31], 3),
    "three stocks on a Saturday, moved": _added(SATURDAYS[30:31], 3, **MOVED),
    "three stocks on a Sunday": _added([SATURDAYS[30] + timedelta(1)], 3),
    "all stocks on a Saturday": _added(SATURDAYS[30:31], 30),
    "all stocks on a Saturday, moved": _added(SATURDAYS[30:31], 30, **MOVED),
    "three stocks on 28 Saturdays": _added(SATURDAYS[5:33], 3),
    "all stocks on ten Saturdays": _added(SATURDAYS[5:15], 30),
    "one stock on ten Sundays": _added([d + timedelta(1) for d in SATURDAYS[5:15]], 1),
    "a Saturday without volume": _added(SATURDAYS[30:31], 30, **NO_VOLUME),
    "a Saturday without prices": _added(SATURDAYS[30:31], 30, **NO_PRICES),
    "a weekend of both days": _added([SATURDAYS[30], SATURDAYS[30] + timedelta(1)], 5),
    "a coin on weekends": _coin([d + timedelta(n) for d in SATURDAYS for n in (0, 1)]),
    "a coin on weekends and holidays": _coin([*(d + timedelta(n) for d in SATURDAYS for n in (0, 1)), *HOLIDAYS]),
    "a coin on holidays": _coin(HOLIDAYS),
    "a holiday without prices": _added(HOLIDAYS[2:3], 30, **NO_PRICES),
    "a holiday bar without volume": _added(HOLIDAYS[2:3], 30, **NO_VOLUME),
    "holiday bars without volume": _added(HOLIDAYS, 30, **NO_VOLUME),
    "a holiday bar of unknown volume": _added(HOLIDAYS[2:3], 30, volume=pl.lit(None, pl.Float64)),
    "a holiday of three stocks": _added(HOLIDAYS[2:3], 3, **MOVED),
    "a holiday of one stock": _added(HOLIDAYS[5:6], 1),
    "a row in 2099": _added([date(2099, 1, 2)], 1),
    "all stocks in 2099": _added([date(2099, 1, 2)], 30),
    "a row without prices in 2099": _added([date(2099, 1, 2)], 1, **NO_PRICES),
    "a row of year 1": _dated((CODE == "1307") & (TUESDAY == DAY), pl.lit(date(1, 1, 1)), ["1307"]),
    "a row of year 9999": _dated((CODE == "1307") & (TUESDAY == DAY), pl.lit(date(9999, 12, 31)), ["1307"]),
    "a row of 1970": _dated((CODE == "1307") & (TUESDAY == DAY), pl.lit(date(1970, 1, 2)), ["1307"]),
    "a row of 2051 for 2015": _dated((CODE == "1307") & (TUESDAY == DAY), pl.lit(date(2051, 8, 4)), ["1307"]),
    "a week missing": _without(_between(date(2015, 6, 8), date(2015, 6, 12))),
    "two weeks missing": _without(TWO_WEEKS),
    "three months missing": _without(SUMMER),
    "two gaps": _without(TWO_WEEKS | _between(date(2015, 9, 14), date(2015, 10, 9))),
    "a week missing near the start": _without(_between(date(2015, 1, 12), date(2015, 1, 16))),
    "two weeks missing near the end": _without(_between(date(2016, 1, 25), date(2016, 2, 5))),
    "three months missing but for two stocks": _without(SUMMER & ~CODE.is_in(CODES[:2])),
    "three months missing for one stock": _without(SUMMER & (CODE == "1307")),
    "two weeks missing for half of the stocks": _without(TWO_WEEKS & (CODE >= "1315")),
    "months before days": _monthly,
    "ten days of two stocks": _thin(MONDAYS[:10], 2),
    "a day of one stock": _thin([TUESDAY], 1),
    "a day of ten stocks": _thin([TUESDAY], 10),
    "a week of five stocks": _thin([date(2015, 8, d) for d in range(3, 8)], 5),
    "the last day of three stocks": _thin([date(2016, 2, 12)], 3),
    "a session without prices": _emptied(TUESDAY, **NO_PRICES),
    "a session of zeros": _emptied(TUESDAY, **{n: pl.lit(0.0) for n in PRICES}),
    "a session of NaN": _emptied(TUESDAY, **{n: pl.lit(float("nan")) for n in PRICES}),
    "a session without volume": _emptied(TUESDAY, **NO_VOLUME),
    "a session of the day before's prices": _stale,
    "a Tuesday dated Wednesday": _dated(TUESDAY == DAY, pl.lit(WEDNESDAY)),
    "a Friday dated Saturday": _dated(FRIDAY == DAY, NEXT_DAY),
    "half of a Friday dated Saturday": _dated((FRIDAY == DAY) & (CODE < "1315"), NEXT_DAY),
    "a stock dated a day later": _dated(CODE == "1307", NEXT_DAY, ["1307"]),
    "half of the stocks dated a day later": _dated(CODE < "1315", NEXT_DAY, CODES[:15]),
    "midnights of New York": _zoned("America/New_York", "America/New_York"),
    "midnights of Tokyo": _zoned("Asia/Tokyo", "Asia/Tokyo"),
    "midnights of Tokyo stored in UTC": _zoned("Asia/Tokyo", "UTC", None),
    "midnights of New York stored in UTC": _zoned("America/New_York", "UTC", None),
    "midnights of UTC stored in New York": _zoned("UTC", "America/New_York", None),
    "winter and summer offsets": _written("%Y-%m-%dT%H:%M:%S%:z", "America/New_York"),
    "offsets of London": _written("%Y-%m-%d %H:%M:%S%:z", "Europe/London"),
    "closing times with offsets": _written("%Y-%m-%dT%H:%M:%S%:z", "America/New_York", hours=16),
    "closing times of New York in UTC": _written("%Y-%m-%dT%H:%M:%SZ", "America/New_York", hours=16),
    "midnights of Tokyo written in UTC": _written("%Y-%m-%dT%H:%M:%SZ", "Asia/Tokyo", None),
    "offsets of two exchanges": _two_exchanges,
    "a 2:1 split": _scaled(1 / 2, ["1307"], [TUESDAY]),
    "a 2:1 split whose volumes stay": _scaled(1 / 2, ["1307"], [TUESDAY], shares=False),
    "a 3:1 split": _scaled(1 / 3, ["1307"], [TUESDAY]),
    "a 3:2 split": _scaled(2 / 3, ["1307"], [TUESDAY]),
    "a 4:3 split": _scaled(3 / 4, ["1307"], [TUESDAY]),
    "a 1:2 reverse split": _scaled(2, ["1307"], [TUESDAY]),
    "a 1:10 reverse split": _scaled(10, ["1307"], [TUESDAY]),
    "twenty 2:1 splits": _scaled(1 / 2, _shuffled, MONDAYS),
    "five splits on one day": _scaled(1 / 2, CODES[5:10], [TUESDAY] * 5),
    "a close of 100 times": _print(100),
    "a close of a hundredth": _print(0.01),
    "a frozen stock": _frozen,
    "a code twice by other names": _copy,
}  # fmt: skip
