"""What a comparison with the raw rows must leave out: what has not been refreshed yet, and months that are archived."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg

from dpm_assets.errors import DpmError

_MARKED = """
select array_agg(lower::text), array_agg(upper::text) from (
    select month as lower, (month + interval '1 month')::date as upper from prop_trading_model.changed_months
    union
    select lower, upper from prop_trading_model.changed_leaves()
) as marked
"""
_RECENT = "rollup_account_recent"
_RECENT_DUE = "select prop_trading_model.recent_day() is distinct from prop_trading_model.as_of_date()"
_COLD = "select array_agg(month order by month) from prop_trading_model.month_state where state <> 'hot'"


@dataclass(frozen=True)
class LeftOut:
    """Changed account-days, marked days [lower, upper), views that are due (and the rollup whose window has to move), and
    cold months, all of one snapshot."""

    keys: int
    lower: list[str]
    upper: list[str]
    due: list[str]
    cold: list[date]

    def notes(self) -> list[str]:
        """What is left out, in sentences."""
        said = []
        if self.keys or self.lower:
            marked = f" and {len(self.lower)} marked months" if self.lower else ""
            said.append(
                f"A refresh is due for {self.keys:,} account-days{marked}; they were left out. Run dpm refresh."
            )
        if self.cold:
            names = ", ".join(f"{month:%Y-%m}" for month in self.cold)
            said.append(
                f"Months whose trades are in an archive were left out: {names}. dpm verify --cold compares them."
            )
        return said

    def not_comparable(self, name: str, dated: bool, live: bool) -> str | None:
        """Why an object cannot be compared at all; None when it can, but for the rows that are left out (of cold months
        alone, if it is a live view)."""
        if name in self.due:
            return "it is due to be refreshed, run dpm refresh"
        if not dated and not live and self.lower:
            return "months are marked to be recomputed, run dpm refresh"
        if not dated and self.cold:
            return "it spans months whose trades are in an archive"
        return None


def read_left_out(conn: psycopg.Connection[Any]) -> LeftOut:
    """What is pending in the snapshot of `conn`'s transaction. Raises DpmError when the database has no warehouse."""
    try:
        pending = conn.execute("select keys, views from prop_trading_model.pending_changes()").fetchone()
    except (psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedFunction):
        raise DpmError(f"{conn.info.dbname} holds no warehouse. Run dpm schema apply.") from None
    marked = conn.execute(_MARKED).fetchone()
    cold = conn.execute(_COLD).fetchone()
    recent = conn.execute(_RECENT_DUE).fetchone()
    assert pending and marked and cold and recent
    due = list(pending[1] or [])
    if recent[0] or pending[0]:
        due.append(_RECENT)
    return LeftOut(keys=pending[0], lower=marked[0] or [], upper=marked[1] or [], due=due, cold=cold[0] or [])
