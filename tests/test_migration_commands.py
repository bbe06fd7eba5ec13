"""`dpm migrate` on the command line: what is said before, meanwhile and afterwards, and the exit codes."""

from collections.abc import Iterator

import pytest

from dpm_assets.server import EmbeddedServer
from tests.baselines import DIRTY_METRICS, DIRTY_TRADES, baseline
from tests.command_line import dpm
from tests.interleaving import Connection, session
from tests.migrating import migrating
from tests.schema_dump import dumped

pytestmark = pytest.mark.sql


@pytest.fixture
def dirty(server: EmbeddedServer) -> Iterator[str]:
    with baseline(server, rows=1_000, dirty=True) as url:
        yield url


@pytest.fixture
def copied(server: EmbeddedServer) -> Iterator[str]:
    with migrating(server, "start", rows=1_000, dirty=True) as url:
        yield url


def findings(conn: Connection) -> dict[str, int]:
    """Rows that are kept aside, by reason."""
    return dict(
        conn.execute("select reason, count(*) from prop_trading_model_migration.unmoved_rows group by 1").fetchall()
    )


def test_the_plan_counts_what_start_will_keep_aside_and_touches_nothing(server: EmbeddedServer, dirty: str) -> None:
    before = dumped(server, dirty)
    planned = dpm(dirty, "migrate", "plan")
    assert planned.returncode == 0, planned.stderr
    assert dumped(server, dirty) == before
    assert dpm(dirty, "migrate", "start").returncode == 0
    with session(dirty, autocommit=True) as conn:
        for reason, rows in conn.execute(
            "select table_name || ': ' || count(*), reason from prop_trading_model_migration.unmoved_rows"
            " group by table_name, reason"
        ).fetchall():
            assert any(f"{reason} rows" in line and rows in line for line in planned.stdout.splitlines()), (
                reason,
                rows,
            )
        assert sum(findings(conn).values()) == sum(not dirt.moves for dirt in (*DIRTY_TRADES, *DIRTY_METRICS))
    for said in ("stop_loss 0 for none becomes NULL", "date of close_time stands for it", "prepared again"):
        assert said in planned.stdout


def test_the_plan_names_what_hangs_on_the_tables(dirty: str) -> None:
    with session(dirty, autocommit=True) as conn:
        conn.execute("create view public.v as select id from prop_trading_model.raw_trades_closed")
        conn.execute("create index by_symbol on prop_trading_model.raw_trades_closed (symbol)")
        conn.execute("create table public.notes (trade integer references prop_trading_model.raw_trades_closed (id))")
        conn.execute("drop index prop_trading_model.idx_raw_metrics_daily_date")
    planned = dpm(dirty, "migrate", "plan").stdout
    assert "view public.v: made again" in planned
    assert "by_symbol: stays behind" in planned
    assert "foreign key notes_trade_fkey on public.notes: refused" in planned
    assert "create index concurrently on prop_trading_model.raw_metrics_daily (date)" in planned
    refused = dpm(dirty, "migrate", "start")
    assert refused.returncode == 2 and "raw_metrics_daily has no index" in refused.stderr


def test_a_disk_without_enough_room_is_refused_before_anything_is_made(dirty: str) -> None:
    refused = dpm(dirty, "migrate", "start", "--free-gb", "0.0001")
    assert refused.returncode == 2 and "Make room on the server's disk" in refused.stderr
    with session(dirty, autocommit=True) as conn:
        assert conn.execute("select to_regnamespace('prop_trading_model_next')").fetchone() == (None,)


def test_every_command_says_what_comes_before_it(dirty: str, database_url: str) -> None:
    for command in ("verify", "cutover", "rollback"):
        ended = dpm(dirty, "migrate", command)
        assert ended.returncode == 2 and "dpm migrate start" in ended.stderr, command
    for command in ("plan", "start"):
        ended = dpm(database_url, "migrate", command)
        assert ended.returncode == 2 and "nothing to migrate" in ended.stderr, command


def test_verify_finds_a_row_that_differs_on_either_side_of_the_cutover(copied: str) -> None:
    assert dpm(copied, "migrate", "verify").returncode == 0
    assert dpm(copied, "migrate", "cutover").returncode == 0
    assert dpm(copied, "migrate", "verify").returncode == 0
    with session(copied, autocommit=True) as conn:
        conn.execute("alter table prop_trading_model_old.raw_trades_closed disable trigger all")
        conn.execute("update prop_trading_model_old.raw_trades_closed set swap = swap + 0.01 where trade_id = 't7'")
    differing = dpm(copied, "migrate", "verify", "2024-01")
    assert differing.returncode == 1
    assert "2024-01 of raw_trades_closed: DIFFERS" in differing.stdout and "swap" in differing.stdout
    assert dpm(copied, "migrate", "verify", "2024-02").returncode == 0


def test_a_copy_that_differs_is_made_anew(copied: str) -> None:
    with session(copied, autocommit=True) as conn:
        conn.execute("update prop_trading_model_next.raw_trades_closed set swap = swap + 0.01 where trade_id = 't7'")
        conn.execute("update prop_trading_model_migration.parts set state = 'attached' where starts = '2024-01-01'")
        differing = dpm(copied, "migrate", "start")
        assert differing.returncode == 2 and "differs from its original: " in differing.stderr
        assert dpm(copied, "migrate", "start").returncode == 0
        assert dpm(copied, "migrate", "verify").returncode == 0


def test_status_says_who_is_used_and_what_waits(dirty: str) -> None:
    assert "No migration has been started" in dpm(dirty, "migrate", "status").stdout
    dpm(dirty, "migrate", "start")
    with session(dirty, autocommit=True) as conn:
        conn.execute("delete from prop_trading_model.raw_trades_closed where account_id = 'a1'")
        days = conn.execute("select count(*) from prop_trading_model_migration.changed_originals").fetchone()
        status = dpm(dirty, "migrate", "status").stdout
        assert days and f"{days[0]} account-days" in status and "original tables" in status
        dpm(dirty, "migrate", "cutover")
        assert "new tables" in dpm(dirty, "migrate", "status").stdout


def test_start_after_the_cutover_brings_the_originals_up_to_date(copied: str) -> None:
    dpm(copied, "migrate", "cutover")
    with session(copied, autocommit=True) as conn:
        conn.execute("delete from prop_trading_model.raw_trades_closed where account_id = 'a1'")
        assert dpm(copied, "migrate", "start").returncode == 0
        assert conn.execute(
            "select count(*) from prop_trading_model_old.raw_trades_closed where account_id = 'a1'"
        ).fetchone() == (0,)


def test_clean_keeps_the_rows_that_could_not_move_until_it_is_told_to_forget_them(copied: str) -> None:
    assert dpm(copied, "migrate", "clean").returncode == 2
    dpm(copied, "migrate", "cutover")
    with session(copied, autocommit=True) as conn:
        kept = findings(conn)
        assert dpm(copied, "migrate", "clean").returncode == 0
        assert findings(conn) == kept and kept
        assert dpm(copied, "migrate", "clean", "--forget-unmoved").returncode == 0
        assert conn.execute("select to_regnamespace('prop_trading_model_migration')").fetchone() == (None,)
