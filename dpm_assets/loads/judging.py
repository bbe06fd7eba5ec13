"""Judging the rows of a block: every column by its type, then what the columns say of each other."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpm_assets.calendar import today
from dpm_assets.loads.arrays import doubles, mask, present
from dpm_assets.loads.columns import Faults, read_days, read_flags, read_texts, read_whole_numbers
from dpm_assets.loads.documents import read_documents, read_vectors
from dpm_assets.loads.feeds import Column, Feed
from dpm_assets.loads.feeds.types import LARGEST_WHOLE, Day, Flag, Json, Moment, Number, Text, Vector, Whole
from dpm_assets.loads.numbers import read_numbers
from dpm_assets.loads.times import days_of, read_times
from dpm_assets.settings import settings

_READERS: dict[type, Callable[[pa.StringArray, Any, str, Faults], pa.StringArray]] = {
    Text: read_texts,
    Number: read_numbers,
    Whole: read_whole_numbers,
    Flag: read_flags,
    Json: read_documents,
    Vector: read_vectors,
}


class Judge:
    """Reads blocks of one feed. `columns` are those that it gives: the file's, and what stands for a missing one."""

    def __init__(self, feed: Feed, given: tuple[str, ...]) -> None:
        self.feed = feed
        standing_in = {name for name, other in feed.stands_for.items() if other in given}
        if feed.date_from and feed.date_from[1] in given:
            standing_in.add(feed.date_from[0])
        self.columns = tuple(column for column in feed.columns if column.name in given or column.name in standing_in)
        self.warehouse = (settings().first_month, today() + timedelta(days=1))

    def judge(self, rows: pa.Table, faults: Faults | None = None) -> tuple[dict[str, pa.StringArray], Faults]:
        """The values that may be stored, and the faults of the rows that may not, beside those `faults` already known."""
        faults = faults or Faults()
        values: dict[str, pa.StringArray] = {
            name: rows.column(name).combine_chunks() for name in rows.column_names if name in self.feed.by_name
        }
        times: dict[str, pa.Array] = {}
        for column in self._of(Moment):
            if column.name in values:
                values[column.name], times[column.name] = read_times(
                    values[column.name], self.feed, column.name, faults
                )
        self._date(values, times)
        for column in self.columns:
            if column.name in values and not isinstance(column.type, Moment):
                values[column.name] = self._read(column, values[column.name], faults)
        self._stand_in(values)
        self._check_order(times, faults)
        self._check_within(values, faults)
        self._check_needed(values, faults)
        return values, faults

    def _of(self, kind: type) -> list[Column]:
        return [column for column in self.columns if isinstance(column.type, kind)]

    def _date(self, values: dict[str, pa.StringArray], times: Mapping[str, pa.Array]) -> None:
        if not self.feed.date_from or self.feed.date_from[1] not in times:
            return
        day, time = self.feed.date_from
        dates = values.get(day)
        if dates is None or dates.null_count:
            values[day] = _coalesced(dates, days_of(times[time], self.feed))

    def _stand_in(self, values: dict[str, pa.StringArray]) -> None:
        for name, other in self.feed.stands_for.items():
            if other in values and (name not in values or values[name].null_count):
                values[name] = _coalesced(values.get(name), values[other])

    def _read(self, column: Column, values: pa.StringArray, faults: Faults) -> pa.StringArray:
        if isinstance(column.type, Day):
            return read_days(values, column.type, column.name, faults, self.warehouse)
        return _READERS[type(column.type)](values, column.type, column.name, faults)

    def _check_order(self, times: Mapping[str, pa.Array], faults: Faults) -> None:
        for first, second in self.feed.in_order:
            if first in times and second in times:
                late = mask(pc.greater(times[first], times[second]))
                for row in np.flatnonzero(late).tolist():
                    faults.add(
                        row,
                        f"{second} {times[second][row].as_py()} is before {first} {times[first][row].as_py()}: "
                        f"expected a {second} not before the {first}",
                    )

    def _check_within(self, values: Mapping[str, pa.StringArray], faults: Faults) -> None:
        """A missing total does not excuse parts whose sum PostgreSQL, when it checks, could not hold."""
        for parts, total in self.feed.within:
            if not all(part in values for part in parts):
                continue
            together = np.sum([doubles(values[part]) for part in parts], axis=0)
            most = np.nan_to_num(doubles(values[total]), nan=LARGEST_WHOLE) if total in values else LARGEST_WHOLE
            for row in np.flatnonzero(together > most).tolist():
                sum_of_parts = " + ".join(f"{part} {values[part][row].as_py()}" for part in parts)
                whole = values[total][row].as_py() if total in values else None
                faults.add(row, f"{sum_of_parts} is more than {total} {whole or LARGEST_WHOLE}: expected at most that")

    def _check_needed(self, values: Mapping[str, pa.StringArray], faults: Faults) -> None:
        for column in self.columns:
            if column.needed and values[column.name].null_count:
                reason = f"{self._missing(column.name)}: expected a value in every row"
                for row in np.flatnonzero(~present(values[column.name])).tolist():
                    if row not in faults:
                        faults.add(row, reason)

    def _missing(self, name: str) -> str:
        if self.feed.date_from and self.feed.date_from[0] == name:
            return f"{name} is missing, and so is {self.feed.date_from[1]}"
        return f"{name} is missing"


def _coalesced(values: pa.StringArray | None, instead: pa.StringArray) -> pa.StringArray:
    return instead if values is None else pc.coalesce(values, instead)
