"""Writing a sample: slices are made by two threads and written in order by the caller's."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from dpm_assets.calendar import add_months
from dpm_assets.errors import DpmError
from dpm_assets.samples.accounts import Accounts, population
from dpm_assets.samples.corrections import correct
from dpm_assets.samples.draws import Floats, Ints, Stream
from dpm_assets.samples.exports import accounts_table, trades_table
from dpm_assets.samples.files import CsvFile, SampleFolder, csv_text, header
from dpm_assets.samples.identities import ACCOUNTS, DAY_ROWS, SEEDS
from dpm_assets.samples.market import levels
from dpm_assets.samples.plans import PLANS, plans_snapshot
from dpm_assets.samples.slices import Slice, day_count, day_parts, day_sizes, slices
from dpm_assets.samples.trades import make_trades

WORKERS = 2
FILE_ROWS = 5_000_000
ACCOUNT_ROWS = 10_000
YEARS = (1971, 2090)


@dataclass(frozen=True)
class SampleSummary:
    """What was written. `trades` counts neither corrections nor late trades; `files` counts all."""

    trades: int
    accounts: int
    plans: int
    files: int
    seconds: float


@dataclass(frozen=True)
class _Written:
    """One slice as CSV text, and per row the account, its net in cents and the day as of `date.toordinal`."""

    piece: Slice
    heading: bytes
    text: Any
    corrections: Any | None
    account: Ints
    net: Ints
    day: Ints


@dataclass(frozen=True)
class _Sample:
    """Everything that every slice is made from."""

    accounts: Accounts
    levels: Floats
    start: date

    def make(self, piece: Slice, corrections: int) -> _Written:
        trades = make_trades(self.accounts, self.levels, self.start.toordinal(), piece)
        table = trades_table(trades, self.accounts)
        corrected = None
        if corrections:
            wrong = correct(trades, piece, corrections, self.accounts.seed, self.start)
            corrected = csv_text(trades_table(wrong, self.accounts))
        return _Written(piece, header(table), csv_text(table), corrected, trades.account, trades.net(), trades.day)


def write_sample(
    out: Path,
    trades: int = 1_000_000,
    months: int = 12,
    start: date = date(2024, 1, 1),
    seed: int = 1,
    *,
    accounts: int | None = None,
    corrections: int = 0,
    late: int = 0,
    progress: Callable[[int], None] | None = None,
) -> SampleSummary:
    """Write exactly `trades` synthetic trades of `months` months from the month of `start` on, and their accounts and
    plans, as CSV files to out/trades (one a month, more when a month is large), out/accounts and out/plans.

    `corrections` newer versions of some of the trades go to out/corrections, `late` further trades of old dates, with
    late ingestion times, to out/late. The same arguments give the same bytes; ids of different seeds differ. Unless
    given, there are 60,000 accounts, fewer below a million trades. `progress` is called with the trades written so
    far. Raises DpmError for arguments out of range, a folder that holds files already or cannot be written, and a
    full disk; then nothing of the sample stays behind.
    """
    began = perf_counter()
    start = start.replace(day=1)
    accounts = accounts if accounts is not None else min(60_000, max(20, trades * 6 // 100))
    _refuse_out_of_range(trades, months, start, seed, accounts, corrections=corrections, late=late)
    days = day_count(start, months)
    sizes = day_sizes(seed, start, days, trades)
    late_sizes = day_sizes(seed, start, days, late)
    busiest = max(size + more for size, more in zip(sizes, late_sizes, strict=True))
    if busiest > DAY_ROWS:
        raise DpmError(f"That is {busiest:,} trades on one day, and {DAY_ROWS:,} fit. Ask for more months.")

    with SampleFolder(out) as folder:
        sample = _Sample(population(seed, accounts, start, days), levels(seed, start, days), start)
        pieces = slices(Stream.TRADES, day_parts(start, sizes, [0] * days))
        net, last = _write_trades(folder, sample, pieces, trades, corrections=corrections, progress=progress)
        if late:
            _write_late(folder, sample, slices(Stream.LATE_TRADES, day_parts(start, late_sizes, sizes)))
        _write_snapshots(folder, sample.accounts, net, last, start=start, taken=add_months(start, months))
        return SampleSummary(trades, accounts, len(PLANS), folder.count, perf_counter() - began)


def _write_trades(
    folder: SampleFolder,
    sample: _Sample,
    pieces: Iterator[Slice],
    trades: int,
    *,
    corrections: int,
    progress: Callable[[int], None] | None,
) -> tuple[Ints, Ints]:
    """Write all trades and their corrections; return each account's net in cents and its last day (0 for none)."""
    net = np.zeros(len(sample.accounts), np.int64)
    last = np.zeros(len(sample.accounts), np.int64)
    months = _MonthFiles(folder)
    corrected: CsvFile | None = None
    done = 0
    for made in _in_order(sample, _with_corrections(pieces, trades, corrections)):
        months.write(made)
        if made.corrections is not None:
            corrected = corrected or folder.open(f"corrections/corrections_{sample.start:%Y-%m}.csv")
            corrected.write(made.heading, made.corrections)
        np.add.at(net, made.account, made.net)
        np.maximum.at(last, made.account, made.day)
        done += made.piece.rows
        if progress:
            progress(done)
    months.complete()
    if corrected:
        corrected.complete()
    return net, last


def _write_late(folder: SampleFolder, sample: _Sample, pieces: Iterator[Slice]) -> None:
    file = folder.open(f"late/late_{sample.start:%Y-%m}.csv")
    for made in _in_order(sample, ((piece, 0) for piece in pieces)):
        file.write(made.heading, made.text)
    file.complete()


def _with_corrections(pieces: Iterable[Slice], trades: int, corrections: int) -> Iterator[tuple[Slice, int]]:
    """Each slice with the number of its trades to correct, in proportion to its size."""
    before = 0
    for piece in pieces:
        after = before + piece.rows
        yield piece, corrections * after // trades - corrections * before // trades
        before = after


def _in_order(sample: _Sample, work: Iterator[tuple[Slice, int]]) -> Iterator[_Written]:
    """Make slices ahead of the writing, never more than a few, and hand them on in their order."""
    waiting: deque[Future[_Written]] = deque()
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="sample") as pool:
        try:
            for piece, corrections in work:
                waiting.append(pool.submit(sample.make, piece, corrections))
                if len(waiting) > WORKERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class _MonthFiles:
    """The files of trades: one a month, numbered parts of about FILE_ROWS rows when a month is larger."""

    def __init__(self, folder: SampleFolder) -> None:
        self._folder = folder
        self._month: date | None = None
        self._file: CsvFile | None = None
        self._rows = self._part = 0

    def write(self, made: _Written) -> None:
        if made.piece.month != self._month or self._rows >= FILE_ROWS:
            self.complete()
            self._part = self._part + 1 if made.piece.month == self._month else 1
            self._month, self._rows = made.piece.month, 0
            number = f"_{self._part:03}" if self._part > 1 else ""
            self._file = self._folder.open(f"trades/trades_{self._month:%Y-%m}{number}.csv")
        assert self._file
        self._file.write(made.heading, made.text)
        self._rows += made.piece.rows

    def complete(self) -> None:
        if self._file:
            self._file.complete()


def _write_snapshots(
    folder: SampleFolder, accounts: Accounts, net: Ints, last: Ints, *, start: date, taken: date
) -> None:
    """Plans as of the sample's start, accounts as of the midnight after its last day."""
    file = folder.open(f"accounts/accounts_{taken:%Y-%m-%d}.csv")
    for first in range(0, len(accounts), ACCOUNT_ROWS):
        table = accounts_table(accounts, slice(first, first + ACCOUNT_ROWS), net, last, taken)
        file.write(header(table), csv_text(table))
    file.complete()
    file = folder.open(f"plans/plans_{start:%Y-%m-%d}.csv")
    plans = plans_snapshot(start)
    file.write(header(plans), csv_text(plans))
    file.complete()


def _refuse_out_of_range(
    trades: int, months: int, start: date, seed: int, accounts: int, *, corrections: int, late: int
) -> None:
    if trades < 1:
        raise DpmError(f"A sample of {trades} trades cannot be made. Ask for at least 1.")
    if months < 1:
        raise DpmError(f"A sample of {months} months cannot be made. Ask for at least 1.")
    last = start.year + (start.month + months - 2) // 12
    if start.year < YEARS[0] or last > YEARS[1]:
        raise DpmError(f"The sample must lie in the years {YEARS[0]} to {YEARS[1]}. Change its start or its months.")
    if not 0 <= seed < SEEDS:
        raise DpmError(f"The seed {seed} cannot be used. Choose one from 0 to {SEEDS - 1}.")
    if not 1 <= accounts <= ACCOUNTS:
        raise DpmError(f"A sample with {accounts:,} accounts cannot be made. Ask for 1 to {ACCOUNTS:,}.")
    if not 0 <= corrections <= trades:
        raise DpmError(f"{corrections:,} corrections do not fit {trades:,} trades. Ask for 0 to {trades:,}.")
    if late < 0:
        raise DpmError(f"{late} late trades cannot be made. Ask for 0 or more.")
