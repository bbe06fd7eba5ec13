"""What the refresh knows of the leaves of the trades, carried from one server to another.

A refresh takes a leaf whose number or file it does not know for a new one and recomputes its month; in another server
all of them have others. Invariant: a leaf is known there if and only if it was known, and as it was, where it comes from.
"""

from typing import Any

import psycopg


def settled_leaves(conn: psycopg.Connection[Any]) -> list[str] | None:
    """The leaves that are as the last refresh saw them, by name; None where there is no such table."""
    row = conn.execute("select to_regclass('prop_trading_model.known_leaves') is not null").fetchone()
    if not (row and row[0]):
        return None
    rows = conn.execute(
        "select leaf_name from prop_trading_model.known_leaves as k"
        " where not detach_pending and exists (select from prop_trading_model.trade_leaves() as n where n is not distinct from k)"
        " order by 1"
    ).fetchall()
    return [row[0] for row in rows]


def settle_leaves(conn: psycopg.Connection[Any], settled: list[str]) -> None:
    """In a database just restored: know those leaves as they are here, and let every other that was known differ."""
    with conn.transaction():
        conn.execute("lock table prop_trading_model.known_leaves in exclusive mode")
        # A number that no relation has: the leaf counts as gone, and its month as changed.
        conn.execute(
            "update prop_trading_model.known_leaves as k set leaf = (4294967295 - place)::oid"
            " from (select leaf, row_number() over (order by leaf) as place from prop_trading_model.known_leaves) as numbered"
            " where numbered.leaf = k.leaf"
        )
        conn.execute("delete from prop_trading_model.known_leaves where leaf_name = any (%s)", [settled])
        conn.execute(
            "insert into prop_trading_model.known_leaves"
            " select leaves.* from prop_trading_model.trade_leaves() as leaves where leaves.leaf_name = any (%s)",
            [settled],
        )
