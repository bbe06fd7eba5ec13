"""Ends the runs of an earlier service, then materializes the schema and the partitions through Dagster.

`python -m dpm_assets.service.bootstrap FIRST LAST SINCE`: months, and when the service began in seconds since 1970. A
process of its own, beside the start of the UI, so that the first look at the graph finds all of it done.
"""

import sys
from datetime import date, datetime, timezone

import dagster as dg

from dpm_assets.calendar import parse_month
from dpm_assets.definitions import defs
from dpm_assets.months import range_tags
from dpm_assets.partitions.schedules import starts_to_keep
from dpm_assets.service.interrupted import end_interrupted_runs
from dpm_assets.settings import settings


def set_up(first: date, last: date, since: datetime) -> None:
    """Run the jobs of the groups schema and partitions for the months from `first` to `last`, and those missed before them."""
    with dg.DagsterInstance.get() as instance:
        end_interrupted_runs(instance, since)
        defs.resolve_job_def("check_schema").execute_in_process(instance=instance)
        # The service may have been down for months: what it missed is made now, not with the next night's repair.
        first = max(min(first, *starts_to_keep("raw_trades_closed")), settings().first_month)
        defs.resolve_job_def("create_partitions").execute_in_process(instance=instance, tags=range_tags(first, last))
        for year in range(first.year, last.year + 1):
            defs.resolve_job_def("create_metrics_partitions").execute_in_process(
                instance=instance, partition_key=str(year)
            )


if __name__ == "__main__":
    began = datetime.fromtimestamp(float(sys.argv[3]), timezone.utc)
    set_up(parse_month(sys.argv[1]), parse_month(sys.argv[2]), began)
