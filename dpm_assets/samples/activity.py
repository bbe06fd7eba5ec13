"""Who trades on a day, how often, and at what time: account-days with geometric counts."""

import numpy as np

from dpm_assets.samples.accounts import Accounts
from dpm_assets.samples.draws import Ints, Stream, geometric, raw
from dpm_assets.samples.slices import DayPart

TRADES_AN_ACCOUNT_DAY = 7
HOUR_WEIGHTS = (14, 16, 16, 18, 16, 18, 28, 52, 74, 72, 62, 54, 58, 82, 98, 96, 78, 58, 42, 32, 24, 18, 12, 10)

_COUNTS = geometric(TRADES_AN_ACCOUNT_DAY)
_TIME_STEPS = 1024


def account_days(accounts: Accounts, ordinal: int, total: int, stream: Stream) -> tuple[Ints, Ints]:
    """Accounts that trade on a day, each once, and their trades, which add up to `total`. Shapes (account-days,).

    Accounts are drawn by their weight without putting back. When a day is too busy for the accounts there are, all
    counts grow in proportion.
    """
    reached = np.cumsum(accounts.weight * accounts.open_on(ordinal))
    eligible = int(np.count_nonzero(np.diff(reached, prepend=0)))
    wanted = max(1, min(round(total / TRADES_AN_ACCOUNT_DAY), eligible * 3 // 5))
    found: Ints = np.empty(0, np.int64)
    for attempt in range(20):
        drawn = raw((accounts.seed, stream, ordinal, attempt), wanted * 2)
        picks = np.searchsorted(reached, (drawn >> np.uint64(16)).astype(np.int64) % reached[-1], side="right")
        every = np.concatenate([found, picks])
        found = every[np.sort(np.unique(every, return_index=True)[1])]
        if len(found) >= wanted:
            break
    found = found[:wanted]
    lengths = raw((accounts.seed, stream, ordinal, 100), len(found)) & np.uint64(0xFFFF)
    return found, _exactly(_COUNTS[lengths], total)


def _exactly(counts: Ints, total: int) -> Ints:
    """`counts` made to add up to `total`: the last ones cut off when there are too many, else all in proportion."""
    have = int(counts.sum())
    if have >= total:
        return np.diff(np.minimum(np.cumsum(counts), total), prepend=0)
    return np.diff(np.cumsum(counts) * total // have, prepend=0)


def _clock() -> Ints:
    """Second of the day by 1024ths of a day's trades. Shape (1025,)."""
    total = sum(HOUR_WEIGHTS)
    table, hour, before = [], 0, 0
    for step in range(_TIME_STEPS + 1):
        reached = step * total
        while hour < 23 and reached >= (before + HOUR_WEIGHTS[hour]) * _TIME_STEPS:
            before += HOUR_WEIGHTS[hour]
            hour += 1
        inside = (reached - before * _TIME_STEPS) * 3600 // (HOUR_WEIGHTS[hour] * _TIME_STEPS)
        table.append(min(hour * 3600 + inside, 86_400))
    return np.array(table, np.int64)


_CLOCK = _clock()


def seconds_of_day(session: Ints, spread: Ints, part: DayPart) -> Ints:
    """When trades close, in seconds from midnight: around their account's `session` (16 bits), scattered by `spread`
    (32 bits), and within the part's share of the day. Shape (rows,)."""
    place = (session * 65536 + (spread - (1 << 31)) // 3) % (1 << 32)
    place = (part.low * (1 << 32) + place * (part.high - part.low)) // part.total
    step, fraction = place >> 22, place & ((1 << 22) - 1)
    early = _CLOCK[step]
    found: Ints = early + ((_CLOCK[step + 1] - early) * fraction >> 22)
    return found
