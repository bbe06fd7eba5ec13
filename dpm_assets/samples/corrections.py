"""Corrections: newer versions of trades already exported, with other profit and costs, some moved to another date."""

from dataclasses import replace
from datetime import date

import numpy as np

from dpm_assets.samples.draws import Stream, fields, share
from dpm_assets.samples.slices import Slice
from dpm_assets.samples.trades import DAY, Trades

WEEK = 7  # a move by whole weeks lands on a day of the same kind


def correct(trades: Trades, piece: Slice, count: int, seed: int, start: date) -> Trades:
    """`count` of the trades, corrected: shape (count,). They carry a later ingestion time; one in four moves a week
    back, or a week on where back would be before `start`."""
    part = piece.parts[0]
    drawn = fields((seed, Stream.CORRECTIONS, part.ordinal, part.low), count, 4)
    reached = np.arange(count + 1) * len(trades) // max(count, 1)
    wrong = trades.take(reached[:-1] + drawn[0] % np.maximum(np.diff(reached), 1))
    back = np.where(wrong.day - WEEK >= start.toordinal(), -WEEK, WEEK)
    days = np.where(drawn[1] < share(0.25), back, 0)
    percent = np.where(drawn[2] % 2 == 0, 88, 110) + drawn[2].astype(np.int64) % 7
    return replace(
        wrong,
        day=wrong.day + days,
        opened=wrong.opened + days * DAY,
        closed=wrong.closed + days * DAY,
        profit=wrong.profit * percent // 100,
        commission=wrong.commission - 1 - drawn[3].astype(np.int64) % 400,
        ingested=wrong.ingested + (8 + drawn[3].astype(np.int64) % 5) * DAY,
    )
