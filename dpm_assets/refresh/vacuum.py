"""VACUUM of what refreshing wears out: a concurrent refresh leaves a dead row for each row that changed.

No function can do it (VACUUM runs in no transaction), so the callers of the refresh do; autovacuum does the same, later,
where a refresh is called from psql.
"""

from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.database import SCHEMA, Database

WORN_SHARE = 0.15
"""Dead rows among all, from which a table is vacuumed: far below the half that would make it 1.5 times its fresh size."""

_WORN = """
select s.relname::text
from pg_stat_all_tables as s
join pg_class as c on c.oid = s.relid
-- The nets of a day are kept there: a day that is refreshed again leaves one dead row here, and many there.
left join pg_stat_all_tables as t on t.relid = c.reltoastrelid
where s.schemaname = %(schema)s
    and (s.relname ~ '^(rollup|mv|changed|refresh)_' or s.relname in ('view_inputs', 'input_generations', 'recent_window'))
    and (
        s.n_dead_tup > 40 and s.n_dead_tup > %(share)s * (s.n_live_tup + s.n_dead_tup)
        or t.n_dead_tup > 400 and t.n_dead_tup > %(share)s * (t.n_live_tup + t.n_dead_tup)
    )
order by s.n_dead_tup
"""


def vacuum_worn(db: Database, refresher: psycopg.Connection[Any]) -> list[str]:
    """Vacuum the rollups, views and work tables that hold many dead rows; returns their names.

    `refresher` is the connection that refreshed: its counts of dead rows are published first. Nobody waits: a table that
    is locked is left for the next time, and no table is cut short, which would need an ACCESS EXCLUSIVE lock.
    """
    refresher.execute("select pg_stat_force_next_flush()")
    refresher.execute("select")  # counts are published when a statement has ended
    with db.connection("dpm_owner") as conn:
        worn = [row[0] for row in conn.execute(_WORN, {"schema": SCHEMA, "share": WORN_SHARE}).fetchall()]
        for name in worn:
            conn.execute(sql.SQL("vacuum (skip_locked, truncate false) {}").format(sql.Identifier(SCHEMA, name)))
    return worn
