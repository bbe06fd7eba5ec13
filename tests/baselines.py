"""The unpartitioned original with trades and metrics of January to March 2024 in it, clean or dirty."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import psycopg
from psycopg import sql

from dpm_assets.database import run_file
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import sql_dir
from tests.interleaving import Connection

ACCOUNTS = 64
APPLICATION = "trading_app"
_DAYS = 91

_TRADES = """
insert into prop_trading_model.raw_trades_closed
    (trade_id, account_id, login, symbol, std_symbol, side, open_time, close_time, trade_date, open_price, close_price,
     stop_loss, take_profit, lots, volume_usd, profit, commission, swap, ingestion_timestamp, source_api_endpoint)
select 't' || n, 'a' || n % {accounts}, 'l' || n % {accounts}, symbols[1 + n % 3], symbols[1 + n % 3],
    case when n % 2 = 0 then 'buy' else 'sell' end, closed - interval '3 h', closed, closed::date,
    1 + n % 90 / 100.0, 1 + n % 70 / 100.0, case when n % 4 = 0 then 0.9 end, null, 0.01 * (1 + n % 200), 1000 + n % 500,
    (n * 37 % 1000 - 450) / 10.0, -0.07, 0, closed + interval '1 d', '/v1/trades/closed'
from (
    select n, array['EURUSD', 'XAUUSD', 'US30'] as symbols,
        timestamp '2024-01-01 00:00:30' + n * (interval '91 d' / {rows}) as closed
    from generate_series(0, {rows} - 1) as n) as drawn
"""

_METRICS = """
insert into prop_trading_model.raw_metrics_daily
    (account_id, login, date, net_profit, gross_profit, gross_loss, total_trades, winning_trades, losing_trades, win_rate,
     lots_traded, balance_start, balance_end, ingestion_timestamp)
select 'a' || account, 'l' || account, day, account - 30, 10 + account, -40, 9, 4, 5, 44.44, 1.5, 50000, 49970 + account,
    day + interval '1 d'
from generate_series(0, {accounts} - 1) as account,
    generate_series(timestamp '2023-12-01', '2024-03-31', '1 d') as day
where (account + extract(day from day)::int) % {thinned} = 0
"""

APPLICATION_ROLE = """
do $$ begin
    if not exists (select from pg_roles where rolname = 'trading_app') then
        create role trading_app login password 'trading';
    end if;
end $$;
grant usage on schema prop_trading_model to trading_app;
grant select, insert, update, delete on all tables in schema prop_trading_model to trading_app;
grant usage on all sequences in schema prop_trading_model to trading_app;
"""

_OWNED = """
do $$ declare r record; begin
    for r in select c.oid::regclass as name from pg_class as c
        where c.relnamespace = 'prop_trading_model'::regnamespace and c.relkind = 'r' loop
        execute format('revoke all on %s from trading_app', r.name);
        execute format('alter table %s owner to trading_app', r.name);
    end loop;
    alter schema prop_trading_model owner to trading_app;
end $$
"""


@dataclass(frozen=True)
class Dirt:
    """A row that the production tables would refuse, or take only changed: SQL of the columns that make it so.

    `moves`: it belongs into the new table all the same, by rule; `reads`: what then stands there instead.
    """

    name: str
    columns: Mapping[str, str]
    moves: bool = False
    reads: Mapping[str, str] = field(default_factory=dict)


_GOOD_TRADE = {
    "account_id": "'d1'", "login": "'l1'", "symbol": "'EURUSD'", "side": "'buy'", "open_time": "'2024-02-10 09:00'",
    "close_time": "'2024-02-10 11:00'", "trade_date": "'2024-02-10'", "open_price": "1.1", "close_price": "1.2",
    "lots": "1", "volume_usd": "10", "profit": "5", "ingestion_timestamp": "'2024-02-11 01:00'",
}  # fmt: skip
_GOOD_METRIC = {
    "account_id": "'d1'", "login": "'l1'", "date": "'2024-02-10'", "net_profit": "5", "gross_profit": "9",
    "gross_loss": "-4", "total_trades": "3", "winning_trades": "2", "losing_trades": "1", "win_rate": "66.67",
}  # fmt: skip

DIRTY_TRADES = (
    Dirt("no trade_date", {"trade_date": "null"}, moves=True, reads={"trade_date": "2024-02-10"}),
    Dirt(
        "no trade_date, closed in the last moment of a month",
        {"trade_date": "null", "close_time": "'2024-02-29 23:59:59.999999'"},
        moves=True,
        reads={"trade_date": "2024-02-29"},
    ),
    Dirt(
        "no trade_date, the only trade of its month",
        {"trade_date": "null", "open_time": "'2023-06-30 23:00'", "close_time": "'2023-07-01 00:00'"},
        moves=True,
        reads={"trade_date": "2023-07-01"},
    ),
    Dirt("neither date nor time", {"trade_date": "null", "close_time": "null"}),
    Dirt("no trade_date, closed at infinity", {"trade_date": "null", "close_time": "'infinity'"}),
    Dirt("a date at infinity", {"trade_date": "'infinity'"}),
    Dirt("a date before the warehouse's first month", {"trade_date": "'2019-12-31'"}),
    Dirt("a year typed wrong", {"trade_date": "'2924-02-10'"}),
    Dirt("no trade_date, closed in a year typed wrong", {"trade_date": "null", "close_time": "'2924-02-10'"}),
    Dirt("an unknown side", {"side": "'hold'"}),
    Dirt("no side", {"side": "null"}, moves=True),
    Dirt("a side in capitals", {"side": "'BUY'"}, moves=True),
    Dirt("closed before it was opened", {"open_time": "'2024-02-10 11:00:01'"}),
    Dirt("a price below zero", {"open_price": "-1.1"}),
    Dirt("no lots", {"lots": "0"}),
    Dirt("a volume below zero", {"volume_usd": "-1"}),
    Dirt("a profit that is no number", {"profit": "'NaN'"}),
    Dirt("taken in at infinity", {"ingestion_timestamp": "'infinity'"}),
    Dirt(
        "a stop of 0 for none",
        {"stop_loss": "0", "take_profit": "0.000000"},
        moves=True,
        reads={"stop_loss": "", "take_profit": ""},
    ),
    Dirt("a copy that was taken in first", {"trade_id": "'twice'", "profit": "1"}),
    Dirt(
        "a copy that was taken in later", {"trade_id": "'twice'", "ingestion_timestamp": "'2024-02-12'", "profit": "2"}
    ),
    Dirt(
        "the last of two copies that were taken in at once",
        {"trade_id": "'twice'", "ingestion_timestamp": "'2024-02-12'", "profit": "3"},
        moves=True,
    ),
    Dirt("a copy of unknown age", {"trade_id": "'twice'", "ingestion_timestamp": "null", "profit": "4"}),
    Dirt("a copy with its date", {"trade_id": "'dated'"}),
    Dirt(
        "a later copy without its date",
        {"trade_id": "'dated'", "trade_date": "null", "ingestion_timestamp": "'2024-02-12'"},
        moves=True,
        reads={"trade_date": "2024-02-10"},
    ),
    Dirt("a good copy", {"trade_id": "'corrected badly'"}, moves=True),
    Dirt(
        "a later copy that breaks a rule",
        {"trade_id": "'corrected badly'", "lots": "-1", "ingestion_timestamp": "'2024-02-12'"},
    ),
    Dirt("on one day", {"trade_id": "'moved'"}, moves=True),
    Dirt("the same trade on another day", {"trade_id": "'moved'", "trade_date": "'2024-02-09'"}, moves=True),
)
DIRTY_METRICS = (
    Dirt("a win rate above 100", {"win_rate": "120"}),
    Dirt("more wins and losses than trades", {"winning_trades": "3"}),
    Dirt("a gross loss above zero", {"gross_loss": "4"}),
    Dirt("a count below zero", {"total_trades": "-1", "winning_trades": "null"}),
    Dirt("a balance that is no number", {"balance_end": "'NaN'"}),
    Dirt("a date at infinity", {"date": "'-infinity'"}),
    Dirt("a year typed wrong", {"date": "'0204-02-10'"}),
    Dirt("of unknown age", {"ingestion_timestamp": "null"}, moves=True),
    Dirt("of the same day and of unknown age", {"ingestion_timestamp": "null"}, moves=True),
)


@contextmanager
def baseline(
    server: EmbeddedServer, rows: int = 6_000, dirty: bool = False, owned: bool = False, tablespace: str = "pg_default"
) -> Iterator[str]:
    """The administrator's URL of a new database that holds the baseline; dropped at the end, whoever is connected.

    `owned`: by the login of the firm's application, as it is where nobody thought of it. In another tablespace it is made, not
    copied, and takes the room that it takes where it grew.
    """
    grown = tablespace != "pg_default"
    source = "template1" if grown else baseline_template(server, rows, dirty, owned)
    with copied_database(server, source, tablespace) as url:
        if grown:
            _make(url, rows, dirty, owned)
        yield url


def baseline_template(server: EmbeddedServer, rows: int, dirty: bool = False, owned: bool = False) -> str:
    """The name of a database that holds the baseline, to be copied."""
    name = f"baseline_{rows}{'_dirty' if dirty else ''}{'_owned' if owned else ''}"
    return made_once(server, name, "template1", lambda url: _make(url, rows, dirty, owned))


def _make(url: str, rows: int, dirty: bool, owned: bool) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        run_file(conn, sql_dir() / "schema_baseline.sql")
        fill(conn, rows)
        if dirty:
            soil(conn)
        conn.execute(APPLICATION_ROLE.encode())
        if owned:
            conn.execute(_OWNED.encode())
        conn.execute("vacuum (analyze)")


def made_once(server: EmbeddedServer, name: str, source: str, make: Callable[[str], None]) -> str:
    """A database of this name, which `make` has made of a copy of `source`: there already, or made now and whole."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        if not admin.execute("select true from pg_database where datname = %s", [name]).fetchone():
            with copied_database(server, source) as url:
                make(url)
                half = sql.Identifier(str(psycopg.conninfo.conninfo_to_dict(url)["dbname"]))
                admin.execute(sql.SQL("alter database {} rename to {}").format(half, sql.Identifier(name)))
    return name


@contextmanager
def copied_database(server: EmbeddedServer, source: str, tablespace: str = "pg_default") -> Iterator[str]:
    """The administrator's URL of a copy of a database; dropped at the end, whoever is connected."""
    name = f"dpm_{uuid4().hex[:12]}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute(
            sql.SQL("create database {} template {} tablespace {}").format(
                *map(sql.Identifier, (name, source, tablespace))
            )
        )
    try:
        yield server.url(name)
    finally:
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def fill(conn: Connection, rows: int) -> None:
    """So many clean trades of 64 accounts in three months, in the order of time, and daily metrics of two years."""
    given = {
        "rows": sql.Literal(rows),
        "accounts": sql.Literal(ACCOUNTS),
        "thinned": sql.Literal(max(1, ACCOUNTS * _DAYS * 10 // rows)),
    }
    for statement in (_TRADES, _METRICS):
        conn.execute(sql.SQL(statement).format(**given))


def soil(conn: Connection) -> None:
    """One row of each kind of dirt, of account d1; the kind stands in source_api_endpoint."""
    for table, kinds, good in (
        ("raw_trades_closed", DIRTY_TRADES, _GOOD_TRADE),
        ("raw_metrics_daily", DIRTY_METRICS, _GOOD_METRIC),
    ):
        for number, dirt in enumerate(kinds):
            values = (
                {"ingestion_timestamp": f"timestamp '2024-02-11' + interval '{number} min'"} | good | dict(dirt.columns)
            )
            if table == "raw_trades_closed":
                values.setdefault("trade_id", f"'d{number}'")
            conn.execute(
                sql.SQL("insert into {} ({}, source_api_endpoint) values ({}, {})").format(
                    sql.Identifier("prop_trading_model", table),
                    sql.SQL(", ").join(map(sql.Identifier, values)),
                    sql.SQL(", ").join(map(sql.SQL, values.values())),
                    sql.Literal(dirt.name),
                )
            )


def application_url(url: str) -> str:
    """The same database for the firm's application, a login that owns nothing and may read and write every table."""
    return f"postgresql://{APPLICATION}:trading@{url.split('@', 1)[1]}"
