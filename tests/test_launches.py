"""What a launch with nothing filled in does: each job with its default config, over all of its partitions, loses no row."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from psycopg import sql

from dpm_assets.database import SCHEMA, Database
from dpm_assets.definitions import defs
from dpm_assets.months import RANGE_END, RANGE_START
from dpm_assets.partitions.cold.assets import monthly_archive
from dpm_assets.settings import settings
from tests.interleaving import Connection

JOBS = sorted(job.name for job in defs.get_repository_def().get_all_jobs() if not job.name.startswith("__"))
RAW = ("raw_trades_closed", "raw_accounts_data", "raw_regimes_daily")


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where a job would write if it did: the archive, and a landing folder in which nothing waits."""
    monkeypatch.setenv("DPM_COLD_LOCATION", str(tmp_path / "cold"))
    monkeypatch.setenv("DPM_COLD_AFTER_MONTHS", "1")
    monkeypatch.setenv("DPM_LANDING", str(tmp_path / "landing"))
    yield
    settings.cache_clear()


def all_there_is(conn: Connection) -> dict[str, object]:
    """Every raw row, the partitions, and what the daily view shows."""
    found: dict[str, object] = {
        table: conn.execute(
            sql.SQL("select array_agg(to_jsonb(r) order by r.id) from {} as r").format(sql.Identifier(SCHEMA, table))
        ).fetchone()
        for table in RAW
    }
    found["partitions"] = conn.execute(
        "select inhrelid::regclass::text from pg_inherits where inhparent in"
        " ('raw_trades_closed'::regclass, 'raw_metrics_daily'::regclass) order by 1"
    ).fetchall()
    found["view"] = conn.execute("select * from mv_daily_trading_stats order by date").fetchall()
    return found


def launched(job_name: str, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """The job as the launchpad offers it, for all partitions up to the months that `refreshed` has."""
    job = defs.resolve_job_def(job_name)
    partitions = job.partitions_def
    tags = {}
    if partitions:
        year = partitions.get_first_partition_key() if len(partitions.get_partition_keys()[0]) == 4 else None
        tags = {RANGE_START: year or "2024-01-01", RANGE_END: "2024" if year else "2024-03-01"}
    return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)


@pytest.mark.parametrize("job", JOBS)
def test_a_launch_with_the_default_config_destroys_nothing(
    job: str, refreshed: Connection, connected: Database, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    refreshed.execute("select ensure_metrics_years(array[2024])")
    refreshed.execute(
        "insert into raw_metrics_daily (account_id, login, date, net_profit) values ('a1', 'l', '2024-01-02', 1)"
    )
    before = all_there_is(refreshed)
    assert launched(job, instance).success
    after = all_there_is(refreshed)
    gone = set(map(str, before.pop("partitions"))) - set(map(str, after.pop("partitions")))  # type: ignore[call-overload]
    assert not gone and after == before
    assert not list(tmp_path.rglob("*.parquet"))


def test_the_archive_does_not_mark_what_it_did_not_archive(
    refreshed: Connection, connected: Database, instance: dg.DagsterInstance
) -> None:
    assert launched("archive_months", instance).success
    assert instance.get_materialized_partitions(dg.AssetKey("cold_months")) == set()


def test_the_schedule_of_the_archive_says_that_it_means_it(refreshed: Connection, connected: Database) -> None:
    asked = monthly_archive(dg.build_schedule_context())
    assert isinstance(asked, list) and asked[0].tags[RANGE_START] == date(2024, 1, 1).isoformat()
    assert asked[0].run_config == {"ops": {"cold_months": {"config": {"drop_partitions": True}}}}


@pytest.mark.parametrize("job", JOBS)
def test_every_job_says_what_it_does_and_to_what(job: str) -> None:
    found = defs.resolve_job_def(job)
    assert found.description and len(found.description) > 20
    assert found.tags["dpm/effect"] in {"reads", "derives", "loads", "archives", "makes", "forgets"}
    assert found.tags["dpm/domain"]


def test_every_schedule_and_sensor_says_what_it_does_and_is_tagged_as_its_job() -> None:
    repository = defs.get_repository_def()
    launching: list[Any] = [*repository.schedule_defs, *(sensor for sensor in repository.sensor_defs if sensor.targets)]
    for automation in (*launching, *repository.sensor_defs):
        assert automation.description and len(automation.description) > 20, automation.name
    for automation in launching:
        assert automation.tags["dpm/effect"] == defs.resolve_job_def(automation.job_name).tags["dpm/effect"]
