"""A month goes cold and comes back without a cent or a bit changing; what cannot be archived is refused."""

import json
from datetime import date
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest

from dpm_assets.calendar import month_of, today
from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold.archive import archive
from dpm_assets.partitions.cold.tables import TRADES
from dpm_assets.refresh import engine
from dpm_assets.refresh.verify import verify
from tests.cold import (
    FEBRUARY,
    JANUARY,
    LEAF,
    add_odd_trades,
    archived,
    file_under,
    restored,
    shown,
    state,
    table_rows,
)  # fmt: skip
from tests.interleaving import Connection, session
from tests.trade_rows import rows, value

pytestmark = pytest.mark.sql

STEPS = ["frozen", "written", "verified", "recorded", "detached", "cold"]


def test_history_does_not_change_when_a_month_goes_cold_and_comes_back(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    add_odd_trades(refreshed)
    refreshed.execute("call refresh_warehouse()")
    trades, leaf, history = table_rows(db), table_rows(db, LEAF), shown(db)

    assert archived(db, tmp_path) == STEPS
    assert value(db, "select to_regclass(%s)", LEAF) is None
    assert value(db, "select count(*) from raw_trades_closed where trade_date < '2024-02-01'") == 0
    refreshed.execute("call refresh_warehouse()")
    assert value(db, "select keys + cardinality(months) + cardinality(views) from pending_changes()") == 0
    assert shown(db) == history

    assert restored(db) == ["restoring", "attached", "hot"]
    assert table_rows(db) == trades and table_rows(db, LEAF) == leaf
    assert shown(db) == history
    assert value(db, "select keys + cardinality(months) + cardinality(views) from pending_changes()") == 0
    assert not file_under(tmp_path).exists()
    assert value(db, "select count(*) from month_state") + value(db, "select count(*) from cold_logins") == 0
    assert verify(db).total == 0


def test_a_restored_leaf_is_made_as_any_other(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    described = """
        select (select array_agg(pg_get_constraintdef(oid) order by pg_get_constraintdef(oid))
                from pg_constraint where conrelid = c.oid),
            (select array_agg(t.tgname || t.tgenabled::text order by t.tgname) from pg_trigger as t
                where t.tgrelid = c.oid and not t.tgisinternal),
            c.relacl::text, c.relowner, pg_get_expr(c.relpartbound, c.oid),
            (select array_agg(regexp_replace(pg_get_indexdef(x.indexrelid), 'INDEX .* ON', 'INDEX ON') order by x.indisprimary)
                from pg_index as x where x.indrelid = c.oid)
        from pg_class as c where c.oid = %s::regclass
    """
    before = rows(db, described, LEAF)
    archived(db, tmp_path)
    restored(db)
    assert rows(db, described, LEAF) == before
    refreshed.execute(
        "insert into raw_trades_closed (trade_id, account_id, login, trade_date) values ('n', 'a1', 'l', '2024-01-09')"
    )
    refreshed.execute("call refresh_warehouse()")
    assert verify(db).total == 0


def test_the_files_are_what_other_engines_read(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    archived(db, tmp_path)
    with pq.ParquetFile(file_under(tmp_path)) as file:
        assert str(file.schema_arrow.field("profit").type) == "decimal128(18, 2)"
        assert file.metadata.row_group(0).column(0).compression == "ZSTD"
        encodings = {
            e for n in range(file.metadata.num_columns) for e in file.metadata.row_group(0).column(n).encodings
        }
    assert "BYTE_STREAM_SPLIT" not in encodings, "Spark and Trino cannot read it for integers"
    table = pq.read_table(tmp_path / "raw_trades_closed", columns=["year", "month", "trade_id"])
    assert set(zip(table["year"].to_pylist(), table["month"].to_pylist(), strict=True)) == {(2024, 1)}
    assert table.num_rows == 0 + value(db, "select rows from cold_files")


def test_an_account_that_has_not_traded_since_keeps_its_login(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    """The login is in no rollup but rollup_account, which a refresh makes anew."""
    refreshed.execute(
        "insert into raw_trades_closed (trade_id, account_id, login, trade_date) values"
        " ('o1', 'quiet', 'first', '2024-01-05'), ('o2', 'quiet', 'last', '2024-01-20'),"
        " ('o3', 'back', 'old', '2024-01-20'), ('o4', 'back', 'new', '2024-02-02')"
    )
    refreshed.execute("call refresh_warehouse()")
    archived(db, tmp_path)
    refreshed.execute("select rebuild_totals()")
    logins = (
        "select string_agg(account_id || ' ' || login, ', ' order by account_id) from {}"
        " where account_id in ('quiet', 'back')"
    )
    assert value(db, logins.format("rollup_account")) == "back new, quiet last"
    refreshed.execute("delete from raw_trades_closed where trade_id = 'o4'")
    assert value(db, logins.format("live_account")) == "back old, quiet last"
    refreshed.execute("call refresh_warehouse()")
    assert value(db, logins.format("mv_account_performance_summary")) == "back old, quiet last"


def test_refresh_and_rebuild_leave_a_cold_month_and_say_so(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    archived(db, tmp_path)
    history = shown(db)
    said = list(engine.refresh(db, [JANUARY, FEBRUARY], whole=True))
    assert said[0] == "2024-01: left as it is, its trades are in the archive"
    assert str(said[1]).startswith("2024-02: recomputed")
    assert shown(db) == history
    assert said[0] not in list(engine.refresh(db, whole=True)), "without months, all hot ones"
    refreshed.execute("insert into changed_months (month, reason) values ('2024-01-01', 'by hand')")
    refreshed.execute("insert into changed_account_days (account_id, trade_date) values ('a1', '2024-01-09')")
    refreshed.execute("call refresh_warehouse()")
    assert shown(db) == history
    assert engine.pending(db).nothing, "or the sensor would launch refreshes that take nothing, without end"


def test_a_leaf_without_a_lower_bound_marks_no_cold_month(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    archived(db, tmp_path)
    history = shown(db)
    refreshed.execute("create table older (like raw_trades_closed including all)")
    refreshed.execute(
        "alter table raw_trades_closed attach partition older for values from (minvalue) to ('2024-02-01')"
    )
    refreshed.execute("select refresh_materialized_views()")
    assert value(db, "select count(*) from changed_months where month = '2024-01-01'") == 0
    assert shown(db) == history


def test_verify_compares_a_cold_month_with_its_file(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    archived(db, tmp_path)
    for result in (verify(db, [JANUARY]), verify(db, cold=True)):
        assert result.total == 0
        assert "Compared with their Parquet files: 2024-01." in result.notes
        assert {"rollup_account", "mv_symbol_performance", "live_account_performance_summary"} <= set(result.counts)
    refreshed.execute("update rollup_market_day set net = net + 0.01 where trade_date = '2024-01-09'")
    assert {d.object for d in verify(db, [JANUARY]).differences} == {"rollup_market_day", "live_daily_trading_stats"}
    assert verify(db).total == 0, "without the file there is nothing to compare with"
    with file_under(tmp_path).open("r+b") as file:
        file.truncate(100)
    with pytest.raises(DpmError, match="damaged"):
        verify(db, cold=True)


def test_a_month_with_pending_keys_is_refused(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    refreshed.execute("update raw_trades_closed set profit = 9 where trade_date = '2024-01-09'")
    with pytest.raises(DpmError, match=r"2024-01 has changes that its rollups do not show yet\. Run dpm refresh"):
        archived(db, tmp_path)
    assert state(db) == "hot"
    refreshed.execute(
        "insert into raw_trades_closed (trade_id, account_id, login, trade_date) values ('n', 'a1', 'l', '2024-01-09')"
    )


def test_a_month_is_refused_while_a_refresh_runs(
    refreshed: Connection, db: Database, database_url: str, tmp_path: Path
) -> None:
    with session(database_url) as refresh:
        refresh.execute("select lock_refresh()")
        with pytest.raises(DpmError, match="A refresh runs"):
            archived(db, tmp_path)
    assert archived(db, tmp_path) == STEPS


@pytest.mark.parametrize(
    ("month", "reason"),
    [(month_of(today()), "has not ended"), (date(2021, 5, 1), "has no partition raw_trades_closed_2021_05")],
)
def test_a_month_that_cannot_be_archived_is_refused(
    refreshed: Connection, db: Database, tmp_path: Path, month: date, reason: str
) -> None:
    with pytest.raises(DpmError, match=reason):
        archived(db, tmp_path, month)
    assert state(db, month) == "hot" and list(tmp_path.iterdir()) == []


def test_a_month_is_refused_while_the_table_has_a_default_partition(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    """Which forbids DETACH CONCURRENTLY: the month would stay frozen."""
    refreshed.execute("create table rest partition of raw_trades_closed default")
    refusal = (
        r"^The month 2024-01 cannot be archived while prop_trading_model\.rest is the default partition .* Detach it"
    )
    with pytest.raises(DpmError, match=refusal):
        archived(db, tmp_path)
    assert state(db) == "hot" and list(tmp_path.iterdir()) == []
    refreshed.execute("alter table raw_trades_closed detach partition rest")
    refreshed.execute("call refresh_warehouse()")
    assert archived(db, tmp_path) == STEPS


def test_a_month_whose_rollups_are_wrong_is_refused(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    refreshed.execute("update rollup_market_day set trades = trades + 1 where trade_date = '2024-01-09'")
    with pytest.raises(DpmError, match=r"The rollups of 2024-01 are not those of its trades"):
        archived(db, tmp_path)
    assert state(db) == "hot" and not file_under(tmp_path).exists()


def test_a_refresh_between_detach_and_drop_takes_nothing(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    history = shown(db)
    for step in archive(db, TRADES.part(JANUARY), tmp_path):
        if step.name == "detached":
            refreshed.execute("call refresh_warehouse()")
            assert rows(db, "select * from changed_months") == [] and shown(db) == history
    assert shown(db) == history


def test_a_table_is_not_dropped_while_it_is_attached_or_without_a_verified_file(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    finish = "select finish_archive('raw_trades_closed', '2024-01-01')"
    refusal = pytest.raises(psycopg.DatabaseError, match="it is attached, or no verified file stands for it")
    for step in archive(db, TRADES.part(JANUARY), tmp_path):
        if step.name == "recorded":
            with refusal:
                refreshed.execute(finish)
            known = rows(db, "select * from cold_files")
            refreshed.execute("delete from cold_files")
        if step.name == "detached":
            break
    assert known and state(db) == "archiving"
    with refusal:
        refreshed.execute(finish)
    assert value(db, f"select count(*) from {LEAF}") > 0
    assert restored(db)[-1] == "hot"


def test_archiving_or_restoring_again_changes_nothing(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    archived(db, tmp_path)
    written = file_under(tmp_path).stat()
    assert archived(db, tmp_path) == ["cold"]
    assert file_under(tmp_path).stat() == written
    restored(db)
    assert restored(db) == ["hot"]
    assert archived(db, tmp_path) == STEPS


def test_a_cold_month_gets_no_partition(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    archived(db, tmp_path)
    for statement in (
        "select ensure_trade_months('{2024-01-15}')",
        "select make_bare_month('2024-01-01', 1)",
        "select rebuild_month('2024-01-01')",
    ):
        with pytest.raises(psycopg.DatabaseError, match="the month 2024-01 is cold") as refused:
            refreshed.execute(statement.encode())
        assert "dpm partitions restore 2024-01" in (refused.value.diag.message_hint or "")
    with pytest.raises(psycopg.errors.CheckViolation, match="no partition"):
        refreshed.execute("update raw_trades_closed set trade_date = '2024-01-31' where trade_id = 't40'")


def test_rollups_that_differ_from_the_file_are_marked_when_it_comes_back(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    archived(db, tmp_path)
    refreshed.execute("update rollup_market_day set net = net + 1 where trade_date = '2024-01-09'")
    restored(db)
    assert rows(db, "select month::text, reason from changed_months") == [
        ("2024-01-01", "rollups differ from the archive")
    ]
    refreshed.execute("call refresh_warehouse()")
    assert verify(db).total == 0


def test_what_is_known_of_a_file_says_what_it_holds(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    sums = rows(db, f"select count(*), sum(profit), sum(commission) from {LEAF}")[0]
    archived(db, tmp_path)
    found = rows(db, "select rows, sums, location, bytes from cold_files")[0]
    assert (found[0], found[1]["profit"], found[1]["commission"]) == (sums[0], str(sums[1]), str(sums[2]))
    assert found[2:] == (str(file_under(tmp_path)), file_under(tmp_path).stat().st_size)
    assert json.dumps(found[1])


def test_a_leaf_that_begins_with_a_cold_month_is_seen_for_its_other_months(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    archived(db, tmp_path)
    refreshed.execute("alter table raw_trades_closed detach partition raw_trades_closed_2024_02")
    refreshed.execute("call refresh_warehouse()")
    january = "select * from rollup_symbol_day where trade_date < '2024-02-01' order by 1, 2"
    before = rows(db, january)
    refreshed.execute("create table winter (like raw_trades_closed including all)")
    refreshed.execute("alter table winter owner to dpm_owner")
    refreshed.execute(
        "insert into winter (trade_id, account_id, login, trade_date, profit) values ('f', 'a1', 'l', '2024-02-09', 7)"
    )
    refreshed.execute(
        "alter table raw_trades_closed attach partition winter for values from ('2024-01-01') to ('2024-03-01')"
    )
    refreshed.execute("call refresh_warehouse()")
    assert value(db, "select trades from rollup_market_day where trade_date = '2024-02-09'") == 1
    refreshed.execute("update winter set profit = 8")
    assert value(db, "select count(*) from changed_account_days") == 1, "it has its triggers"
    assert before and rows(db, january) == before
