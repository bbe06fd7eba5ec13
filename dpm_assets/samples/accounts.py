"""The population of accounts: how much each trades, what, how large, and from when until when."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from dpm_assets.samples.draws import Bools, Ints, Stream, fields, lognormal, share, weighted
from dpm_assets.samples.plans import PLANS
from dpm_assets.samples.symbols import INSTRUMENTS, SYMBOLS

NEVER = 10**7
MARGIN = 5  # days from an account's creation to its first close, so that no position is older than its account
PHASES = ("Phase 1", "Phase 2", "Funded", "Demo")
PHASE_WEIGHTS = [52, 18, 22, 8]


@dataclass(frozen=True)
class Accounts:
    """Accounts as columns, all of shape (accounts,). Days are ordinals as of `date.toordinal`; `coin` is the
    instrument an account trades at weekends, -1 for none; `lots` is its median position in hundredths of a lot."""

    seed: int
    plan: Ints
    phase: Ints
    created: Ints
    closed: Ints
    weight: Ints
    favourite: NDArray[np.int16]
    second: NDArray[np.int16]
    coin: NDArray[np.int16]
    session: NDArray[np.uint16]
    lots: Ints
    suffixed: Bools

    def __len__(self) -> int:
        return len(self.plan)

    def open_on(self, ordinal: int) -> Bools:
        """Accounts that may close a trade on a day: old enough, not closed, and in a month in which they trade.

        Account 0 always may, so that no day is ever without one. Weekend days know only those that trade crypto.
        """
        day = date.fromordinal(ordinal)
        busy = fields((self.seed, Stream.BUSY_MONTHS, day.year * 12 + day.month), len(self), 1)[0] < share(0.6)
        found: Bools = busy & (self.created + MARGIN <= ordinal) & (ordinal < self.closed)
        if day.weekday() >= 5:
            found &= self.coin >= 0
        found[0] = True
        return found


def population(seed: int, count: int, start: date, days: int) -> Accounts:
    """`count` accounts that trade in the `days` days from `start`. The same seed gives the same accounts, whatever the
    dates; only when they are created and closed follows those."""
    drawn = fields((seed, Stream.ACCOUNTS), count, 12)
    popular = weighted([one.popularity for one in INSTRUMENTS]).astype(np.int16)
    plan = weighted([one.popularity for one in PLANS])[drawn[0]]
    favourite = popular[drawn[1]]
    second = np.where(drawn[2] < share(0.7), popular[drawn[3]], favourite)
    coin = np.where(SYMBOLS.crypto[favourite], favourite, np.where(SYMBOLS.crypto[second], second, -1))
    first = start.toordinal()
    earlier = first - MARGIN - 1 - drawn[4].astype(np.int64) % 400
    during = first + drawn[4].astype(np.int64) * (days * 3 // 4) // 65536
    created = np.where(drawn[5] < share(0.75), earlier, during)
    life = MARGIN + 10 + drawn[6].astype(np.int64) * days // 65536
    closed = np.where(drawn[7] < share(0.3), np.maximum(created, first) + life, NEVER)
    balance = np.array([one.balance for one in PLANS])[plan]
    lots = np.maximum(1, lognormal(50_000, 0.6, 1_000, 400_000)[drawn[8]] * balance // 100_000_000)
    coin[0] = next(number for number, one in enumerate(INSTRUMENTS) if one.name == "BTCUSD")
    created[0], closed[0] = first - 30, NEVER
    return Accounts(
        seed=seed,
        plan=plan,
        phase=weighted(PHASE_WEIGHTS)[drawn[9]],
        created=created,
        closed=closed,
        weight=lognormal(1_000, 1.7, 1, 1_000_000)[drawn[10]],
        favourite=favourite,
        second=second.astype(np.int16),
        coin=coin.astype(np.int16),
        session=drawn[11],
        lots=lots,
        suffixed=drawn[2] % 5 < 4,
    )
