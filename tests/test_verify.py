"""The proof of the numbers finds every difference, shows what it is, and tells what it left out."""

import json
import re
from datetime import date

import pytest
import typer
from psycopg import sql
from typer.testing import CliRunner

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.refresh.commands_verify import verify as verify_command
from dpm_assets.refresh.verify import CHECKED, verify
from dpm_assets.settings import settings
from tests.history import insert
from tests.interleaving import Connection

pytestmark = pytest.mark.sql

JANUARY, FEBRUARY = date(2024, 1, 1), date(2024, 2, 1)


@pytest.fixture
def conn(refreshed: Connection) -> Connection:
    return refreshed


def test_it_says_what_is_pending_and_finds_no_difference_in_the_rest(conn: Connection, db: Database) -> None:
    insert(conn, "t-1")
    result = verify(db)
    assert result.total == 0
    assert any("A refresh is due for 1 account-days" in note for note in result.notes)
    conn.execute("update rollup_market_day set net = net + 1 where trade_date = '2024-01-11'")
    conn.execute("update rollup_market_day set net = net + 1 where trade_date = '2024-01-10'")
    found = [(difference.object, difference.key) for difference in verify(db).differences]
    assert found == [
        ("rollup_market_day", {"trade_date": date(2024, 1, 11)}),
        ("live_daily_trading_stats", {"date": date(2024, 1, 11)}),
    ]


def test_it_of_a_month_looks_at_that_month(conn: Connection, db: Database) -> None:
    conn.execute("update rollup_market_day set net = net + 1 where trade_date = '2024-02-02'")
    assert verify(db, [JANUARY]).total == 0
    found = verify(db, [FEBRUARY], names=["rollup_market_day"]).differences
    assert [(d.object, d.kind, d.key) for d in found] == [
        ("rollup_market_day", "differs", {"trade_date": date(2024, 2, 2)})
    ]
    assert list(found[0].expected) == ["net"]
    assert found[0].found["net"] - found[0].expected["net"] == 1


def test_the_nets_of_a_day_are_compared_by_what_they_are_worth_and_a_difference_stays_short(
    conn: Connection, db: Database
) -> None:
    conn.execute("update rollup_market_day set nets = array(select round(n, 9) from unnest(nets) as n order by n)")
    assert verify(db, names=["rollup_market_day"]).total == 0
    conn.execute("update rollup_market_day set nets[1] = nets[1] - 1 where trade_date = '2024-02-02'")
    (found,) = verify(db, names=["rollup_market_day"]).differences
    assert list(found.expected) == list(found.found) == ["nets"] and found.expected != found.found
    assert re.fullmatch(r"\d+ values, digest -?\d+", found.found["nets"])


def test_it_counts_all_differences_and_shows_the_first(conn: Connection, db: Database) -> None:
    conn.execute("delete from rollup_account_symbol_day")
    result = verify(db, shown=3)
    assert result.counts["rollup_account_symbol_day"] > 100
    assert [difference.kind for difference in result.differences] == ["missing"] * 3


def test_it_finds_a_damaged_row_of_every_rollup_and_view(conn: Connection, db: Database) -> None:
    for checked in CHECKED:
        if checked.name.startswith("rollup"):
            counted = "last_trade_date" if checked.name == "rollup_account_symbol" else "trades"
            conn.execute(
                sql.SQL("update {table} set {counted} = {counted} + 1").format(
                    table=sql.Identifier(checked.name), counted=sql.Identifier(counted)
                )
            )
    for checked in CHECKED:
        if checked.name.startswith("mv"):
            conn.execute(sql.SQL("refresh materialized view {}").format(sql.Identifier(checked.name)))
    counts = verify(db).counts
    assert all(counts[checked.name] > 0 for checked in CHECKED), counts


def test_it_reports_a_trade_that_stands_on_two_dates(conn: Connection, db: Database) -> None:
    insert(conn, "twice", "2024-01-10")
    insert(conn, "twice", "2024-02-10")
    conn.execute("call refresh_warehouse()")
    result = verify(db)
    assert [(d.kind, d.key) for d in result.differences] == [
        ("on two dates", {"account_id": "a1", "trade_id": "twice"})
    ]


def test_it_refuses_a_name_that_is_no_rollup_or_view(db: Database) -> None:
    with pytest.raises(DpmError, match="mv_nothing is no rollup or view"):
        verify(db, names=["mv_nothing"])


def test_the_command_exits_with_1_at_a_difference_and_with_0_without(
    conn: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DPM_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    settings.cache_clear()
    app = typer.Typer()
    app.command()(verify_command)
    try:
        done = CliRunner().invoke(app, [])
        assert (done.exit_code, "No difference" in done.output) == (0, True), done.output
        conn.execute("update rollup_market_day set net = net + 1 where trade_date = '2024-02-02'")
        assert CliRunner().invoke(app, ["2024-01"]).exit_code == 0
        done = CliRunner().invoke(app, ["2024-02"])
        assert done.exit_code == 1 and "rollup_market_day" in done.output
        done = CliRunner().invoke(app, ["--json"])
        assert done.exit_code == 1
        assert json.loads(done.output)["difference_counts"]["rollup_market_day"] == 1
    finally:
        settings.cache_clear()
