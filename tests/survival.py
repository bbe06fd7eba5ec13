"""A warehouse in which there is one of everything that a backup or an upgrade could lose, and a picture of all of it."""

from pathlib import Path
from typing import Any

import psycopg

from dpm_assets.backup.counting import row_counts
from dpm_assets.backup.leaves import settled_leaves
from dpm_assets.database import Database
from dpm_assets.refresh.engine import ROLLUPS, VIEWS
from dpm_assets.schema.apply import apply_schema
from dpm_assets.server import EmbeddedServer
from tests.cold import LIVE, archived

CHANGED_LEAVES = "select distinct leaf_name from prop_trading_model.changed_leaves() order by 1"
ANALYST_PASSWORD = "an analyst's own"

# Whatever the version of the server, these have to be what they were.
_CATALOGUE = {
    "triggers": "select tgrelid::regclass::text, tgname, tgenabled from pg_trigger where not tgisinternal",
    "tables": "select oid::regclass::text, relkind, relpersistence, relispartition, relowner::regrole::text from pg_class"
    " where relnamespace = 'prop_trading_model'::regnamespace",
    "constraints": "select conrelid::regclass::text, conname, contype, convalidated from pg_constraint"
    " where connamespace = 'prop_trading_model'::regnamespace and contype <> 'n'",
    "indexes": "select indexrelid::regclass::text, indisvalid, indisunique from pg_index as i join pg_class as c"
    " on c.oid = i.indexrelid and c.relnamespace = 'prop_trading_model'::regnamespace",
    "functions": "select oid::regprocedure::text, prosecdef, proowner::regrole::text, proconfig from pg_proc"
    " where pronamespace = 'prop_trading_model'::regnamespace",
    "may read or write": "select r.rolname, c.oid::regclass::text, array(select p from unnest(array['select', 'insert',"
    " 'update', 'delete', 'truncate', 'trigger']) as p where has_table_privilege(r.oid, c.oid, p))"
    " from pg_class as c, pg_roles as r where relnamespace = 'prop_trading_model'::regnamespace"
    " and relkind in ('r', 'p', 'v', 'm') and rolname in ('dpm_loader', 'dpm_refresher', 'dpm_reader', 'analyst')",
    "may call": "select r.rolname, p.oid::regprocedure::text, has_function_privilege(r.oid, p.oid, 'execute') from pg_proc as p,"
    " pg_roles as r where pronamespace = 'prop_trading_model'::regnamespace and rolname ~ 'dpm_(loader|reader)|analyst'",
    "settings": "select unnest(setconfig) from pg_db_role_setting as s join pg_database as d on d.oid = s.setdatabase"
    " where datname = current_database() and setrole = 0",
    "sequences": "select schemaname, sequencename, last_value from pg_sequences",
    "comments": "select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = 'prop_trading_model'",
    "archive": "select parent_table, lower, state, rows, content_sha256, file_sha256 from cold_files"
    " full join partition_state using (parent_table, lower)",
    "pending": "select keys, months, inputs, views from pending_changes()",
}

# They say where something is, which is elsewhere afterwards.
_WITH_PLACES = {f"prop_trading_model.{name}" for name in ("known_leaves", "cold_files", "partition_state")}


def fill(server: EmbeddedServer, cold_root: Path) -> None:
    """Trades of four months: December's leaf gone and March's rewritten unseen by the refresh, January cold, February with
    changes that are pending; accounts, a regime, an analyst who logs in, and a table of Dagster's."""
    apply_schema(server.url())
    server.grant_roles()
    with psycopg.connect(server.url(), autocommit=True) as conn:
        conn.execute("create role analyst login password " + psycopg.sql.Literal(ANALYST_PASSWORD).as_string(conn))
        conn.execute("grant dpm_reader to analyst")
        conn.execute("set search_path = prop_trading_model, public; set role dpm_owner")
        conn.execute("select ensure_trade_months('{2023-12-01,2024-01-01,2024-02-01,2024-03-01}')")
        conn.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, symbol, side, open_time, close_time, trade_date, lots,"
            " profit) select 't' || n, 'a' || n % 10, 'l', 'EURUSD', 'buy', day, day + interval '1 h', day, 1, n % 7 - 3"
            " from (select n, (date '2023-12-10' + n % 100)::timestamp as day from generate_series(1, 400) as n) as days"
        )
        conn.execute("insert into raw_accounts_data (account_id, login) values ('a1', 'l')")
        conn.execute(
            "insert into raw_regimes_daily (date, summary) values ('2024-02-10', '{\"market_sentiment\": \"ça\"}')"
        )
        conn.execute("call refresh_warehouse()")
        with Database(server.url()) as db:
            archived(db, cold_root)
        conn.execute("update raw_trades_closed set profit = profit + 1 where trade_date = '2024-02-05'")
        conn.execute("insert into raw_accounts_data (account_id, login) values ('a2', 'pending')")
        conn.execute("vacuum full raw_trades_closed_2024_03")
        conn.execute("drop table raw_trades_closed_2023_12")
    with psycopg.connect(server.service_url("dagster"), autocommit=True) as conn:
        conn.execute("create table runs as select n as id, 'SUCCESS' as status from generate_series(1, 50) as n")


def picture(server: EmbeddedServer) -> dict[str, Any]:
    """Everything of both databases that has to survive."""
    seen: dict[str, Any] = {}
    with psycopg.connect(server.url(), autocommit=True) as conn:
        conn.execute("set search_path = prop_trading_model, public")
        for name, query in _CATALOGUE.items():
            seen[name] = sorted(map(repr, conn.execute(query.encode()).fetchall()))
        # What a refresh works on and nobody reads afterwards: it does not survive a crash either.
        unlogged = "select 'prop_trading_model.' || relname from pg_class where relpersistence = 'u' and relkind = 'r'"
        passing = {row[0] for row in conn.execute(unlogged).fetchall()}
        for name in (*row_counts(conn), *ROLLUPS, *VIEWS, *LIVE):
            if name not in _WITH_PLACES | passing:
                seen[name] = conn.execute(f"select t::text from {name} as t order by 1".encode()).fetchall()
        seen["settled"] = settled_leaves(conn)
    with psycopg.connect(server.service_url("dagster")) as conn:
        seen["dagster"] = conn.execute("select * from runs order by id").fetchall()
    return seen


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What is not the same, with what was there on one side only."""
    return {
        name: (
            [row for row in before.get(name) or () if row not in (after.get(name) or ())],
            [row for row in after.get(name) or () if row not in (before.get(name) or ())],
        )
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    }


def as_analyst(server: EmbeddedServer, query: str) -> Any:
    """What the analyst is told, who logs in with the old password."""
    with psycopg.connect(
        host="127.0.0.1", port=server.state().port, dbname="dpm", user="analyst", password=ANALYST_PASSWORD
    ) as conn:
        row = conn.execute(query.encode()).fetchone()
    return row[0] if row else None
