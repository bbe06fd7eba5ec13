"""Which of Dagster's old runs may go, and letting them go: their records, events and logs would otherwise grow for ever.

Deleting a run deletes its events, and with them the materializations that it reported. Invariant: of each asset, and of each
of its partitions, the latest event of every kind that its status is made of stays, with its run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunsFilter

ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
BATCH = 200

# What tells whether a partition is there, has failed, or was looked at.
STATUS_EVENTS = {
    DagsterEventType.ASSET_MATERIALIZATION: dg.DagsterInstance.fetch_materializations,
    DagsterEventType.ASSET_OBSERVATION: dg.DagsterInstance.fetch_observations,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED: dg.DagsterInstance.fetch_planned_materializations,
    DagsterEventType.ASSET_FAILED_TO_MATERIALIZE: dg.DagsterInstance.fetch_failed_materializations,
}


@dataclass
class Deleted:
    """How many runs went, and how many old ones stay because of what they say of an asset."""

    runs: int = 0
    kept: int = 0


def delete_old_runs(instance: dg.DagsterInstance, before: datetime, most: int = 10_000) -> Deleted:
    """Delete runs that ended before that, the oldest first, at most so many in one call. Killed, the next call goes on."""
    # One that is superseded meanwhile is kept until the next call.
    needed, done = set(_runs_of_latest_events(instance)), Deleted()
    wanted = RunsFilter(statuses=ENDED, updated_before=before)
    last_kept: str | None = None
    # A batch begins after the last run that stays: those in between are gone.
    while batch := instance.get_run_records(wanted, limit=BATCH, ascending=True, cursor=last_kept):
        for run_id in (record.dagster_run.run_id for record in batch):
            if done.runs >= most:
                return done
            if run_id in needed:
                done.kept, last_kept = done.kept + 1, run_id
                continue
            # In this order, so that a kill between the two leaves a run without events, and never events without a run.
            instance.event_log_storage.delete_events(run_id)
            instance.delete_run(run_id)
            done.runs += 1
    return done


def _runs_of_latest_events(instance: dg.DagsterInstance) -> Iterator[str]:
    """The runs that reported what is newest of an asset, and of each of its partitions."""
    for asset in instance.get_asset_keys():
        for kind, fetch in STATUS_EVENTS.items():
            yield from (record.run_id for record in fetch(instance, asset, 1).records)
            ids = list(instance.get_latest_storage_id_by_partition(asset, kind).values())
            for begin in range(0, len(ids), BATCH):
                some = dg.AssetRecordsFilter(asset, storage_ids=ids[begin : begin + BATCH])
                yield from (record.run_id for record in fetch(instance, some, BATCH).records)
