"""Reading the values of one column: from text as it stands in the file to text that PostgreSQL takes for sure.

Every reader returns the values, null where missing or at fault, and tells the faults of rows to `Faults`. What a check
of the database would refuse is found here first, so that it costs one row and not the file.
"""

import re
from collections.abc import Callable
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpm_assets.loads.arrays import Mask, doubles, mask, octets, strings, without
from dpm_assets.loads.feeds.types import LARGEST_WHOLE, Day, Flag, Text, Whole

MISSING = ("", "NULL", "null", "Null", "\\N", "None", "N/A")

_TRUE = ("true", "t", "yes", "y", "1", "1.0")
_FALSE = ("false", "f", "no", "n", "0", "0.0")


class Faults:
    """What is wrong with which rows of a block."""

    def __init__(self) -> None:
        self._reasons: dict[int, list[str]] = {}

    def add(self, row: int, reason: str) -> None:
        self._reasons.setdefault(row, []).append(reason)

    def values(self, bad: Mask, column: str, values: pa.Array, expected: str) -> None:
        """`expected` is what the column holds otherwise; the bad value is quoted as it stands in the file."""
        for row in np.flatnonzero(bad):
            self.add(int(row), f"{column} {quoted(values[int(row)].as_py())}: expected {expected}")

    def rows(self) -> list[tuple[int, str]]:
        """The rows at fault in rising order, each with all that is wrong with it."""
        return [(row, "; ".join(reasons)) for row, reasons in sorted(self._reasons.items())]

    def __contains__(self, row: int) -> bool:
        return row in self._reasons

    def __len__(self) -> int:
        return len(self._reasons)


def quoted(value: str) -> str:
    return repr(value if len(value) <= 80 else value[:77] + "...")


def trimmed(values: pa.StringArray) -> pa.StringArray:
    """Without blanks around the values; what only was blanks is missing."""
    taken = octets(values)
    if ((taken <= ord(" ")) | (taken >= _NOT_ASCII)).any():  # looking for blanks in each value takes far longer
        values = pc.utf8_trim_whitespace(values)
    shortest = pc.min(pc.binary_length(values)).as_py()
    return values if shortest != 0 else without(values, mask(pc.equal(pc.binary_length(values), _ZERO)))


def without_missing(values: pa.StringArray) -> pa.StringArray:
    """The values, null where they say in words that there is nothing, as Arrow's CSV reader makes them."""
    short = mask(pc.less_equal(pc.binary_length(values), _LONGEST_MISSING))
    return without(values, mask(pc.is_in(values, value_set=_MISSING))) if short.any() else values


_NOT_ASCII = 0x80
_MISSING = strings(MISSING)
_LONGEST_MISSING = pc.max(pc.binary_length(_MISSING))
_ZERO = pc.binary_length(strings([""]))[0]


def read_texts(values: pa.StringArray, kind: Text, column: str, faults: Faults) -> pa.StringArray:
    values = trimmed(values)
    if kind.choices:
        spelled = {choice.casefold(): choice for choice in kind.choices}
        return read_distinct(
            values, lambda value: spelled.get(value.casefold()), column, " or ".join(kind.choices), faults
        )
    longest = pc.max(pc.binary_length(values)).as_py() or 0
    if longest <= kind.length:
        return values
    too_long = np.nan_to_num(doubles(pc.utf8_length(values))) > kind.length
    faults.values(too_long, column, values, f"at most {kind.length} characters")
    return without(values, too_long)


def read_flags(values: pa.StringArray, _: Flag, column: str, faults: Faults) -> pa.StringArray:
    known = dict.fromkeys(_TRUE, "true") | dict.fromkeys(_FALSE, "false")
    return read_distinct(trimmed(values), lambda value: known.get(value.casefold()), column, "true or false", faults)


def read_whole_numbers(values: pa.StringArray, kind: Whole, column: str, faults: Faults) -> pa.StringArray:
    def read(value: str) -> str | None:
        digits = value.removesuffix(".0")
        unsigned = digits[1:] if digits[:1] in "+-" else digits
        if not (unsigned.isascii() and unsigned.isdigit() and len(unsigned) <= 12):
            return None
        return str(int(digits)) if kind.least <= int(digits) <= kind.most else None

    if kind.most < LARGEST_WHOLE:
        expected = f"a whole number from {kind.least} to {kind.most}"
    else:
        least = "" if kind.least < 0 else f" of at least {kind.least}"
        expected = f"a whole number{least} (at most {kind.most})"
    return read_distinct(trimmed(values), read, column, expected, faults)


def read_days(
    values: pa.StringArray, kind: Day, column: str, faults: Faults, warehouse: tuple[date, date]
) -> pa.StringArray:
    """Dates as 2025-01-31. `warehouse` is the first and last that the warehouse takes."""
    first, last = warehouse
    values = trimmed(values)
    outside: set[str] = set()

    def read(value: str) -> str | None:
        day = parse_day(value)
        if day and kind.in_warehouse and not first <= day <= last:
            outside.add(value)
        return day.isoformat() if day else None

    days = read_distinct(values, read, column, "a date such as 2025-01-31 or 20250131", faults)
    if outside:
        out = mask(pc.is_in(values, value_set=strings(sorted(outside))))
        expected = f"a date from {first} (the first month, DPM_FIRST_MONTH) to {last} (tomorrow in UTC)"
        faults.values(out, column, values, expected)
        days = without(days, out)
    return days


_MIDNIGHT = re.compile(r"[T ]00:00(:00([.,]0+)?)?(Z|\+00:00)?")


def parse_day(value: str) -> date | None:
    """A date, or its midnight, as programs write dates that know only times."""
    if len(value) > 10 and value[4] == "-" and _MIDNIGHT.fullmatch(value, 10):
        value = value[:10]
    if len(value) == 8 and value.isascii() and value.isdigit():
        value = f"{value[:4]}-{value[4:6]}-{value[6:]}"
    if len(value) != 10 or value[4] != "-" or value[7] != "-":
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def read_distinct(
    values: pa.StringArray, read: Callable[[str], str | None], column: str, expected: str, faults: Faults
) -> pa.StringArray:
    """Reads each distinct value once: dates, sides and states repeat."""
    encoded = values.dictionary_encode()
    before = encoded.dictionary.to_pylist()
    after = [read(value) for value in before]
    if None in after:
        unknown = strings([value for value, new in zip(before, after, strict=True) if new is None])
        faults.values(mask(pc.is_in(values, value_set=unknown)), column, values, expected)
    return values if after == before else strings(after).take(encoded.indices)
