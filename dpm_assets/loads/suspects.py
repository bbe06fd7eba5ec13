"""Which of a load's trades may have an old copy among the rows of the table: a few, or none, without a join.

A join of millions of keys is mostly waiting for memory: each row looks into a hash table that no cache holds. Here the load's
keys go into a Bloom filter, which a cache does hold; the server sends on the hashes of the rows that pass it, one or two in
a hundred and those of copies, and they are held against the load's.
Invariant: what is left out has no old copy. What is named need not have one: two keys may have one hash.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql

Hashes = npt.NDArray[np.int64]

LARGEST = 5_000_000
"""Keys that a filter is made of: for each it takes 25 to 40 bytes of memory. A load of more has to be joined."""
_BITS_A_KEY = 12
_AT_ONCE = 100_000  # ids, whose hashes come in one value, or are worked on
_NETWORK_ORDER = np.dtype(">i8")


@dataclass(frozen=True)
class Suspects:
    """`repeated`: some trade is in the load twice, at two dates. `hashes`: of the load's trades that may have an old copy."""

    repeated: bool
    hashes: Hashes


def hash_of(row: str) -> sql.Composed:
    """The hash of a trade's key, whatever its date; equal keys have equal ones."""
    return sql.SQL("hashtextextended({0}.account_id, hashtextextended({0}.trade_id, 0))").format(sql.SQL(row))


def suspects(
    conn: psycopg.Connection[Any], own: sql.Composable, others: sql.Composable, parameters: dict[str, Any]
) -> Suspects:
    """`own` is the FROM and WHERE of the load's rows, called n; `others` that of the rows r that may be old copies."""
    # Of a month that was filled just now the planner knows nothing: it would read it in the order of its key, page by page.
    conn.execute("set local enable_indexscan = off; set local enable_sort = off")
    loaded = _hashes(conn, sql.SQL("select n.id, {} as h {}").format(hash_of("n"), own), parameters)
    loaded.sort()
    repeated = bool((loaded[1:] == loaded[:-1]).any())
    places = 1 << int(len(loaded) * _BITS_A_KEY).bit_length()
    _send(conn, _filter(loaded, places))
    passing = sql.SQL(_PASSING).format(hash=hash_of("r"), others=others, last=sql.Literal(places - 1))
    passed = _hashes(conn, passing, parameters)
    conn.execute("set local enable_indexscan to default; set local enable_sort to default")
    return Suspects(repeated, _common(passed, loaded))


# Read once, and in memory from then on: as it is stored it would be put together anew for every row.
_BITS = "(select bits || ''::bytea from pg_temp.load_filter)"
_PASSING = f"""
select r.id, {{hash}} as h {{others}}
    and get_bit({_BITS}, {{hash}} & {{last}}) = 1 and get_bit({_BITS}, ({{hash}} >> 32) & {{last}}) = 1
"""


def _send(conn: psycopg.Connection[Any], bits: bytes) -> None:
    """Not as a parameter: a server that logs its slow statements logs those too, megabytes of them."""
    conn.execute("create temporary table load_filter (bits bytea) on commit drop")
    with conn.cursor().copy("copy pg_temp.load_filter from stdin (format binary)") as copy:
        copy.set_types(["bytea"])
        copy.write_row([bits])


def _filter(hashes: Hashes, places: int) -> bytes:
    """One bit for each half of each hash, numbered as get_bit does."""
    taken = np.zeros(places, np.bool_)
    for first in range(0, len(hashes), _AT_ONCE):
        part = hashes[first : first + _AT_ONCE]
        taken[part & (places - 1)] = True
        taken[(part >> 32) & (places - 1)] = True
    return np.packbits(taken, bitorder="little").tobytes()


def _common(some: Hashes, rising: Hashes) -> Hashes:
    """Those of `some` that are among the `rising` too, in a fiftieth of the time of np.intersect1d."""
    if not len(rising):
        return rising
    nearest = np.minimum(np.searchsorted(rising, some), len(rising) - 1)
    return np.unique(some[rising[nearest] == some])


def _hashes(conn: psycopg.Connection[Any], query: sql.Composable, parameters: dict[str, Any]) -> Hashes:
    """Many in one value, which takes a tenth of the time of a row for each."""
    gathered = sql.SQL("select string_agg(int8send(h), ''::bytea) from ({}) as hashed group by id / {}").format(
        query, sql.Literal(_AT_ONCE)
    )
    with conn.cursor() as cursor:
        values = cursor.stream(gathered, parameters, binary=True)
        pieces = [np.frombuffer(value, _NETWORK_ORDER).astype(np.int64) for (value,) in values]
    return np.concatenate([np.zeros(0, np.int64), *pieces])
