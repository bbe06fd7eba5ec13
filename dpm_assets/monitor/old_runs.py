"""Which of Dagster's old runs may go, and letting them go: their records, events and logs would otherwise grow for ever.

Deleting a run deletes its events, and with them the materializations that it reported. Invariant: of each asset, of each of
its partitions and of each check, the latest event of every kind that its status is made of stays, with its run.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunsFilter
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy import bindparam, text

ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
BATCH = 200

# What tells whether a partition is there, has failed, or was looked at.
STATUS_EVENTS = {
    DagsterEventType.ASSET_MATERIALIZATION: dg.DagsterInstance.fetch_materializations,
    DagsterEventType.ASSET_OBSERVATION: dg.DagsterInstance.fetch_observations,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED: dg.DagsterInstance.fetch_planned_materializations,
    DagsterEventType.ASSET_FAILED_TO_MATERIALIZE: dg.DagsterInstance.fetch_failed_materializations,
}

# Dagster keeps the results of checks, each with its evaluation, in a table of their own, which no deletion of a run touches.
# The latest of a check may be of a run that never came to evaluate it: then the one before, which did, tells how it ended.
_RUNS_OF_LATEST_RESULTS = text("""
select run_id from asset_check_executions where id in (
    select max(id) from asset_check_executions group by asset_key, check_name, "partition"
    union all
    select max(id) from asset_check_executions where execution_status in ('SUCCEEDED', 'FAILED')
    group by asset_key, check_name, "partition"
)
""")
_DELETE_RESULTS = text("delete from asset_check_executions where run_id in :run_ids").bindparams(
    bindparam("run_ids", expanding=True)
)


@dataclass
class Deleted:
    """How many runs went, and how many old ones stay because of what they say of an asset or a check."""

    runs: int = 0
    kept: int = 0


def delete_old_runs(instance: dg.DagsterInstance, before: datetime, most: int = 10_000) -> Deleted:
    """Delete runs that ended before that, the oldest first, at most so many in one call. Killed, the next call goes on."""
    # One that is superseded meanwhile is kept until the next call.
    needed, done = {*_runs_of_latest_events(instance), *_runs_of_latest_results(instance)}, Deleted()
    wanted = RunsFilter(statuses=ENDED, updated_before=before)
    last_kept: str | None = None
    # A batch begins after the last run that stays: those in between are gone.
    while batch := instance.get_run_records(wanted, limit=BATCH, ascending=True, cursor=last_kept):
        old = [record.dagster_run.run_id for record in batch]
        # For all at once: no index of that table begins with the run.
        _delete_results(instance, [run_id for run_id in old if run_id not in needed][: most - done.runs])
        for run_id in old:
            if done.runs >= most:
                return done
            if run_id in needed:
                done.kept, last_kept = done.kept + 1, run_id
                continue
            # The run last, so that a kill leaves a run without events or logs, and never these without a run.
            _delete_logs(instance, run_id)
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


def _runs_of_latest_results(instance: dg.DagsterInstance) -> set[str]:
    """The runs that were to evaluate a check last, and those that did."""
    with _storage(instance).index_connection() as conn:
        return set(conn.execute(_RUNS_OF_LATEST_RESULTS).scalars())


def _delete_results(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> None:
    if run_ids:
        with _storage(instance).index_connection() as conn:
            conn.execute(_DELETE_RESULTS, {"run_ids": list(run_ids)})


def _delete_logs(instance: dg.DagsterInstance, run_id: str) -> None:
    """What the run has printed, if it can be deleted: a folder of another user would keep every later run for ever."""
    try:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    except Exception as error:
        logging.getLogger(__name__).warning("The logs of run %s could not be deleted: %s", run_id, error)


def _storage(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    """Dagster's own storages all are of this kind."""
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    return storage
