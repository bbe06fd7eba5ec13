"""Reading columns of documents (jsonb) and of vectors (double precision[]): only what PostgreSQL takes for sure."""

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

import pyarrow as pa

from dpm_assets.loads.arrays import strings
from dpm_assets.loads.columns import Faults, quoted, trimmed
from dpm_assets.loads.feeds.types import Json, Vector

# PostgreSQL and Python walk a document by recursion, and both stop somewhere deeper than this.
_DEEPEST = 500
# A number in jsonb is a numeric: so many digits before its decimal point, and so many after it.
_DIGITS_BEFORE, _DIGITS_AFTER = 131_072, 16_383
_NUMBER = re.compile(r"-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,6}))?", re.ASCII)
NO_TEXT_IN_POSTGRESQL = re.compile("[\0\ud800-\udfff]")
_A_VECTOR = "expected a list of finite numbers such as [0.5,-1.25]"


class _Unfit(ValueError):
    """Says what was expected instead."""


def read_documents(values: pa.StringArray, _: Json, column: str, faults: Faults) -> pa.StringArray:
    """The documents as they stand. JSON's own null is a missing document."""
    return _read_each(trimmed(values), _document, column, faults)


def read_vectors(values: pa.StringArray, _: Vector, column: str, faults: Faults) -> pa.StringArray:
    """The vectors as PostgreSQL writes arrays: {1.0,2.5}."""
    return _read_each(trimmed(values), _vector, column, faults)


def _read_each(
    values: pa.StringArray, read: Callable[[str], str | None], column: str, faults: Faults
) -> pa.StringArray:
    given = values.to_pylist()
    taken: list[str | None] = [None] * len(given)
    for row, value in enumerate(given):
        if value is not None:
            try:
                taken[row] = read(value)
            except _Unfit as unfit:
                faults.add(row, f"{column} {quoted(value)}: {unfit}")
    return values if taken == given else strings(taken)


def _document(text: str) -> str | None:
    try:
        document = json.loads(text, parse_int=_numeric, parse_float=_numeric, parse_constant=_not_finite)
    except json.JSONDecodeError as error:
        raise _Unfit(f"expected JSON ({error.msg} at character {error.pos + 1})") from None
    except RecursionError:
        raise _Unfit(f"expected JSON nested at most {_DEEPEST} deep") from None
    _check_storable(document)
    return None if document is None else text


def _check_storable(document: Any) -> None:
    waiting = [(document, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _DEEPEST:
            raise _Unfit(f"expected JSON nested at most {_DEEPEST} deep")
        if isinstance(value, dict):
            waiting += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            waiting += [(part, depth + 1) for part in value]
        elif isinstance(value, str) and NO_TEXT_IN_POSTGRESQL.search(value):
            raise _Unfit("expected JSON without \\u0000 and without halves of surrogate pairs, which are no text")


def _numeric(text: str) -> None:
    """Raises _Unfit for a number that a numeric cannot hold; the value itself is of no use here."""
    number = _NUMBER.fullmatch(text)
    exponent = int(number[3] or 0) if number else 0
    if not number or len(number[1]) + exponent > _DIGITS_BEFORE or len(number[2] or "") - exponent > _DIGITS_AFTER:
        raise _Unfit(f"expected JSON with numbers of at most {_DIGITS_BEFORE:,} digits")


def _not_finite(_: str) -> NoReturn:
    raise _Unfit("expected JSON, which has no NaN and no Infinity")


def _vector(text: str) -> str:
    if text[:1] == "{" and text[-1:] == "}":
        text = f"[{text[1:-1]}]"
    try:
        numbers = json.loads(text, parse_int=float)
    except (json.JSONDecodeError, RecursionError):
        raise _Unfit(_A_VECTOR) from None
    if not isinstance(numbers, list) or not all(isinstance(each, float) and math.isfinite(each) for each in numbers):
        raise _Unfit(_A_VECTOR)
    return "{" + ",".join(map(repr, numbers)) + "}"
