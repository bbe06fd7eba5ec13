"""What loads tell Dagster: which partitions of a feed's asset they touched, how many rows these hold, and the numbers."""

from collections.abc import Iterable
from datetime import date

import dagster as dg
from psycopg import sql

from dpm_assets.calendar import add_months
from dpm_assets.database import SCHEMA, Database
from dpm_assets.loads.feeds import FEEDS, Feed
from dpm_assets.loads.waiting import Loaded
from dpm_assets.months import MONTHS, YEARS, key_of


def partitions_of(feed: Feed) -> dg.PartitionsDefinition[str] | None:
    """How the feed's asset is partitioned: as its table is."""
    if not feed.partitions:
        return None
    return MONTHS if feed.partitions.every == "month" else YEARS


def touched(feed: Feed, loaded: Loaded) -> list[str]:
    """The keys of the partitions that the loads touched; those that the graph has no partition for are left out."""
    definition = partitions_of(feed)
    if definition is None:
        return []
    known = set(definition.get_partition_keys())
    keys = {_key(feed, month) for result in loaded.of(feed.name) for month in result.months}
    return sorted(keys & known)


def row_counts(db: Database, feed: Feed, keys: Iterable[str]) -> dict[str, int]:
    """Rows in each of these partitions of a feed's table, counted."""
    assert feed.partitions
    count = sql.SQL("select count(*) from {table} where {day} >= %s and {day} < %s").format(
        table=sql.Identifier(SCHEMA, feed.table), day=sql.Identifier(feed.partitions.by)
    )
    counts = {}
    with db.connection() as conn:
        for key in keys:
            row = conn.execute(count, _bounds(feed, key)).fetchone()
            counts[key] = row[0] if row else 0
    return counts


def materializations(db: Database, loaded: Loaded, except_keys: Iterable[str] = ()) -> list[dg.AssetMaterialization]:
    """One event for each feed that was loaded, or for each partition of it that was touched."""
    events = []
    for feed in FEEDS.values():
        numbers = loaded.metadata(feed.name)
        if not numbers["files"]:
            continue
        if not feed.partitions:
            events.append(dg.AssetMaterialization(feed.table, metadata=numbers))
            continue
        keys = [key for key in touched(feed, loaded) if key not in except_keys]
        for key, rows in row_counts(db, feed, keys).items():
            metadata = {"dagster/partition_row_count": rows, **numbers}
            events.append(dg.AssetMaterialization(feed.table, partition=key, metadata=metadata))
    return events


def _key(feed: Feed, month: date) -> str:
    assert feed.partitions
    return key_of(month) if feed.partitions.every == "month" else str(month.year)


def _bounds(feed: Feed, key: str) -> tuple[date, date]:
    """The days of a partition, the last excluded."""
    assert feed.partitions
    if feed.partitions.every == "year":
        return date(int(key), 1, 1), date(int(key) + 1, 1, 1)
    month = date.fromisoformat(key)
    return month, add_months(month, 1)
