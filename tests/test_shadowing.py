"""Names that somebody else has made: temporary tables called like ours, functions and operators that stand in a schema which is
searched before PostgreSQL's own. None of them is ever reached from a function, trigger or view of the warehouse."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dpm_assets.backup.counting import row_counts
from dpm_assets.database import Database
from dpm_assets.server import logins
from tests.command_line import dpm
from tests.interleaving import Connection, session
from tests.trade_rows import trade, write

pytestmark = pytest.mark.sql

INSERT = (
    "insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, symbol, side, trade_date, lots, profit)"
    " values ('s1', 'a1', 'l', 'EURUSD', 'buy', '2024-01-09', 1, 2)"
)

# A twin of every operator and function of PostgreSQL's own that PL/pgSQL can be given, each of which complains that it is called.
TWINS = r"""
create schema hostile;
grant usage on schema hostile to public;
do $$
declare
    twin record;
begin
    for twin in
        select p.oid, p.proname, p.prorettype::regtype as result, p.proretset,
            array_to_string(array(select t::regtype::text from unnest(p.proargtypes) as t), ', ') as arguments
        from pg_proc as p
        where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f'
            and not p.proargtypes::regtype[] && array['internal', 'cstring', '"any"', 'trigger']::regtype[]
            and p.prorettype not in ('internal'::regtype, 'cstring'::regtype, 'trigger'::regtype, 'event_trigger'::regtype)
    loop
        begin
            execute format(
                'create function hostile.%I(%s) returns %s%s language plpgsql as'
                ' ''begin raise exception ''''%I of a stranger was called'''' using errcode = ''''DPM99''''; end''',
                twin.proname, twin.arguments, case when twin.proretset then 'setof ' else '' end, twin.result, twin.proname
            );
        exception when others then
            null;  -- of a type that no function can be written for
        end;
    end loop;
    for twin in
        select o.oprname, nullif(o.oprleft, 0)::regtype as l, o.oprright::regtype as r, p.proname
        from pg_operator as o join pg_proc as p on p.oid = o.oprcode
        where o.oprnamespace = 'pg_catalog'::regnamespace
    loop
        begin
            execute format('create operator hostile.%s (function = hostile.%I, %s rightarg = %s)', twin.oprname,
                twin.proname, 'leftarg = ' || twin.l || ',', twin.r);
        exception when others then
            null;
        end;
    end loop;
end
$$;
"""

# Temporary tables with the name of every relation of the warehouse, and of what a function looks up in the catalogue.
TEMPORARY = """
do $$
declare
    relation name;
begin
    for relation in
        select distinct relname from pg_class
        where relnamespace = 'prop_trading_model'::regnamespace and relkind in ('r', 'p', 'v', 'm')
        union all
        select unnest('{pg_class, pg_inherits, pg_roles, pg_namespace, pg_trigger, pg_attribute, pg_index, pg_proc}'::name[])
    loop
        execute format('create temporary table %I (strange point)', relation);
    end loop;
end
$$;
"""


@pytest.fixture
def hostile(refreshed: Connection, database_url: str) -> Iterator[Connection]:
    """A session in which everything of PostgreSQL's own is shadowed, by a schema and by temporary tables."""
    refreshed.execute(TWINS)
    made = refreshed.execute(
        "select (select count(*) from pg_proc where pronamespace = 'hostile'::regnamespace),"
        " (select count(*) from pg_operator where oprnamespace = 'hostile'::regnamespace)"
    ).fetchone()
    assert made and made[0] > 1_500 and made[1] > 600
    with session(database_url, autocommit=True) as conn:
        yield conn


def shadowed(conn: Connection, role: str) -> None:
    conn.execute("reset role")
    conn.execute("set search_path = hostile, pg_catalog, prop_trading_model")
    conn.execute(f"set role {role}".encode())


def test_the_shadows_work(hostile: Connection) -> None:
    """Or the other tests would prove nothing."""
    shadowed(hostile, "dpm_reader")
    for statement in ("select 1 + 1", "select now()", "select 'a' || 'b'::text", "select 2 where 1 = 1"):
        with pytest.raises(psycopg.Error, match="of a stranger was called"):
            hostile.execute(statement.encode())
    hostile.execute("reset role; set search_path = prop_trading_model")
    hostile.execute(TEMPORARY)
    with pytest.raises(psycopg.errors.UndefinedColumn):
        hostile.execute("select relname from pg_class")


def test_a_load_and_a_refresh_reach_nothing_of_a_stranger(hostile: Connection, refreshed: Connection) -> None:
    hostile.execute(TEMPORARY)
    shadowed(hostile, "dpm_loader")
    hostile.execute(INSERT)
    hostile.execute("update prop_trading_model.raw_trades_closed set profit = 7 where false")
    hostile.execute("insert into prop_trading_model.raw_accounts_data (account_id, login) values ('a1', 'm')")
    hostile.execute("select prop_trading_model.ensure_trade_months('{2024-05-01}')")
    hostile.execute("select prop_trading_model.summarize_trade_months('{2024-01-01}')")
    hostile.execute("select prop_trading_model.make_bare_month('2024-07-01', 7)")
    assert refreshed.execute("select account_id from changed_account_days").fetchall() == [("a1",)]
    shadowed(hostile, "dpm_refresher")
    hostile.execute("call prop_trading_model.refresh_warehouse()")
    hostile.execute("select prop_trading_model.rebuild_month('2024-02-01')")
    hostile.execute("select prop_trading_model.refresh_materialized_views()")
    assert refreshed.execute("select count(*) from changed_account_days").fetchone() == (0,)
    assert refreshed.execute("select sum(total_trades) from mv_daily_trading_stats").fetchone() == (401,)


def test_every_view_and_what_readers_call_reach_nothing_of_a_stranger(
    hostile: Connection, refreshed: Connection
) -> None:
    refreshed.execute(INSERT)
    views = refreshed.execute(
        "select relname::text from pg_class where relnamespace = 'prop_trading_model'::regnamespace and relkind in ('v', 'm')"
    ).fetchall()
    hostile.execute(TEMPORARY)
    shadowed(hostile, "dpm_reader")
    for (view,) in views:
        hostile.execute(f"select * from prop_trading_model.{view}".encode())
    for call in ("pending_changes()", "analyze_partitions(false, true)", "check_partitions()", "check_partition_indexes()",
                 "rate(1, 3)", "sample_stddev(3, 6, 14)", "quantile('{1,2,3}', 0.5)", "as_of_date()"):  # fmt: skip
        hostile.execute(f"select * from prop_trading_model.{call}".encode())


def test_no_function_takes_its_names_from_whoever_calls_it(db: Database) -> None:
    """A path of its own, PostgreSQL's first and temporary tables last; or a body that was bound when the function was made; or,
    of a procedure that commits, which may have neither, every name in full: the tests above call it."""
    with db.connection(None) as conn:
        free = conn.execute(
            "select oid::regprocedure::text from pg_proc where pronamespace = 'prop_trading_model'::regnamespace"
            " and not coalesce(proconfig @> array['search_path=pg_catalog, pg_temp'], false) and prosqlbody is null"
        ).fetchall()
        definers = conn.execute(
            "select oid::regprocedure::text from pg_proc where pronamespace = 'prop_trading_model'::regnamespace"
            " and prosecdef and (has_function_privilege('public', oid, 'execute')"
            " or not coalesce(proconfig @> array['search_path=pg_catalog, pg_temp'], false))"
        ).fetchall()
    assert free == [("refresh_warehouse(bigint)",)]
    assert definers == []


# In public, where PostgreSQL's own go before them: only a better match is reached. These match better than what there is.
BETTER = """
grant create on schema public to public;
create function public.complain() returns boolean language plpgsql as
    'begin raise exception ''a stranger was called'' using errcode = ''DPM99''; end';
do $$
declare
    kinds constant regtype[] :=
        '{int2, int4, int8, numeric, text, varchar, name, date, timestamp, timestamptz, interval, oid, regclass, "char", bool}';
    l regtype;
    r regtype;
    op text;
begin
    foreach l in array kinds loop
        foreach r in array kinds loop
            execute format('create function public.pair(%s, %s) returns boolean language sql return public.complain()', l, r);
            foreach op in array array['=', '<>', '<', '>', '<=', '>=', '+', '-', '*', '/', '||', '~', '!~'] loop
                if not exists (
                    select from pg_operator where oprname = op and oprleft = l and oprright = r
                        and oprnamespace = 'pg_catalog'::regnamespace
                ) then
                    execute format('create operator public.%s (function = public.pair, leftarg = %s, rightarg = %s)', op, l, r);
                end if;
            end loop;
        end loop;
    end loop;
    foreach l in array kinds loop
        execute format('create function public.format(text, %s) returns text language sql return public.complain()::text', l);
        execute format('create function public.concat(%s) returns text language sql return public.complain()::text', l);
    end loop;
end
$$;
"""


def test_commands_reach_nothing_that_everybody_may_make_in_public(
    refreshed: Connection, database_url: str, tmp_path: Path
) -> None:
    """Databases that came from PostgreSQL 14 or older still let everybody make objects in public."""
    refreshed.execute(BETTER)
    with pytest.raises(psycopg.Error, match="a stranger was called"):
        refreshed.execute("select 1::int4 || 'a'::name")
    refreshed.execute("comment on schema prop_trading_model is 'DPM trades warehouse, files of before'")
    file = write(tmp_path / "one.csv", trade("T1"), trade("T2", lots="0"))
    for command in (
        ["schema", "apply"], ["schema", "status"], ["load", file], ["load", file], ["refresh"],
        ["refresh", "--rebuild", "2024-01"],
        ["verify"], ["doctor"], ["loads", "list"], ["loads", "show", "1"], ["rejects", "list"], ["rejects", "list", "1"],
        ["rejects", "export", "1"], ["partitions", "list"], ["partitions", "create"], ["indexes", "list"], ["indexes", "check"],
        ["loads", "undo", "1"],
    ):  # fmt: skip
        ended = dpm(database_url, *command)
        assert (command, ended.stderr) == (command, "") and "stranger" not in ended.stdout
        # The last two find what there is to be found: months that are missing, indexes that nobody uses.
        assert ended.returncode == 0 or command in (["doctor"], ["indexes", "check"]), (
            command
        )  # which find what is to be found here


def test_a_backup_its_restore_and_an_upgrade_reach_nothing_that_everybody_may_make_in_public(
    refreshed: Connection, database_url: str, tmp_path: Path
) -> None:
    """They work as the administrator."""
    refreshed.execute(BETTER)
    with pytest.raises(psycopg.Error, match="a stranger was called"):
        refreshed.execute("select 1 where 'a'::name !~ 'b'")
    taken = dpm(database_url, "backup", tmp_path / "backup")
    assert (taken.returncode, taken.stderr) == (0, "")
    refused = dpm(database_url, "restore", tmp_path / "backup")
    assert refused.returncode == 2 and "a restore replaces nothing" in refused.stderr
    with logins.connect(database_url) as conn:  # as an upgrade does
        counts = row_counts(conn)
        assert counts["prop_trading_model.raw_trades_closed_2024_01"] > 0
        assert conn.execute("select nspname || '' from pg_namespace where nspname !~ '^pg_' limit 1").fetchone()
