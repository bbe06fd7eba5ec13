"""Every feed is loaded, and what its table would refuse is found in the file first."""

from pathlib import Path

import pytest

from dpm_assets.database import Database
from dpm_assets.loads.feeds import FEEDS, Vector
from dpm_assets.loads.load import load_file
from tests.feed_rows import ROWS, write_rows
from tests.trade_rows import rows, value

pytestmark = pytest.mark.sql


@pytest.mark.parametrize("feed", FEEDS)
def test_the_rows_of_every_feed_are_stored_as_they_stand(db: Database, tmp_path: Path, feed: str) -> None:
    result = load_file(db, write_rows(tmp_path / "rows.csv", ROWS[feed]))
    assert (result.feed, result.rows_inserted, result.rejects) == (feed, 2, [])
    [first, _] = ROWS[feed]
    key = [name for name in FEEDS[feed].identity if name != "ingestion_timestamp"]
    for column in FEEDS[feed].columns:
        given = first[column.name]
        [(stored, same)] = rows(
            db,
            f"select {column.name}::text, {column.name} is not distinct from nullif(%s, '')::{column.type.sql}"
            f" from {FEEDS[feed].table} where {' and '.join(f'{name}::text = %s' for name in key)}",
            given.replace("[", "{").replace("]", "}") if isinstance(column.type, Vector) else given,
            *(first[name] for name in key),
        )
        assert same, f"{column.name}: {given} became {stored}"


def test_a_snapshot_that_says_nothing_new_is_a_duplicate_and_a_newer_one_is_kept(db: Database, tmp_path: Path) -> None:
    day = {name: given for name, given in ROWS["daily_metrics"][0].items() if name != "ingestion_timestamp"}
    for changed, expected in [({}, (1, 0)), ({"source_api_endpoint": "/v3"}, (0, 1)), ({"net_profit": "1"}, (1, 0))]:
        result = load_file(db, write_rows(tmp_path / "rows.csv", [day | changed]))
        assert (result.rows_inserted, result.rows_duplicate) == expected
    assert value(db, "select net_profit from latest_metrics_daily") == 1
    assert value(db, "select count(*) from raw_metrics_daily") == 2
