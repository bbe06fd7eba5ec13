"""Materializes the schema and the partitions through Dagster: `python -m dpm_assets.service.bootstrap FIRST LAST`.

A process of its own, beside the start of the UI, so that the first look at the graph finds them done.
"""

import sys
from datetime import date

import dagster as dg

from dpm_assets.calendar import parse_month
from dpm_assets.definitions import defs
from dpm_assets.months import range_tags


def materialize(first: date, last: date) -> None:
    """Run the jobs of the groups schema and partitions for the months from `first` to `last`."""
    with dg.DagsterInstance.get() as instance:
        defs.resolve_job_def("check_schema").execute_in_process(instance=instance)
        defs.resolve_job_def("create_partitions").execute_in_process(instance=instance, tags=range_tags(first, last))
        for year in range(first.year, last.year + 1):
            defs.resolve_job_def("create_metrics_partitions").execute_in_process(
                instance=instance, partition_key=str(year)
            )


if __name__ == "__main__":
    materialize(parse_month(sys.argv[1]), parse_month(sys.argv[2]))
