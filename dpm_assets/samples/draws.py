"""Random numbers that are the same on every machine: raw 16-bit draws and tables of quantiles.

A draw is an integer from 0 to 65535; a distribution is a table with one value for each of them. So no row needs a
logarithm or an exponential (whose last bit differs between processors), and numpy promises the raw stream of a bit
generator for good, which it does not for the methods of `Generator`.
"""

import math
from collections.abc import Callable
from enum import IntEnum
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Draws = NDArray[np.uint16]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STEPS = 1 << 16


class Stream(IntEnum):
    """What a draw is for; each has random numbers of its own, whatever order they are made in."""

    ACCOUNTS = 1
    MARKET = 2
    BUSY_MONTHS = 3
    DAY_SIZES = 4
    TRADES = 5
    LATE_TRADES = 6
    CORRECTIONS = 7


def raw(key: tuple[int, ...], count: int) -> NDArray[np.uint64]:
    """`count` 64-bit draws of the stream named by `key`: the seed, a Stream, then days or rows."""
    drawn: NDArray[np.uint64] = np.random.PCG64(np.random.SeedSequence(key)).random_raw(count)
    return drawn


def fields(key: tuple[int, ...], rows: int, count: int) -> Draws:
    """`count` independent fields of 16-bit draws for each row. Shape (count, rows)."""
    words = raw(key, rows * -(-count // 4)).astype("<u8", copy=False)
    return words.view("<u2").reshape(-1, rows)[:count] if rows else np.empty((count, 0), np.uint16)


def share(part: float) -> int:
    """The draw below which a fraction `part` (0..1) of all draws lies."""
    return round(part * STEPS)


def _quantiles(value: Callable[[float], float]) -> list[float]:
    return [value((step + 0.5) / STEPS) for step in range(STEPS)]


def normal() -> Floats:
    """Standard normal values, by draw; at most 4.2 deviations either side. Shape (65536,)."""
    inverse = NormalDist().inv_cdf
    return np.array([round(value, 4) for value in _quantiles(inverse)])


def lognormal(median: float, sigma: float, low: int, high: int) -> Ints:
    """Whole numbers, by draw, whose logarithm is normal with deviation `sigma`, kept in low..high. Shape (65536,)."""
    inverse = NormalDist(0.0, sigma).inv_cdf
    values = _quantiles(lambda part: median * math.exp(inverse(part)))
    return np.array([min(max(round(value), low), high) for value in values], np.int64)


def geometric(mean: int) -> Ints:
    """Counts 1, 2, 3, ..., by draw, each less likely than the one before by the same factor. Shape (65536,)."""
    table: list[int] = []
    count, left = 0, 1.0
    while len(table) < STEPS:
        count += 1
        left *= 1 - 1 / mean
        table += [count] * (round(STEPS * (1 - left)) - len(table))
    return np.array(table, np.int64)


def weighted(weights: list[int]) -> Ints:
    """Positions 0..len(weights)-1, by draw, each in proportion to its weight. Shape (65536,)."""
    table: list[int] = []
    total, reached = sum(weights), 0
    for position, weight in enumerate(weights):
        reached += weight
        table += [position] * (reached * STEPS // total - len(table))
    return np.array(table, np.int64)
