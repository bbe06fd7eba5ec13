"""Whether systems give the same answer: rows compared value by value, numbers by what they are worth."""

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

KEPT_ROWS = 200


def plain_rows(rows: Sequence[Sequence[Any]]) -> list[list[str | None]]:
    """Rows as text: 2, 2.0 and 2.00 are the same, whether a system counts in bigint or in numeric."""
    return [[_plain(value) for value in row] for row in rows]


def answer(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """What is kept of an answer: its digest, its size, and so many of its rows that a difference can be shown."""
    plain = plain_rows(rows)
    return {
        "sha256": hashlib.sha256(repr(plain).encode()).hexdigest(),
        "rows": len(plain),
        "first_rows": plain[:KEPT_ROWS],
    }


def difference(expected: dict[str, Any], found: dict[str, Any]) -> str | None:
    """None if two answers are the same, else where they part."""
    if expected["sha256"] == found["sha256"] and expected["rows"] == found["rows"]:
        return None
    for number, (wanted, got) in enumerate(zip(expected["first_rows"], found["first_rows"], strict=False), 1):
        if wanted != got:
            return f"row {number} is {_shown(got)} and should be {_shown(wanted)}"
    return f"{found['rows']} rows, and there should be {expected['rows']}"


def _shown(row: list[str | None]) -> str:
    return "(" + ", ".join("null" if value is None else value for value in row) + ")"


def _plain(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        number = Decimal(value).normalize()
        return f"{number:f}" if number else "0"
    return str(value)
