"""`dpm migrate clean`: refused or killed when it has begun, nothing but its end is left; at the end nothing of it is."""

from collections.abc import Iterator
from typing import Any

import pytest
from alembic.command import upgrade

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.migration import clean as cleaning
from dpm_assets.migration.checking import check_parts
from dpm_assets.migration.clean import clean
from dpm_assets.migration.in_place import Report
from dpm_assets.migration.start import start
from dpm_assets.migration.swap import cutover, rollback
from dpm_assets.partitions.patience import run_patiently
from dpm_assets.schema.apply import apply_schema, status
from dpm_assets.server import EmbeddedServer
from tests.command_line import dpm
from tests.interleaving import Connection, session
from tests.migrating import migrating
from tests.test_migration_cutover import insert, kind, said, trades
from tests.test_roads import alembic, stands_at

pytestmark = pytest.mark.sql


class _KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def db(server: EmbeddedServer) -> Iterator[Database]:
    with migrating(server, "start") as url, Database(url, application_name="tests") as database:
        yield database


@pytest.fixture
def conn(db: Database) -> Iterator[Connection]:
    with session(db.url, autocommit=True) as conn:
        yield conn


def verify(db: Database, report: Report) -> None:
    check_parts(db, [], report)


def die(*_: Any) -> None:
    raise _KilledError


def die_before_the_leaves(conn: Connection, statement: str) -> None:
    if "raw_trades_closed_" in statement:
        die()
    run_patiently(conn, statement)


def assert_all_is_clean(conn: Connection) -> None:
    assert conn.execute("select nspname from pg_namespace where nspname like 'prop%'").fetchall() == [
        ("prop_trading_model",)
    ]
    assert conn.execute("select count(*) from pg_trigger where tgname like 'migration%'").fetchone() == (0,)


def test_a_migration_whose_end_is_refused_half_way_is_not_taken_up_again_and_loses_no_write(
    db: Database, conn: Connection
) -> None:
    conn.execute("create view public.mine as select * from prop_trading_model.rollup_market_day")
    with pytest.raises(DpmError, match="depends on what goes"):
        said(clean, db, abandon=True)
    insert(conn, "not logged", "a1", "2024-02-02")
    for step in (start, cutover, rollback, verify):
        with pytest.raises(DpmError, match=r"run dpm migrate clean --abandon again"):
            said(step, db)
    for command in ("plan", "status"):
        refused = dpm(db.url, "migrate", command)
        assert refused.returncode == 2 and "clean --abandon" in refused.stderr, command
    assert kind(conn) == "r"
    conn.execute("drop view public.mine")
    said(clean, db, abandon=True)
    assert_all_is_clean(conn)
    before = trades(conn)
    said(start, db)
    said(cutover, db)
    assert trades(conn) == before and ("not logged",) in [row[:1] for row in before]


def test_a_clean_that_is_killed_between_a_table_and_its_partitions_leaves_no_way_back(
    db: Database, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(cutover, db)
    with monkeypatch.context() as patch:
        patch.setattr(cleaning, "run_patiently", die_before_the_leaves)
        with pytest.raises(_KilledError):
            said(clean, db)
    insert(conn, "not logged", "a1", "2024-02-02")
    with pytest.raises(DpmError, match="run dpm migrate clean again"):
        said(rollback, db)
    assert kind(conn) == "p"
    said(clean, db)
    assert_all_is_clean(conn)


@pytest.mark.parametrize("step", ["drop", "_drop_bookkeeping"])
def test_an_abandoning_that_is_killed_goes_on(
    db: Database, conn: Connection, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = trades(conn)
    with monkeypatch.context() as patch:
        patch.setattr(cleaning, step, die)
        with pytest.raises(_KilledError):
            said(clean, db, abandon=True)
    said(clean, db, abandon=True)
    assert_all_is_clean(conn)
    assert trades(conn) == before


def test_a_clean_that_is_killed_at_its_end_goes_on(
    db: Database, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(cutover, db)
    with monkeypatch.context() as patch:
        patch.setattr(cleaning, "_drop_bookkeeping", die)
        with pytest.raises(_KilledError):
            said(clean, db)
    said(clean, db)
    assert_all_is_clean(conn)


def test_a_database_whose_migration_was_abandoned_after_a_rollback_is_the_original_again(
    db: Database, conn: Connection
) -> None:
    said(cutover, db)
    assert status(db).current
    said(rollback, db)
    said(clean, db, abandon=True)
    found = status(db)
    assert (found.revision, found.digest) == (None, None)
    with pytest.raises(DpmError, match="unpartitioned original"):
        apply_schema(db.url)
    alembic(db.url, upgrade, "000")
    assert stands_at(db.url) == "000" and kind(conn) == "r"


def test_what_the_firm_has_noted_itself_stays_when_a_migration_is_abandoned(db: Database, conn: Connection) -> None:
    alembic(db.url, upgrade, "000")
    conn.execute("comment on schema prop_trading_model is 'ours'")
    said(clean, db, abandon=True)
    assert stands_at(db.url) == "000"
    assert conn.execute("select obj_description('prop_trading_model'::regnamespace, 'pg_namespace')").fetchone() == (
        "ours",
    )


def test_a_view_over_one_partition_is_named_before_that_is_left_or_dropped(db: Database, conn: Connection) -> None:
    view = "create view public.january as select account_id from {}.raw_trades_closed_2024_01"
    said(cutover, db)
    conn.execute(view.format("prop_trading_model").encode())
    with pytest.raises(DpmError, match=r"public\.january"):
        said(rollback, db)
    assert kind(conn) == "p"
    conn.execute("drop view public.january")
    said(rollback, db)
    conn.execute(view.format("prop_trading_model_next").encode())
    with pytest.raises(DpmError, match=r"public\.january"):
        said(clean, db, abandon=True)
    assert conn.execute("select to_regclass('public.january') is not null").fetchone() == (True,)


def test_a_migration_begun_anew_knows_nothing_of_what_an_abandoned_one_left_behind(server: EmbeddedServer) -> None:
    unmoved = "prop_trading_model_migration.unmoved_rows"
    with (
        migrating(server, "start", dirty=True) as url,
        Database(url, application_name="tests") as db,
        session(url, autocommit=True) as conn,
    ):
        said(clean, db, abandon=True)
        corrected = conn.execute(
            "update prop_trading_model.raw_trades_closed set lots = 1 where id in"
            f" (select id from {unmoved} where table_name = 'raw_trades_closed' and reason = 'lots_positive')".encode()
        ).rowcount
        assert corrected
        said(start, db)
        assert not conn.execute(
            f"select id from {unmoved} where table_name like 'raw_%_closed' or table_name = 'raw_metrics_daily'"
            " group by table_name, id having count(*) > 1".encode()
        ).fetchall()
