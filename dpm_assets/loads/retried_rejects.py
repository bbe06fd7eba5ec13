"""What a load does when its rows are rejects of an earlier batch: in its own transaction, it settles these rejects."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from dpm_assets.errors import DpmError
from dpm_assets.loads.feeds import Feed
from dpm_assets.loads.newer_than_rejects import check_nothing_newer


class NothingMended(DpmError):
    """Every row is still at fault: no batch is made of them."""


@dataclass(frozen=True)
class Retry:
    """The rows of this load are rejects of `batch_id`: the row that begins at `file_lines[i]` is the one that stood at
    `reject_lines[i]`. They may `replace` what later batches have loaded only if that was asked for; else they are as old as
    the file that they came in, whose load ended at `loaded_at`: after its own rows were written, before those of later files."""

    batch_id: int
    name: str
    file_lines: list[int] = field(repr=False)
    reject_lines: list[int] = field(repr=False)
    replace: bool
    loaded_at: datetime

    @property
    def as_of(self) -> datetime | None:
        """The time that snapshots without one take; None: that of this load."""
        return None if self.replace else self.loaded_at

    def ledger_hash(self, sha256: str) -> str:
        """What the ledger knows the load by, from the hash of its rows: two batches may have rejected the very same rows."""
        return hashlib.sha256(f"{sha256} of batch {self.batch_id}".encode()).hexdigest()


def settle_rejects(
    conn: psycopg.Connection[Any],
    feed: Feed,
    retry: Retry,
    new_batch: int,
    *,
    rows_kept: int,
    rejects: Iterable[bytes],
) -> None:
    """Inside the load's transaction: rejects that are good now are resolved by the new batch, the others stay open with
    the reason of today. `rejects` are lines for COPY load_rejects.

    Raises NothingMended when no row is good, and what `check_nothing_newer` raises.
    """
    if not rows_kept:
        raise NothingMended(f"No reject of batch {retry.batch_id} is good yet: all of them stay as they are.")
    if not retry.replace:
        check_nothing_newer(conn, feed, retry.batch_id, retry.loaded_at, new_batch)
    conn.execute(
        "create temporary table still_rejected (like prop_trading_model.load_rejects including defaults) on commit drop"
    )
    copy = "copy pg_temp.still_rejected (batch_id, line, reason, raw_text, damaged) from stdin"
    with conn.cursor().copy(copy) as target:
        for piece in rejects:
            target.write(piece)
    conn.execute(
        """
        update prop_trading_model.load_rejects as r set
            resolved_by = case when s.line is null then %(new_batch)s end,
            reason = coalesce(s.reason, r.reason)
        from unnest(%(file_lines)s::bigint[], %(reject_lines)s::bigint[]) as retried (file_line, line)
        left join pg_temp.still_rejected as s on s.line = retried.file_line
        where r.batch_id = %(batch)s and r.line = retried.line and r.resolved_by is null
        """,
        {
            "new_batch": new_batch,
            "batch": retry.batch_id,
            "file_lines": retry.file_lines,
            "reject_lines": retry.reject_lines,
        },
    )
