"""Cold months in the asset graph and on the command line."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.database import Database
from dpm_assets.definitions import defs
from dpm_assets.months import RANGE_END, RANGE_START, range_tags
from dpm_assets.partitions.cold.ages import parts_to_archive
from dpm_assets.partitions.cold.assets import monthly_archive
from dpm_assets.settings import settings
from tests.cold import FEBRUARY, JANUARY, archived, file_under, part_of, shown, state, trades_read
from tests.command_line import dpm
from tests.interleaving import Connection

pytestmark = pytest.mark.sql


@pytest.fixture(autouse=True)
def archive_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPM_COLD_LOCATION", str(tmp_path / "cold"))
    monkeypatch.setenv("DPM_COLD_AFTER_MONTHS", "3")


def run(
    instance: dg.DagsterInstance, first: date, last: date, job: str = "archive_months"
) -> dg.ExecuteInProcessResult:
    config = {"ops": {"cold_months": {"config": {"drop_partitions": True}}}} if job == "archive_months" else {}
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance, tags=range_tags(first, last), run_config=config, raise_on_error=False
    )


def reported(instance: dg.DagsterInstance, asset: str = "cold_months") -> dict[str, dict[str, object]]:
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
    return {
        str(record.partition_key): {
            name: entry.value
            for name, entry in record.asset_materialization.metadata.items()  # type: ignore[union-attr]
        }
        for record in reversed(records)
    }


def test_a_range_of_months_is_archived_in_one_run_with_sizes_and_ages(
    refreshed: Connection, connected: Database, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    history, trades = shown(connected), trades_read(connected)
    assert run(instance, JANUARY, date(2024, 3, 1)).success, "a month without a partition is passed over"
    found = reported(instance)
    assert {state(connected, JANUARY), state(connected, FEBRUARY)} == {"cold"}
    january = found["2024-01-01"]
    assert january["bytes"] == file_under(tmp_path / "cold").stat().st_size
    assert january["age_days"] == (today() - JANUARY).days
    assert int(str(january["dagster/partition_row_count"])) + int(
        str(found["2024-02-01"]["dagster/partition_row_count"])
    ) == len(trades)
    assert shown(connected) == history and trades_read(connected) == trades


@pytest.mark.parametrize("fails", [JANUARY, FEBRUARY])
def test_a_month_that_fails_keeps_no_other_from_its_file(
    refreshed: Connection,
    connected: Database,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    fails: date,
) -> None:
    [done] = {JANUARY, FEBRUARY} - {fails}
    monkeypatch.setattr("dpm_assets.partitions.cold.assets.PATIENCE_SECONDS", 0.0)
    refreshed.execute("update raw_trades_closed set profit = 8 where trade_date = %s", [fails + timedelta(days=1)])
    ran = run(instance, JANUARY, FEBRUARY)
    assert not ran.success and f"Not archived: {fails:%Y-%m}. The first because: " in str(ran.all_events)
    assert list(reported(instance)) == [done.isoformat()]
    assert (state(connected, done), state(connected, fails)) == ("cold", "hot")


def test_a_backfill_leaves_cold_months_as_they_are(
    refreshed: Connection, connected: Database, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    archived(connected, tmp_path / "cold")
    history = shown(connected)
    for job in ("refresh", "create_partitions"):
        assert run(instance, JANUARY, FEBRUARY, job).success
    assert shown(connected) == history and state(connected) == "cold"


def test_the_schedule_asks_for_old_months_and_those_left_halfway(
    refreshed: Connection, connected: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = add_months(month_of(today()), -4)
    refreshed.execute("select ensure_trade_months(%s)", [[newest, add_months(newest, 1)]])
    asked = monthly_archive(dg.build_schedule_context())
    assert isinstance(asked, list)
    ranges = [(request.tags[RANGE_START], request.tags[RANGE_END]) for request in asked]
    assert ranges == [("2024-01-01", "2024-02-01"), (newest.isoformat(), newest.isoformat())], "a run for each stretch"
    assert len({request.run_key for request in asked}) == 2
    refreshed.execute("select begin_archive('raw_trades_closed', '2024-01-01')")
    refreshed.execute("alter table raw_trades_closed detach partition raw_trades_closed_2024_01")
    assert parts_to_archive(connected, 3)[0] == part_of(JANUARY), "or nobody would end what a killed run began"
    monkeypatch.delenv("DPM_COLD_AFTER_MONTHS")
    settings.cache_clear()
    asked = monthly_archive(dg.build_schedule_context())
    assert isinstance(asked, dg.SkipReason) and "DPM_COLD_AFTER_MONTHS is not set" in str(asked.skip_message)


def test_the_command_line_archives_lists_and_restores(
    refreshed: Connection, connected: Database, tmp_path: Path
) -> None:
    trades = trades_read(connected)
    done = dpm(connected.url, "partitions", "archive", "--older-than", "3")
    assert done.returncode == 0 and "2024-01: cold, the partition is dropped." in done.stdout, done.stderr
    listed = dpm(connected.url, "partitions", "list").stdout
    assert "archive" in listed and "2024-02" in listed and "cold" in listed
    assert trades_read(connected) == trades
    refused = dpm(connected.url, "partitions", "archive", f"{month_of(today()):%Y-%m}")
    assert refused.returncode == 2 and "has not ended: its trades are still coming" in refused.stderr
    assert "Which months?" in dpm(connected.url, "partitions", "archive").stderr
    back = dpm(connected.url, "partitions", "restore", "2024-01", "2024-02")
    assert back.returncode == 0 and "2024-02: hot, its file is deleted." in back.stdout, back.stderr
    assert trades_read(connected) == trades and not list(tmp_path.rglob("*.parquet"))


def test_a_location_with_a_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPM_COLD_LOCATION", "sftp://me:secret@host/cold")
    settings.cache_clear()
    try:
        with pytest.raises(Exception, match="DPM_COLD_LOCATION cannot be used") as refused:
            settings()
        assert "secret" not in str(refused.value)
    finally:
        monkeypatch.undo()
        settings.cache_clear()
