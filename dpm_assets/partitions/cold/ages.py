"""Which months are old enough for the archive."""

from datetime import date

from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.database import Database


def newest_cold(months: int) -> date:
    """The newest month that ended at least so many months before the running one began."""
    return add_months(month_of(today()), -months - 1)


def months_to_archive(db: Database, months: int) -> list[date]:
    """The months of that age, oldest first, whose trades are in a partition: hot, or archiving since a run was killed."""
    with db.connection() as conn:
        rows = conn.execute(
            """
            select month from (
                select b.lower as month
                from pg_inherits as i cross join lateral prop_trading_model.leaf_bounds(i.inhrelid) as b
                where i.inhparent = 'prop_trading_model.raw_trades_closed'::regclass
                    and not i.inhdetachpending and b.upper = b.lower + interval '1 month'
                union
                select s.month from prop_trading_model.month_state as s where s.state = 'archiving'
            ) as months
            where month <= %s order by month
            """,
            [newest_cold(months)],
        ).fetchall()
    return [row[0] for row in rows]
