"""A leaf stores its columns packed, and is in everything else what its parent is, whichever way it was made."""

from collections.abc import Iterator
from typing import Any

import pytest

from dpm_assets.database import Database
from tests.interleaving import SECONDS, Connection, sent_off, session, wait_until_blocked

pytestmark = pytest.mark.sql

PARENT = "raw_trades_closed"
ENSURED, BARE = "raw_trades_closed_2021_05", "raw_trades_closed_2021_06"
MAKE_ENSURED = "select ensure_trade_months(array[date '2021-05-01'])"
MAKE_BARE = "select make_bare_month('2021-06-01', 7)"
ATTACH_BARE = "select attach_bare_month('2021-06-01', 7)"

# What a firm may add to its trades: of each kind that a new partition could lose.
EXTRAS = [
    f"""
    alter table {PARENT}
        add column desk text collate "C" not null default 'none',
        add column rank smallint,
        add column gone integer,
        add column held interval generated always as (close_time - open_time) stored,
        add column note text compression pglz,
        add constraint desk_named check (desk <> ''),
        add constraint finite_later check (not ('NaN' in (profit, lots, swap))) not valid
    """,
    f"alter table {PARENT} drop column gone, alter column note set storage external",
    f"alter table {PARENT} alter column symbol set statistics 500, alter column login set (n_distinct = -0.1)",
    f"create statistics of_desk (ndistinct, mcv) on desk, symbol from {PARENT}",
    f"create statistics of_spread on (close_price - open_price) from {PARENT}",
    f"create index of_ranks on {PARENT} (desk) include (rank) where rank > 1",
    f"grant update (desk) on {PARENT} to dpm_loader",
]

# What a relation has, without its own name.
HAS = {
    "columns": """
        select attname::text, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(d.adbin, d.adrelid), attgenerated,
            attcollation, attstorage, attcompression, attstattarget, attoptions
        from pg_attribute left join pg_attrdef as d on d.adrelid = attrelid and d.adnum = attnum
        where attrelid = %s::regclass and attnum > 0 and not attisdropped
    """,
    "constraints": """
        select conname::text, replace(pg_get_constraintdef(oid), ' NOT VALID', '') from pg_constraint
        where conrelid = %s::regclass and contype in ('c', 'n')
    """,
    "indexes": """
        select regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', ''), indisunique, indisprimary
        from pg_index where indrelid = %s::regclass
    """,
    "statistics": "select pg_get_statisticsobjdef_columns(oid), stxkind from pg_statistic_ext where stxrelid = %s::regclass",
    "triggers": """
        select tgname::text, tgenabled, tgtype, tgfoid from pg_trigger where tgrelid = %s::regclass and not tgisinternal
    """,
    "privileges": """
        select null, acl.grantee::regrole::text, acl.privilege_type from pg_class, aclexplode(relacl) as acl
        where oid = %s::regclass
    """,
    "privileges of columns": """
        select attname::text, acl.grantee::regrole::text, acl.privilege_type from pg_attribute, aclexplode(attacl) as acl
        where attrelid = %s::regclass
    """,
    "owner": "select relowner::regrole::text from pg_class where oid = %s::regclass",
}


@pytest.fixture
def conn(database_url: str, db: Database) -> Iterator[Connection]:
    with session(database_url, autocommit=True) as opened:
        yield opened


def has(conn: Connection, table: str) -> dict[str, list[Any]]:
    return {what: sorted(conn.execute(query.encode(), [table]).fetchall(), key=str) for what, query in HAS.items()}


def columns(conn: Connection, table: str) -> list[str]:
    rows = conn.execute(
        "select attname::text from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum",
        [table],
    ).fetchall()
    return [row[0] for row in rows]


def leaves_of(conn: Connection, parent: str) -> list[str]:
    query = "select inhrelid::regclass::text from pg_inherits where inhparent = %s::regclass"
    return [row[0] for row in conn.execute(query, [parent]).fetchall()]


def room_between(conn: Connection, table: str) -> list[str]:
    """The columns that may have to be aligned behind one of a length that is not a multiple of their alignment."""
    rows = conn.execute(
        """
        select attname::text from (
            select attname, attlen, case attalign when 'd' then 8 when 'i' then 4 when 's' then 2 else 1 end as step,
                min(case when attlen < 0 then 1 else attlen & -attlen end) over (order by attnum
                    rows between unbounded preceding and 1 preceding) as multiple
            from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped
        ) as placed where attlen > 0 and multiple < step
        """,
        [table],
    ).fetchall()
    return [row[0] for row in rows]


def test_a_leaf_of_trades_stores_what_is_aligned_first_and_its_parent_keeps_its_order(conn: Connection) -> None:
    before = columns(conn, PARENT)
    conn.execute(MAKE_ENSURED)
    assert columns(conn, ENSURED) == [
        "id", "open_time", "close_time", "ingestion_timestamp", "load_batch_id", "trade_date",
        "trade_id", "account_id", "login", "symbol", "std_symbol", "side", "open_price", "close_price", "stop_loss",
        "take_profit", "lots", "volume_usd", "profit", "commission", "swap", "source_api_endpoint",
    ]  # fmt: skip
    assert columns(conn, PARENT) == before
    assert before[:4] == ["id", "trade_id", "account_id", "login"] and before[-1] == "load_batch_id"


@pytest.mark.parametrize("parent", [PARENT, "rollup_account_symbol_day", "raw_metrics_daily"])
def test_no_room_is_left_in_the_leaves_of_any_table(conn: Connection, parent: str) -> None:
    of_table = room_between(conn, parent)
    assert (of_table == []) == (parent == "rollup_account_symbol_day"), "which is packed itself"
    leaves = leaves_of(conn, parent)
    assert len(leaves) > 0
    for leaf in leaves:
        assert room_between(conn, leaf) == []
        assert sorted(columns(conn, leaf)) == sorted(columns(conn, parent))


@pytest.mark.parametrize("extras", [[], EXTRAS], ids=["as it is made", "with what a firm added"])
def test_a_leaf_has_what_its_parent_has_whichever_way_it_was_made(conn: Connection, extras: list[str]) -> None:
    for statement in extras:
        conn.execute(statement.encode())
    conn.execute(MAKE_ENSURED)
    conn.execute(MAKE_BARE)
    assert conn.execute(ATTACH_BARE).fetchone() == (True,)
    parent = has(conn, PARENT)
    assert (parent["statistics"] != []) == bool(extras)
    for leaf in (ENSURED, BARE):
        assert has(conn, leaf) == parent
        assert columns(conn, leaf)[5:8] == (
            ["trade_date", "rank", "trade_id"] if extras else ["trade_date", "trade_id", "account_id"]
        )
        attached = conn.execute(
            "select count(*) from pg_inherits as i join pg_index as x on x.indexrelid = i.inhrelid"
            " where x.indrelid = %s::regclass",
            [leaf],
        ).fetchone()
        assert attached == (len(parent["indexes"]),), "its indexes belong to those of the table"


def names_of_indexes(conn: Connection, table: str) -> list[str]:
    rows = conn.execute(
        "select indexrelid::regclass::text from pg_index where indrelid = %s::regclass", [table]
    ).fetchall()
    return sorted(row[0] for row in rows)


def test_the_indexes_of_a_leaf_are_called_alike_whichever_way_it_was_made(conn: Connection) -> None:
    conn.execute(MAKE_ENSURED)
    conn.execute(MAKE_BARE)
    conn.execute(ATTACH_BARE)
    assert names_of_indexes(conn, ENSURED) == [f"{ENSURED}_pkey", f"{ENSURED}_trade_date_close_time_id_idx"]
    assert names_of_indexes(conn, BARE) == [name.replace(ENSURED, BARE) for name in names_of_indexes(conn, ENSURED)]


def test_a_leaf_that_was_renamed_aside_keeps_no_new_one_from_being_made(conn: Connection) -> None:
    conn.execute(f"create statistics of_symbols on symbol, std_symbol from {PARENT}".encode())
    for name in ("aside", "further_aside"):
        conn.execute(MAKE_ENSURED)
        conn.execute(f"alter table {PARENT} detach partition {ENSURED}".encode())
        conn.execute(f"alter table {ENSURED} rename to {name}".encode())
    conn.execute(MAKE_ENSURED)
    assert conn.execute(
        f"select count(*) from pg_inherits where inhrelid = '{ENSURED}'::regclass".encode()
    ).fetchone() == (1,)


def test_a_column_that_counts_by_itself_counts_through_the_table(conn: Connection) -> None:
    conn.execute(f"drop table {', '.join(leaves_of(conn, PARENT))}".encode())
    conn.execute(f"alter table {PARENT} add column number bigint generated by default as identity".encode())
    conn.execute(MAKE_ENSURED)
    conn.execute(MAKE_BARE)
    conn.execute(ATTACH_BARE)
    for day in ("2021-05-03", "2021-06-03"):
        conn.execute(
            f"insert into {PARENT} (trade_id, account_id, login, trade_date) values ('t', 'a', 'l', '{day}')".encode()
        )
    assert conn.execute(f"select number from {PARENT} order by trade_date".encode()).fetchall() == [(1,), (2,)]


def test_a_column_that_is_added_while_a_leaf_is_made_waits_for_it(conn: Connection, database_url: str) -> None:
    """Otherwise the leaf would lack it, and could not be attached."""
    with session(database_url) as maker, session(database_url, autocommit=True) as adder:
        maker.execute(MAKE_BARE)
        with sent_off(adder, f"alter table {PARENT} add column desk text") as added:
            wait_until_blocked(conn, adder)
            maker.execute(ATTACH_BARE)
            maker.commit()
            added.result(SECONDS)
    assert columns(conn, BARE)[-1] == columns(conn, PARENT)[-1] == "desk"
