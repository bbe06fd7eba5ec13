"""The freshness to trust: the age of the oldest change that some view does not show yet."""

from dpm_assets.alerts.conditions import Condition, Look
from dpm_assets.settings import settings


def lag(look: Look) -> list[Condition]:
    row = look.conn.execute(
        "select keys, months, inputs, views, oldest, age_seconds from prop_trading_model.pending_changes()"
    ).fetchone()
    assert row is not None
    keys, months, inputs, views, oldest, age = row
    if age is None or age <= settings().lag_warning_seconds:
        return []
    return [
        Condition(
            alert="freshness",
            key="freshness",
            severity="error" if age > settings().lag_error_seconds else "warning",
            summary=(
                f"A change of {oldest:%Y-%m-%d %H:%M} UTC is not in the views yet: {age / 60:.0f} minutes, "
                f"{keys:,} account-days are waiting."
            ),
            remedy=(
                "See whether trade_changes_sensor runs and why the job refresh does not finish; dpm refresh brings everything "
                "up to date. live_* views show what is waiting."
            ),
            details={
                "oldest_change": oldest.isoformat(),
                "age_seconds": round(float(age)),
                "pending_account_days": keys,
                "months": [f"{month:%Y-%m}" for month in months],
                "inputs": inputs,
                "views": views,
            },
        )
    ]
