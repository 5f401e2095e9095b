"""What a panel that grows keeps of its past: the last prices, and the state of its calendar and checks.

The last `tail_days` days are kept as they were read, with the results of their checks: no window, label or check
of a later day reads further back. What reaches further (the last close of a halted stock, excluded jumps, the
counts that decide the calendar) is a few numbers a stock or a date. So an appended day has the bits of a build of
all prices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32

from atft.errors import InputError
from atft.features.calendar import DateCounts
from atft.features.checked_prices import REACH_DAYS, VALUE_DAYS, Carried, CheckedDays, CheckedPrices
from atft.features.copies import MEMORY_DAYS
from atft.features.options import FeatureOptions
from atft.features.panel_folder import FolderFile, check_listed, name_by_content
from atft.features.prices import EMPTY, PriceGrid, on_grid
from atft.features.splits import USUAL_DAYS, StockSplit
from atft.files.dates import as_dates, as_day_numbers, date_of
from atft.files.publish import published


def tail_days(options: FeatureOptions) -> int:
    """Days that later ones read: the windows, and the windows of what they are made of."""
    windows = REACH_DAYS + VALUE_DAYS
    return max(windows, MEMORY_DAYS, USUAL_DAYS, options.label_days) + 2


@dataclass(frozen=True)
class PanelState:
    """The state after a panel's last day; grids are [tail days, stocks]."""

    calendar: Int32[np.ndarray, " days"]
    """The whole calendar as days since 1970, inserted days included."""
    inserted: Int32[np.ndarray, " inserted"]
    """Calendar indices of the days that stand in for gaps."""
    counts: DateCounts
    prices: PriceGrid
    """Of the last days, as read."""
    checked: CheckedDays
    """Results of the checks on the same days."""
    variation: Bool[np.ndarray, "2 features days"]
    """See `day_variation`; of the whole calendar."""
    ranked: Int32[np.ndarray, " days"]
    """Stocks in the universe; of the whole calendar."""

    def first_changed(self, calendar: Sequence[date]) -> date | None:
        """The first day on which another calendar differs from this one; None where it only goes on."""
        past, days = self.calendar.tolist(), as_day_numbers(calendar).tolist()
        for one, other in zip(past, days, strict=False):
            if one != other:
                return date_of(min(one, other))
        return date_of(past[len(days)]) if len(days) < len(past) else None


def cut_prices(prices: PriceGrid, first: int) -> PriceGrid:
    """The prices from index ``first`` on, copied, so that adjusting splits leaves them as they were read."""
    grids = {name: values[first:].copy() for name, values in prices.grids().items()}
    inserted = tuple(day - first for day in prices.inserted if day >= first)
    return replace(
        prices, calendar=prices.calendar[first:], start=prices.start + first, inserted=inserted, **grids
    )


def state_after(
    read: PriceGrid,
    prices: CheckedPrices,
    counts: DateCounts,
    variation: Bool[np.ndarray, "2 features days"],
    ranked: Int32[np.ndarray, " days"],
    before: PanelState | None = None,
) -> PanelState:
    """The state after the last day of ``prices``, which are ``read`` after the checks.

    ``read`` are their last days at least as far back as `tail_days`, or all; the other arguments are of the whole
    calendar. ``before`` is the state that ``prices`` go on from.
    """
    days = as_day_numbers(prices.calendar)
    inserted = np.array(prices.inserted, dtype=np.int32) + prices.start
    if before is not None:
        days = np.concatenate([before.calendar[: prices.start], days])
        inserted = np.union1d(before.inserted, inserted).astype(np.int32)
    first = max(0, len(prices.calendar) - tail_days(prices.options))
    checked = CheckedDays(
        prices.kept[first:], prices.factor[first:], prices.jumps[first:], prices.age[first:], prices.carried
    )
    tail = cut_prices(read, len(read.calendar) - (len(prices.calendar) - first))
    return PanelState(days, inserted, counts, tail, checked, variation, ranked)


def with_codes(state: PanelState, codes: Sequence[str], sectors: Sequence[str]) -> PanelState:
    """The same state with columns for more ``codes`` and ``sectors``, both ascending, which have no row in it."""
    prices, checked, carried = state.prices, state.checked, state.checked.carried
    if list(codes) == prices.codes and list(sectors) == prices.sectors:
        return state
    # Both are ascending, so the codes that the state has keep their order.
    column = np.searchsorted(np.array(codes), np.array(prices.codes))

    def spread(values: np.ndarray, empty: Any) -> np.ndarray:
        wide: np.ndarray = np.full((*values.shape[:-1], len(codes)), empty, dtype=values.dtype)
        wide[..., column] = values
        return wide

    return replace(
        state,
        counts=state.counts._replace(last=spread(state.counts.last, np.nan)),
        prices=on_grid(prices, prices.calendar, codes, sectors),
        checked=CheckedDays(
            kept=spread(checked.kept, False),
            factor=spread(checked.factor, 1),
            jumps=spread(checked.jumps, 0),
            age=spread(checked.age, 0),
            carried=Carried(
                close=spread(carried.close, np.nan),
                repeats=spread(carried.repeats, 0),
                read_close=spread(carried.read_close, np.nan),
                first_row=spread(carried.first_row, -1),
                splits=tuple(split._replace(stock=int(column[split.stock])) for split in carried.splits),
            ),
        ),
    )


def write_panel_state(folder: Path, state: PanelState) -> FolderFile:
    """Write the state into the folder of a panel, named by its content."""
    aside = folder / "update" / ".new.npz"
    with published(aside) as beside, beside.open("wb") as file:
        np.savez(file, **_arrays(state))
    return name_by_content(folder, aside, "update/state", ".npz")


def read_panel_state(folder: Path, file: FolderFile) -> PanelState:
    """Read what `write_panel_state` wrote.

    Raises:
        InputError: its bytes are not those that were written.
    """
    path = check_listed(folder, file)
    try:
        with np.load(path, allow_pickle=False) as stored:
            return _state(folder, stored)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a state of this program; build the panel again") from error


def _arrays(state: PanelState) -> dict[str, Any]:
    """The state as named arrays of plain types."""
    prices, carried = state.prices, state.checked.carried
    splits = [[s.day, s.stock, s.ratio.numerator, s.ratio.denominator] for s in carried.splits]
    return {
        "calendar": state.calendar,
        "inserted": state.inserted,
        "codes": np.array(prices.codes, dtype=np.str_),
        "sectors": np.array(prices.sectors, dtype=np.str_),
        "missing": np.array(prices.missing, dtype=np.str_),
        **{f"counts_{name}": values for name, values in state.counts._asdict().items()},
        **prices.grids(),
        **{name: getattr(state.checked, name) for name in CheckedDays._fields[:-1]},
        **{f"carried_{name}": getattr(carried, name) for name in Carried._fields[:-1]},
        "splits": np.array(splits, dtype=np.int64).reshape(-1, 4),
        "variation": np.packbits(state.variation, axis=-1),
        "ranked": state.ranked,
    }


def _state(folder: Path, stored: Mapping[str, Any]) -> PanelState:
    calendar, inserted, close = stored["calendar"], stored["inserted"], stored["close"]
    start = len(calendar) - len(close)
    prices = PriceGrid(
        path=folder,
        calendar=as_dates(calendar[start:]),
        codes=stored["codes"].tolist(),
        sectors=stored["sectors"].tolist(),
        exclusions={},
        missing=tuple(stored["missing"].tolist()),
        start=start,
        inserted=tuple((inserted[inserted >= start] - start).tolist()),
        **{name: stored[name] for name in EMPTY},
    )
    splits = tuple(StockSplit(d, s, Fraction(n, m)) for d, s, n, m in stored["splits"].tolist())
    carried = Carried(**{name: stored[f"carried_{name}"] for name in Carried._fields[:-1]}, splits=splits)
    return PanelState(
        calendar=calendar,
        inserted=inserted,
        counts=DateCounts(**{name: stored[f"counts_{name}"] for name in DateCounts._fields}),
        prices=prices,
        checked=CheckedDays(**{name: stored[name] for name in CheckedDays._fields[:-1]}, carried=carried),
        variation=np.unpackbits(stored["variation"], axis=-1, count=len(calendar)).astype(bool),
        ranked=stored["ranked"],
    )
