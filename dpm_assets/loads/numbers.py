"""Reading columns of numbers. They are judged as doubles, and exactly where a double is too coarse to decide."""

from decimal import ROUND_HALF_UP, Context, Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpm_assets.loads.arrays import Doubles, Mask, doubles, mask, octets, present, replaced, without
from dpm_assets.loads.columns import Faults, trimmed
from dpm_assets.loads.feeds.types import Number

_PLAIN = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,5})?$"
_NOT_FINITE = r"(?i)^[+-]?(nan|inf|infinity)$"
_LOWER_CASE = np.uint8(0x20)
_LONG = 40
_ROUNDING = Context(prec=80, rounding=ROUND_HALF_UP)


def read_numbers(values: pa.StringArray, kind: Number, column: str, faults: Faults) -> pa.StringArray:
    """The numbers as text. PostgreSQL rounds them to the column's scale; the bounds hold for the rounded number."""
    original, there = values, present(values)
    try:
        numbers = doubles(values)
    except pa.ArrowInvalid:
        values = _plain(values, column, faults)
        numbers, there = doubles(values), present(values)
    not_finite = there & ~np.isfinite(numbers)
    if not_finite.any():
        faults.values(not_finite, column, original, "a finite number")
        values, there = without(values, not_finite), there & ~not_finite
    values, numbers, too_large = _rounded(values, numbers, there, kind)
    digits = kind.precision - kind.scale
    faults.values(too_large, column, original, f"at most {digits} digits before the decimal point")
    if kind.zero_is_none:
        none = there & (numbers == 0)
        values, there = without(values, none), there & ~none
    outside = there & ~too_large & _outside(numbers, kind)
    faults.values(outside, column, original, _bounds_in_words(kind))
    return without(values, too_large | outside)


def _plain(values: pa.StringArray, column: str, faults: Faults) -> pa.StringArray:
    """The values that are plain numbers, without blanks and a leading +."""
    values = trimmed(values)
    there = present(values)
    number = mask(pc.match_substring_regex(values, _PLAIN))
    endless = mask(pc.match_substring_regex(values, _NOT_FINITE))
    faults.values(endless, column, values, "a finite number")
    strange = there & ~number & ~endless
    faults.values(strange, column, values, "a plain number such as 1234.5, without thousands separators")
    return pc.replace_substring_regex(without(values, there & ~number), r"^\+", "")


def _rounded(
    values: pa.StringArray, numbers: Doubles, there: Mask, kind: Number
) -> tuple[pa.StringArray, Doubles, Mask]:
    """Rounds those values exactly for which it can matter, and tells which do not fit the column."""
    limit, unit = 10.0 ** (kind.precision - kind.scale), 10.0**-kind.scale
    size = np.abs(numbers)
    too_large = there & (size >= limit * 1.000001)
    delicate = there & ~too_large & ((size >= limit * 0.999999) | ((size < unit) & (size > 0)))
    for bound in (kind.above, kind.least, kind.most):
        if bound:
            delicate |= there & (np.abs(numbers - bound) < unit) & (numbers != bound)
    if (pc.max(pc.binary_length(values)).as_py() or 0) > _LONG:
        delicate |= there & ~too_large & (np.nan_to_num(doubles(pc.binary_length(values))) > _LONG)
    zero = there & (size == 0)
    if zero.any() and (octets(values) | _LOWER_CASE == ord("e")).any():
        delicate |= zero & mask(pc.match_substring(values, "e", ignore_case=True))
    rows = np.flatnonzero(delicate)
    if not len(rows):
        return values, numbers, too_large
    numbers = numbers.copy()
    exact = [_round(values[int(row)].as_py(), kind) for row in rows]
    numbers[rows] = [float(number) for number in exact]
    too_large[rows] = [abs(number) >= Decimal(10) ** (kind.precision - kind.scale) for number in exact]
    return replaced(values, rows.tolist(), [f"{number:f}" for number in exact]), numbers, too_large


def _round(value: str, kind: Number) -> Decimal:
    number = Decimal(value)
    if number.adjusted() < -kind.scale - 1:
        return Decimal(0)
    return number.quantize(Decimal(1).scaleb(-kind.scale), context=_ROUNDING)


def _outside(numbers: Doubles, kind: Number) -> Mask:
    outside = np.zeros(len(numbers), np.bool_)
    if kind.above is not None:
        outside |= ~(numbers > kind.above)
    if kind.least is not None:
        outside |= ~(numbers >= kind.least)
    if kind.most is not None:
        outside |= ~(numbers <= kind.most)
    return outside


def _bounds_in_words(kind: Number) -> str:
    if kind.least is not None and kind.most is not None:
        return f"a number from {kind.least} to {kind.most}"
    if kind.above is not None:
        return f"a number above {kind.above}" + (" (or 0 or nothing for none)" if kind.zero_is_none else "")
    return f"a number of at least {kind.least}" if kind.least is not None else f"a number of at most {kind.most}"
