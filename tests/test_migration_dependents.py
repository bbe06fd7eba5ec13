"""What hangs on the old tables: after the cutover it hangs on the new ones, or the cutover is refused and names it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest

from dpm_assets.server import EmbeddedServer
from tests.baselines import baseline
from tests.command_line import Ended, dpm
from tests.interleaving import session

pytestmark = [pytest.mark.sql, pytest.mark.xdist_group("dependents")]

_INSERT = (
    "insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, close_time, trade_date, profit)"
    " values ('after', 'after', 'l', '2024-02-10 11:00', '2024-02-10', 5)"
)


@dataclass(frozen=True)
class Dependent:
    """`made` by the firm; `named` is what plan calls it; `works` is true when it sees a trade of account 'after'."""

    name: str
    made: str
    named: str
    works: str
    dropped: str = ""


COME_ALONG = (
    # First: the type of a column that a view uses cannot be changed.
    Dependent(
        "ids that grew to bigint",
        "alter table prop_trading_model.raw_trades_closed alter column id type bigint;"
        " alter sequence prop_trading_model.raw_trades_closed_id_seq as bigint;"
        " select setval('prop_trading_model.raw_trades_closed_id_seq', 5000000000)",
        "",
        "select id > 5000000000 from prop_trading_model.raw_trades_closed where account_id = 'after'",
    ),
    Dependent(
        "a view",
        "create view public.profits as select account_id, sum(profit) as profit from prop_trading_model.raw_trades_closed"
        " group by account_id; grant select on public.profits to trading_app",
        "profits",
        "select profit = 5 and has_table_privilege('trading_app', 'public.profits', 'select') from public.profits"
        " where account_id = 'after'",
        "drop view public.profits",
    ),
    Dependent(
        "a view of a view",
        "create view public.inner_view as select * from prop_trading_model.raw_trades_closed;"
        " create view public.outer_view as select account_id from public.inner_view",
        "inner_view",
        "select true from public.outer_view where account_id = 'after'",
        "drop view public.inner_view cascade",
    ),
    Dependent(
        "a function with a parsed body",
        "create function public.trades_of(varchar) returns bigint language sql begin atomic"
        " select count(*) from prop_trading_model.raw_trades_closed where account_id = $1; end",
        "trades_of",
        "select public.trades_of('after') = 1",
        "drop function public.trades_of",
    ),
    Dependent(
        "a function with a body of text",
        "create function public.count_of(varchar) returns bigint language sql as"
        " 'select count(*) from prop_trading_model.raw_trades_closed where account_id = $1'",
        "",
        "select public.count_of('after') = 1",
    ),
    Dependent(
        "a grant on columns to a reader",
        "do $$ begin if not exists (select from pg_roles where rolname = 'narrow') then create role narrow; end if; end $$;"
        " grant select (account_id, profit) on prop_trading_model.raw_trades_closed to narrow",
        "narrow",
        "select has_column_privilege('narrow', 'prop_trading_model.raw_trades_closed', 'profit', 'select') and"
        " not has_column_privilege('narrow', 'prop_trading_model.raw_trades_closed', 'login', 'select')",
    ),
    Dependent(
        "a grant to be passed on",
        "grant select on prop_trading_model.raw_trades_closed to trading_app with grant option",
        "trading_app",
        "select has_table_privilege('trading_app', 'prop_trading_model.raw_trades_closed', 'select with grant option')",
    ),
)
REFUSED_AT_THE_CUTOVER = (
    Dependent(
        "a materialized view",
        "create materialized view public.totals as select count(*) as trades from prop_trading_model.raw_trades_closed",
        "totals",
        "select true from public.totals",
        "drop materialized view public.totals",
    ),
    Dependent(
        "a function that takes a row",
        "create function public.net(t prop_trading_model.raw_trades_closed) returns numeric language sql"
        " as 'select t.profit + coalesce(t.commission, 0)'",
        "net",
        "select public.net(t) = 5 from prop_trading_model.raw_trades_closed as t where account_id = 'after'",
        "drop function public.net",
    ),
    Dependent(
        "a foreign key",
        "create table public.notes (trade integer references prop_trading_model.raw_trades_closed (id), note text)",
        "notes",
        "select true",
        "drop table public.notes",
    ),
    Dependent(
        "a table of its row type",
        "create table public.kept (trade prop_trading_model.raw_trades_closed)",
        "kept",
        "select true",
        "drop table public.kept",
    ),
    Dependent(
        "a column that counts with its sequence",
        "create table public.others (id bigint default nextval('prop_trading_model.raw_trades_closed_id_seq'))",
        "others",
        "with made as (insert into public.others default values returning id) select id not in"
        " (select id from prop_trading_model.raw_trades_closed) from made",
        "drop table public.others",
    ),
    Dependent(
        "a publication",
        "create publication trades_out for table prop_trading_model.raw_trades_closed",
        "trades_out",
        "select count(*) > 0 from pg_publication_tables where pubname = 'trades_out' and schemaname = 'prop_trading_model'",
        "drop publication trades_out",
    ),
    Dependent(
        "a trigger of theirs",
        "create table public.audit (trade_id varchar); grant all on public.audit to public;"
        " create function public.audit() returns trigger language plpgsql as"
        " $$ begin insert into public.audit values (new.trade_id); return new; end $$;"
        " create trigger audit_trades after insert on prop_trading_model.raw_trades_closed for each row"
        " execute function public.audit()",
        "audit_trades",
        "select count(*) = 1 from public.audit where trade_id = 'after'",
        "drop trigger audit_trades on prop_trading_model.raw_trades_closed",
    ),
    Dependent(
        "a table that inherits from it",
        "create table public.demo_trades () inherits (prop_trading_model.raw_trades_closed)",
        "demo_trades",
        "select true",
        "drop table public.demo_trades",
    ),
)
REFUSED_AT_THE_START = (
    Dependent(
        "a policy",
        "alter table prop_trading_model.raw_trades_closed enable row level security;"
        " create policy app_sees on prop_trading_model.raw_trades_closed to trading_app"
        " using (account_id like 'af%')",
        "app_sees",
        "select (select relrowsecurity from pg_class where oid = 'prop_trading_model.raw_trades_closed'::regclass)"
        " and exists (select from pg_policies where policyname = 'app_sees' and schemaname = 'prop_trading_model')",
        "drop policy app_sees on prop_trading_model.raw_trades_closed;"
        " alter table prop_trading_model.raw_trades_closed disable row level security",
    ),
    Dependent(
        "a rule",
        "create table public.echo (n integer); grant all on public.echo to public; create rule echo_trades as on insert to"
        " prop_trading_model.raw_trades_closed do also insert into public.echo values (1)",
        "echo_trades",
        "select count(*) = 1 from public.echo",
        "drop rule echo_trades on prop_trading_model.raw_trades_closed",
    ),
)
# Found by comparing with the new tables, which are made by then.
REFUSED_BEFORE_THE_COPY = (
    Dependent(
        "a column that the original does not have",
        "alter table prop_trading_model.raw_trades_closed add column desk text default 'fx'",
        "desk",
        "select desk is not null from prop_trading_model.raw_trades_closed where account_id = 'after'",
        "alter table prop_trading_model.raw_trades_closed drop column desk",
    ),
    Dependent(
        "a column of another type",
        "alter table prop_trading_model.raw_trades_closed alter column profit type numeric(24,8)",
        "raw_trades_closed.profit is numeric(24,8)",
        "select true",
        "alter table prop_trading_model.raw_trades_closed alter column profit type numeric(18,2)",
    ),
)


@pytest.fixture
def url(server: EmbeddedServer) -> Iterator[str]:
    with baseline(server, rows=600) as url:
        yield url


@pytest.fixture(scope="module")
def shared(server: EmbeddedServer) -> Iterator[str]:
    """A baseline on which all that comes along hangs."""
    with baseline(server, rows=600) as url:
        make(url, COME_ALONG)
        yield url


@pytest.fixture(scope="module")
def planned(shared: str) -> str:
    return ends(shared, "plan").stdout


@pytest.fixture(scope="module")
def moved(shared: str, planned: str) -> str:
    for command in ("start", "cutover"):
        ends(shared, command)
    assert in_use(shared) == "p"
    return shared


@pytest.fixture(scope="module")
def back(moved: str) -> str:
    ends(moved, "rollback")
    assert in_use(moved) == "r"
    return moved


def ends(url: str, command: str, code: int = 0) -> Ended:
    done = dpm(url, "migrate", command)
    assert done.returncode == code, done.stderr + done.stdout
    return done


def make(url: str, dependents: Iterable[Dependent]) -> None:
    with session(url, autocommit=True) as conn:
        for dependent in dependents:
            conn.execute(dependent.made.encode())
    for dependent in dependents:
        assert works(url, dependent), dependent.name


def drop(url: str, dependents: Iterable[Dependent]) -> None:
    with session(url, autocommit=True) as conn:
        for dependent in dependents:
            conn.execute(dependent.dropped.encode())


def works(url: str, dependent: Dependent) -> bool:
    """Whether what hangs on the table that programs use sees a trade written to it by the application."""
    with session(url) as conn:
        conn.execute("set local role trading_app")
        conn.execute(_INSERT.encode())
        conn.execute("reset role")
        row = conn.execute(dependent.works.encode()).fetchone()
    return row == (True,)


def in_use(url: str) -> str:
    """What kind of table programs use: r of the baseline, p partitioned."""
    with session(url) as conn:
        row = conn.execute(
            "select relkind::text from pg_class where oid = 'prop_trading_model.raw_trades_closed'::regclass"
        ).fetchone()
    assert row
    return str(row[0])


each_that_comes_along = pytest.mark.parametrize("dependent", COME_ALONG, ids=lambda one: one.name.replace(" ", "_"))


@each_that_comes_along
def test_plan_names_it(planned: str, dependent: Dependent) -> None:
    assert dependent.named in planned


@each_that_comes_along
def test_it_hangs_on_the_new_table_after_the_cutover(moved: str, dependent: Dependent) -> None:
    assert works(moved, dependent)


@each_that_comes_along
def test_it_hangs_on_the_old_table_after_the_rollback(back: str, dependent: Dependent) -> None:
    assert works(back, dependent)


@pytest.mark.parametrize(
    ("command", "dependents"),
    [
        ("start", REFUSED_AT_THE_START),
        ("start", REFUSED_BEFORE_THE_COPY),
        ("cutover", REFUSED_AT_THE_CUTOVER),
    ],
    ids=["at_the_start", "before_the_copy", "at_the_cutover"],
)
def test_what_cannot_come_along_is_named_and_nothing_changes_until_it_is_gone(
    url: str, command: str, dependents: tuple[Dependent, ...]
) -> None:
    make(url, dependents)
    planned = ends(url, "plan").stdout
    assert not [one.name for one in dependents if one.named not in planned]
    if command == "cutover":
        ends(url, "start")
    refused = ends(url, command, 2).stderr
    assert not [one.name for one in dependents if one.named not in refused]
    assert in_use(url) == "r"
    assert all(works(url, one) for one in dependents), "a refusal has changed something"
    drop(url, dependents)
    for again in ("start", "cutover"):
        ends(url, again)
    assert in_use(url) == "p"


def test_what_comes_to_hang_on_a_table_meanwhile_is_found_at_the_cutover_and_at_the_rollback(url: str) -> None:
    ends(url, "start")
    with session(url, autocommit=True) as conn:
        for command, there, here in (("cutover", "r", "p"), ("rollback", "p", "r")):
            conn.execute(
                "create or replace view public.late as select account_id from prop_trading_model.raw_trades_closed"
            )
            conn.execute("alter table prop_trading_model.raw_trades_closed add column desk text default 'fx'")
            assert "desk" in ends(url, command, 2).stderr
            assert in_use(url) == there
            conn.execute("alter table prop_trading_model.raw_trades_closed drop column desk")
            ends(url, command)
            assert in_use(url) == here
            conn.execute(_INSERT.encode())
            assert conn.execute("select count(*) from public.late where account_id = 'after'").fetchone() == (1,)
            conn.execute("delete from prop_trading_model.raw_trades_closed where account_id = 'after'")
