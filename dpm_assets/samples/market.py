"""Prices that walk: one level per instrument and day, pulled gently back to where it started."""

from datetime import date

import numpy as np

from dpm_assets.samples.draws import Floats, Stream, fields, normal
from dpm_assets.samples.symbols import INSTRUMENTS, SYMBOLS

PULL = 0.01
QUIET = 0.15
FURTHEST = (-0.6, 1.5)


def levels(seed: int, start: date, days: int) -> Floats:
    """Price of every instrument at the start of each day, and at the end of the last. Shape (days + 1, 59)."""
    table = normal()
    found = np.empty((days + 1, len(INSTRUMENTS)))
    away = np.zeros(len(INSTRUMENTS))
    for day in range(days + 1):
        found[day] = SYMBOLS.price * (1.0 + away)
        ordinal = start.toordinal() + day
        step = SYMBOLS.move * table[fields((seed, Stream.MARKET, ordinal), len(INSTRUMENTS), 1)[0]]
        if date.fromordinal(ordinal).weekday() >= 5:
            step = np.where(SYMBOLS.crypto, step, step * QUIET)
        away = np.clip(away + step - PULL * away, *FURTHEST)
    return found
