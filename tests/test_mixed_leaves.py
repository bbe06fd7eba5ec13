"""A warehouse whose older leaves have the order of their table and whose newer ones are packed: every statement does to it what
it does to a table without partitions, and the change log has each account-day that it touched."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dpm_assets.database import SCHEMA, Database
from dpm_assets.server import EmbeddedServer
from tests.cold import archived, restored, table_rows
from tests.conftest import fresh_database
from tests.history import differences
from tests.interleaving import Connection, session
from tests.schema_dump import program

pytestmark = pytest.mark.sql

PARENT = "raw_trades_closed"
OLD, PACKED = "raw_trades_closed_2024_01", "raw_trades_closed_2024_02"
LEAF_AS_IT_WAS = f"""
create table {OLD} (like {PARENT} including all);
alter table {OLD} owner to dpm_owner;
alter table {PARENT} attach partition {OLD} for values from ('2024-01-01') to ('2024-02-01');
select dress_leaf('{PARENT}', '{OLD}');
"""
TRADES = """
insert into {table} (id, trade_id, account_id, login, symbol, side, open_time, close_time, trade_date, lots, profit, swap)
select n, 't' || n, 'a' || n % 7, 'l' || n % 7, nullif('S' || n % 5, 'S0'), case n % 3 when 0 then 'sell' when 1 then 'buy' end,
    day::timestamp, day + interval '1 h', day, n % 4 + 1, nullif(n % 9, 0) - 4, nullif(-(n % 5), 0)
from (select n, date '2024-01-05' + n % 50 as day from generate_series(1, 300) as n) as days
"""
# Of both months: trades that are there, with another profit, and new ones.
INCOMING = """
create table incoming as table raw_trades_closed with no data;
insert into incoming select * from raw_trades_closed where id % 5 = 0;
update incoming set profit = coalesce(profit, 0) + 1000, symbol = case id % 2 when 0 then symbol end;
insert into incoming
select r.* from incoming as i cross join lateral jsonb_populate_record(
    i, jsonb_build_object('id', i.id + 1000, 'trade_id', 'new' || i.id, 'account_id', 'n' || i.id % 3)
) as r;
"""
UPSERT = (
    "on conflict (account_id, trade_date, trade_id)"
    " do update set (profit, symbol, id) = (excluded.profit, excluded.symbol, excluded.id)"
)
MERGE = """
merge into {table} as t using incoming as i
on t.account_id = i.account_id and t.trade_date = i.trade_date and t.trade_id = i.trade_id
when matched and i.id % 3 = 0 then delete
when matched then update set profit = i.profit, symbol = i.symbol, login = 'merged'
when not matched then insert (account_id, login, trade_id, trade_date, profit, id, open_time, side)
    values (i.account_id, i.login, i.trade_id, i.trade_date, i.profit, i.id, i.open_time, i.side)
"""
STATEMENTS = {
    "insert by position": "insert into {table} select * from incoming where id > 1000",
    "insert by name": "insert into {table} (account_id, trade_date, login, trade_id, id, close_time, load_batch_id)"
    " select account_id, trade_date, login, trade_id, id, close_time, 7 from incoming where id > 1000",
    "upsert": f"insert into {{table}} select * from incoming {UPSERT}",
    "update": "update {table} set profit = -profit - 1, std_symbol = 'X', open_time = null where id % 4 = 1",
    "update of whole rows": "update {table} as t set (login, swap, ingestion_timestamp, source_api_endpoint)"
    " = (select i.login || 'x', i.profit, i.open_time, t.symbol) from incoming as i where i.id = t.id",
    "move to the packed leaf": "update {table} set trade_date = date '2024-02-20' where trade_date = '2024-01-12'",
    "move to the older leaf": "update {table} set trade_date = date '2024-01-20', profit = 5 where trade_date = '2024-02-09'",
    "move both ways at once": "update {table} set trade_date = case when trade_date < '2024-02-01' then date '2024-02-27'"
    " else date '2024-01-27' end where id % 10 = 3",
    "delete": "delete from {table} where id % 3 = 1",
    "delete what another table names": "delete from {table} as t using incoming as i where i.id = t.id and i.side = 'buy'",
    "merge": MERGE,
}  # fmt: skip
# The same by the name of a leaf, where a list of columns says what is meant.
ON_LEAVES = {
    "insert by name": "insert into {table} (account_id, trade_date, login, trade_id, id, close_time, load_batch_id)"
    " select account_id, trade_date, login, trade_id, id, close_time, 7 from incoming where id > 1000 and {here}",
    "upsert": "insert into {table} (id, trade_id, account_id, login, trade_date, profit, symbol)"
    f" select id, trade_id, account_id, login, trade_date, profit, symbol from incoming where {{here}} {UPSERT}",
    "update": "update {table} set profit = -profit - 1, std_symbol = 'X', open_time = null where id % 4 = 1 and {here}",
    "delete": "delete from {table} where id % 3 = 1 and {here}",
    "merge": MERGE.replace("using incoming as i", "using (select * from incoming where {here}) as i"),
}
HERE = {OLD: "trade_date < '2024-02-01'", PACKED: "trade_date >= '2024-02-01'"}


@pytest.fixture(scope="module")
def url(server: EmbeddedServer, template: str) -> Iterator[str]:
    """January in the order of the table, February packed, 300 trades, and a table without partitions that holds the same."""
    with fresh_database(server, template) as made:
        with session(made, autocommit=True) as conn:
            conn.execute(LEAF_AS_IT_WAS.encode())
            conn.execute("select ensure_trade_months(array[date '2024-01-01', '2024-02-01'])")
            conn.execute(TRADES.format(table=PARENT).encode())
            conn.execute(INCOMING)
            conn.execute(f"create table shadow (like {PARENT} including all)".encode())
            conn.execute(f"insert into shadow select * from {PARENT}".encode())
            conn.execute("call refresh_warehouse()")
        yield made


@pytest.fixture
def conn(url: str) -> Iterator[Connection]:
    """In a transaction that is rolled back."""
    with session(url) as opened:
        yield opened


def all_of(conn: Connection, table: str) -> list[Any]:
    """Each row as `select *` gives it."""
    return sorted(conn.execute(f"select * from {table}".encode()).fetchall(), key=str)


def order(conn: Connection, table: str) -> list[str]:
    return [column.name for column in conn.execute(f"select * from {table} limit 0".encode()).description or []]


def account_days(rows: list[Any]) -> dict[tuple[str, date], list[Any]]:
    held: dict[tuple[str, date], list[Any]] = {}
    for row in rows:
        held.setdefault((row[2], row[9]), []).append(row)
    return held


def logged(conn: Connection) -> set[Any]:
    return set(conn.execute("select distinct account_id, trade_date from changed_account_days").fetchall())


def changed(before: list[Any], after: list[Any]) -> set[Any]:
    """The account-days whose rows are not the same."""
    was, now = account_days(before), account_days(after)
    return {key for key in was.keys() | now.keys() if was.get(key) != now.get(key)}


def test_the_two_leaves_differ_in_their_order(conn: Connection) -> None:
    assert order(conn, OLD) == order(conn, PARENT) != order(conn, PACKED)
    assert all_of(conn, PARENT) == all_of(conn, "shadow")


@pytest.mark.parametrize("what", STATEMENTS)
def test_a_statement_does_through_the_table_what_it_does_without_partitions(conn: Connection, what: str) -> None:
    before = all_of(conn, "shadow")
    statement = STATEMENTS[what]
    counts = [conn.execute(statement.format(table=table).encode()).rowcount for table in (PARENT, "shadow")]
    after = all_of(conn, "shadow")
    assert counts[0] == counts[1] > 0
    assert all_of(conn, PARENT) == after
    assert logged(conn) == changed(before, after) != set()


@pytest.mark.parametrize("leaf", [OLD, PACKED])
@pytest.mark.parametrize("what", ON_LEAVES)
def test_a_statement_does_on_a_leaf_what_it_does_without_partitions(conn: Connection, what: str, leaf: str) -> None:
    before = all_of(conn, "shadow")
    statement = ON_LEAVES[what]
    for table in (leaf, "shadow"):
        assert conn.execute(statement.format(table=table, here=HERE[leaf]).encode()).rowcount > 0
    after = all_of(conn, "shadow")
    assert all_of(conn, PARENT) == after
    assert logged(conn) == changed(before, after) != set()


def copied(conn: Connection, query: str) -> bytes:
    with conn.cursor().copy(f"copy ({query}) to stdout".encode()) as copy:
        return b"".join(bytes(piece) for piece in copy)


@pytest.mark.parametrize("target", [PARENT, OLD, PACKED])
def test_rows_are_copied_in_by_position_and_by_name(conn: Connection, target: str) -> None:
    before = all_of(conn, "shadow")
    names = (
        f"({', '.join(order(conn, PARENT))})" if target == PACKED else ""
    )  # by position where the order is the table's
    lines = copied(conn, f"select * from incoming where id > 1000 and {HERE.get(target, 'true')}")
    for table in (target, "shadow"):
        with conn.cursor().copy(f"copy {table} {names} from stdin".encode()) as copy:
            copy.write(lines)
    after = all_of(conn, "shadow")
    assert all_of(conn, PARENT) == after
    assert logged(conn) == changed(before, after) != set()


def test_what_a_statement_returns_is_in_the_order_of_the_table(conn: Connection) -> None:
    for statement in ("update {table} set trade_date = '2024-02-25', profit = 1 where id % 7 = 2 returning {table}.*",
                      "delete from {table} where id % 7 = 2 returning *"):  # fmt: skip
        returned = [
            sorted(conn.execute(statement.format(table=table).encode()).fetchall(), key=str)
            for table in (PARENT, "shadow")
        ]
        assert returned[0] == returned[1] != []


def test_a_check_that_is_broken_names_the_values_of_its_row(conn: Connection) -> None:
    with pytest.raises(Exception, match="lots_positive") as refused:
        conn.execute(f"update {PARENT} set trade_date = '2024-02-25', lots = -1 where id = 3".encode())
    assert type(refused.value).__name__ == "CheckViolation"


def test_views_equal_a_recomputation_after_every_statement(server: EmbeddedServer, template: str) -> None:
    with fresh_database(server, template) as url, session(url, autocommit=True) as conn, Database(url) as db:
        conn.execute(LEAF_AS_IT_WAS.encode())
        conn.execute("select ensure_trade_months(array[date '2024-01-01', '2024-02-01'])")
        conn.execute(TRADES.format(table=PARENT).encode())
        conn.execute(INCOMING)
        conn.execute("call refresh_warehouse()")
        for what, statement in STATEMENTS.items():
            if what != "insert by name":  # of rows that are there by then
                conn.execute(statement.format(table=PARENT).encode())
            conn.execute("call refresh_warehouse()")
        assert differences(db) == []


def test_both_kinds_of_leaves_go_into_the_archive_and_come_back(
    database_url: str, db: Database, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    with session(database_url, autocommit=True) as conn:
        conn.execute(LEAF_AS_IT_WAS.encode())
        conn.execute("select ensure_trade_months(array[date '2024-01-01', '2024-02-01'])")
        conn.execute(TRADES.format(table=PARENT).encode())
        conn.execute("call refresh_warehouse()")
        before = table_rows(db)
        wanted, packed = order(conn, PARENT), order(conn, PACKED)
        for month in (date(2024, 1, 1), date(2024, 2, 1)):
            assert archived(db, tmp_path, month)[-1] == "cold"
        files = sorted(tmp_path.rglob("*.parquet"))
        assert [pq.ParquetFile(file).schema_arrow.names for file in files] == [wanted, wanted]
        for month in (date(2024, 1, 1), date(2024, 2, 1)):
            assert restored(db, month)[-1] == "hot"
        assert table_rows(db) == before
        assert order(conn, OLD) == order(conn, PACKED) == packed
        assert conn.execute("select * from check_partitions()").fetchall() == []


def test_a_dump_brings_both_kinds_of_leaves_back(
    server: EmbeddedServer, template: str, url: str, tmp_path: Path
) -> None:
    dump = tmp_path / "dump"
    program(server, "pg_dump", "-Fc", "-d", url, "-f", str(dump))
    with fresh_database(server, template) as other:
        with session(other, autocommit=True) as conn:
            conn.execute(f"drop schema {SCHEMA} cascade".encode())
        program(server, "pg_restore", "--exit-on-error", "-d", other, str(dump))
        with session(url) as one, session(other) as two:
            for table in (PARENT, OLD, PACKED):
                assert order(two, table) == order(one, table)
                assert all_of(two, table) == all_of(one, table) != []
