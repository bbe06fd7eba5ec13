"""Rows that the new tables refuse: counted by plan before anything is touched, kept with their reason, and never lost."""

from collections.abc import Iterator

import pytest

from dpm_assets.server import EmbeddedServer
from tests.baselines import DIRTY_METRICS, DIRTY_TRADES, Dirt, baseline
from tests.command_line import dpm
from tests.interleaving import Connection, session
from tests.migrated import misplaced, set_aside

pytestmark = [pytest.mark.sql, pytest.mark.xdist_group("dirty migrations")]


@pytest.fixture(scope="module")
def url(server: EmbeddedServer) -> Iterator[str]:
    """A dirty baseline that was planned, migrated and cut over."""
    with baseline(server, rows=2_000, dirty=True) as url:
        yield url


@pytest.fixture(scope="module")
def planned(url: str) -> str:
    with session(url, autocommit=True) as conn:
        before = everything(conn)
        planned = dpm(url, "migrate", "plan")
        assert everything(conn) == before, "plan has changed the database"
    assert planned.returncode == 0, planned.stderr
    return " ".join(planned.stdout.split())


@pytest.fixture(scope="module")
def conn(url: str, planned: str) -> Iterator[Connection]:
    for command in (["start", "--set-aside"], ["cutover"]):
        done = dpm(url, "migrate", *command)
        assert done.returncode == 0, done.stderr
    with session(url, autocommit=True) as conn:
        yield conn


def everything(conn: Connection) -> list[tuple[object, ...]]:
    """What is in the catalogue, and how many rows were ever written."""
    return conn.execute(
        "select relnamespace::regnamespace::text, relname, relkind::text, relchecks, relhastriggers, pg_relation_filenode(oid)"
        " from pg_class where relnamespace::regnamespace::text not like 'pg\\_%' order by 1, 2"
    ).fetchall()


def test_every_row_is_in_its_place(conn: Connection) -> None:
    assert not misplaced(conn)


@pytest.mark.parametrize(
    ("table", "dirt"),
    [
        pytest.param(table, dirt, id=dirt.name.replace(" ", "_"))
        for table, kinds in (("raw_trades_closed", DIRTY_TRADES), ("raw_metrics_daily", DIRTY_METRICS))
        for dirt in kinds
    ],
)
def test_a_row_moves_as_the_rules_say_or_is_kept_with_a_reason(conn: Connection, table: str, dirt: Dirt) -> None:
    found = conn.execute(
        f"select to_jsonb(t) from prop_trading_model.{table} as t where source_api_endpoint = %s".encode(), [dirt.name]
    ).fetchall()
    reasons = set_aside(conn, table)
    if dirt.moves:
        assert len(found) == 1 and dirt.name not in reasons
        assert {column: found[0][0][column] or "" for column in dirt.reads} == dict(dirt.reads)
    else:
        assert not found and reasons[dirt.name]


def test_plan_counts_the_rows_that_cannot_move(planned: str) -> None:
    assert "raw_trades_closed" in planned and "raw_metrics_daily" in planned
    for rule in (
        "side_known",
        "times_in_order",
        "prices_positive",
        "lots_positive",
        "volume_not_negative",
        "win_rate_range",
    ):
        assert rule in planned
    assert "d1" in planned, "plan shows no sample"
