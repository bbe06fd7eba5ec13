"""What programs write is logged all the time, or the tables are not swapped."""

from collections.abc import Iterator

import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.migration import prepare as preparing
from dpm_assets.migration.clean import clean
from dpm_assets.migration.start import start
from dpm_assets.migration.swap import cutover, rollback
from dpm_assets.partitions.patience import run_patiently
from dpm_assets.server import EmbeddedServer
from tests.baselines import baseline
from tests.interleaving import Connection, session
from tests.migrating import migrating
from tests.test_migration_cutover import kind, said, trades

pytestmark = pytest.mark.sql

T = "prop_trading_model.raw_trades_closed"


@pytest.fixture
def db(server: EmbeddedServer) -> Iterator[Database]:
    with migrating(server, "start") as url, Database(url, application_name="tests") as database:
        yield database


@pytest.fixture
def conn(db: Database) -> Iterator[Connection]:
    with session(db.url, autocommit=True) as conn:
        yield conn


def refuse_the_log(conn: Connection, statement: str) -> None:
    """As when somebody holds the table all the time."""
    if "log_changes_of" in statement:
        raise DpmError("somebody holds the table")
    run_patiently(conn, statement)


def test_a_start_that_ended_before_the_log_began_is_none_for_the_cutover(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        baseline(server, rows=300) as url,
        Database(url, application_name="tests") as db,
        session(url, autocommit=True) as conn,
    ):
        with monkeypatch.context() as patch:
            patch.setattr(preparing, "run_patiently", refuse_the_log)
            with pytest.raises(DpmError, match="somebody holds the table"):
                said(start, db)
        with pytest.raises(DpmError, match="dpm migrate start was stopped before it logged"):
            said(cutover, db)
        assert kind(conn) == "r"
        said(start, db)
        conn.execute("update prop_trading_model_migration.state set prepared = 'by an earlier version'")
        with pytest.raises(DpmError, match="Another version of dpm has prepared this migration"):
            said(cutover, db)
        assert kind(conn) == "r"
        said(start, db)
        said(cutover, db)
        assert kind(conn) == "p"


def test_a_log_that_was_disabled_refuses_the_cutover_and_the_migration_begins_anew(
    db: Database, conn: Connection
) -> None:
    conn.execute(f"alter table {T} disable trigger migration_update".encode())
    conn.execute(f"update {T} set profit = 1234 where account_id = 'a1'".encode())
    conn.execute(f"alter table {T} enable trigger migration_update".encode())  # but not ALWAYS
    with pytest.raises(DpmError, match="clean --abandon"):
        said(cutover, db)
    assert kind(conn) == "r"
    before = trades(conn)
    said(clean, db, abandon=True)
    said(start, db)
    said(cutover, db)
    assert trades(conn) == before


def test_a_log_that_was_dropped_refuses_the_rollback_until_it_is_there_again(db: Database, conn: Connection) -> None:
    said(cutover, db)
    conn.execute(f"drop trigger migration_update on {T}".encode())
    conn.execute(f"update {T} set profit = 1234 where account_id = 'a1'".encode())
    before = trades(conn)
    with pytest.raises(DpmError, match="log_changes_of") as refused:
        said(rollback, db)
    assert kind(conn) == "p"
    call = "select prop_trading_model_migration.log_changes_of('prop_trading_model.raw_trades_closed')"
    assert call in str(refused.value)
    conn.execute(call.encode())
    conn.execute(f"update {T} set profit = profit where account_id = 'a1'".encode())
    said(rollback, db)
    assert trades(conn) == before
