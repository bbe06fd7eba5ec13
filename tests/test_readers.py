"""Readers beside refreshes and rebuilds: none waits, and an older snapshot keeps its rows to its end, whole."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg import sql

from dpm_assets.refresh.engine import ROLLUPS, VIEWS
from dpm_assets.server import EmbeddedServer
from tests import steps
from tests.interleaving import Connection, session
from tests.permutations import CALLS
from tests.stage import Stage
from tests.stages import Stages
from tests.steps import standing

pytestmark = [pytest.mark.sql, pytest.mark.xdist_group("readers")]

CHANGES = {
    "a refresh": "update raw_trades_closed set profit = profit * 3 + 1, symbol = 'SILVER' where account_id <> 'a4'",
    "a rebuild": "delete from raw_trades_closed where trade_date between '2024-02-01' and '2024-02-29'",
    "a refresh of a marked month": "truncate raw_trades_closed_2024_02",
    "a refresh in one transaction": "delete from raw_trades_closed where trade_date < '2024-03-01'",
}


@pytest.fixture(scope="module")
def stages(server: EmbeddedServer, template: str) -> Iterator[Stages]:
    made = Stages(server, template)
    yield made
    made.close()


def read(conn: Connection) -> dict[str, list[Any]]:
    """All rows of every rollup and view. Rows of February are what a rebuild of it could lose."""
    return {
        name: conn.execute(
            sql.SQL("select t::text from {} as t order by 1").format(sql.Identifier("prop_trading_model", name))
        ).fetchall()
        for name in (*ROLLUPS, *VIEWS)
    }


def a_reader_keeps_its_rows(
    stage: Stage, call: str, touches_first: bool, broken: Callable[[Stage], Any] | None
) -> None:
    """A reader takes its snapshot, and maybe reads; everything is changed and refreshed; it reads the same rows as before.

    A reader that has read a table holds a lock on it. One that has not is the one whom a TRUNCATE, or a swap of leaves,
    would show an empty month.
    """
    stage.restore()
    assert not stage.settle()
    if broken:
        broken(stage)
    with session(stage.url) as reader:
        reader.execute("set transaction isolation level repeatable read")
        reader.execute("set local lock_timeout = '2s'")
        reader.execute("select count(*) from raw_plans_data")
        before = read(reader if touches_first else stage.observer)
        assert all(before.values())
        stage.observer.execute(CHANGES[call].encode())
        for step in (steps.WRITTEN["rollup_account_symbol_day"], steps.BITE_WRITTEN):
            with standing(stage, CALLS[call], step) as refresh:
                if touches_first:
                    assert read(reader) == before
                refresh.go_on()
            stage.observer.execute("insert into changed_months (month, reason) values ('2024-02-01', 'once more')")
        stage.observer.execute("call refresh_warehouse()")
        assert read(stage.observer) != before
        after = read(reader)
    lost = [name for name, rows in before.items() if after[name] != rows]
    assert not lost, f"the reader no longer sees the rows of its snapshot in {', '.join(lost)}"


@pytest.mark.permutation
@pytest.mark.parametrize("touches_first", [True, False], ids=["that_has_read", "that_has_only_its_snapshot"])
@pytest.mark.parametrize("call", CHANGES, ids=lambda call: call.replace(" ", "_"))
def test_a_reader_at_repeatable_read_sees_its_rows_to_its_end(stages: Stages, call: str, touches_first: bool) -> None:
    with stages.stage() as stage:
        a_reader_keeps_its_rows(stage, call, touches_first, None)
        assert not stage.settle()


def truncate_first(stage: Stage) -> None:
    """A rebuild as others do it: the month is emptied by TRUNCATE, then written."""
    stage.observer.execute(
        """
        create function prop_trading_model.truncate_first() returns trigger language plpgsql as $$ begin
            truncate prop_trading_model.rollup_account_symbol_day_2024_02;
            return null;
        end $$;
        create trigger truncate_first before delete on prop_trading_model.changed_months for each statement
            execute function prop_trading_model.truncate_first()
        """
    )


@pytest.mark.mutation
def test_a_rebuild_by_truncate_is_noticed(stages: Stages) -> None:
    noticed = pytest.raises(AssertionError, match="the rows of its snapshot in rollup_account_symbol_day")
    with noticed, stages.stage() as stage:
        a_reader_keeps_its_rows(stage, "a rebuild", False, truncate_first)
