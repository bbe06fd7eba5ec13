"""A year of daily metrics goes cold and comes back as a month of trades does, and neither takes the other for itself."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest

from dpm_assets.calendar import today
from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold.archive import archive
from dpm_assets.partitions.cold.reading import read_metrics, read_trades
from dpm_assets.partitions.cold.tables import METRICS, Part, parse_part, part_of_leaf
from dpm_assets.partitions.findings import findings, repair
from dpm_assets.partitions.sizes import partitions
from dpm_assets.refresh import engine
from dpm_assets.refresh.verify import verify
from tests.clock import set_today
from tests.cold import (
    JANUARY,
    NEXT_YEAR,
    YEAR,
    add_metrics,
    archived,
    file_under,
    restored,
    shown,
    state,
    table_rows,
    trades_read,
)  # fmt: skip
from tests.cold_victims import archive_until, killed, restore_until
from tests.interleaving import SECONDS, Connection, sent_off, session, wait_until_blocked
from tests.trade_rows import rows, value

pytestmark = pytest.mark.sql

STEPS = ["frozen", "written", "verified", "recorded", "detached", "cold"]
LEAF = "raw_metrics_daily_2021"
LATE = "insert into raw_metrics_daily (account_id, login, date) values ('late', 'l', '2021-07-01')"


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with session(database_url, autocommit=True) as opened:
        add_metrics(opened)
        yield opened


def metrics_read(db: Database) -> list[str]:
    """Each row that the reader gives, as often as it does."""
    return sorted(map(repr, read_metrics(db=db).to_pylist()))


def test_a_year_goes_cold_and_comes_back_bit_for_bit(conn: Connection, db: Database, tmp_path: Path) -> None:
    before, leaf, read = table_rows(db, "raw_metrics_daily"), table_rows(db, LEAF), metrics_read(db)
    sums = rows(db, f"select count(*), sum(net_profit)::text, sum(balance_end)::text from {LEAF}")[0]

    assert archived(db, tmp_path, YEAR) == STEPS
    assert value(db, "select to_regclass(%s)", LEAF) is None
    known = rows(db, "select rows, sums ->> 'net_profit', sums ->> 'balance_end', location from cold_files")[0]
    assert known == (*sums, str(file_under(tmp_path, YEAR)))
    assert metrics_read(db) == read and len(read) == len(before)
    assert archived(db, tmp_path, YEAR) == ["cold"]

    assert restored(db, YEAR) == ["restoring", "attached", "hot"]
    assert table_rows(db, "raw_metrics_daily") == before and table_rows(db, LEAF) == leaf
    assert not file_under(tmp_path, YEAR).exists()
    assert value(db, "select count(*) from partition_state") + value(db, "select count(*) from cold_files") == 0
    conn.execute(LATE)


def test_the_file_of_a_year_is_what_other_engines_read(conn: Connection, db: Database, tmp_path: Path) -> None:
    archived(db, tmp_path, YEAR)
    archived(db, tmp_path, NEXT_YEAR)
    table = pq.read_table(tmp_path / "raw_metrics_daily")
    assert set(table["year"].to_pylist()) == {2021, 2022} and table.num_rows == len(metrics_read(db))
    accounts = pq.read_table(file_under(tmp_path, YEAR), columns=["account_id"])["account_id"].to_pylist()
    assert accounts == sorted(accounts), "the rows of an account lie together"
    with pq.ParquetFile(file_under(tmp_path, YEAR)) as file:
        group = file.metadata.row_group(0)
        assert {group.column(n).compression for n in range(group.num_columns)} == {"ZSTD"}
        assert group.sorting_columns, "readers are told the order"


def test_a_restored_leaf_of_a_year_is_made_as_any_other(conn: Connection, db: Database, tmp_path: Path) -> None:
    described = """
        select (select array_agg(conname || pg_get_constraintdef(oid) order by conname)
                from pg_constraint where conrelid = c.oid),
            c.relacl::text, c.relowner, pg_get_expr(c.relpartbound, c.oid),
            (select array_agg(pg_get_indexdef(x.indexrelid) order by x.indexrelid::regclass::text)
                from pg_index as x where x.indrelid = c.oid)
        from pg_class as c where c.oid = %s::regclass
    """
    before = rows(db, described, LEAF)
    archived(db, tmp_path, YEAR)
    restored(db, YEAR)
    assert rows(db, described, LEAF) == before
    assert findings(db, 3) == []


@pytest.mark.kill
@pytest.mark.parametrize("step", ["frozen", "writing", "recorded", "detached"])
def test_an_archive_of_a_year_that_is_killed_goes_on_or_is_taken_back(
    conn: Connection, db: Database, tmp_path: Path, step: str
) -> None:
    before, read = table_rows(db, "raw_metrics_daily"), metrics_read(db)
    for ending, end in (("hot", restored), ("cold", lambda db, part: archived(db, tmp_path, part))):
        killed(archive_until(db.url, tmp_path, YEAR, step))
        assert state(db, YEAR) == "archiving" and metrics_read(db) == read
        with pytest.raises(psycopg.DatabaseError, match=r"the year 2021 is being archived|no partition"):
            conn.execute(LATE)
        assert end(db, YEAR)[-1] == ending
        assert metrics_read(db) == read
    assert [path.name for path in file_under(tmp_path, YEAR).parent.iterdir()] == ["metrics.parquet"]
    restored(db, YEAR)
    assert table_rows(db, "raw_metrics_daily") == before


@pytest.mark.kill
@pytest.mark.parametrize("step", ["restoring", "copying", "attached", "deleted"])
def test_a_restore_of_a_year_that_is_killed_goes_on(conn: Connection, db: Database, tmp_path: Path, step: str) -> None:
    before, read = table_rows(db, "raw_metrics_daily"), metrics_read(db)
    archived(db, tmp_path, YEAR)
    killed(restore_until(db.url, tmp_path, YEAR, step))
    assert metrics_read(db) == read
    assert restored(db, YEAR)[-1] == "hot"
    assert table_rows(db, "raw_metrics_daily") == before and not file_under(tmp_path, YEAR).exists()


@pytest.mark.parametrize("statement", [
    LATE, f"truncate {LEAF}", "delete from raw_metrics_daily where account_id = 'a1'",
    "update raw_metrics_daily set date = '2021-07-01' where date = '2022-01-02'",
])  # fmt: skip
def test_a_writer_into_a_year_that_is_being_archived_is_refused(
    conn: Connection, db: Database, tmp_path: Path, statement: str
) -> None:
    read = metrics_read(db)
    for step in archive(db, YEAR, tmp_path):
        if step.name in ("frozen", "recorded"):
            with pytest.raises(psycopg.DatabaseError, match="the year 2021 is being archived") as refused:
                conn.execute(statement.encode())
            assert refused.value.sqlstate == "DPM01"
    assert metrics_read(db) == read


def test_a_writer_who_has_not_committed_is_waited_for_and_archived_too(
    conn: Connection, db: Database, database_url: str, tmp_path: Path
) -> None:
    with session(database_url) as writer, session(database_url, autocommit=True) as archiver:
        writer.execute(LATE)
        with sent_off(archiver, "select begin_archive('raw_metrics_daily', '2021-01-01')") as begun:
            wait_until_blocked(conn, archiver)
            writer.commit()
            assert begun.result(SECONDS) == (LEAF,)
    assert archived(db, tmp_path, YEAR)[-1] == "cold"
    assert sum("'late'" in row for row in metrics_read(db)) == 1


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (METRICS.part(today()), "has not ended: its metrics are still coming"),
        (METRICS.part(date(2019, 1, 1)), "The year 2019 has no partition raw_metrics_daily_2019"),
    ],
)
def test_a_year_that_cannot_be_archived_is_refused(
    conn: Connection, db: Database, tmp_path: Path, part: Part, reason: str
) -> None:
    with pytest.raises(DpmError, match=reason):
        archived(db, tmp_path, part)
    assert state(db, part) == "hot" and list(tmp_path.iterdir()) == []


def test_a_damaged_file_of_a_year_is_found_at_restore(conn: Connection, db: Database, tmp_path: Path) -> None:
    archived(db, tmp_path, YEAR)
    data = bytearray(file_under(tmp_path, YEAR).read_bytes())
    data[len(data) // 3] ^= 1
    file_under(tmp_path, YEAR).write_bytes(data)
    with pytest.raises(DpmError, match=r"is damaged.* Put the file back from a copy of yours"):
        restored(db, YEAR)
    assert state(db, YEAR) == "cold"


def test_nobody_makes_a_partition_for_a_cold_year_and_no_finding_asks_for_one(
    conn: Connection, db: Database, tmp_path: Path
) -> None:
    conn.execute("select ensure_metrics_years('{2023}')")
    archived(db, tmp_path, NEXT_YEAR)
    assert findings(db, 3) == [], "2022 is no gap"
    with pytest.raises(psycopg.DatabaseError, match="the year 2022 is cold: its metrics are in an archive") as refused:
        conn.execute("select ensure_metrics_years('{2022}')")
    assert "dpm partitions restore 2022" in (refused.value.diag.message_hint or "")
    set_today(conn, date(2023, 11, 20))
    archived(db, tmp_path, METRICS.part(date(2021, 1, 1)))
    conn.execute("drop table raw_metrics_daily_2023")
    assert [f.object for f in findings(db, 1) if f.table == "raw_metrics_daily"] == ["raw_metrics_daily_2023"]
    conn.execute("select create_yearly_partitions(1)")
    there = [(leaf.name, leaf.state, leaf.size > 0) for leaf in partitions(db, "raw_metrics_daily")]
    assert there[:3] == [
        (LEAF, "cold", False),
        ("raw_metrics_daily_2022", "cold", False),
        ("raw_metrics_daily_2023", "hot", True),
    ]


def test_a_year_in_the_archive_and_in_the_table_is_found(conn: Connection, db: Database) -> None:
    conn.execute(
        "insert into partition_state (parent_table, lower, state) values ('raw_metrics_daily', '2021-01-01', 'cold')"
    )
    found = findings(db, 3)
    assert [(f.finding, f.object, f.detail) for f in found] == [
        ("overlap", LEAF, "the year 2021 is in the archive and has a partition too")
    ]
    assert repair(db, found, lambda _: None) == [] and findings(db, 3) == found, "a person has to decide"


def test_a_cold_year_and_its_january_are_two_things(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    """Both begin on the same day."""
    refreshed.execute("select ensure_metrics_years('{2024}')")
    refreshed.execute("insert into raw_metrics_daily (account_id, login, date) values ('a1', 'l', '2024-01-09')")
    year, trades, history = METRICS.part(JANUARY), trades_read(db), shown(db)
    archived(db, tmp_path, year)
    assert (state(db, year), state(db, JANUARY)) == ("cold", "hot")
    assert trades_read(db) == trades
    refreshed.execute("update raw_trades_closed set profit = profit + 1 where trade_date = '2024-01-09'")
    assert str(next(iter(engine.refresh(db, [JANUARY], whole=True)))).startswith("2024-01: recomputed")
    refreshed.execute("call refresh_warehouse()")
    assert verify(db).total == 0 and not verify(db).notes
    refreshed.execute("update raw_trades_closed set profit = profit - 1 where trade_date = '2024-01-09'")
    refreshed.execute("call refresh_warehouse()")
    assert shown(db) == history
    archived(db, tmp_path, JANUARY)
    assert verify(db, cold=True).total == 0
    restored(db, year)
    assert (state(db, year), state(db, JANUARY)) == ("hot", "cold")
    assert read_metrics(db=db).num_rows == 1 and read_trades(db=db).num_rows == len(trades)
    assert restored(db, JANUARY)[-1] == "hot" and shown(db) == history


def test_a_month_and_a_year_are_told_by_how_they_are_written() -> None:
    assert str(parse_part("2021")) == "2021" and parse_part("2021").leaf == LEAF
    assert parse_part("2021-03").leaf == "raw_trades_closed_2021_03"
    assert part_of_leaf(LEAF) == YEAR and str(part_of_leaf("raw_trades_closed_2021_03")) == "2021-03"
    for text in ("21", "2021-13", "0000", "2021-03-04"):
        with pytest.raises(DpmError, match=r"is neither a month nor a year\. Write a month of trades as 2025-03"):
            parse_part(text)
