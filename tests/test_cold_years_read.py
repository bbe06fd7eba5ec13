"""Daily metrics while a year of them is cold: the reader, loads, undo, the reconciliation, the graph and the commands."""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import dpm_assets
from dpm_assets.calendar import today
from dpm_assets.database import Database
from dpm_assets.definitions import defs
from dpm_assets.errors import DpmError
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.load import load_file
from dpm_assets.loads.undo import undo_load
from dpm_assets.loads.undo_conflicts import UndoRefused
from dpm_assets.partitions.cold.ages import parts_to_archive
from dpm_assets.partitions.cold.archive import archive
from dpm_assets.partitions.cold.assets import yearly_archive
from dpm_assets.partitions.cold.reading import read_metrics
from dpm_assets.settings import settings, sql_dir
from tests.cold import NEXT_YEAR, YEAR, add_metrics, archived, file_under, restored, state
from tests.command_line import dpm
from tests.feed_rows import ROWS, write_rows
from tests.interleaving import Connection, session
from tests.trade_rows import rows, value

pytestmark = pytest.mark.sql

FILTERS: list[dict[str, Any]] = [
    {},
    {"accounts": ["a1", "odd"]},
    {"accounts": []},
    {"accounts": "Ödd", "columns": ["net_profit", "ingestion_timestamp"]},
    {"first_day": date(2021, 12, 30), "last_day": date(2022, 1, 2)},
    {"last_day": date(2021, 12, 31)},
    {"first_day": date(2022, 1, 1)},
]


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with session(database_url, autocommit=True) as opened:
        add_metrics(opened)
        yield opened


def test_every_filter_gives_the_same_metrics_hot_half_cold_and_cold(
    conn: Connection, db: Database, tmp_path: Path
) -> None:
    hot = [read_metrics(**asked, db=db) for asked in FILTERS]
    assert hot[0].num_rows == value(db, "select count(*) from raw_metrics_daily") and hot[4].num_rows > 3
    for year in (YEAR, NEXT_YEAR):
        archived(db, tmp_path, year)
        for asked, expected in zip(FILTERS, hot, strict=True):
            found = read_metrics(**asked, db=db)
            assert found.schema == expected.schema
            assert sorted(map(repr, found.to_pylist())) == sorted(map(repr, expected.to_pylist())), asked
    file_under(tmp_path, YEAR).unlink()
    assert read_metrics(first_day=date(2022, 1, 1), db=db).num_rows == hot[6].num_rows, "the file of 2021 is not opened"
    with pytest.raises(DpmError, match=r"The metrics have no column 'profit'\. There are id, account_id"):
        read_metrics(columns=["profit"], db=db)
    assert dpm_assets.read_metrics is read_metrics


def metrics_file(path: Path, day: str) -> Path:
    return write_rows(path, [ROWS["daily_metrics"][0] | {"date": day, "account_id": "late"}])


@pytest.fixture(params=["refuse", "restore"])
def policy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("DPM_LATE_TRADES", request.param)
    settings.cache_clear()
    yield request.param
    monkeypatch.undo()
    settings.cache_clear()


def test_late_metrics_restore_their_year_or_are_refused(
    conn: Connection, db: Database, tmp_path: Path, policy: str
) -> None:
    archived(db, tmp_path, YEAR)
    late, before = metrics_file(tmp_path / "late.csv", "2021-07-01"), read_metrics(db=db).num_rows
    if policy == "refuse":
        with pytest.raises(
            FileRefused, match=r"it holds metrics of 2021, whose metrics are .*dpm partitions restore 2021 "
        ):
            load_file(db, late)
        assert state(db, YEAR) == "cold" and read_metrics(db=db).num_rows == before
        assert load_file(db, metrics_file(tmp_path / "other.csv", "2022-07-01")).status == "loaded"
        restored(db, YEAR)
    assert load_file(db, late).status == "loaded"
    assert state(db, YEAR) == "hot" and read_metrics("late", last_day=date(2021, 12, 31), db=db).num_rows == 1


def test_metrics_of_a_year_that_is_being_archived_are_offered_again_later(
    conn: Connection, db: Database, tmp_path: Path
) -> None:
    steps = archive(db, YEAR, tmp_path)
    next(steps)
    with pytest.raises(DpmError, match="2021 is on its way into the archive or back") as refused:
        load_file(db, metrics_file(tmp_path / "late.csv", "2021-07-01"))
    assert not isinstance(refused.value, FileRefused)
    assert [step.name for step in steps][-1] == "cold"


def test_a_batch_of_metrics_of_a_cold_year_is_not_undone(conn: Connection, db: Database, tmp_path: Path) -> None:
    load_file(db, metrics_file(tmp_path / "metrics.csv", "2021-07-01"))
    batch = value(db, "select max(batch_id) from load_batches")
    archived(db, tmp_path, YEAR)
    with pytest.raises(UndoRefused, match=r"it touched 2021, and that year is cold\. Restore the year"):
        undo_load(db, batch)
    assert read_metrics("late", db=db).num_rows == 1


def test_the_reconciliation_leaves_out_a_cold_year_and_no_other(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    add_metrics(refreshed)
    refreshed.execute("select ensure_trade_months('{2021-06-01,2022-06-01}')")
    refreshed.execute(
        "insert into raw_trades_closed (trade_id, account_id, login, trade_date, profit)"
        " values ('m', 'a1', 'l', '2021-06-03', 5), ('n', 'a1', 'l', '2022-06-03', 5), ('o', 'b', 'l', '2021-06-04', 5)"
    )
    found = "select account_id, date, only_in, differs::text[] from v_metrics_reconciliation order by 1, 2"
    oracle = (sql_dir() / "oracle" / "v_metrics_reconciliation.sql").read_text(encoding="utf-8")
    before = rows(db, found)
    assert {row[1].year for row in before} == {2021, 2022, 2024}
    archived(db, tmp_path, YEAR)
    assert (
        rows(db, found)
        == [row for row in before if row[1].year != 2021]
        == sorted(rows(db, oracle), key=lambda row: row[:2])
    )
    restored(db, YEAR)
    assert rows(db, found) == before


@pytest.fixture
def archive_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPM_COLD_LOCATION", str(tmp_path / "cold"))
    monkeypatch.setenv("DPM_COLD_AFTER_MONTHS", "3")


@pytest.mark.usefixtures("archive_settings")
def test_the_graph_archives_years_and_leaves_those_in_the_archive(
    conn: Connection, connected: Database, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    def run(job: str, year: str, config: Mapping[str, Any] | None = None) -> dg.ExecuteInProcessResult:
        return defs.resolve_job_def(job).execute_in_process(
            instance=instance, partition_key=year, run_config=dict(config or {}), raise_on_error=False
        )

    asked = yearly_archive(dg.build_schedule_context())
    assert isinstance(asked, list) and [request.partition_key for request in asked] == ["2021", "2022"]
    assert run("archive_years", "2021", asked[0].run_config).success
    record = instance.fetch_materializations(dg.AssetKey("cold_years"), limit=1).records[0]
    assert record.partition_key == "2021"
    metadata = record.asset_materialization.metadata  # type: ignore[union-attr]
    assert metadata["bytes"].value == file_under(tmp_path / "cold", YEAR).stat().st_size
    assert metadata["age_days"].value == (today() - YEAR.first_day).days
    assert run("create_metrics_partitions", "2021").success and state(connected, YEAR) == "cold"
    asked = yearly_archive(dg.build_schedule_context())
    assert isinstance(asked, list) and [request.partition_key for request in asked] == ["2022"]


def test_a_year_is_old_enough_when_its_last_month_is(conn: Connection, db: Database) -> None:
    since = 12 * (today().year - 2022) + today().month - 1  # months between the end of 2021 and the running one
    assert parts_to_archive(db, since) == [YEAR]
    assert parts_to_archive(db, since + 1) == []
    conn.execute("select begin_archive('raw_metrics_daily', '2021-01-01')")
    conn.execute("alter table raw_metrics_daily detach partition raw_metrics_daily_2021")
    assert parts_to_archive(db, since) == [YEAR], "or nobody would end what a killed run began"


@pytest.mark.usefixtures("archive_settings")
def test_the_command_line_archives_lists_and_restores_a_year(
    conn: Connection, connected: Database, tmp_path: Path
) -> None:
    before = read_metrics(db=connected).num_rows
    done = dpm(connected.url, "partitions", "archive", "2021")
    assert done.returncode == 0 and "2021: cold, the partition is dropped." in done.stdout, done.stderr
    listed = dpm(connected.url, "partitions", "list", "--table", "raw_metrics_daily").stdout
    assert "raw_metrics_daily_2021" in listed and "metrics.parquet" in listed
    assert "archive" not in dpm(connected.url, "partitions", "list", "--table", "raw_trades_closed").stdout
    back = dpm(connected.url, "partitions", "restore", "2021")
    assert back.returncode == 0 and "2021: hot, its file is deleted." in back.stdout, back.stderr
    assert read_metrics(db=connected).num_rows == before and not list(tmp_path.rglob("*.parquet"))
