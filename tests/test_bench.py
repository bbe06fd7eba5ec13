"""The comparison as a whole, tiny: it goes on where it was killed, leaves a report, and compares equal answers only."""

import json
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest

from dpm_assets.bench import plan as planning
from dpm_assets.bench import run as running
from dpm_assets.bench.assets import BenchmarkConfig, benchmark_report
from dpm_assets.bench.bounds import BOUNDS
from dpm_assets.bench.digests import sql_digests
from dpm_assets.bench.queries import questions
from dpm_assets.bench.report import markdown, write_report
from dpm_assets.bench.results import Results, results
from dpm_assets.bench.store import Store
from dpm_assets.bench.systems import BY_NAME, SYSTEMS
from dpm_assets.bench.targets import Figure, judge
from dpm_assets.errors import DpmError
from dpm_assets.settings import settings
from tests.bench_runs import ASKED, CLIENTS, SIZES, make_small, run_until, tiny_plan
from tests.places import open_folder

# Not of those that run on the oldest PostgreSQL too: test_bench_answers.py has all queries of all systems run there.
pytestmark = pytest.mark.xdist_group("bench")


@dataclass(frozen=True)
class Measured:
    """A run that was killed when production was to take the second step's trades, and that the asset went on with."""

    folder: Path
    before: dict[str, str]
    metadata: Mapping[str, dg.MetadataValue]
    found: Results


@pytest.fixture(scope="module")
def measured() -> Iterator[Measured]:
    with open_folder("bench") as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DPM_HOME", str(home))
        make_small(patch)
        folder = home / "bench_of_the_ui"
        assert run_until(folder, "production: to 8,000") == -signal.SIGKILL
        before = {path.as_posix(): path.read_text() for path in (folder / "results").rglob("*.json")}
        config = BenchmarkConfig(trades=SIZES[-1], sizes=[*SIZES], clients=[*CLIENTS], **ASKED)
        done = dg.materialize([benchmark_report], run_config=dg.RunConfig({"benchmark_report": config}))
        [event] = done.asset_materializations_for_node("benchmark_report")
        yield Measured(folder, before, event.metadata, results(Store(folder)))
    settings.cache_clear()


def test_a_killed_run_keeps_what_its_stages_have_found(measured: Measured) -> None:
    assert len(measured.before) == 2 + 4 + 1 + 3  # machine, the first step's loads and queries, three of the second's
    assert {name: Path(name).read_text() for name in measured.before} == measured.before


def test_the_asset_shows_the_report_with_its_pictures_inside(measured: Measured) -> None:
    shown = measured.metadata["report"].value
    assert isinstance(shown, str) and shown.startswith("# The schemas compared: 8,000 trades")
    assert shown.count("](data:image/svg+xml;base64,") == 6 and ".svg)" not in shown
    assert Path(str(measured.metadata["one_file"].value)).exists()


def test_every_system_holds_each_trade_once_after_the_kill(measured: Measured) -> None:
    for step, size in enumerate(SIZES):
        for system in SYSTEMS:
            files = [file for s in range(step + 1) for file in measured.found.load(system.name, s)["files"]]
            assert sum(file["trades"] for file in files) == size


def test_every_query_was_answered_by_every_system_in_every_form_that_it_has(measured: Measured) -> None:
    for step in range(len(SIZES)):
        asked = measured.found.step(step)
        for query in questions().queries:
            for system in SYSTEMS:
                assert set(asked[query.name][system.name]) == set(query.measured(system.forms))
                for form in asked[query.name][system.name].values():
                    assert form["plan"]["rows_read"] >= 0 and form["plan"]["scanned"] >= 1


def test_the_whole_plan_of_each_query_is_kept(measured: Measured) -> None:
    kept = json.loads((measured.folder / "plans/step_1/production.one_month.views.json").read_text())
    assert kept["Plan"]["Node Type"] and kept["Execution Time"] >= 0


def test_what_only_measuring_needed_is_gone(measured: Measured) -> None:
    assert {path.name for path in measured.folder.iterdir()} == {
        "results",
        "results.json",
        "plans",
        "report",
        "run.json",
        "run.lock",
    }


def test_a_run_that_is_at_its_end_measures_nothing_again(measured: Measured) -> None:
    said: list[str] = []
    running.run(tiny_plan(), Store(measured.folder), said.append)
    assert said == ["going on where the last run ended"]
    assert not (measured.folder / "server").exists()


def test_production_is_measured_with_its_old_months_in_files(measured: Measured) -> None:
    cold = measured.found.stages["storage_cold"]
    assert cold["months"] == 2 and cold["parquet"] > 0
    hot = measured.found.load("production", 1)["storage"]
    assert cold["kinds"]["trades"]["heap"] < hot["kinds"]["trades"]["heap"]


def test_refreshes_and_loads_say_how_many_trades_they_were_about(measured: Measured) -> None:
    for system in ("v2", "production"):
        refresh = measured.found.stages[f"refresh.{system}"]
        assert refresh["small"]["trades"] > 0 and refresh["day"]["trades"] > 0
    assert {measured.found.stages[f"more.{name}"]["trades"] for name in BY_NAME} == {1_000}


def test_many_clients_were_measured_by_each_query(measured: Measured) -> None:
    for system in SYSTEMS:
        stage = measured.found.stages[f"throughput.{system.name}"]
        assert stage["reason"] is None
        summary = stage["sets"]["summary"]["2"]
        assert set(summary["queries"]) == {query.name for query in questions().tagged("summary")}
        assert summary["transactions"] == sum(one["transactions"] for one in summary["queries"].values())
        assert ("dashboard" in stage["sets"]) == ("views" in system.forms)


def test_the_report_has_every_section_every_query_and_its_pictures(measured: Measured, tmp_path: Path) -> None:
    page, whole = write_report(measured.found, tmp_path)
    text = page.read_text()
    for query in questions().queries:
        assert f"`{query.name}`" in text
    linked = re.findall(r"\(schema_analysis_report/(\w+\.svg)\)", text)
    images = tmp_path / "schema_analysis_report"
    assert sorted(linked) == sorted(path.name for path in images.glob("*.svg"))
    kept = json.loads((images / "results.json").read_text())
    assert Results(**kept) == measured.found and "(schema_analysis_report/results.json)" in text
    assert len(linked) == 6
    assert "| original without its index of dates |" in text
    for title in ("Targets", "Loads", "Storage", "Refresh", "Many clients at once", "Growth", "From the disk"):
        assert f"## {title}" in text
    assert "dbt was not measured" in text
    html = whole.read_text()
    figures = re.findall(r'<div id="figure-(\w+)"', html)
    assert sorted(figures) == sorted(Path(name).stem for name in linked)
    assert html.count("Plotly.newPlot(") >= 6 and not re.search(r"<(img|link|script[^>]* src)[ =]", html)


def test_a_run_goes_on_elsewhere_from_one_file(measured: Measured, tmp_path: Path) -> None:
    file = measured.folder / "results.json"
    elsewhere = Store(tmp_path / "elsewhere")
    elsewhere.take_over(file)
    assert elsewhere.everything() == {n: f for n, f in measured.found.stages.items() if n != "duckdb"}, (
        "folded before it"
    )
    assert elsewhere.plan() == measured.found.plan
    assert elsewhere.begin(tiny_plan()), "the same plan goes on"
    killed = json.loads(file.read_text())
    del killed["stages"]["ended.all"]
    half = tmp_path / "half.json"
    half.write_text(json.dumps(killed))
    begun = Store(tmp_path / "begun")
    begun.take_over(half)
    assert set(begun.everything()) == {"machine"}, "of systems that were under way the data are gone"
    with pytest.raises(DpmError, match=r"is not the results\.json of a run"):
        Store(tmp_path / "none").take_over(measured.folder / "run.json")


def test_a_system_that_was_measured_on_another_day_is_said_to_be(measured: Measured) -> None:
    assert "Measured later" not in markdown(measured.found, [])
    another = {**measured.found.stages["machine"], "date": "2099-01-02", "processor": "another processor"}
    found = replace(measured.found, stages={**measured.found.stages, "machine.production": another})
    assert "Measured later: production 2099-01-02 on another processor, " in markdown(found, [])


def test_a_system_that_was_measured_with_other_settings_is_said_to_be(measured: Measured) -> None:
    first = measured.found.stages["machine"]
    assert "was measured with" not in markdown(measured.found, [])
    another = {**first, "settings": {**first["settings"], "jit": "on", "max_wal_size": "1MB"}}
    found = replace(measured.found, stages={**measured.found.stages, "machine.production": another})
    assert " Production was measured with jit = on, which was not set so before." in markdown(found, [])


def test_an_unfinished_run_is_reported_as_such_once_all_systems_were_asked(measured: Measured, tmp_path: Path) -> None:
    part = tmp_path / "part"
    shutil.copytree(measured.folder / "results", part / "results")
    shutil.copy(measured.folder / "run.json", part)
    for stage in ("duckdb", "more.production", "storage_cold", "throughput.production"):
        (part / "results" / f"{stage}.json").unlink()
    with pytest.raises(DpmError, match="has not come to its end"):
        results(Store(part))
    text = write_report(results(Store(part), so_far=True), tmp_path / "report")[0].read_text()
    assert "**This run has not come to its end" in text and "DuckDB was not measured" in text
    assert {one.met for one in judge(results(Store(part), so_far=True)) if "connections" in one.target} == {None}
    shutil.rmtree(part / "results" / "step_1")
    with pytest.raises(DpmError, match="has not asked baseline, v1, v2, production yet"):
        results(Store(part), so_far=True)


def test_the_targets_are_judged_by_what_was_measured(measured: Measured) -> None:
    before = {figure.target: figure for figure in judge(measured.found)}
    assert all(figure.measured for figure in before.values())
    slow = json.loads(json.dumps(measured.found.stages))
    for form in slow["step_1/queries.all"]["queries"]["symbol_performance"]["systems"]["production"].values():
        form["median"] = 1e6
    slow["refresh.production"]["day"]["median"] = 4_000.0
    after = {figure.target: figure for figure in judge(Results(measured.found.plan, slow))}
    assert after["symbol performance"] == Figure("symbol performance", "<= 2 ms", "1000000.00 ms", False)
    assert after["all views fresh after a day's load"].met is False
    assert after["a query of the original sent as it is"].met is False
    assert after["daily metrics of one account"] == before["daily metrics of one account"]


def test_a_target_that_is_missed_is_explained(measured: Measured, tmp_path: Path) -> None:
    judged = judge(measured.found)
    assert set(BOUNDS) <= {figure.target for figure in judged}
    text = write_report(measured.found, tmp_path)[0].read_text()
    missed = {figure.target for figure in judged if figure.met is False}
    assert missed, "8,000 trades are too few to be faster by a hundred"
    assert {target for target in BOUNDS if f"- **{target}**: {BOUNDS[target]}" in text} == missed & set(BOUNDS)


def test_the_report_shows_where_the_time_of_production_goes(measured: Measured, tmp_path: Path) -> None:
    text = write_report(measured.found, tmp_path)[0].read_text()
    for title, statement in (
        ("Loads", 'copy "'),
        ("Refresh", "refresh materialized view concurrently"),
    ):
        section = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
        assert f"| `{statement}" in section, section
    assert re.search(r"\| \d\.\d, pgbench \d\.\d \|", text)


def test_another_plan_in_the_same_folder_is_refused(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DpmError, match="holds a run with other rounds, seed"):
        running.run(tiny_plan(seed=2, rounds=2), Store(measured.folder), lambda _: None)


@pytest.mark.parametrize(
    ("changed", "stage", "goes_on"),
    [
        ("production", "step_0/load.v2", True),
        ("production", "step_0/load.production", False),
        ("production", "step_0/queries.all", False),
        ("v1", "step_0/load.production", True),
        ("questions", "step_0/load.v2", True),
        ("questions", "step_0/queries.v2", False),
    ],
)
def test_a_run_goes_on_with_other_sql_of_what_was_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, stage: str, goes_on: bool
) -> None:
    store, plan = Store(tmp_path), tiny_plan()
    assert store.begin(plan) is False
    store.write(stage, {})
    monkeypatch.setattr(planning, "sql_digests", lambda: {**sql_digests(), changed: "another"})
    if goes_on:
        assert store.begin(plan) is True
        said = store.plan()
        assert said and said["sql"][changed] == "another"
    else:
        with pytest.raises(DpmError, match="holds a run with other sql"):
            store.begin(plan)


def test_a_disk_that_is_too_small_is_refused_before_anything_is_begun(tmp_path: Path) -> None:
    with pytest.raises(DpmError, match=r"needs at most .* GB of disk: .*; 0\.1 GB are free in"):
        running.run(tiny_plan(), Store(tmp_path), lambda _: None, free=100_000_000)
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]


def test_the_command_says_what_room_a_run_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpm_assets.cli import main

    monkeypatch.setattr(
        sys, "argv", ["dpm", "bench", "--trades", "81000000", "--dry-run", "--folder", str(tmp_path / "run")]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert re.search(r"81,000,000 trades: at most [\d.]+ GB of disk", capsys.readouterr().out)
    assert not (tmp_path / "run").exists()
