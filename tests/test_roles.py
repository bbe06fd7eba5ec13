"""What each role may do, tried on everything that the catalogue holds: a table or function that is made without a thought for
its privileges fails here."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from dpm_assets.database import SCHEMA, Database, Role
from tests.interleaving import Connection

pytestmark = pytest.mark.sql

ROLES: list[Role] = ["dpm_reader", "dpm_loader", "dpm_refresher"]

_FEEDS = (
    "raw_trades_closed", "raw_trades_open", "raw_metrics_daily", "raw_metrics_hourly", "raw_metrics_alltime",
    "raw_accounts_data", "raw_plans_data", "raw_regimes_daily",
)  # fmt: skip
_LEDGER = ("load_batches", "load_rejects", "load_corrections")
_LOGS = ("pipeline_execution_log", "query_performance_log")

# The tables that a role may write, and how. Nothing else, and every table may be read.
WRITES: dict[Role, dict[str, set[str]]] = {
    "dpm_reader": {},
    "dpm_loader": {table: {"insert", "update", "delete"} for table in (*_FEEDS, *_LEDGER, *_LOGS)},
    "dpm_refresher": {table: {"insert"} for table in _LOGS}
    | {table: {"insert", "update", "delete"} for table in ("alert_incidents", "alert_messages")},
}

_READS = {
    "analyze_partitions", "archived_starts", "as_of_date", "attachment_of", "changed_leaves", "check_partition_indexes",
    "check_partitions", "current_generations", "fresh_account_day", "leaf_bounds", "live_as_of_date", "newest_login",
    "part_of", "partition_leaves", "partitioned_tables", "pending_changes", "pending_keys",
    "quantile", "rate", "recent_day", "require_hot",
    "sample_stddev", "settled_account_days", "stale_views", "starts_to_keep", "statement_statistics_missing",
    "statistics_to_collect", "trade_leaves", "utc_today",
}  # fmt: skip

# What a role may call. A new function is nobody's but its owner's until its name stands here and in sql/grants.sql.
CALLS: dict[Role, set[str]] = {
    "dpm_reader": _READS,
    "dpm_loader": _READS
    | {
        "attach_bare_month", "create_monthly_partitions", "create_yearly_partitions", "ensure_metrics_years",
        "ensure_trade_months", "hold_trade_leaf", "make_bare_month", "plan_metrics_years", "plan_trade_months",
        "summarize_trade_months",
    },
    "dpm_refresher": _READS
    | {
        "log_query_performance", "note_refresh",
        "rebuild_month", "rebuild_totals", "refresh_bite", "refresh_materialized_views", "refresh_views",
        "refresh_warehouse",
    },
}  # fmt: skip

# Values of the types that functions take, so that a call gets as far as its first write.
_EXAMPLES = {
    "regclass": "'prop_trading_model.raw_trades_closed'", "date": "current_date", "bigint": "1", "integer": "1",
    "boolean": "true", "character varying": "'a1'", "numeric": "1", "numeric[]": "'{1,2}'",
    "oid": "'prop_trading_model.raw_trades_closed'::regclass",
}  # fmt: skip


class Catalogue:
    """Every object of the schema, as its owner sees it."""

    def __init__(self, conn: Connection) -> None:
        self.relations: list[tuple[str, str, str, str]] = conn.execute(
            "select c.relname::text, c.relkind::text, coalesce(parent.relname, c.relname)::text,"
            " (select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped"
            "  and attidentity = '' order by attnum limit 1)"
            " from pg_class as c left join pg_inherits as i on i.inhrelid = c.oid"
            " left join pg_class as parent on parent.oid = i.inhparent"
            " where c.relnamespace = 'prop_trading_model'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')"
        ).fetchall()
        self.routines: list[tuple[str, str, str, list[str]]] = conn.execute(
            "select p.oid::regprocedure::text, p.proname::text, p.prokind::text,"
            " array(select format_type(t, null) from unnest(p.proargtypes) as t)"
            " from pg_proc as p where p.pronamespace = 'prop_trading_model'::regnamespace"
        ).fetchall()


@pytest.fixture
def catalogue(db: Database) -> Catalogue:
    with db.connection(None) as conn:
        found = Catalogue(conn)
    assert len(found.relations) > 60 and len(found.routines) > 100
    return found


def refused(conn: Connection, statement: str) -> str | None:
    """None if PostgreSQL refuses the statement for want of a privilege, else what happened instead."""
    try:
        with conn.transaction(force_rollback=True):
            conn.execute("set local lock_timeout = '1s'")
            conn.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return None
    except psycopg.Error as error:
        return f"{statement}: {error}"
    return f"{statement}: done"


def changes_of(kind: str, name: str, column: str) -> Iterator[str]:
    """Statements that change the object itself: for its owner alone."""
    what = {"v": "view", "m": "materialized view", "S": "sequence", "f": "foreign table"}.get(kind, "table")
    yield f"drop {what} {name}"
    yield f"alter {what} {name} rename to another"
    yield f"alter {what} {name} owner to current_user"
    yield f"comment on {what} {name} is 'mine'"
    if kind == "S":
        yield f"alter sequence {name} restart"
        yield f"select setval('{name}', 1)"
    if kind == "m":
        yield f"refresh materialized view {name}"
    if kind in "rp":
        yield f"truncate {name}"
        yield f"alter table {name} add column more int"
        yield f"alter table {name} drop column {column}"
        yield f"alter table {name} disable trigger all"
        yield f"alter table {name} disable row level security"
        yield f"create index on {name} ({column})"
        yield f"create trigger mine before insert on {name} execute function suppress_redundant_updates_trigger()"
        yield f"create policy mine on {name}"


def writes_to(name: str, column: str) -> dict[str, str]:
    return {
        "insert": f"insert into {name} default values",
        "update": f"update {name} set {column} = {column}",
        "delete": f"delete from {name}",
    }


@pytest.mark.parametrize("role", ROLES)
def test_a_role_changes_no_object_and_writes_its_own_tables_only(
    db: Database, catalogue: Catalogue, role: Role
) -> None:
    done: list[str] = []
    with db.connection(role) as conn, conn.transaction(force_rollback=True):
        for relation, kind, table, column in catalogue.relations:
            name = sql.Identifier(SCHEMA, relation).as_string()
            statements = list(changes_of(kind, name, sql.Identifier(column).as_string() if column else ""))
            if kind in "rp":
                writes = writes_to(name, sql.Identifier(column).as_string())
                statements += [text for verb, text in writes.items() if verb not in WRITES[role].get(table, ())]
            done += filter(None, (refused(conn, statement) for statement in statements))
    assert done == []


@pytest.mark.parametrize("role", [*ROLES, "public"])
def test_every_privilege_on_a_relation_is_meant(db: Database, catalogue: Catalogue, role: Role) -> None:
    """Views and sequences too, and the right to hand a privilege on; and nobody lacks what is his work."""
    with db.connection(None) as conn:
        for relation, kind, table, _ in catalogue.relations:
            held = {
                (privilege, grantable)
                for privilege, grantable in conn.execute(
                    "select lower(a.privilege_type), a.is_grantable from pg_class as c, aclexplode(c.relacl) as a"
                    " where c.oid = %s::regclass and coalesce(nullif(a.grantee, 0)::regrole::text, 'public') = %s",
                    [f"{SCHEMA}.{relation}", role],
                ).fetchall()
            }
            assert held == {(privilege, False) for privilege in meant(conn, role, relation, kind, table)}, relation


def meant(conn: Connection, role: str, relation: str, kind: str, table: str) -> set[str]:
    if role == "public":
        return set()
    if kind != "S":
        return {"select"} | WRITES[role].get(table, set())  # type: ignore[index]  # public has gone
    owner = conn.execute(
        "select c.relname::text, d.deptype = 'i' from pg_depend as d join pg_class as c on c.oid = d.refobjid"
        " where d.classid = 'pg_class'::regclass and d.objid = %s::regclass and d.deptype in ('a', 'i')",
        [f"{SCHEMA}.{relation}"],
    ).fetchone()
    assert owner, f"{relation} belongs to no table"
    writes = WRITES[role].get(owner[0], set())  # type: ignore[index]
    # The numbers of an identity column come with the right to insert; the loader has them by name all the same.
    return {"usage"} if "insert" in writes and not (owner[1] and role == "dpm_refresher") else set()


@pytest.mark.parametrize("role", [*ROLES, "public"])
def test_a_role_may_call_what_is_its_work_and_nothing_else(db: Database, catalogue: Catalogue, role: Role) -> None:
    with db.connection(None) as conn:
        may = conn.execute(
            "select proname::text from pg_proc where pronamespace = 'prop_trading_model'::regnamespace"
            " and has_function_privilege(%s, oid, 'execute')",
            [role],
        ).fetchall()
    assert {name for (name,) in may} == CALLS.get(role, set())


@pytest.mark.parametrize("role", ROLES)
def test_a_call_that_is_nobodys_work_is_refused_and_no_function_can_be_changed(
    db: Database, catalogue: Catalogue, role: Role
) -> None:
    done: list[str] = []
    with db.connection(role) as conn, conn.transaction(force_rollback=True):
        for signature, name, kind, types in catalogue.routines:
            what = "procedure" if kind == "p" else "function"
            named = signature if signature.startswith(SCHEMA) else f"{SCHEMA}.{signature}"
            statements = [
                f"drop {what} {named}",
                f"alter {what} {named} reset all",
                f"alter {what} {named} owner to current_user",
            ]
            if name not in CALLS[role]:
                arguments = ", ".join(f"null::{type_}" for type_ in types)
                statements.append(f"{'call' if kind == 'p' else 'select'} {SCHEMA}.{name}({arguments})")
            done += filter(None, (refused(conn, statement) for statement in statements))
    assert done == []


def test_nothing_that_a_reader_may_call_writes(db: Database, catalogue: Catalogue) -> None:
    """Whatever writes, be it statistics, gets a transaction id; a call that is refused has written nothing."""
    called = 0
    for signature, name, _, types in catalogue.routines:
        if name not in CALLS["dpm_reader"]:
            continue
        arguments = ", ".join(f"{_EXAMPLES[type_]}::{type_}" for type_ in types)
        with db.connection("dpm_reader") as conn, conn.transaction(force_rollback=True):
            try:
                conn.execute(f"select {SCHEMA}.{name}({arguments})".encode())
            except psycopg.errors.InsufficientPrivilege:
                assert name == "analyze_partitions"
                continue
            assert conn.execute("select pg_current_xact_id_if_assigned()").fetchone() == (None,), signature
            called += 1
    assert called >= 25


OUTSIDE = [
    "create table prop_trading_model.mine (n int)",
    "create view prop_trading_model.mine as select 1 as n",
    "create type prop_trading_model.mine as (n int)",
    "create function prop_trading_model.mine() returns int language sql return 1",
    "create table public.mine (n int)",
    "create function public.mine() returns int language sql return 1",
    "create schema mine",
    "drop schema prop_trading_model cascade",
    "alter schema prop_trading_model rename to mine",
    "create role mine",
    "create extension btree_gist schema public",
    "set session_replication_role = replica",
    "copy (select 1) to program 'true'",
    "copy (select 1) to '/tmp/dpm-mine'",
    "select pg_read_file('postgresql.conf')",
    "select * from pg_authid",
    "set role dpm_owner",
]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reaches_nothing_outside_of_its_work(db: Database, role: Role) -> None:
    """As a login that has this role and no other: the tests' own is an administrator's, who may take any."""
    with db.connection(None) as admin:
        admin.execute("do $$ begin create role plain_login login; exception when duplicate_object then null; end $$")
        admin.execute(
            f"revoke dpm_reader, dpm_loader, dpm_refresher from plain_login; grant {role} to plain_login".encode()
        )
        with admin.transaction(force_rollback=True):
            admin.execute("set local session authorization plain_login")
            done = [refused(admin, statement) for statement in OUTSIDE]
        assert [each for each in done if each] == []


def test_the_owner_of_everything_cannot_log_in_and_nobody_of_ours_is_more_than_a_role(db: Database) -> None:
    with db.connection(None) as conn:
        roles = conn.execute(
            "select rolname::text, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
            " from pg_roles where rolname like 'dpm%' and rolname <> 'dpm_service' order by 1"
        ).fetchall()
        service = conn.execute(
            "select rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolinherit"
            " from pg_roles where rolname = 'dpm_service'"
        ).fetchone()
        others = conn.execute(
            "select relname from pg_class where relnamespace = 'prop_trading_model'::regnamespace"
            " and relowner <> 'dpm_owner'::regrole union all select proname from pg_proc"
            " where pronamespace = 'prop_trading_model'::regnamespace and proowner <> 'dpm_owner'::regrole"
        ).fetchall()
    assert roles == [(name, *[False] * 6) for name in ("dpm_loader", "dpm_owner", "dpm_reader", "dpm_refresher")]
    assert service == (True, *[False] * 6)
    assert others == []


def test_what_is_made_for_a_load_has_the_privileges_of_its_table(db: Database) -> None:
    """Leaves that are made while the warehouse works are found in no list of names."""
    with db.connection("dpm_loader") as conn:
        conn.execute("select ensure_trade_months('{2024-05-01}'), ensure_metrics_years('{2019}')")
    with db.connection(None) as conn:
        acl: list[tuple[Any, ...]] = conn.execute(
            "select array(select x::text from unnest(relacl) as x order by 1) from pg_class where relname in"
            " ('raw_trades_closed', 'raw_trades_closed_2024_05', 'raw_metrics_daily', 'raw_metrics_daily_2019')"
        ).fetchall()
    assert len(acl) == 4 and all(each == acl[0] for each in acl)
    assert [re.sub("/.*", "", entry) for entry in acl[0][0] if "dpm_owner=" not in entry] == [
        "dpm_loader=arwd", "dpm_reader=r", "dpm_refresher=r",
    ]  # fmt: skip
