"""Old runs of Dagster go; what they say of an asset's or a partition's status stays as it was."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster import DagsterRunStatus, RunsFilter

from dpm_assets.definitions import defs
from dpm_assets.monitor import old_runs
from dpm_assets.monitor.old_runs import delete_old_runs
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import settings

MONTHS = dg.StaticPartitionsDefinition(["2024-01-01", "2024-02-01", "2024-03-01"])


@dg.asset(partitions_def=MONTHS, backfill_policy=dg.BackfillPolicy.single_run())
def monthly(context: dg.AssetExecutionContext) -> None:
    if context.run.tags.get("fails"):
        raise ValueError("as asked")


@dg.asset(check_specs=[dg.AssetCheckSpec("is_well", asset="whole")])
def whole() -> Iterator[Any]:
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, check_name="is_well")])


@dg.asset_check(asset=whole)
def is_sound(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    if context.run.tags.get("fails"):
        raise ValueError("as asked")
    return dg.AssetCheckResult(passed=True)


@dg.observable_source_asset
def observed() -> dg.ObserveResult:
    return dg.ObserveResult(metadata={"seen": 1})


@dg.op
def nothing() -> None:
    pass


@dg.job
def no_assets() -> None:
    nothing()


@pytest.fixture
def instance(server: EmbeddedServer) -> Iterator[dg.DagsterInstance]:
    """Dagster's storage as the warehouse has it."""
    name = f"runs_{os.getpid()}"
    server.create_database(name)
    url = server.url(name).replace("postgresql://", "postgresql+psycopg2://")
    with dg.instance_for_test(overrides={"storage": {"postgres": {"postgres_url": url}}}) as made:
        yield made
    with psycopg.connect(server.url("postgres"), autocommit=True) as conn:
        conn.execute(psycopg.sql.SQL("drop database {} with (force)").format(psycopg.sql.Identifier(name)))


def materialized(instance: dg.DagsterInstance, asset: Any, *months: str, fails: bool = False) -> str:
    """The id of a run that materializes these months."""
    tags = (
        {"dagster/asset_partition_range_start": months[0], "dagster/asset_partition_range_end": months[-1]}
        if months
        else {}
    )
    result = dg.materialize(
        [asset], instance=instance, tags=tags | ({"fails": "yes"} if fails else {}), raise_on_error=False
    )
    return str(result.run_id)


def checked(instance: dg.DagsterInstance, fails: bool = False) -> str:
    """The id of a run that evaluates `is_sound` alone, or ends before it has."""
    job = dg.define_asset_job("check", selection=dg.AssetSelection.checks(is_sound))
    made = dg.Definitions(assets=[whole], asset_checks=[is_sound], jobs=[job]).resolve_job_def("check")
    tags = {"fails": "yes"} if fails else {}
    return str(made.execute_in_process(instance=instance, tags=tags, raise_on_error=False).run_id)


def runs_of_results(instance: dg.DagsterInstance) -> list[str]:
    """The runs of which results of `is_sound` are stored, the newest first."""
    check = dg.AssetCheckKey(dg.AssetKey("whole"), "is_sound")
    return [record.run_id for record in instance.event_log_storage.get_asset_check_execution_history(check, limit=100)]


def logs(run_id: str) -> Path:
    """Where Dagster puts what a run prints; `instance_for_test` sets the home."""
    return Path(os.environ["DAGSTER_HOME"], "storage", run_id)


def run_ids(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def later() -> datetime:
    """Everything has ended before that."""
    return datetime.now(timezone.utc) + timedelta(hours=1)


def status(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What the UI shows of the assets."""
    seen: dict[str, Any] = {}
    for kind, fetch in old_runs.STATUS_EVENTS.items():
        for asset in (dg.AssetKey("monthly"), dg.AssetKey("whole"), dg.AssetKey("observed")):
            newest = fetch(instance, asset, 1).records
            seen[f"{asset} {kind}"] = (
                dict(instance.get_latest_storage_id_by_partition(asset, kind)),
                newest[0].run_id if newest else None,
            )
    seen["months"] = instance.get_materialized_partitions(dg.AssetKey("monthly"))
    seen["failed"] = (
        instance.event_log_storage.get_latest_asset_partition_materialization_attempts_without_materializations(
            dg.AssetKey("monthly")
        )
    )
    check = dg.AssetCheckKey(dg.AssetKey("whole"), "is_well")
    seen["check"] = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check].status
    return seen


def test_what_an_assets_status_is_made_of_survives_and_the_rest_goes(instance: dg.DagsterInstance) -> None:
    first = materialized(instance, monthly, "2024-01-01", "2024-02-01", "2024-03-01")
    superseded = materialized(instance, monthly, "2024-02-01")
    newer = materialized(instance, monthly, "2024-02-01", "2024-03-01")
    failed_before = materialized(instance, monthly, "2024-01-01", fails=True)
    failed = materialized(instance, monthly, "2024-01-01", fails=True)
    old_whole, newest_whole = materialized(instance, whole), materialized(instance, whole)
    observations = dg.Definitions(assets=[observed], jobs=[dg.define_asset_job("look", [observed])]).resolve_job_def(
        "look"
    )
    first_look, last_look = (observations.execute_in_process(instance=instance).run_id for _ in range(2))
    without = no_assets.execute_in_process(instance=instance).run_id
    before = status(instance)

    deleted = delete_old_runs(instance, later())

    assert run_ids(instance) == {first, newer, failed, newest_whole, last_look}
    assert (deleted.runs, deleted.kept) == (5, 5)
    assert status(instance) == before
    for gone in (superseded, failed_before, old_whole, first_look, without):
        assert not instance.get_records_for_run(gone).records


def test_of_a_check_the_latest_results_stay_and_the_rest_goes(instance: dg.DagsterInstance) -> None:
    superseded, ended = checked(instance), checked(instance)
    latest = checked(instance, fails=True)
    assert runs_of_results(instance) == [latest, ended, superseded]

    assert delete_old_runs(instance, later()).runs == 1
    assert runs_of_results(instance) == [latest, ended], "the latest has no result: the one before says how it ended"
    assert run_ids(instance) == {latest, ended}

    newer = checked(instance)
    assert delete_old_runs(instance, later()).runs == 2
    assert runs_of_results(instance) == [newer]


def test_results_go_in_no_more_runs_than_were_asked_for(instance: dg.DagsterInstance) -> None:
    _, *others = (checked(instance) for _ in range(3))
    assert delete_old_runs(instance, later(), most=1).runs == 1
    assert runs_of_results(instance) == others[::-1] and run_ids(instance) == set(others)


def test_what_a_run_has_printed_goes_with_it(instance: dg.DagsterInstance) -> None:
    old, newest = materialized(instance, whole), materialized(instance, whole)
    assert all(list(logs(run_id).rglob("*.out")) for run_id in (old, newest))
    assert delete_old_runs(instance, later()).runs == 1
    assert not logs(old).exists()
    assert list(logs(newest).rglob("*.out"))


def test_logs_that_cannot_be_deleted_keep_no_run(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    materialized(instance, whole)
    newest = materialized(instance, whole)

    def refuse(**_: object) -> None:
        raise PermissionError("of another user")

    monkeypatch.setattr(instance.compute_log_manager, "delete_logs", refuse)
    assert delete_old_runs(instance, later()).runs == 1
    assert run_ids(instance) == {newest}


def test_a_run_under_way_or_young_stays(instance: dg.DagsterInstance) -> None:
    states = [
        DagsterRunStatus.STARTED,
        DagsterRunStatus.CANCELING,
        DagsterRunStatus.NOT_STARTED,
    ]
    under_way = {instance.create_run_for_job(no_assets, status=state).run_id for state in states}
    ended = no_assets.execute_in_process(instance=instance).run_id
    assert delete_old_runs(instance, datetime.now(timezone.utc) - timedelta(minutes=5)).runs == 0
    assert delete_old_runs(instance, later()).runs == 1
    assert run_ids(instance) == under_way
    assert ended not in under_way


def test_batches_pass_over_what_stays(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_runs, "BATCH", 2)
    kept = {materialized(instance, monthly, month) for month in MONTHS.get_partition_keys()}
    for _ in range(5):
        no_assets.execute_in_process(instance=instance)
    assert delete_old_runs(instance, later(), most=3).runs == 3
    assert delete_old_runs(instance, later()).runs == 2
    assert run_ids(instance) == kept


def test_killed_between_events_and_run_the_next_call_goes_on(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = no_assets.execute_in_process(instance=instance).run_id
    with monkeypatch.context() as patch:
        patch.setattr(type(instance), "delete_run", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            delete_old_runs(instance, later())
    assert instance.get_run_by_id(run_id) is not None, "no event is left behind without its run"
    assert delete_old_runs(instance, later()).runs == 1
    counted = instance.get_runs_count(RunsFilter())
    assert counted == 0


def test_the_job_keeps_what_the_setting_says(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    old = no_assets.execute_in_process(instance=instance).run_id
    job = defs.resolve_job_def("delete_old_runs")

    def days_later(setting: str) -> None:
        monkeypatch.setenv("DPM_KEEP_RUNS_DAYS", setting)
        settings.cache_clear()
        assert job.execute_in_process(instance=instance).success

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Tomorrow":
            return cls.fromtimestamp(datetime.now(timezone.utc).timestamp() + 25 * 3600, tz)

    days_later("1")
    assert old in run_ids(instance)
    monkeypatch.setattr("dpm_assets.monitor.runs.datetime", Tomorrow)
    days_later("0")
    assert old in run_ids(instance)
    days_later("1")
    assert old not in run_ids(instance)
    settings.cache_clear()


def test_materializations_that_a_deleted_run_would_take_along_are_what_this_guards(
    instance: dg.DagsterInstance,
) -> None:
    """Dagster deletes a run's materializations with it: were that to change, the guard could go."""
    run_id = materialized(instance, monthly, "2024-01-01")
    instance.delete_run(run_id)
    assert instance.get_materialized_partitions(dg.AssetKey("monthly")) == set()
    assert not instance.fetch_materializations(dg.AssetKey("monthly"), 1).records
