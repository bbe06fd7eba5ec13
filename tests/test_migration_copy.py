"""`dpm migrate start`: every row of the originals stands in the new tables, or in unmoved_rows with the reason."""

from collections.abc import Iterator

import pytest

from dpm_assets.database import Database
from dpm_assets.migration.start import start
from dpm_assets.server import EmbeddedServer
from tests.baselines import DIRTY_METRICS, DIRTY_TRADES, baseline
from tests.interleaving import Connection, session
from tests.migrating import migrating

pytestmark = pytest.mark.sql


@pytest.fixture
def original(server: EmbeddedServer) -> Iterator[str]:
    with baseline(server, rows=3_000) as url:
        yield url


@pytest.fixture
def copied(server: EmbeddedServer) -> Iterator[str]:
    with migrating(server, "start", rows=3_000) as url:
        yield url


@pytest.fixture
def dirty(server: EmbeddedServer) -> Iterator[str]:
    with baseline(server, rows=1_000, dirty=True) as url:
        yield url


def migrated(url: str, **options: object) -> list[str]:
    """What `start` said."""
    said: list[str] = []
    with Database(url, application_name="tests") as db:
        start(db, said.append, **options)  # type: ignore[arg-type]
    return said


def differences(conn: Connection) -> list[tuple[object, ...]]:
    """Rows of the trades that only one side has, by every column that both have, unmoved rows left out."""
    columns = (
        "id, trade_id, account_id, login, symbol, side, close_time, trade_date, stop_loss, take_profit, lots, profit"
    )
    return conn.execute(
        f"""
        with old as (
            select {
            columns.replace("trade_date", "coalesce(trade_date, close_time::date)").replace(
                "stop_loss, take_profit", "nullif(stop_loss, 0), nullif(take_profit, 0)"
            )
        }
            from prop_trading_model.raw_trades_closed
            where id not in (
                select id from prop_trading_model_migration.unmoved_rows where table_name = 'raw_trades_closed')
        ),
        new as (select {columns} from prop_trading_model_next.raw_trades_closed)
        (table old except all table new) union all (table new except all table old)
        """.encode()
    ).fetchall()


def test_every_month_and_year_is_copied_and_verified(original: str) -> None:
    migrated(original)
    with session(original, autocommit=True) as conn:
        assert conn.execute("select distinct state from prop_trading_model_migration.parts").fetchall() == [
            ("verified",)
        ]
        assert conn.execute("select count(*) from prop_trading_model_next.raw_trades_closed").fetchone() == (3_000,)
        assert differences(conn) == []
        assert (
            conn.execute(
                "select count(*) from prop_trading_model_next.raw_metrics_daily"
                " union all select count(*) from prop_trading_model.raw_metrics_daily"
            ).fetchall()[0]
            == conn.execute("select count(*) from prop_trading_model.raw_metrics_daily").fetchone()
        )


def test_rows_that_cannot_move_are_kept_with_the_reason(dirty: str) -> None:
    migrated(dirty, set_aside=True)
    with session(dirty, autocommit=True) as conn:
        assert differences(conn) == []
        for table, kinds in (("raw_trades_closed", DIRTY_TRADES), ("raw_metrics_daily", DIRTY_METRICS)):
            unmoved = {
                name: reason
                for name, reason in conn.execute(
                    "select row ->> 'source_api_endpoint', reason from prop_trading_model_migration.unmoved_rows"
                    " where table_name = %s",
                    [table],
                ).fetchall()
            }
            assert set(unmoved) == {dirt.name for dirt in kinds if not dirt.moves}
            moved = conn.execute(
                f"select source_api_endpoint from prop_trading_model_next.{table} where account_id = 'd1'".encode()
            ).fetchall()
            assert {row[0] for row in moved} == {dirt.name for dirt in kinds if dirt.moves}


def test_what_was_written_since_is_brought_over_by_the_next_start(copied: str) -> None:
    with session(copied, autocommit=True) as conn:
        conn.execute("update prop_trading_model.raw_trades_closed set profit = profit + 1 where account_id = 'a3'")
        conn.execute(
            "update prop_trading_model.raw_trades_closed set trade_date = '2024-02-20' where account_id = 'a4'"
        )
        conn.execute("update prop_trading_model.raw_trades_closed set account_id = 'b5' where account_id = 'a5'")
        conn.execute("delete from prop_trading_model.raw_trades_closed where account_id = 'a6'")
        conn.execute(
            "insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, close_time, lots)"
            " values ('late', 'a7', 'l7', '2021-06-05 10:00', 1), ('never', 'a7', 'l7', null, 1)"
        )
        assert differences(conn) != []
        migrated(copied)
        assert differences(conn) == []
        assert conn.execute("select row ->> 'trade_id' from prop_trading_model_migration.unmoved_rows").fetchall() == [
            ("never",)
        ]
        assert conn.execute("select count(*) from prop_trading_model_migration.changed_originals").fetchone() == (0,)


def test_a_truncated_original_is_copied_anew(copied: str) -> None:
    with session(copied, autocommit=True) as conn:
        conn.execute("truncate prop_trading_model.raw_trades_closed")
        conn.execute(
            "insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, trade_date, lots)"
            " values ('first', 'a1', 'l1', '2024-02-01', 1)"
        )
        migrated(copied)
        assert differences(conn) == []
        assert conn.execute("select count(*) from prop_trading_model_next.raw_trades_closed").fetchone() == (1,)


def test_starting_again_copies_nothing_twice(copied: str) -> None:
    with session(copied, autocommit=True) as conn:
        query = "select count(*), max(bite_id), sum(rows) from prop_trading_model_migration.bites"
        before = conn.execute(query).fetchone()
        migrated(copied, jobs=2)
        assert conn.execute(query).fetchone() == before
