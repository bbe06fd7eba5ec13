"""What the alerts look at, one judge a file: each returns the conditions that hold now.

A judge reads: through the connection of the look, whose transaction belongs to who records what the judges found.
"""

from collections.abc import Callable

from dpm_assets.alerts.conditions import Condition, Look
from dpm_assets.alerts.judges.asset_checks import failed_checks
from dpm_assets.alerts.judges.freshness import lag
from dpm_assets.alerts.judges.log_archive import log_not_archived
from dpm_assets.alerts.judges.partitions import missing_partitions
from dpm_assets.alerts.judges.rejects import waiting_rejects
from dpm_assets.alerts.judges.runs import failed_runs
from dpm_assets.alerts.judges.statements import slow_statements
from dpm_assets.alerts.judges.ticks import failing_ticks

Judge = Callable[[Look], list[Condition]]

JUDGES: dict[str, Judge] = {
    "run failure": failed_runs,
    "freshness": lag,
    "missing partitions": missing_partitions,
    "rejects": waiting_rejects,
    "slow statements": slow_statements,
    "asset check": failed_checks,
    "failed ticks": failing_ticks,
    "log archive": log_not_archived,
}
"""By the name of the alert, which every condition of the judge bears."""
