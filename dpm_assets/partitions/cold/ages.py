"""Which months and years are old enough for the archive."""

from collections.abc import Sequence
from datetime import date

from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.database import Database
from dpm_assets.partitions.cold.tables import TABLES, ColdTable, Part


def cold_before(months: int) -> date:
    """The first day after whatever ended at least so many months before the running one began."""
    return add_months(month_of(today()), -months)


def parts_to_archive(db: Database, months: int, tables: Sequence[ColdTable] = tuple(TABLES.values())) -> list[Part]:
    """Months of that age, and years all of whose months are, oldest first: hot, or archiving since a run was killed."""
    with db.connection() as conn:
        rows = conn.execute(
            """
            select t.name, found.lower
            from unnest(%(tables)s::text[]) as t (name)
            cross join lateral (
                select b.lower
                from pg_inherits as i cross join lateral prop_trading_model.leaf_bounds(i.inhrelid) as b
                cross join lateral prop_trading_model.part_of(i.inhparent, b.lower) as p
                where i.inhparent = format('prop_trading_model.%%I', t.name)::regclass
                    and isfinite(b.lower) and not i.inhdetachpending and (b.lower, b.upper) = (p.first_day, p.next_day)
                union
                select s.lower from prop_trading_model.partition_state as s
                where s.parent_table = t.name and s.state = 'archiving'
            ) as found
            """,
            {"tables": [table.name for table in tables]},
        ).fetchall()
    found = [Part(TABLES[name], lower) for name, lower in rows]
    return sorted(part for part in found if part.next_day <= cold_before(months))
