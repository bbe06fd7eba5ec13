"""What uses views over the old tables: the cutover is refused and names it, since it would keep a view from being made again."""

from collections.abc import Iterator
from typing import Any

import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.migration import dependents, swap
from dpm_assets.server import EmbeddedServer
from tests.interleaving import session
from tests.migrating import migrating
from tests.test_migration_dependents import Dependent, drop, ends, in_use, make, works

pytestmark = pytest.mark.sql

T = "prop_trading_model.raw_trades_closed"
ROWS_OF_A_VIEW = Dependent(
    "a function that returns rows of a view",
    f"create view public.seen as select account_id, trade_id from {T};"
    " create function public.all_seen() returns setof public.seen language sql as 'select * from public.seen'",
    "function public.all_seen()",
    "select count(*) = 1 from public.all_seen() where account_id = 'after'",
    "drop function public.all_seen; drop view public.seen",
)
REFUSED = (
    ROWS_OF_A_VIEW,
    Dependent(
        "a function with a parsed body that reads a view of a view, and the table",
        f"create view public.inner_view as select account_id from {T};"
        " create view public.outer_view as select account_id from public.inner_view;"
        " create function public.outer_count() returns bigint language sql begin atomic"
        f" select (select count(*) from public.outer_view where account_id = 'after') + (select 0 * count(*) from {T}); end",
        "function public.outer_count()",
        "select public.outer_count() = 1",
        "drop function public.outer_count; drop view public.inner_view cascade",
    ),
    Dependent(
        "a policy that reads a view",
        f"create view public.active as select account_id from {T};"
        " create table public.desks (account_id varchar);"
        " create policy own_desk on public.desks using (account_id in (select account_id from public.active))",
        "policy own_desk on public.desks",
        "select true",
        "drop table public.desks; drop view public.active",
    ),
    Dependent(
        "a column with rows of a view",
        f"create view public.pair as select account_id, profit from {T};"
        " create table public.pairs (pairs public.pair[])",
        "table column public.pairs.pairs",
        "select true",
        "drop table public.pairs; drop view public.pair",
    ),
    Dependent(
        "a rule of another table",
        "create table public.inbox (trade_id varchar, account_id varchar); grant all on public.inbox to public;"
        f" create rule pass_on as on insert to public.inbox do also insert into {T} (trade_id, account_id, login)"
        " values (new.trade_id, new.account_id, 'l')",
        "rule of the table public.inbox",
        "select true",
        "drop table public.inbox",
    ),
)


@pytest.fixture
def url(server: EmbeddedServer) -> Iterator[str]:
    with migrating(server, "start") as url:
        yield url


def test_what_uses_a_view_is_named_and_nothing_changes_until_it_is_gone(url: str) -> None:
    make(url, REFUSED)
    planned = ends(url, "plan").stdout
    assert not [one.name for one in REFUSED if f"{one.named}: refused" not in planned]
    assert "outer_count(): made again" not in planned
    refused = ends(url, "cutover", 2).stderr
    assert not [one.name for one in REFUSED if one.named not in refused]
    assert in_use(url) == "r"
    assert all(works(url, one) for one in REFUSED), "a refusal has changed something"
    drop(url, REFUSED)
    ends(url, "cutover")
    assert in_use(url) == "p"


def test_grants_on_columns_of_a_view_come_along_and_go_back(url: str) -> None:
    with session(url, autocommit=True) as conn:
        conn.execute(
            f"create view public.narrow_view as select account_id, profit from {T};"
            " grant select (profit) on public.narrow_view to trading_app with grant option".encode()
        )
        for command in ("cutover", "rollback"):
            ends(url, command)
            assert conn.execute(
                "select has_column_privilege('trading_app', 'public.narrow_view', 'profit', 'select with grant option'),"
                " has_column_privilege('trading_app', 'public.narrow_view', 'account_id', 'select')"
            ).fetchone() == (True, False), command


def test_what_keeps_a_view_from_being_dropped_is_named_though_nobody_looked_for_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing(*_: Any) -> list[tuple[str, str]]:
        return []

    make(url, [ROWS_OF_A_VIEW])
    monkeypatch.setattr(dependents, "view_users", find_nothing)
    with (
        Database(url, application_name="tests") as db,
        pytest.raises(DpmError, match=r"since function (public\.)?all_seen\(\) depends on .*nothing was changed"),
    ):
        swap.cutover(db, lambda _: None, patience=0.5)
    assert in_use(url) == "r"
