"""Names of accounts and trades: fixed-width text that carries the seed, so that two seeds never share one."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpm_assets.samples.draws import Ints

SEEDS = 36**3
DAY_ROWS = 10**7
ACCOUNTS = 400_000
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FIRST_DAY = 719_163  # 1970-01-01


def base36(number: int, width: int) -> str:
    """`number` in base 36, padded with zeros to `width` characters."""
    text = ""
    for _ in range(width):
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text


def _digits(numbers: Ints, width: int) -> NDArray[np.uint8]:
    """Decimal digits of `numbers` as text bytes. Shape (rows, width)."""
    found = np.empty((len(numbers), width), np.uint8)
    left = numbers.astype(np.uint32)
    for column in range(width - 1, -1, -1):
        tens = left // np.uint32(10)
        found[:, column] = left - tens * np.uint32(10) + np.uint32(48)
        left = tens
    return found


def _text(characters: NDArray[np.uint8]) -> pa.Array:
    """Rows of bytes, shape (rows, width), as a pyarrow string array without copying."""
    rows, width = characters.shape
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(characters)))


def _prefixed(prefix: str, numbers: Ints, width: int) -> pa.Array:
    found = np.empty((len(numbers), len(prefix) + width), np.uint8)
    found[:, : len(prefix)] = np.frombuffer(prefix.encode(), np.uint8)
    found[:, len(prefix) :] = _digits(numbers, width)
    return _text(found)


def account_ids(seed: int, accounts: Ints) -> pa.Array:
    """'A', the seed, the account's number: 10 characters."""
    return _prefixed(f"A{base36(seed, 3)}", accounts, 6)


def trader_ids(seed: int, accounts: Ints) -> pa.Array:
    """Some traders hold several accounts: 8 accounts for 5 traders."""
    return _prefixed(f"T{base36(seed, 3)}", accounts * 5 // 8, 6)


def logins(seed: int, accounts: Ints) -> pa.Array:
    """The trading platform's login: 8 digits, a different one for each account of a seed."""
    return _text(_digits(10_000_000 + (accounts * 7 + seed * 1_000_003) % 80_000_000, 8))


def trade_ids(seed: int, ordinals: Ints, rows: Ints) -> pa.Array:
    """The seed, the day (`ordinals` as of `date.toordinal`), the trade's number in it: 13 characters."""
    found = np.empty((len(rows), 13), np.uint8)
    found[:, :3] = np.frombuffer(base36(seed, 3).encode(), np.uint8)
    first = int(ordinals.min(initial=_FIRST_DAY + 10**6))
    last = int(ordinals.max(initial=0))
    names = "".join(base36(ordinal - _FIRST_DAY, 3) for ordinal in range(first, last + 1)) or "000"
    found[:, 3:6] = np.frombuffer(names.encode(), np.uint8).reshape(-1, 3)[ordinals - first]
    found[:, 6:] = _digits(rows, 7)
    return _text(found)
