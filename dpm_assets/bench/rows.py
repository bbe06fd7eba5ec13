"""The run's sample: made once, cut where the steps of the growth end, packed, and handed out file by file."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from dpm_assets.bench.plan import Plan
from dpm_assets.errors import DpmError
from dpm_assets.samples import write_sample

BLOCK = 1 << 20
Say = Callable[[str], None]


def prepare(plan: Plan, folder: Path, say: Say) -> None:
    """Make folder/accounts, folder/plans and folder/step_N (the trades that step N adds, in the order of time, zstd)."""
    if (folder / "complete").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    if plan.sample:
        say(f"taking {plan.trades:,} trades of the sample in {plan.sample}")
        for feed in ("accounts", "plans"):
            shutil.copytree(plan.sample / feed, folder / feed)
    else:
        say(f"making a sample of {plan.trades:,} trades over {plan.months} months from {plan.start:%Y-%m} on")
        write_sample(folder, trades=plan.trades, months=plan.months, start=plan.start, seed=plan.seed)
    parts = _Parts(folder, plan.sizes)
    for path in sorted(((plan.sample or folder) / "trades").glob("*.csv")):
        parts.take(path)
        if not plan.sample:
            path.unlink()
    parts.close()
    if parts.rows < plan.trades:
        raise DpmError(f"The sample in {plan.sample} has {parts.rows:,} trades. Ask for no more --trades than those.")
    (folder / "complete").touch()


def step_files(folder: Path, step: int) -> list[Path]:
    """The files of trades that a step adds, in the order of time."""
    return sorted((folder / f"step_{step}").glob("*.csv.zst"))


def text_of(path: Path) -> Iterator[bytes]:
    """The unpacked content of a file of the sample, in blocks."""
    with pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else None) as stream:
        while block := stream.read(BLOCK):
            yield block


class _Parts:
    """Cuts month files at the sizes of the steps: a part holds rows of one month and of one step."""

    def __init__(self, folder: Path, sizes: tuple[int, ...]) -> None:
        self._folder = folder
        self._sizes = sizes
        self._step = 0
        self.rows = 0
        self._out: Any = None

    def take(self, month: Path) -> None:
        """Hand the month's rows to its parts; what goes beyond the last step is left."""
        if self.rows == self._sizes[-1]:
            return
        with month.open("rb") as file:
            header = file.readline()
            self._open(month, header)
            while block := file.read(BLOCK):
                block += file.readline()
                while block:
                    block = self._write(block)
                    if block and self.rows == self._sizes[-1]:
                        return
                    if block:
                        self._step += 1
                        self._open(month, header)

    def close(self) -> None:
        if self._out is not None:
            self._out.close()
            self._out = None

    def _open(self, month: Path, header: bytes) -> None:
        self.close()
        if self.rows >= self._sizes[self._step] and self._step + 1 < len(self._sizes):
            self._step += 1
        path = self._folder / f"step_{self._step}" / f"{month.name}.zst"
        path.parent.mkdir(exist_ok=True)
        self._out = pa.output_stream(str(path), compression="zstd")
        self._out.write(header)

    def _write(self, block: bytes) -> bytes:
        """Write the rows that the step has room for; returns the rest."""
        rows, room = block.count(b"\n"), self._sizes[self._step] - self.rows
        if rows <= room:
            self._out.write(block)
            self.rows += rows
            return b""
        end = 0
        for _ in range(room):
            end = block.index(b"\n", end) + 1
        self._out.write(block[:end])
        self.rows += room
        return block[end:]
