"""Read cells as codes, names, numbers and flags: one rule for prices and panels, CSV and Parquet.

A whole number is one code however it is stored: ``1301``, ``1301.0``, a decimal and the text "1301.0" are "1301",
while the text "0050" keeps its zeros. Text that reads as a number is that number. What fits no rule raises, with
the file, the column and the first row at fault.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from atft.errors import InputError, counted

TEXT, NUMBER = pa.string(), pa.float32()
# Above these, neighbouring whole numbers are one float: two stocks would share a code.
_EXACT = {pa.float16(): 2**11, NUMBER: 2**24, pa.float64(): 2**53}
MIN_ROWS_PER_CODE = 1.5
"""Of a panel; where codes have fewer, most appear once and have no past."""
_UNKNOWN = ("na", "n/a", "#na", "#n/a", "#n/a n/a", "<na>", "null", "none", "-", "--", ".")
"""What R, spreadsheets, terminals and databases write for an unknown number, in lower case; NaN is a number."""
_WHOLE = re.compile(r"([0-9]+)\.0+")


@dataclass(frozen=True)
class CellRange:
    """A column of some consecutive rows of a file, to say in messages where a fault is."""

    file: Path
    column: str
    first_row: int = 0
    """Rows of the file before these."""

    def __str__(self) -> str:
        return f"{self.file}: column {self.column!r}"

    def fault(self, row: int, what: str) -> InputError:
        """An error about one of the rows, counted from 0 here and from 1 in the message."""
        return InputError(f"{self}, row {self.first_row + row + 1:,}: {what}")


def read_codes(column: pa.Array, cells: CellRange) -> pa.Array:
    """Read identifiers of stocks as `read_names` does; an empty one raises."""
    codes = read_names(column, cells)
    if codes.null_count:
        raise cells.fault(first_true(pc.is_null(codes)), "no code; fill it in or drop the row")
    return codes


def check_codes(where: Path, codes: int, days: int, rows: int) -> None:
    """Check that the codes name stocks: a large grid of days x codes has a row in one of 50 cells or more."""
    if codes * days > max(10**8, 50 * rows):
        raise InputError(
            f"{where}: {counted(codes, 'code')} in {counted(rows, 'row')} on {counted(days, 'day')}; the "
            "column of codes must name stocks"
        )


def read_names(column: pa.Array, cells: CellRange) -> pa.Array:
    """Read text or whole numbers as text without spaces around it; null where the cell is empty.

    Raises:
        InputError: another type, a number that is not whole, or an unprintable character.
    """
    column = decoded(column)
    kind = column.type
    if not (is_text(kind) or any(is_kind(kind) for is_kind in _NUMERIC)):
        raise InputError(f"{cells} must hold text or whole numbers, it is {kind}; cast it")
    # The distinct values are few and come in the order of their first rows.
    encoded = column.dictionary_encode()
    texts = []
    for i, value in enumerate(encoded.dictionary.to_pylist()):
        try:
            texts.append(_text(value, _EXACT.get(kind, 0)))
        except ValueError as error:
            raise cells.fault(first_true(pc.equal(encoded.indices, i)), str(error)) from error
    return pa.array(texts, TEXT).take(encoded.indices)


def read_sectors(column: pa.Array, cells: CellRange) -> pa.Array:
    """Read names as `read_names` does; those that stand for none, ``n/a`` or ``-``, are null."""
    return _without_unknown(read_names(column, cells))


def sorted_texts(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int32]]:
    """The distinct texts of a column in ascending order, and each row's index among them, -1 for null."""
    encoded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    texts = encoded.dictionary.to_pylist()
    order = sorted(range(len(texts)), key=texts.__getitem__)
    index = np.empty(len(texts) + 1, dtype=np.int32)
    index[order] = np.arange(len(texts))
    index[-1] = -1  # where a null looks, and an index of -1
    return [texts[i] for i in order], index[encoded.indices.fill_null(-1).to_numpy()]


def find_sorted(ascending: NDArray[Any], wanted: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Index of each of the ``wanted`` among ``ascending`` values, and whether it is there; others get any index."""
    index = np.searchsorted(ascending, wanted)
    index[index == len(ascending)] = 0
    return index, ascending[index] == wanted if len(ascending) else np.zeros(len(index), dtype=np.bool_)


def read_numbers(column: pa.Array, cells: CellRange, as_type: pa.DataType = NUMBER) -> pa.Array:
    """Read numbers, or texts of numbers, as float32 or ``as_type``; other cells raise.

    Empty texts are null, as are ``NA``, ``#N/A``, ``null``, ``-`` and the like.
    """
    column = decoded(column)
    kind = column.type
    if kind == as_type:
        return column
    if is_text(kind):
        column = _parsed(column, cells)
    elif not any(is_kind(kind) for is_kind in _NUMERIC):
        raise InputError(f"{cells} must be numeric, it is {kind}; cast it")
    # Through float64, so that a CSV and the Parquet file of the same numbers give the same float32.
    return column.cast(pa.float64(), safe=False).cast(as_type)


def read_flags(column: pa.Array, cells: CellRange) -> pa.Array:
    """Read booleans; null is False, another type raises."""
    if not pa.types.is_boolean(column.type):
        raise InputError(f"{cells} must be boolean, it is {column.type}; cast it")
    return pc.fill_null(column, False)


def is_text(kind: pa.DataType) -> bool:
    """Whether Arrow stores strings under this type."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


_NUMERIC = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_null)


def _text(value: Any, exact: int) -> str | None:
    """One code or name; None where it is empty."""
    if value is None or value != value:
        return None
    if isinstance(value, str):
        text = value.strip()
        if not text.isprintable():
            raise ValueError(f"{text[:40]!r} has an unprintable character; remove it")
        whole = _WHOLE.fullmatch(text)
        return (whole[1] if whole else text) or None
    if isinstance(value, float) and not (value.is_integer() and abs(value) < exact):
        raise ValueError(f"{value!r} must be a whole number below {exact:,}; write it as text")
    if isinstance(value, Decimal) and value != value.to_integral_value():
        raise ValueError(f"{value} must be a whole number; write it as text")
    return str(int(value))


def no_number(text: str) -> str:
    """Say that a text is not a number, and what to do."""
    remedy = "write 1234.5, with a decimal point and no other separator" if "," in text else "correct it"
    return f"{text!r} is not a number; {remedy}"


def _parsed(column: pa.Array, cells: CellRange) -> pa.Array:
    text = pc.utf8_trim_whitespace(column.cast(TEXT))
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, TEXT), text)
    try:
        numbers = text.cast(pa.float64())
    except pa.ArrowInvalid:  # only here, so that files of plain numbers do not pay for the comparison
        text = _without_unknown(text)
        try:
            numbers = text.cast(pa.float64())
        except pa.ArrowInvalid as error:
            row = next(i for i, value in enumerate(text.to_pylist()) if not _is_number(value))
            raise cells.fault(row, no_number(text[row].as_py()[:40])) from error
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)


def _without_unknown(texts: pa.Array) -> pa.Array:
    """Texts, null where they stand for an unknown value."""
    # Not an array of the module's: pyarrow imports pandas for its first one.
    unknown = pc.is_in(pc.utf8_lower(texts), pa.array(_UNKNOWN, TEXT))
    return pc.if_else(unknown, pa.scalar(None, TEXT), texts)


def _is_number(value: str | None) -> bool:
    try:
        pa.scalar(value, TEXT).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def decoded(column: pa.Array) -> pa.Array:
    """The values of a dictionary-encoded column, decimals of 128 bits or more; any other column as it is."""
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if pa.types.is_decimal(plain.type) and plain.type.bit_width < 128:  # for which Arrow has few functions
        return plain.cast(pa.decimal128(plain.type.precision, plain.type.scale))
    return plain


def first_true(mask: pa.Array) -> int:
    """Row of the first true value."""
    return int(np.argmax(mask.to_numpy(zero_copy_only=False)))
