"""Since when the oldest change waits that some view does not show: what freshness is judged by."""

from datetime import timedelta
from typing import Any

import pytest

from tests.history import insert
from tests.interleaving import Connection

pytestmark = pytest.mark.sql

HOUR = timedelta(hours=1)


@pytest.fixture
def conn(refreshed: Connection) -> Connection:
    return refreshed


def waited(conn: Connection) -> Any:
    row = conn.execute("select make_interval(secs => age_seconds::float) from pending_changes()").fetchone()
    assert row is not None
    return row[0]


def log_hours_ago(conn: Connection, table: str, hours: int) -> None:
    """What is in the log of changes was written so long ago."""
    conn.execute(f"update {table} set changed_at = changed_at - make_interval(hours => %s)".encode(), [hours])


def test_a_change_that_the_rollups_show_waits_for_the_views_since_it_was_made(conn: Connection) -> None:
    """However many bites are taken until the views can be refreshed: each takes newer changes."""
    insert(conn, "first")
    log_hours_ago(conn, "changed_account_days", 3)
    conn.execute("select refresh_bite()")
    assert waited(conn) > 3 * HOUR
    insert(conn, "second")
    assert waited(conn) > 3 * HOUR, "the newer change in the log does not hide the older one"
    conn.execute("select refresh_bite()")
    assert waited(conn) > 3 * HOUR
    conn.execute("select refresh_views(array['mv_daily_trading_stats'])")
    assert waited(conn) > 3 * HOUR, "four views do not show it"
    conn.execute("select refresh_views()")
    assert waited(conn) is None
    insert(conn, "third")
    conn.execute("select refresh_bite()")
    assert waited(conn) < HOUR, "what was shown is forgotten"


@pytest.mark.parametrize(
    ("call", "marked"),
    [("select refresh_bite()", True), ("select rebuild_month('2024-01-01')", True),
     ("select rebuild_month('2024-01-01')", False)],
)  # fmt: skip
def test_a_month_that_is_recomputed_has_waited_since_it_was_marked(conn: Connection, call: str, marked: bool) -> None:
    insert(conn, "one")
    if marked:
        conn.execute("delete from changed_account_days")
        conn.execute("insert into changed_months (month, reason) values ('2024-01-01', 'a test')")
    log_hours_ago(conn, "changed_months" if marked else "changed_account_days", 5)
    conn.execute(call.encode())
    assert waited(conn) > 5 * HOUR


def test_snapshots_of_accounts_wait_since_they_came_until_all_views_show_them(conn: Connection) -> None:
    conn.execute("insert into changed_inputs (input) values ('accounts')")
    log_hours_ago(conn, "changed_inputs", 2)
    conn.execute("select refresh_views('{}')")
    assert conn.execute("select inputs from pending_changes()").fetchone() == ([],)
    assert waited(conn) > 2 * HOUR
    conn.execute("select refresh_views()")
    assert waited(conn) is None
