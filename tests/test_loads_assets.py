"""The raw tables in the asset graph: one asset a feed; loads from the landing folder appear in it with their numbers."""

import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import dagster as dg
import pytest

from dpm_assets.database import Database
from dpm_assets.definitions import defs
from dpm_assets.errors import DpmError
from dpm_assets.loads.assets import FEED_ASSETS
from dpm_assets.loads.feeds import FEEDS
from dpm_assets.loads.load import LoadResult, load_file
from dpm_assets.loads.sensors import landing_sensor
from dpm_assets.loads.waiting import load_waiting
from dpm_assets.months import MONTHS, YEARS
from dpm_assets.settings import settings
from dpm_assets.warehouse import Warehouse
from tests.feed_rows import ROWS, write_rows
from tests.trade_rows import trade, value, write

pytestmark = pytest.mark.sql


@pytest.fixture
def landing(db: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The landing folder of a graph whose connections lead to the test's database. Files in it count as quiet at once."""
    monkeypatch.setenv("DPM_DATABASE_URL", database_url)
    monkeypatch.setenv("DPM_LANDING", str(tmp_path / "landing"))
    monkeypatch.setattr("dpm_assets.loads.landing.QUIET_SECONDS", 0.0)
    monkeypatch.setattr("dpm_assets.loads.sensors.WATCH_SECONDS", 0.0)
    settings.cache_clear()
    yield tmp_path / "landing"
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def folder(landing: Path, *names: str) -> Path:
    made = landing.joinpath(*names)
    made.mkdir(parents=True, exist_ok=True)
    return made


def tick_and_run(instance: dg.DagsterInstance) -> tuple[dg.RunRequest, dg.ExecuteInProcessResult]:
    asked = landing_sensor(dg.build_sensor_context(instance))
    assert isinstance(asked, dg.RunRequest), asked
    job = defs.resolve_job_def("load_landing")
    return asked, job.execute_in_process(instance=instance, run_config=asked.run_config, raise_on_error=False)


def events(instance: dg.DagsterInstance, table: str) -> dict[str | None, dict[str, Any]]:
    """What the asset's newest materializations say, by partition."""
    found = reversed(instance.fetch_materializations(dg.AssetKey(table), limit=50).records)
    made = [record.asset_materialization for record in found]
    return {m.partition: {name: given.value for name, given in m.metadata.items()} for m in made if m}


def test_every_feed_is_an_asset_partitioned_as_its_table() -> None:
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    for feed in FEEDS.values():
        expected = {"month": MONTHS, "year": YEARS}[feed.partitions.every] if feed.partitions else None
        assert specs[feed.table].partitions_def == expected, feed.name
        assert specs[feed.table].description and f"landing/{feed.name}" in str(specs[feed.table].description)


def test_a_file_that_has_to_wait_keeps_no_other_waiting(
    landing: Path, db: Database, instance: dg.DagsterInstance
) -> None:
    """Its month is on its way into the archive; it comes first, since it is the oldest."""
    with db.connection(None) as conn:
        conn.execute(
            "insert into partition_state (parent_table, lower, state) values ('raw_trades_closed', '2024-01-01', 'archiving')"
        )
    late = write(folder(landing, "trades") / "late.csv", trade("T1", "2024-01-05"))
    os.utime(late, (1, 1))
    write(landing / "trades" / "good.csv", trade("T2"))
    _, result = tick_and_run(instance)
    assert not result.success
    assert late.exists() and (landing / "trades" / "done" / "good.csv").exists()
    assert value(db, "select array_agg(trade_id) from raw_trades_closed") == ["T2"]
    assert list(events(instance, "raw_trades_closed")) == ["2025-03-01"]


def test_a_file_that_stays_is_tried_alone_and_ever_later_and_keeps_no_later_one_waiting(
    landing: Path, db: Database, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its month is on its way into the archive."""

    def first_pause(seconds: int) -> None:
        monkeypatch.setattr("dpm_assets.runs.FIRST_PAUSE_SECONDS", seconds)

    def files_of(asked: dg.RunRequest) -> list[str]:
        return [Path(file).name for file in asked.run_config["ops"]["load_files"]["config"]["files"]]

    monkeypatch.setattr("dpm_assets.runs.LONGEST_PAUSE_SECONDS", 1_000_000)
    first_pause(1_000)
    with db.connection(None) as conn:
        conn.execute(
            "insert into partition_state (parent_table, lower, state) values ('raw_trades_closed', '2024-01-01', 'archiving')"
        )
    write(folder(landing, "trades") / "late.csv", trade("T1", "2024-01-05"))
    _, result = tick_and_run(instance)
    assert not result.success
    assert isinstance(landing_sensor(dg.build_sensor_context(instance)), dg.SkipReason)
    write(landing / "trades" / "good.csv", trade("T2"))
    asked, result = tick_and_run(instance)
    assert result.success and files_of(asked) == ["good.csv"]
    assert isinstance(landing_sensor(dg.build_sensor_context(instance)), dg.SkipReason), "it waits as long as before"
    write(landing / "trades" / "next.csv", trade("T3"))
    first_pause(0)
    asked, result = tick_and_run(instance)
    assert not result.success and files_of(asked) == ["late.csv"]
    first_pause(1_000)
    asked, result = tick_and_run(instance)
    assert result.success and files_of(asked) == ["next.csv"]
    skipped = landing_sensor(dg.build_sensor_context(instance))
    assert isinstance(skipped, dg.SkipReason)
    said = re.search(r"trying these files again in (\d+) s", skipped.skip_message or "")
    assert said and 1_000 < int(said[1]) <= 2_000, "twice as long as after its first failure"
    assert value(db, "select string_agg(trade_id, ',' order by trade_id) from raw_trades_closed") == "T2,T3"


def archiving(db: Database) -> None:
    """January 2024 is on its way into the archive: its trades have to wait."""
    with db.connection(None) as conn:
        conn.execute(
            "insert into partition_state (parent_table, lower, state) values ('raw_trades_closed', '2024-01-01', 'archiving')"
        )


def test_when_every_file_fails_the_next_one_waits_too(
    landing: Path, db: Database, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpm_assets.runs.FIRST_PAUSE_SECONDS", 1_000)
    monkeypatch.setattr("dpm_assets.runs.LONGEST_PAUSE_SECONDS", 1_000_000)
    archiving(db)
    for number in range(3):
        write(folder(landing, "trades") / f"{number}.csv", trade(f"T{number}", "2024-01-05"))
        _, result = tick_and_run(instance)
        assert not result.success
    write(landing / "trades" / "next.csv", trade("T9", "2024-01-05"))
    skipped = landing_sensor(dg.build_sensor_context(instance))
    assert isinstance(skipped, dg.SkipReason) and "whatever the file" in (skipped.skip_message or "")
    monkeypatch.setattr("dpm_assets.runs.FIRST_PAUSE_SECONDS", 0)
    assert isinstance(landing_sensor(dg.build_sensor_context(instance)), dg.RunRequest)


def test_one_file_that_fails_three_times_keeps_no_other_waiting(
    landing: Path, db: Database, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpm_assets.runs.FIRST_PAUSE_SECONDS", 0)
    archiving(db)
    write(folder(landing, "trades") / "late.csv", trade("T1", "2024-01-05"))
    for _ in range(3):
        _, result = tick_and_run(instance)
        assert not result.success
    monkeypatch.setattr("dpm_assets.runs.FIRST_PAUSE_SECONDS", 1_000)
    monkeypatch.setattr("dpm_assets.runs.LONGEST_PAUSE_SECONDS", 1_000_000)
    write(landing / "trades" / "good.csv", trade("T2"))
    _, result = tick_and_run(instance)
    assert result.success


def test_a_run_that_was_launched_by_hand_without_files_does_not_stop_the_sensor(
    landing: Path, db: Database, instance: dg.DagsterInstance
) -> None:
    job = defs.resolve_job_def("load_landing")
    assert job.execute_in_process(instance=instance, run_config={"ops": {"load_files": {}}}).success
    write(folder(landing, "trades") / "good.csv", trade("T1"))
    _, result = tick_and_run(instance)
    assert result.success


def test_with_the_server_out_of_reach_the_rest_is_left_for_the_next_time(
    landing: Path, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("1.csv", "2.csv"):
        write(folder(landing, "trades") / name, trade(name))
    tried: list[str] = []

    def unreachable(db: Database, path: Path, *given: Any, **asked: Any) -> None:
        tried.append(path.name)
        raise DpmError("no connection")

    monkeypatch.setattr("dpm_assets.loads.load.load_file", unreachable)
    monkeypatch.setattr("dpm_assets.loads.waiting._answers", lambda _: False)
    loaded = load_waiting(cast(Any, dg.get_dagster_logger()), db, ["trades"])
    assert tried == ["1.csv"] and len(loaded.errors) == 1


def test_an_error_that_nobody_thought_of_is_told_with_its_place_and_keeps_no_other_file_waiting(
    landing: Path, db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The file comes first, since it is the oldest."""
    odd = write(folder(landing, "trades") / "odd.csv", trade("T1"))
    os.utime(odd, (1, 1))
    write(landing / "trades" / "good.csv", trade("T2"))

    def stumbling(db: Database, path: Path, *given: Any, **asked: Any) -> LoadResult:
        if path.name == "odd.csv":
            raise ZeroDivisionError("in a reader")
        return load_file(db, path, *given, **asked)

    monkeypatch.setattr("dpm_assets.loads.load.load_file", stumbling)
    loaded = load_waiting(cast(Any, logging.getLogger("tests")), db, ["trades"])
    assert [type(error) for error in loaded.errors] == [ZeroDivisionError]
    assert [result.status for result in loaded.results] == ["loaded"]
    assert odd.exists() and (landing / "trades" / "done" / "good.csv").exists()
    assert "odd.csv stays" in caplog.text and "in stumbling" in caplog.text


def test_a_file_of_a_clock_that_is_ahead_is_loaded_when_it_is_quiet(
    landing: Path, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpm_assets.loads.landing.QUIET_SECONDS", 0.2)
    ahead = write(folder(landing, "trades") / "ahead.csv", trade("T1"))
    os.utime(ahead, (time.time() + 3600,) * 2)
    loaded = load_waiting(cast(Any, dg.get_dagster_logger()), db, ["trades"], {str(ahead)})
    assert [result.status for result in loaded.results] == ["loaded"]


def test_a_refused_file_fails_the_materialization_of_its_table(
    landing: Path, db: Database, instance: dg.DagsterInstance
) -> None:
    (folder(landing, "plans") / "bad.csv").write_text("nothing,known\n1,2\n")
    asset = next(asset for asset in FEED_ASSETS if asset.key == dg.AssetKey("raw_plans_data"))
    result = dg.materialize([asset], instance=instance, resources={"warehouse": Warehouse()}, raise_on_error=False)
    assert not result.success and (landing / "plans" / "failed" / "bad.csv").exists()


def test_one_run_takes_many_files_and_shows_the_numbers_of_each_feed(
    landing: Path, db: Database, instance: dg.DagsterInstance
) -> None:
    for name, given in ROWS.items():
        write_rows(folder(landing, name) / f"{name}.csv", given)
    write(landing / "trades" / "more.csv", trade("T8", "2025-04-01"), trade("T9", lots="0"))
    asked, result = tick_and_run(instance)
    assert result.success
    assert len(asked.run_config["ops"]["load_files"]["config"]["files"]) == len(FEEDS) + 1
    for feed in FEEDS.values():
        keys = {"month": {"2025-03-01", "2025-04-01"}, "year": {"2024", "2025"}}
        shown = events(instance, feed.table)
        assert set(shown) == (keys[feed.partitions.every] if feed.partitions else {None}), feed.name
        assert all(numbers["seconds"] > 0 and numbers["rows_per_second"] > 0 for numbers in shown.values())
        assert sorted(path.name for path in (landing / feed.name).iterdir()) == ["done"]
    trades = events(instance, "raw_trades_closed")["2025-04-01"]
    assert (trades["files"], trades["rows_read"], trades["rows_inserted"], trades["rows_rejected"]) == (2, 4, 3, 1)
    assert trades["dagster/partition_row_count"] == 1
    assert events(instance, "raw_metrics_daily")["2024"]["dagster/partition_row_count"] == 1
    assert isinstance(landing_sensor(dg.build_sensor_context(instance)), dg.SkipReason)


def test_a_bad_file_fails_the_run_and_keeps_no_other_waiting(
    landing: Path, db: Database, instance: dg.DagsterInstance
) -> None:
    (folder(landing, "accounts") / "bad.csv").write_text("colour,size\nred,1\n")
    write_rows(landing / "accounts" / "good.csv", ROWS["accounts"])
    _, result = tick_and_run(instance)
    assert not result.success
    assert (landing / "accounts" / "failed" / "bad.csv.reason.txt").read_text().count("colour") == 1
    assert (landing / "accounts" / "done" / "good.csv").exists()
    assert events(instance, "raw_accounts_data")[None]["rows_inserted"] == 2


def test_materializing_a_feed_loads_what_waits_and_counts_its_partitions(
    landing: Path, db: Database, instance: dg.DagsterInstance
) -> None:
    write_rows(folder(landing, "daily_metrics") / "one.csv", ROWS["daily_metrics"])
    [asset] = [asset for asset in FEED_ASSETS if asset.key == dg.AssetKey("raw_metrics_daily")]
    result = dg.materialize([asset], partition_key="2025", instance=instance, resources={"warehouse": Warehouse()})
    assert result.success
    shown = events(instance, "raw_metrics_daily")
    assert {key: numbers["dagster/partition_row_count"] for key, numbers in shown.items()} == {"2024": 1, "2025": 1}
    assert shown["2025"]["rows_read"] == 2


def test_a_file_in_full_history_is_loaded_that_way(landing: Path, db: Database, instance: dg.DagsterInstance) -> None:
    write(folder(landing, "trades") / "one.csv", trade("T1", "2025-01-10"))
    tick_and_run(instance)
    write(folder(landing, "trades", "full-history") / "two.csv", trade("T1"))
    tick_and_run(instance)
    assert value(db, "select count(*) from raw_trades_closed") == 1
    assert (landing / "trades" / "full-history" / "done" / "two.csv").exists()


def test_a_file_in_replace_days_busts_what_it_lacks(landing: Path, db: Database, instance: dg.DagsterInstance) -> None:
    write(folder(landing, "trades") / "one.csv", trade("T1"), trade("T2"))
    tick_and_run(instance)
    write(folder(landing, "trades", "replace-days") / "two.csv", trade("T1"))
    tick_and_run(instance)
    assert value(db, "select string_agg(trade_id, ',') from raw_trades_closed") == "T1"
    assert events(instance, "raw_trades_closed")["2025-03-01"]["rows_removed"] == 1


def test_a_file_in_complete_closes_the_positions_of_all_accounts_that_it_lacks(
    landing: Path, db: Database, instance: dg.DagsterInstance
) -> None:
    first, second = ROWS["open_trades"]
    write_rows(folder(landing, "open_trades") / "one.csv", [first, second | {"account_id": "A2"}])
    tick_and_run(instance)
    write_rows(folder(landing, "open_trades", "complete") / "two.csv", [first | {"current_price": "1.2"}])
    tick_and_run(instance)
    assert value(db, "select string_agg(account_id, ',') from raw_trades_open") == "A1"


@pytest.mark.parametrize(("feed", "partition"), [("trades", "2025-03-01"), ("accounts", None)])
def test_what_was_loaded_beside_a_refused_file_is_reported(
    landing: Path, db: Database, instance: dg.DagsterInstance, feed: str, partition: str | None
) -> None:
    (folder(landing, feed) / "bad.csv").write_text("colour,size\nred,1\n")
    if feed == "trades":
        write(landing / feed / "good.csv", trade("T1"))
    else:
        write_rows(landing / feed / "good.csv", ROWS[feed])
    [asset] = [asset for asset in FEED_ASSETS if asset.key == dg.AssetKey(FEEDS[feed].table)]
    result = dg.materialize(
        [asset], partition_key=partition, instance=instance, resources={"warehouse": Warehouse()}, raise_on_error=False
    )
    assert not result.success and (landing / feed / "done" / "good.csv").exists()
    assert events(instance, FEEDS[feed].table)[partition]["rows_inserted"] >= 1
