"""One sample that several tests look at, and the rows of a sample's files."""

import csv
from datetime import date
from pathlib import Path

from dpm_assets.samples import SampleSummary, write_sample

Row = dict[str, str]

TRADES = 30_000
START = date(2024, 1, 1)


def write_two_months(folder: Path) -> SampleSummary:
    """30,000 trades of January and February 2024, with 300 corrections and 200 late trades."""
    return write_sample(folder, trades=TRADES, months=2, start=START, seed=1, corrections=300, late=200)


def rows_of(folder: Path) -> list[Row]:
    found: list[Row] = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as file:
            found += csv.DictReader(file)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
