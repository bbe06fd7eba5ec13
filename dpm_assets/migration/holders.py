"""Who holds tables, and old snapshots, in words."""

from typing import Any

import psycopg


def holders(conn: psycopg.Connection[Any], tables: list[int]) -> list[str]:
    """The other sessions, and prepared transactions, that hold a lock of one of these tables or of their leaves."""
    rows = conn.execute(
        """
        select distinct case when l.pid is null then concat('prepared transaction ', p.gid, ' (see pg_prepared_xacts)')
            else format('session %%s (%%s)', l.pid, concat_ws(', ',
                coalesce(nullif(a.application_name, ''), a.usename::text, a.backend_type), a.state,
                'since ' || to_char(a.xact_start at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS')))
            end
        from pg_locks as l
        left join pg_stat_activity as a on a.pid = l.pid
        left join pg_locks as x on l.pid is null and x.pid is null and x.locktype = 'transactionid'
            and x.virtualtransaction = l.virtualtransaction
        left join pg_prepared_xacts as p on p.transaction = x.transactionid
        where l.granted and l.pid is distinct from pg_backend_pid()
            and l.database = (select oid from pg_database where datname = current_database())
            and (
                l.relation = any (%(tables)s)
                or l.relation in (select i.inhrelid from pg_inherits as i where i.inhparent = any (%(tables)s))
            )
        order by 1
        """,
        {"tables": tables},
    ).fetchall()
    return [row[0] for row in rows]


def older_snapshots(conn: psycopg.Connection[Any], xid: str) -> list[str]:
    """The other sessions of this database that read with a snapshot older than this transaction.

    The kind of a backend is shown to its own login and to privileged ones alone, so it is told by what everybody sees: autovacuum
    and its like have no login, replication no database.
    """
    rows = conn.execute(
        """
        select format('session %%s (%%s)', pid, coalesce(nullif(application_name, ''), usename::text))
        from pg_stat_activity
        where datname = current_database() and usesysid is not null and pid <> pg_backend_pid()
            and backend_xmin is not null and age(backend_xmin) > age(%s::text::xid)
        order by pid
        """,
        [xid],
    ).fetchall()
    return [row[0] for row in rows]
