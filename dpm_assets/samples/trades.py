"""Trades of one slice: from account-days to prices, positions and money, in whole points, cents and hundredths."""

from dataclasses import dataclass

import numpy as np

from dpm_assets.samples.accounts import Accounts
from dpm_assets.samples.activity import account_days, seconds_of_day
from dpm_assets.samples.draws import Draws, Floats, Ints, Stream, fields, lognormal, normal, share, weighted
from dpm_assets.samples.slices import Slice
from dpm_assets.samples.symbols import INSTRUMENTS, SYMBOLS

EPOCH = 719_163  # date(1970, 1, 1).toordinal()
DAY = 86_400

_NORMAL = normal()
_HELD = lognormal(1_500, 1.6, 3, 4 * DAY)
_SIZE = lognormal(1_000, 0.5, 50, 8_000)
_DELAY = lognormal(240, 0.8, 15, 3_600)
_POPULAR = weighted([one.popularity for one in INSTRUMENTS])


@dataclass(frozen=True)
class Trades:
    """Trades as columns of shape (rows,), in order of their close. Times are seconds since 1970 (UTC), days ordinals
    as of `date.toordinal`, prices points of their instrument (0 for no stop loss or take profit), lots hundredths,
    money cents. `side` is 1 for buy and -1 for sell; `number` is unique within the `numbered` day, which makes the
    trade's name and never changes."""

    number: Ints
    numbered: Ints
    account: Ints
    symbol: Ints
    side: Ints
    opened: Ints
    closed: Ints
    day: Ints
    open_price: Ints
    close_price: Ints
    stop_loss: Ints
    take_profit: Ints
    lots: Ints
    volume: Ints
    profit: Ints
    commission: Ints
    swap: Ints
    ingested: Ints

    def __len__(self) -> int:
        return len(self.number)

    def net(self) -> Ints:
        """Profit less costs, in cents."""
        return self.profit + self.commission + self.swap

    def take(self, rows: Ints) -> "Trades":
        return Trades(*(column[rows] for column in vars(self).values()))


def make_trades(accounts: Accounts, levels: Floats, first_day: int, piece: Slice) -> Trades:
    """The trades of a slice. `levels` are the market's prices from the day `first_day` on, shape (days + 1, 59).

    The same arguments give the same trades, whatever else was made before.
    """
    part = piece.parts[0]
    drawn = fields((accounts.seed, piece.stream, part.ordinal, part.low, part.total), piece.rows, 13)
    account, day, number, second = _order_of_close(accounts, piece, drawn)
    closed = (day - EPOCH) * DAY + second
    symbol = _symbols(accounts, account, day, drawn[2])
    opened = _open_times(closed, _HELD[drawn[3]], symbol)
    side = np.where(drawn[4] < share(0.52), 1, -1)

    early, late = levels[day - first_day, symbol], levels[day - first_day + 1, symbol]
    move = SYMBOLS.move[symbol]
    level = (early + (late - early) * (second / DAY)) * (1.0 + 0.15 * move * _NORMAL[drawn[5]]) * SYMBOLS.power[symbol]
    swing = level * move * np.sqrt((closed - opened) / DAY)
    close_price = np.rint(level).astype(np.int64)
    gain = np.rint(swing * _NORMAL[drawn[6]]).astype(np.int64) - SYMBOLS.spread[symbol]
    furthest = np.minimum(np.rint(level * move * 2.0).astype(np.int64), close_price // 2)
    gain = np.clip(gain, -furthest, furthest)
    open_price = close_price - side * gain
    usual = np.rint(level * move * (0.1 + drawn[7] / 65536)).astype(np.int64) + 1
    stop_loss = np.maximum(open_price - side * np.maximum(usual, -gain), 1)
    take_profit = np.maximum(open_price + side * np.maximum(usual + usual // 2, gain), 1)

    lots = np.clip(accounts.lots[account] * _SIZE[drawn[8]] // 1_000, 1, 10_000)
    worth = lots * SYMBOLS.cents[symbol]
    nights = day - EPOCH - opened // DAY
    return Trades(
        number=number,
        numbered=day,
        account=account,
        symbol=symbol,
        side=side,
        opened=opened,
        closed=closed,
        day=day,
        open_price=open_price,
        close_price=close_price,
        stop_loss=np.where(drawn[9] < share(0.68), stop_loss, 0),
        take_profit=np.where(drawn[10] < share(0.55), take_profit, 0),
        lots=lots,
        volume=np.rint(open_price * worth).astype(np.int64),
        profit=np.rint(gain * worth).astype(np.int64),
        commission=-lots * SYMBOLS.commission[symbol],
        swap=nights * lots * np.where(side > 0, SYMBOLS.swap_long[symbol], SYMBOLS.swap_short[symbol]),
        ingested=_ingestion_times(closed, drawn[11:13], piece.stream),
    )


def _order_of_close(accounts: Accounts, piece: Slice, drawn: Draws) -> tuple[Ints, Ints, Ints, Ints]:
    """Account, day, number within the day and second of each trade, in order of their close."""
    account, day, number, second = [], [], [], []
    row = 0
    for part in piece.parts:
        who, counts = account_days(accounts, part.ordinal, part.total, piece.stream)
        ends: Ints = np.clip(np.cumsum(counts), part.low, part.high)
        traders = np.repeat(who, ends - np.concatenate([[part.low], ends[:-1]]))
        rows = slice(row, row + len(traders))
        scatter = drawn[0, rows].astype(np.int64) << 16 | drawn[1, rows]
        seconds = seconds_of_day(accounts.session[traders].astype(np.int64), scatter, part)
        order = np.argsort(seconds, kind="stable")
        account.append(traders[order])
        second.append(seconds[order])
        day.append(np.full(len(traders), part.ordinal))
        number.append(np.arange(part.low, part.high) + part.offset)
        row += len(traders)
    return np.concatenate(account), np.concatenate(day), np.concatenate(number), np.concatenate(second)


def _symbols(accounts: Accounts, account: Ints, day: Ints, drawn: Draws) -> Ints:
    """Mostly an account's favourite, sometimes its second, rarely any; on Saturdays and Sundays its coin."""
    found = np.where(drawn < share(0.76), accounts.favourite[account], accounts.second[account]).astype(np.int64)
    rare = np.flatnonzero(drawn < share(0.02))
    found[rare] = _POPULAR[drawn[rare].astype(np.int64) * 50 & 0xFFFF]
    return np.where((day - 1) % 7 >= 5, accounts.coin[account], found)


def _open_times(closed: Ints, held: Ints, symbol: Ints) -> Ints:
    """When positions were opened: `held` seconds before, or on the Friday when that falls on a weekend."""
    opened = closed - held
    weekday = (opened // DAY + EPOCH - 1) % 7
    shut = (weekday >= 5) & ~SYMBOLS.crypto[symbol]
    return opened - np.where(shut, (weekday - 4) * DAY, 0)


def _ingestion_times(closed: Ints, drawn: Draws, stream: Stream) -> Ints:
    """Minutes after the close; for late trades a week or more."""
    days = 7 + drawn[1].astype(np.int64) % 14 if stream is Stream.LATE_TRADES else 0
    found: Ints = closed + _DELAY[drawn[0]] + days * DAY
    return found
