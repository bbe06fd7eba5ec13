"""Reading columns of times: ISO 8601 with or without fraction and zone, or 2025.01.31 10:15:00; stored in UTC."""

import re
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dpm_assets.loads.arrays import mask, present, strings, without
from dpm_assets.loads.columns import Faults, trimmed
from dpm_assets.loads.feeds import Feed

NAIVE = pa.timestamp("us")
ZONED = pa.timestamp("us", "UTC")

# Shorter than 2025-01-31 10:15 Arrow reads some forms that PostgreSQL does not.
_SHORTEST_PASSED_ON = 16
_EARLIEST = np.datetime64("1900-01-01T00:00:00", "us").astype(np.int64)
_EXPECTED = "a time such as 2025-01-31T10:15:00Z or 2025.01.31 10:15:00, from the year 1900 on"
_FORM = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:[.,](\d{1,18}))?\s?(Z|z|UTC|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)


def read_times(values: pa.StringArray, feed: Feed, column: str, faults: Faults) -> tuple[pa.StringArray, pa.Array]:
    """The times in UTC, as text and as timestamps."""
    original, times, zoned = values, None, False
    try:
        times = _cast(values, NAIVE)
    except pa.ArrowInvalid:
        values = _with_dashes(trimmed(values))
        try:
            times = _cast(values, NAIVE)
        except pa.ArrowInvalid:
            try:
                times, zoned = _cast(values, ZONED), True
            except pa.ArrowInvalid:
                return _one_by_one(original, values, feed, column, faults)
    if zoned or feed.time_zone != "UTC":
        try:
            times = _in_utc(times, zoned, feed)
        except pa.ArrowInvalid:
            return _one_by_one(original, values, feed, column, faults)
        return pc.cast(times, pa.string()), times
    if (pc.min(pc.binary_length(values)).as_py() or _SHORTEST_PASSED_ON) < _SHORTEST_PASSED_ON:
        values = pc.cast(times, pa.string())
    return values, times


def _cast(values: pa.StringArray, kind: pa.DataType) -> pa.Array:
    """Raises ArrowInvalid too for times that PostgreSQL or Python could not hold."""
    times = pc.cast(values, kind)
    earliest = pc.min(pc.cast(times, pa.int64())).as_py()
    if earliest is not None and earliest < _EARLIEST:
        raise pa.ArrowInvalid("too early")
    return times


def _in_utc(times: pa.Array, zoned: bool, feed: Feed) -> pa.Array:
    """Of an hour that clocks show twice, the first. Raises ArrowInvalid for a time that they skip."""
    if not zoned:
        times = pc.assume_timezone(times, feed.time_zone, ambiguous="earliest", nonexistent="raise")
    return pc.cast(pc.cast(times, ZONED), pa.int64()).cast(NAIVE)


def _with_dashes(values: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring_regex(values, r"^([0-9]{4})\.([0-9]{2})\.([0-9]{2})", r"\1-\2-\3")


def _one_by_one(
    original: pa.StringArray, values: pa.StringArray, feed: Feed, column: str, faults: Faults
) -> tuple[pa.StringArray, pa.Array]:
    """For a block with a value at fault, or with times of several forms."""
    zone = ZoneInfo(feed.time_zone) if feed.time_zone != "UTC" else timezone.utc
    read = [parse_time(value, zone) if value is not None else None for value in values.to_pylist()]
    texts = strings([time.isoformat(sep=" ") if time else None for time in read])
    bad = present(values) & ~present(texts)
    shown = "" if feed.time_zone == "UTC" else f", and one that clocks in {feed.time_zone} show"
    faults.values(bad, column, original, _EXPECTED + shown)
    return without(texts, bad), pc.cast(texts, NAIVE)


def parse_time(value: str, zone: ZoneInfo | timezone) -> datetime | None:
    """The time in UTC, without zone; a fraction is rounded to microseconds. None when it is no time."""
    form = _FORM.fullmatch(value)
    if not form:
        return None
    day, minutes, seconds, fraction, offset = form.groups()
    try:
        time = datetime.fromisoformat(f"{day} {minutes or '00:00'}{seconds or ':00'}")
        if fraction:
            if not seconds:
                return None
            time += timedelta(microseconds=round(int(fraction) * 10.0 ** (6 - len(fraction))))
        local = time.replace(tzinfo=_zone(offset) if offset else zone)
        time = local.astimezone(timezone.utc).replace(tzinfo=None)
        if not offset and local.astimezone(timezone.utc).astimezone(zone).replace(tzinfo=None) != local.replace(
            tzinfo=None
        ):
            return None
    except (ValueError, OverflowError):
        return None
    return time if time.year >= 1900 else None


def _zone(offset: str) -> timezone:
    if offset in ("Z", "z", "UTC"):
        return timezone.utc
    digits = offset[1:].replace(":", "").ljust(4, "0")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-size if offset[0] == "-" else size)


def days_of(times: pa.Array, feed: Feed) -> pa.StringArray:
    """The trading days of times in UTC: the date in the feed's zone, counted from its cut-off."""
    if feed.time_zone != "UTC":
        local = pc.cast(times, pa.int64()).cast(pa.timestamp("us", feed.time_zone))
        times = pc.local_timestamp(local)
    if feed.day_cutoff:
        shift = int(feed.day_cutoff / timedelta(microseconds=1))
        moments = pc.cast(times, pa.int64())
        times = pc.subtract(moments, pc.cast(strings([str(shift)]), pa.int64())[0]).cast(NAIVE)
    return pc.cast(pc.cast(times, pa.date32(), safe=False), pa.string())


def later(first: pa.Array, second: pa.Array) -> "npt.NDArray[np.bool_]":
    """Where the first time is after the second; False where either is missing."""
    return mask(pc.greater(first, second))
