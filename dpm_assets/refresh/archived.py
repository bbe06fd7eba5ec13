"""The trades of cold months for a comparison: from their files into a temporary table beside the raw ones."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import psycopg
from psycopg import sql

TRADES = "prop_trading_model.raw_trades_closed"
ALL_TRADES = "pg_temp.all_trades"
"""Hot trades, and those that were taken from the archive; in the place of TRADES in an oracle."""


def take_archived(conn: psycopg.Connection[Any], months: Sequence[date] | None) -> dict[date, str]:
    """Make ALL_TRADES on `conn`, which is in no transaction, with the cold months among these (None: all).

    Returns what was taken, by month, with the file's hash. Raises DpmError when a file is missing or damaged.
    """
    from dpm_assets.partitions.cold.states import cold_parts  # a comparison of hot months needs no reader of files
    from dpm_assets.partitions.cold.tables import TRADES as COLD

    cold = [found for found in cold_parts(conn, COLD) if found.in_file and (months is None or found.lower in months)]
    # As a restore would fill them: with the defaults of columns that came later, and with those that PostgreSQL computes.
    conn.execute(
        f"create temporary table archived_trades (like {TRADES} including defaults including generated)".encode()
    )
    for found in cold:
        _take(conn, found)
    conn.execute("analyze pg_temp.archived_trades")
    conn.execute(f"create temporary view all_trades as table {TRADES} union all table pg_temp.archived_trades".encode())
    return {found.lower: found.file_sha256 or "" for found in cold}


def still_archived(conn: psycopg.Connection[Any], taken: dict[date, str]) -> bool:
    """Whether, in the snapshot of `conn`'s transaction, these months are in these files."""
    rows = conn.execute(
        """
        select lower, file_sha256
        from prop_trading_model.partition_state join prop_trading_model.cold_files using (parent_table, lower)
        where parent_table = 'raw_trades_closed' and state in ('cold', 'restoring')
        """
    ).fetchall()
    return taken.items() <= dict(rows).items()


def _take(conn: psycopg.Connection[Any], found: Any) -> None:
    from dpm_assets.partitions.cold import places
    from dpm_assets.partitions.cold.columns import generated_in, listed
    from dpm_assets.partitions.cold.parquet import Content, read_back

    content = Content()
    generated = generated_in(conn, found.parent_table)
    copy = sql.SQL("copy pg_temp.archived_trades ({}) from stdin (format csv)").format(
        listed(tuple(name for name in found.columns if name not in generated))
    )
    with places.read_from(found.location) as path, conn.cursor().copy(copy) as target:
        for lines in read_back(path, content, without=generated):
            target.write(lines)
    content.check(found.location, found.rows, found.exact_sums, found.content_sha256)
