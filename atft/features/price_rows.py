"""Rows of daily prices from the files of a path, of one dialect, with adjusted closes applied to the whole bar.

Costs the memory of the rows once; of wide tables that of their cells.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atft.errors import InputError, check_unique, counted, first_of, listed
from atft.features.price_dialects import (
    ADJUSTED,
    DAILY,
    PRICES,
    WIDE,
    check_columns,
    columns_option,
    use_adjusted_close,
)
from atft.features.price_files import PriceFile, other_files, price_files
from atft.features.price_names import code_of_file, plain_name
from atft.files.cells import CellRange, first_true, read_codes, read_numbers, read_sectors, sorted_texts
from atft.files.dates import DayReader, date_of

MAX_REPEATED_SHARE = 0.25
"""Rows that repeat a date: above it they are of several stocks, whose codes no column is known to have."""


class PriceRows(NamedTuple):
    """Rows of prices in the order of the files, and what is known of the files."""

    date: np.ndarray
    """int32: days since 1970."""
    code: tuple[list[str], np.ndarray]
    """The distinct codes, ascending, and each row's index among them."""
    sector: tuple[list[str], np.ndarray]
    """The same of sectors; -1 for none."""
    prices: dict[str, np.ndarray]
    """float32 of each of `PRICES`, adjusted where the files have an adjusted close; NaN where unknown."""
    missing: tuple[str, ...]
    """Prices that no file has."""
    line: str
    """What was taken for what."""


class _Part(NamedTuple):
    """Some consecutive rows of a file."""

    date: np.ndarray
    code: pa.Array
    sector: pa.Array
    prices: dict[str, np.ndarray]


def read_price_rows(path: Path, columns: Mapping[str, str]) -> PriceRows:
    """Read the rows of all files at a path.

    Dates, codes and numbers are read as `atft.files.dates` and `atft.files.cells` say. Where there is an adjusted
    close, it is the close; open, high and low are multiplied by adjusted close / close, and the volume is divided
    by it, so that close times volume stays what was traded. Cells of a wide table without any price are no rows.

    Args:
        columns: role -> column, of `price_dialects.ROLES`, for what no dialect has; case is ignored.

    Raises:
        InputError: there is no file, a file cannot be read, no dialect fits, the files are of several dialects, or
            there is no row.
    """
    check_columns(columns)
    files = [PriceFile(file, columns) for file in price_files(path)]
    filled = [file for file in files if not file.empty]
    if not filled:
        raise InputError(f"{path}: no rows; give a file with prices")
    _check_one_dialect(filled)
    days = DayReader()
    parts = [part for file in filled for part in _parts(file, days)]
    if not sum(len(part.date) for part in parts):
        raise InputError(f"{path}: no rows; give a file with prices")
    # Codes become numbers before the parts go: their texts would take more than the prices.
    date = np.concatenate([part.date for part in parts])
    code, sector = (
        sorted_texts(pa.chunked_array([getattr(part, name) for part in parts])) for name in ("code", "sector")
    )
    names = list(dict.fromkeys(name for part in parts for name in part.prices))
    prices = {name: _column(parts, name) for name in names}
    use_adjusted_close(path, prices)
    if "close" not in prices:
        raise InputError(
            f"{path}: no file has closes, by their names they have {listed(names)}; add close.csv"
        )
    # Wide tables, each of one price: a row has its prices in several files.
    if len(filled) > 1 and filled[0].layout.dialect == WIDE:
        date, code, prices = _joined(path, date, code, prices)
        sector = ([], np.full(len(date), -1, dtype=np.int32))
    if ADJUSTED in prices:
        _adjust(prices)
    missing = tuple(name for name in PRICES if name not in prices)
    for name in missing:
        prices[name] = np.full(len(date), np.nan, dtype=np.float32)
    line = _line(path, filled, len(files) - len(filled), len(code[0]), missing)
    return PriceRows(date, code, sector, prices, missing, line)


def _check_one_dialect(files: Sequence[PriceFile]) -> None:
    first = files[0].layout
    for file in files:
        layout = file.layout
        wide = layout.dialect == first.dialect == WIDE
        if not wide and (layout.dialect, layout.prices) != (first.dialect, first.prices):
            raise InputError(
                f"{file.path}: {layout.dialect} of {', '.join(layout.prices)}, but {files[0].path} is "
                f"{first.dialect} of {', '.join(first.prices)}; give files of one kind"
            )


def _parts(file: PriceFile, days: DayReader) -> list[_Part]:
    """The rows of a file, a part a batch."""
    parts, first_row = [], 0
    for batch in file.batches():
        parts.append(_part(file, batch, first_row, days))
        first_row += len(batch)
    return parts


def _part(file: PriceFile, batch: pa.RecordBatch, first_row: int, days: DayReader) -> _Part:
    layout, rows = file.layout, len(batch)

    def cells(column: str) -> tuple[pa.Array, CellRange]:
        return batch.column(column), CellRange(file.path, file.label(column), first_row)

    if layout.period is not None:
        _check_daily(*cells(layout.period))
    date, bars = days.read(*cells(layout.date)), layout.bars
    if layout.code is not None:
        code = read_codes(*cells(layout.code)).dictionary_encode()
    elif "" in bars:
        names = f"name it, {columns_option('code')}"
        _check_one_row_a_day(file.path, date, "no column of codes is known, and", names)
        code = _codes_of_blocks(file.path, [code_of_file(file.path)[0]], rows)
    else:
        names = f"where they are of several codes, {columns_option('code', 'close')}"
        _check_one_row_a_day(file.path, date, f"read as {layout.dialect} with a row a day, but", names)
        code = _codes_of_blocks(file.path, list(bars), rows)
    # Of a wide table one code after the other, so that columns are copied and no cell is looked at by itself.
    unknown = np.full(rows, np.nan, dtype=np.float32)
    prices = {}
    for price in layout.prices:
        blocks = [
            read_numbers(*cells(bar[price])).to_numpy(zero_copy_only=False) if price in bar else unknown
            for bar in bars.values()
        ]
        prices[price] = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    sector = pa.nulls(rows * len(bars), pa.string())
    if layout.sector is not None:
        sector = read_sectors(*cells(layout.sector))
    part = _Part(np.tile(date, len(bars)), code, sector.dictionary_encode(), prices)
    if "" in bars:
        return part
    # A stock that is not listed yet has empty cells.
    known = ~np.all([np.isnan(of) for of in prices.values()], axis=0)
    rows_known = pa.array(known)
    return _Part(
        part.date[known],
        code.filter(rows_known),
        part.sector.filter(rows_known),
        {name: of[known] for name, of in prices.items()},
    )


def _codes_of_blocks(path: Path, codes: list[str], rows: int) -> pa.Array:
    """One code after the other, each of so many rows; read as the cells of a column of codes are."""
    names = read_codes(pa.array(codes, pa.string()), CellRange(path, "header"))
    check_unique(path, names.to_pylist())
    index = np.repeat(np.arange(len(codes), dtype=np.int32), rows)
    return pa.DictionaryArray.from_arrays(pa.array(index), names)


def _check_daily(column: pa.Array, cells: CellRange) -> None:
    other = pc.not_equal(pc.utf8_upper(pc.utf8_trim_whitespace(column.cast(pa.string()))), DAILY)
    if pc.any(other).as_py():
        row = first_true(pc.fill_null(other, False))
        raise cells.fault(row, f"{column[row].as_py()!r:.40} is no daily price ({DAILY}); drop such rows")


def _check_one_row_a_day(path: Path, date: np.ndarray, read_as: str, names: str) -> None:
    """Check that the rows of a file without a column of codes are a day each."""
    days, count = np.unique(date, return_counts=True)
    if len(date) - len(days) > MAX_REPEATED_SHARE * len(date):
        day = date_of(days[count.argmax()])
        raise InputError(f"{path}: {read_as} {count.max():,} rows are of {day}; {names}")


def _column(parts: Sequence[_Part], name: str) -> np.ndarray:
    """A price of all parts, which lose it, NaN where a file does not have it."""
    unknown = np.float32(np.nan)
    return np.concatenate(
        [part.prices.pop(name) if name in part.prices else np.full(len(part.date), unknown) for part in parts]
    )


def _joined(
    path: Path, date: np.ndarray, code: tuple[list[str], np.ndarray], prices: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, tuple[list[str], np.ndarray], dict[str, np.ndarray]]:
    """Join the rows of wide tables, each of one price, by date and code."""
    days, day = np.unique(date, return_inverse=True)
    cell = day * len(code[0]) + code[1]
    joined, some = {}, np.zeros(len(days) * len(code[0]), dtype=bool)
    for name, values in prices.items():
        known = np.flatnonzero(~np.isnan(values))
        count = np.bincount(cell[known], minlength=len(some))
        if len(known) and count.max() > 1:
            twice = divmod(int(count.argmax()), len(code[0]))
            where = f"{code[0][twice[1]]} on {date_of(days[twice[0]])}"
            raise InputError(
                f"{path}: two cells are the {name} of {where}; drop one, or name each file by its price: volume.csv"
            )
        joined[name] = np.full(len(some), np.nan, dtype=np.float32)
        joined[name][cell[known]] = values[known]
        some[cell[known]] = True
    rows = np.flatnonzero(some)
    day, stock = np.divmod(rows, len(code[0]))
    return days[day], (code[0], stock.astype(np.int32)), {name: of[rows] for name, of in joined.items()}


def _adjust(prices: dict[str, np.ndarray]) -> None:
    """Put each row's prices and volume on the basis of its adjusted close, which becomes the close."""
    close, adjusted = prices["close"].astype(np.float64), prices.pop(ADJUSTED)
    with np.errstate(all="ignore"):
        ratio = adjusted / close
        for name in ("open", "high", "low"):
            if name in prices:
                prices[name] = (prices[name] * ratio).astype(np.float32)
        if "volume" in prices:
            prices["volume"] = (prices["volume"] / ratio).astype(np.float32)
    prices["close"] = adjusted


def _line(path: Path, files: Sequence[PriceFile], empty: int, codes: int, missing: Sequence[str]) -> str:
    """What was taken for what, in one line."""
    layout, several = files[0].layout, len(files) > 1 or empty
    facts = [layout.dialect + (f", {len(files):,} files" if several else "")]
    if empty:
        facts[0] += f" ({empty:,} more without rows)"
    bar, kinds = layout.bars.get("", {}), dict.fromkeys(p for file in files for p in file.layout.prices)
    if bar:
        roles = {"date": layout.date, "code": layout.code, **bar, "sector": layout.sector, ADJUSTED: None}
        named = [f"{role} = {name}" for role, name in roles.items() if name and plain_name(name) != role]
        facts += [", ".join(named)] if named else []
        facts += [f"code = the {code_of_file(files[0].path)[1]}'s name"] if layout.code is None else []
    else:
        facts.append(f"{codes:,} codes of the headers with {', '.join(kinds).replace('_', ' ')}")
    if {ADJUSTED, "close"} <= set(kinds):
        names = bar.get(ADJUSTED, "adjusted close"), bar.get("close", "close")
        facts.append(f"open, high, low times {' / '.join(names)}, volume divided by it")
    if missing:
        facts.append(f"no {', '.join(missing)}")
    if layout.unused:
        shown = ", ".join(layout.unused[:4]) + (", ..." if len(layout.unused) > 4 else "")
        facts.append(f"not read: {shown}")
    if others := other_files(path):
        facts.append(f"{counted(len(others), 'file')} of another format not read: {first_of(others, 3)}")
    return f"{path}: {'; '.join(facts)}"
