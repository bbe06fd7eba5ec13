"""After any mix of writes and one refresh, every rollup and view equals its recomputation from raw rows, to the cent.

`DPM_TEST_EXAMPLES` sets how many histories are tried; set, they are random, unset, always the same ones: 40 on the newest
PostgreSQL, half as many on another.
"""

import os
from collections.abc import Callable
from datetime import date
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from psycopg import sql

from dpm_assets.database import Database
from dpm_assets.server import EmbeddedServer
from tests.conftest import fresh_database
from tests.history import Connection, carry_out, differences, prepare
from tests.live import live_differences
from tests.long_histories import MONTHS, long_histories
from tests.strategies import Delete, Operation, Snapshot, Update, Write, operations

pytestmark = pytest.mark.sql

EXAMPLES = int(os.environ.get("DPM_TEST_EXAMPLES") or (20 if "DPM_TEST_PG_BIN" in os.environ else 40))
exactness_settings = settings(
    max_examples=EXAMPLES,
    derandomize="DPM_TEST_EXAMPLES" not in os.environ,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


def check_history(
    server: EmbeddedServer, template: str, history: list[Operation], broken: Callable[[Connection], Any] | None = None
) -> None:
    """A fresh warehouse (with something broken in it, for the proof of this test) lives through a history."""
    with fresh_database(server, template) as url, psycopg.connect(url, autocommit=True) as conn, Database(url) as db:
        prepare(conn)
        if broken:
            broken(conn)
        carry_out(conn, history)
        assert live_differences(conn) == []
        conn.execute("call prop_trading_model.refresh_warehouse()")
        assert differences(db) == []


def test_rollups_and_views_equal_their_recomputation_after_any_history(server: EmbeddedServer, template: str) -> None:
    @exactness_settings
    @given(operations())
    def after_any_history(history: list[Operation]) -> None:
        check_history(server, template, history)

    after_any_history()


LONG = max(2, EXAMPLES // 20)


def test_the_same_after_long_histories(server: EmbeddedServer, template: str) -> None:
    """Hundreds of statements, and thousands of account-days; compared at the end and on the way."""

    @settings(exactness_settings, max_examples=LONG)
    @given(long_histories(200))
    def after_a_long_history(history: list[Operation]) -> None:
        with (
            fresh_database(server, template) as url,
            psycopg.connect(url, autocommit=True) as conn,
            Database(url) as db,
        ):
            prepare(conn, MONTHS)
            for begin in range(0, len(history), 100):
                carry_out(conn, history[begin : begin + 100])
                assert live_differences(conn) == []
                conn.execute("call prop_trading_model.refresh_warehouse()")
                assert differences(db) == []

    after_a_long_history()


def without(table: str, trigger: str) -> Callable[[Connection], None]:
    """A warehouse whose `table` lost its trigger after all had been well."""

    def drop(conn: Connection) -> None:
        carry_out(conn, [Write("insert", None, [trade("t1"), trade("t2")])])
        conn.execute("call prop_trading_model.refresh_warehouse()")
        conn.execute(
            sql.SQL("drop trigger {} on {}").format(
                sql.Identifier(trigger), sql.Identifier("prop_trading_model", table)
            )
        )

    return drop


MARCH = date(2025, 3, 1)


def trade(trade_id: str) -> dict[str, Any]:
    return {"account_id": "a1", "trade_date": MARCH, "trade_id": trade_id, "login": "l1", "profit": 5}


MISSED: list[tuple[str, str, Operation]] = [
    ("raw_trades_closed", "log_insert", Write("copy", None, [trade("t3")])),
    ("raw_trades_closed", "log_update", Update(None, {"account_id": "a2"}, {"trade_id": "t1"})),
    ("raw_trades_closed", "log_delete", Delete(None, {"trade_id": "t1"})),
    ("raw_trades_closed_2025_03", "log_insert", Write("insert", MARCH, [trade("t3")])),
    ("raw_trades_closed_2025_03", "log_update", Update(MARCH, {"profit": None}, {"trade_id": "t1"})),
    ("raw_trades_closed_2025_03", "log_delete", Delete(MARCH, {"trade_id": "t1"})),
    (
        "raw_accounts_data",
        "log_input",
        Snapshot("raw_accounts_data", {"account_id": "a1", "login": "l2", "ingestion_timestamp": None}, False),
    ),
]


@pytest.mark.mutation
@pytest.mark.parametrize(("table", "trigger", "missed"), MISSED, ids=[f"{case[0]}-{case[1]}" for case in MISSED])
def test_the_check_of_the_property_fails_without_a_trigger(
    server: EmbeddedServer, template: str, table: str, trigger: str, missed: Operation
) -> None:
    check_history(server, template, [missed])
    with pytest.raises(AssertionError, match="Difference"):
        check_history(server, template, [missed], without(table, trigger))


@pytest.mark.mutation
def test_the_property_fails_without_a_trigger(server: EmbeddedServer, template: str) -> None:
    @settings(exactness_settings, max_examples=500, phases=[Phase.generate], print_blob=False)
    @given(operations())
    def after_any_history(history: list[Operation]) -> None:
        check_history(server, template, history, without("raw_trades_closed", "log_insert"))

    with pytest.raises(AssertionError, match="Difference"):
        after_any_history()
