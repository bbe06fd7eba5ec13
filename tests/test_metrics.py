"""`dpm metrics`: what a scrape shows is what the database holds now; the dashboard and the page ask for nothing else."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from dpm_assets.database import Database
from dpm_assets.monitor.exposition import WarehouseCollector, serve
from dpm_assets.monitor.snapshot import Snapshot, take
from dpm_assets.refresh.engine import refresh
from dpm_assets.server.state import free_port
from dpm_assets.settings import settings
from tests.command_line import dpm
from tests.interleaving import Connection, session

pytestmark = pytest.mark.sql

DOCS = Path(__file__).parent.parent / "docs"
OF_PROMETHEUS = {"instance", "job"}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(port: int) -> Samples:
    """The samples by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


@pytest.fixture
def conn(monitored: str) -> Iterator[Connection]:
    with session(monitored, autocommit=True) as opened:
        yield opened


@pytest.fixture
def used(monitored: str, conn: Connection, tmp_path: Path) -> str:
    """A warehouse that has seen everything: loads, a file refused, rejects, refreshes, a month in the archive, statements."""
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    head = "trade_id,account_id,login,symbol,side,lots,profit,trade_date\n"
    rows = f"t1,a,l,EURUSD,buy,1,5,{today}\nt2,a,l,EURUSD,hold,1,5,{today}\n"
    (tmp_path / "trades.csv").write_text(head + rows)
    (tmp_path / "bad.csv").write_text("trade_id,account_id\n1,2\n")
    assert dpm(monitored, "load", tmp_path / "trades.csv").returncode == 0
    dpm(monitored, "load", tmp_path / "bad.csv")
    with Database(monitored) as db:
        list(refresh(db, whole=True))
    conn.execute("insert into partition_state (lower, state) values ('2023-11-01', 'cold')")
    conn.execute("select log_query_performance()")
    return monitored


def test_a_scrape_shows_what_the_database_holds(used: str, conn: Connection) -> None:
    with serve("127.0.0.1", 0) as port:
        before = scrape(port)
        conn.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, trade_date) values ('n', 'b', 'l', current_date)"
        )
        conn.execute("update changed_account_days set changed_at = now() - interval '1 hour'")
        after = scrape(port)
    for name, expected in (("dpm_up", 1), ("dpm_schema_current", 1), ("dpm_months_ahead", 3), ("dpm_unread", 0)):
        assert value(before, name) == expected, name
    assert value(before, "dpm_problems", kind="wrong") == 0
    assert value(before, "dpm_load_rows_read_total", feed="trades") == 2
    assert value(before, "dpm_load_rows_rejected_total", feed="trades") == 1
    assert value(before, "dpm_rejects_open", feed="trades") == 1
    assert value(before, "dpm_cold_parts", table="raw_trades_closed") == 1
    assert (value(before, "dpm_pending_account_days"), value(before, "dpm_lag_seconds")) == (0, 0)
    assert value(after, "dpm_pending_account_days") == 1
    lag = value(after, "dpm_lag_seconds")
    assert lag is not None and 3600 <= lag < 3700
    assert value(after, "dpm_problems", kind="wrong") == 1
    size = conn.execute(
        f"select pg_relation_size('raw_trades_closed_{datetime.now(timezone.utc):%Y_%m}')".encode()
    ).fetchone()
    leaf = {"table": "raw_trades_closed", "partition": f"raw_trades_closed_{datetime.now(timezone.utc):%Y_%m}"}
    assert size and value(after, "dpm_partition_bytes", part="heap", **leaf) == size[0] > 0


def test_what_is_gone_is_not_shown_any_more(used: str, conn: Connection) -> None:
    newest = conn.execute(
        "select max(leaf_name) from partition_leaves() where parent_table = 'raw_trades_closed'"
    ).fetchone()
    assert newest
    leaf = {"table": "raw_trades_closed", "partition": newest[0]}
    with serve("127.0.0.1", 0) as port:
        before = scrape(port)
        conn.execute(f"drop table {newest[0]}".encode())
        conn.execute("delete from query_performance_log")
        after = scrape(port)
    assert value(before, "dpm_partition_rows", **leaf) == 0
    assert value(after, "dpm_partition_rows", **leaf) is None
    assert value(after, "dpm_months_ahead") == 2
    assert [name for name, _ in before if name == "dpm_query_calls"]
    assert not [name for name, _ in after if name == "dpm_query_calls"]


def test_a_file_that_was_refused_is_not_the_last_load(used: str, conn: Connection) -> None:
    """Or the rule NothingIsLoaded would be silent while every file is refused."""
    conn.execute(
        "insert into load_batches (file, sha256, feed, bytes, status, finished_at)"
        " values ('later.csv', repeat('0', 64), 'trades', 1, 'refused', now() + interval '1 hour')"
    )
    loaded = conn.execute(
        "select extract(epoch from finished_at)::float8 from load_batches where status = 'loaded'"
    ).fetchone()
    assert loaded
    with serve("127.0.0.1", 0) as port:
        before = scrape(port)
        conn.execute("update load_batches set status = 'undone' where status = 'loaded'")
        after = scrape(port)
    assert value(before, "dpm_load_last_timestamp_seconds", feed="trades") == pytest.approx(loaded[0], abs=0.001)
    assert value(after, "dpm_load_last_timestamp_seconds", feed="trades") is None
    assert value(after, "dpm_loads", feed="trades", status="undone") == 1


def test_a_server_that_is_down_is_a_value_and_not_an_error(used: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve("127.0.0.1", 0) as port:
        monkeypatch.setenv("DPM_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        settings.cache_clear()
        down = scrape(port)
        monkeypatch.setenv("DPM_DATABASE_URL", used)
        settings.cache_clear()
        up = scrape(port)
    assert value(down, "dpm_up") == 0
    assert {name for name, _ in down} == {"dpm_up", "dpm_problems"}, "nothing is shown as it was before"
    assert value(up, "dpm_up") == 1 and value(up, "dpm_pending_account_days") == 0


def test_a_database_without_a_schema_is_scraped_too(monitored: str, conn: Connection) -> None:
    conn.execute("drop schema prop_trading_model cascade")
    with serve("127.0.0.1", 0) as port:
        samples = scrape(port)
    assert (value(samples, "dpm_up"), value(samples, "dpm_schema_current")) == (1, 0)
    assert value(samples, "dpm_problems", kind="wrong") == 1
    assert value(samples, "dpm_pending_account_days") is None


def test_a_scrape_is_one_look_and_the_start_is_none() -> None:
    looks: list[Snapshot] = []

    def look() -> Snapshot:
        looks.append(Snapshot(datetime.now(timezone.utc), down="nobody is there"))
        return looks[-1]

    registry = CollectorRegistry()
    registry.register(WarehouseCollector(look))
    assert looks == []
    list(registry.collect())
    assert len(looks) == 1


def test_the_command_serves_until_it_is_told_to_stop_and_refuses_a_port_that_is_taken(monitored: str) -> None:
    port = free_port()
    serving = subprocess.Popen(
        [sys.executable, "-m", "dpm_assets", "metrics", "--port", str(port)],
        env={**os.environ, "DPM_DATABASE_URL": monitored, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        assert serving.stdout is not None
        assert f"http://127.0.0.1:{port}/metrics" in serving.stdout.readline()
        assert value(scrape(port), "dpm_up") == 1
        refused = dpm(monitored, "metrics", "--port", str(port))
        assert refused.returncode == 2 and f"Cannot listen on 127.0.0.1:{port}" in refused.stderr
        serving.send_signal(signal.SIGTERM)
        _, errors = serving.communicate(timeout=20)
    finally:
        serving.kill()
    assert (serving.returncode, errors) == (0, "")


def exposed() -> dict[str, set[str]]:
    """The names of what a scrape of this warehouse really shows, each with its labels."""
    found: dict[str, set[str]] = {}
    registry = CollectorRegistry()
    registry.register(WarehouseCollector(take))
    for family in registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def targets(panels: list[Any]) -> Iterator[tuple[str, str, str]]:
    """Title, expression and legend of every query of a dashboard."""
    for panel in panels:
        yield from targets(panel.get("panels", []))
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"], target["legendFormat"]


def faults(expression: str, legend: str, there: dict[str, set[str]]) -> list[str]:
    """What an expression asks for that no scrape shows."""
    names = re.findall(r"\bdpm_\w+", expression)
    said = [f"no metric {name}" for name in names if name not in there]
    labels = set().union(*(there.get(name, set()) for name in names)) | OF_PROMETHEUS
    asked = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression)
    for group in re.findall(r"\b(?:by|without) \(([^)]*)\)", expression):
        asked += re.split(r"\s*,\s*", group)
    asked += re.findall(r"{{\s*(\w+)\s*}}", legend)
    said += [f"no label {label}" for label in asked if label not in labels]
    if not names or any(expression.count(a) != expression.count(b) for a, b in ("()", "[]", "{}")):
        said.append("not an expression")
    return said


def test_every_expression_of_the_dashboard_is_answered_by_a_scrape(used: str) -> None:
    there = exposed()
    dashboard = json.loads((DOCS / "grafana" / "dpm_warehouse.json").read_text(encoding="utf-8"))
    asked = list(targets(dashboard["panels"]))
    assert len(asked) > 40
    assert {title: faults(expr, legend, there) for title, expr, legend in asked if faults(expr, legend, there)} == {}
    [variable] = [v for v in dashboard["templating"]["list"] if v["name"] == "instance"]
    assert faults(variable["definition"], "", there) == []
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("expression", "legend", "fault"),
    [
        ("dpm_gone", "", "no metric dpm_gone"),
        ('dpm_up{feed="trades"}', "", "no label feed"),
        ("sum by (feed) (dpm_up)", "", "no label feed"),
        ("dpm_up", "{{feed}}", "no label feed"),
        ("sum(dpm_up", "", "not an expression"),
    ],
)
def test_an_expression_that_nothing_answers_is_found(expression: str, legend: str, fault: str) -> None:
    assert faults(expression, legend, {"dpm_up": set()}) == [fault]


def test_the_page_lists_every_metric_with_its_labels_and_no_other(used: str) -> None:
    text = (DOCS / "monitoring.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(dpm_\w+)` \|([^|]*)\|", text, re.MULTILINE)
    assert {name: set(re.findall(r"\w+", labels)) for name, labels in rows} == exposed()
    alerts = re.findall(r"^ +expr: (.+)$", text, re.MULTILINE)
    assert len(alerts) >= 5
    assert [fault for alert in alerts for fault in faults(alert, "", exposed())] == []
