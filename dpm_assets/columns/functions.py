"""The columns of the rows that a function returns: their types are the catalogue's, which keeps no comments on them.

What they are is therefore written here; a column that is not, is an error.
"""

from typing import Any

import psycopg

from dpm_assets.columns.file import DescribedColumn
from dpm_assets.database import SCHEMA

# The columns of each function that an asset shows.
_RETURNED = {
    "analyze_partitions": {
        "partition_name": "The partition.",
        "parent_table": "The partitioned table.",
        "lower_bound": "First day of the month or year.",
        "upper_bound": "First day of the next.",
        "state": "hot: in the table; archiving, restoring: on the way; cold: in a file; detach pending: leaving the table.",
        "rows_estimated": "Rows, as of the last ANALYZE or VACUUM; null for one in the archive.",
        "heap_bytes": "Size of the rows, bytes; 0 for one in the archive.",
        "index_bytes": "Size of the indexes, bytes; 0 for one in the archive.",
        "toast_bytes": "Size of what is kept out of line, bytes; 0 for one in the archive.",
        "dead_rows": "Rows that VACUUM will remove, estimated.",
        "last_vacuum": "When VACUUM last ended, autovacuum's or another.",
        "last_analyze": "When ANALYZE last ended, autovacuum's or another.",
        "index_scans": "Scans of its indexes since the statistics were reset.",
        "pending_keys": "Account-days whose trades changed since the last refresh; null where there can be none.",
        "table_scans": "Scans of the whole partition since the statistics were reset.",
        "rows_exact": "Rows, counted; null unless that was asked for.",
        "location": "Where the file of its rows is; null while it has none.",
    }
}
FUNCTIONS = tuple(_RETURNED)


def returned_columns(conn: "psycopg.Connection[Any]", function: str) -> list[DescribedColumn]:
    """In order. Raises KeyError for a column of which nothing is written here."""
    rows = conn.execute(
        "select a.name, format_type(a.type, null) from pg_proc as p,"
        " unnest(p.proargnames, p.proallargtypes, p.proargmodes) with ordinality as a (name, type, mode, place)"
        " where p.pronamespace = %s::regnamespace and p.proname = %s and a.mode = 't' order by a.place",
        [SCHEMA, function],
    ).fetchall()
    said = _RETURNED[function]
    return [DescribedColumn(name, kind, said[name], ()) for name, kind in rows]
