"""The first rebuild of a month makes its partition of the rollup whole: dense, in the order of days, and nobody waits for it."""

from collections.abc import Iterator

import pytest

from dpm_assets.database import Database
from tests.history import differences
from tests.interleaving import SECONDS, Connection, sent_off, session, wait_until_blocked

pytestmark = pytest.mark.sql

MONTH = "rollup_account_symbol_day_2024_01"
REBUILD = "select prop_trading_model.rebuild_month('2024-01-01')"


@pytest.fixture
def conn(refreshed: Connection) -> Iterator[Connection]:
    """A warehouse with 12,000 more trades in January, whose accounts come in no order, and no rollup partition for it."""
    refreshed.execute(
        "insert into raw_trades_closed (trade_id, account_id, login, symbol, side, trade_date, profit)"
        " select 'm' || n, 'b' || n * 7919 % 401, 'l', 'GOLD', 'buy', date '2024-01-01' + n % 30, n % 11 - 5"
        " from generate_series(1, 12000) as n"
    )
    refreshed.execute(f"drop table {MONTH}".encode())
    yield refreshed


def pages(conn: Connection, of: str) -> object:
    return conn.execute("select pg_relation_size(%s) / 8192", [of]).fetchone()


def test_it_holds_what_a_refresh_gives(conn: Connection, db: Database) -> None:
    conn.execute(REBUILD.encode())
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []
    kept = conn.execute(
        "select count(*) from pg_inherits where inhrelid = %s::regclass and not inhdetachpending", [MONTH]
    ).fetchone()
    assert kept == (1,)


def test_its_key_takes_no_more_pages_than_one_that_is_built_anew(conn: Connection) -> None:
    conn.execute(REBUILD.encode())
    found = pages(conn, f"{MONTH}_pkey")
    conn.execute(f"reindex table {MONTH}".encode())
    assert found == pages(conn, f"{MONTH}_pkey")


def test_the_rows_of_a_day_lie_together(conn: Connection) -> None:
    conn.execute(REBUILD.encode())
    out_of_order = (
        "select count(*) from (select trade_date < lag(trade_date) over (order by ctid) as is_earlier"
        f" from {MONTH}) as placed where is_earlier"
    )
    assert conn.execute(out_of_order.encode()).fetchone() == (0,)


def test_readers_do_not_wait_for_it(conn: Connection, database_url: str) -> None:
    query = "select count(*) from rollup_account_symbol_day"
    with session(database_url) as reader, session(database_url, autocommit=True) as another:
        before = reader.execute(query).fetchone()
        conn.execute("begin")
        conn.execute(REBUILD.encode())
        another.execute("set lock_timeout = '2s'")
        assert another.execute(query).fetchone() == before
        conn.execute("commit")
        assert another.execute(query).fetchone() != before


def test_a_partition_that_somebody_makes_meanwhile_is_filled(conn: Connection, db: Database, database_url: str) -> None:
    with session(database_url) as maker, session(database_url, autocommit=True) as observer:
        maker.execute("select prop_trading_model.create_month('2024-01-01')")
        with sent_off(conn, REBUILD.encode()) as rebuilt:
            wait_until_blocked(observer, conn)
            maker.commit()
            assert rebuilt.result(SECONDS)[0] > 10_000  # rows of the rollups
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []
    assert conn.execute(f"select to_regclass('{MONTH}_filled')".encode()).fetchone() == (None,)
