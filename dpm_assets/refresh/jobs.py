"""The job that the sensor, the schedule and people launch."""

from datetime import date
from typing import Any

import dagster as dg

from dpm_assets.months import range_tags
from dpm_assets.runs import about

refresh_job = dg.define_asset_job(
    "refresh",
    # Of the checks only the one that guards the views: the others have jobs and schedules of their own.
    selection=dg.AssetSelection.groups("rollups", "views").without_checks()
    | dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("rollup_account_symbol_day"), "rollups_agree")),
    description="Bring rollups and views of a range of months up to date.",
    tags=about("refresh", "derives"),
)

FOLLOW_LOG: dict[str, Any] = {"ops": {"refresh_warehouse": {"config": {"rebuild": False}}}}
"""Run config of a refresh that does what the change log says and no more."""


# The sensor waits for a run that is under way. One whose machine died with it would be waited for without end.
MAX_RUNTIME = {"dagster/max_runtime": "3600"}


def refresh_request(first: date, last: date, *, run_key: str | None = None) -> dg.RunRequest:
    """One run that refreshes what has changed in the months from `first` to `last`.

    Of several requests a schedule wants a `run_key` in each, which holds for one tick. A sensor's holds for ever: it gives none.
    """
    tags = {**range_tags(first, last), **MAX_RUNTIME}
    return dg.RunRequest(run_key=run_key, tags=tags, run_config=FOLLOW_LOG)
