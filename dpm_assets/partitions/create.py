"""Making partitions: months of the trades and years of the metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from dpm_assets.database import Database


@dataclass(frozen=True)
class Step:
    """One statement that makes a partition, and the locks that it takes."""

    partition: str
    statement: str
    locks: str


def ensure_months(db: Database, months: Sequence[date]) -> list[date]:
    """Make the partitions of these months where missing, each in a short transaction; returns those that were made."""
    with db.connection("dpm_loader") as conn:
        made = [
            conn.execute("select prop_trading_model.ensure_trade_months(%s)", [[month]]).fetchone()
            for month in sorted(set(months))
        ]
    return [row[0] for row in made if row]


def ensure_years(db: Database, years: Sequence[int]) -> list[int]:
    """The same for the yearly partitions of raw_metrics_daily."""
    with db.connection("dpm_loader") as conn:
        rows = conn.execute("select prop_trading_model.ensure_metrics_years(%s)", [list(years)]).fetchall()
    return [row[0] for row in rows]


def roll_over(db: Database, months_ahead: int) -> list[str]:
    """Make every partition that has to be there: the running month and year, those ahead, those missed; their names."""
    with db.connection("dpm_loader") as conn:
        return [
            name
            for query in (
                "select partition_name from prop_trading_model.create_monthly_partitions(%s)",
                "select partition_name from prop_trading_model.create_yearly_partitions(%s)",
            )
            for (name,) in conn.execute(query, [months_ahead]).fetchall()
        ]


def plan_months(db: Database, months: Sequence[date]) -> list[Step]:
    """What `ensure_months` would do."""
    with db.connection("dpm_loader") as conn:
        rows = conn.execute(
            "select partition_name, statement, locks from prop_trading_model.plan_trade_months(%s::date[])",
            [list(months)],
        ).fetchall()
    return [Step(*row) for row in rows]


def plan_rollover(db: Database, months_ahead: int) -> list[Step]:
    """What `roll_over` would do."""
    with db.connection("dpm_loader") as conn:
        rows = conn.execute(
            "select partition_name, statement, locks from prop_trading_model.create_monthly_partitions(%(ahead)s, true)"
            " union all"
            " select partition_name, statement, locks from prop_trading_model.create_yearly_partitions(%(ahead)s, true)",
            {"ahead": months_ahead},
        ).fetchall()
    return [Step(*row) for row in rows]
