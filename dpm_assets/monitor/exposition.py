"""The warehouse as Prometheus sees it. Every scrape is a look of its own: what is gone is not shown, nothing is kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dpm_assets.errors import DpmError
from dpm_assets.monitor.problems import problems
from dpm_assets.monitor.snapshot import Snapshot, take
from dpm_assets.settings import settings

SECONDS = 8
"""A statement of a scrape is given up after this, before Prometheus gives up the scrape (10 s unless it is told otherwise)."""
QUERY_WIDTH = 100


class WarehouseCollector(Collector):
    """`look` is what a scrape takes; the registry asks for nothing at the start (`describe` is empty)."""

    def __init__(self, look: Callable[[], Snapshot] = lambda: take(SECONDS)) -> None:
        self._look = look

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        looked = self._look()
        yield gauge("dpm_up", "1 when the server answers.", looked.down is None)
        yield gauge(
            "dpm_problems", "What dpm status finds, by kind: wrong, unknown, note.", *_problems(looked), by=["kind"]
        )
        if looked.down is not None:
            return
        yield from _server(looked)
        yield from _refresh(looked)
        yield from _partitions(looked)
        yield from _loads(looked)
        yield from _queries(looked)


@contextmanager
def serve(host: str, port: int) -> Iterator[int]:
    """Answer at http://host:port/metrics while inside; gives the port (0 lets the system choose).

    Raises DpmError when the port is taken.
    """
    registry = CollectorRegistry()
    registry.register(WarehouseCollector())
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise DpmError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. Choose another with --port or --host."
        ) from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def gauge(
    name: str, help_text: str, *samples: float | tuple[list[str], float] | None, by: list[str] | None = None
) -> GaugeMetricFamily:
    """A gauge of one value, or with labels of a value for each; a value that is None is not shown."""
    family = GaugeMetricFamily(name, help_text, labels=by or [])
    for sample in samples:
        if isinstance(sample, tuple):
            family.add_metric(*sample)
        elif sample is not None:
            family.add_metric([], sample)
    return family


def counter(name: str, help_text: str, *samples: tuple[list[str], float], by: list[str]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, help_text, labels=by)
    for sample in samples:
        family.add_metric(*sample)
    return family


def _problems(looked: Snapshot) -> list[tuple[list[str], float]]:
    found = problems(looked)
    return [([kind], sum(problem.kind == kind for problem in found)) for kind in ("wrong", "unknown", "note")]


def _server(looked: Snapshot) -> Iterator[Metric]:
    if there := looked.server:
        yield gauge("dpm_server_info", "The server's version.", ([there.version], 1), by=["version"])
        yield gauge("dpm_server_started_timestamp_seconds", "When it was started.", there.started_at.timestamp())
        yield gauge("dpm_server_connections", "Sessions of all databases.", there.connections)
    yield gauge("dpm_schema_current", "1 when the schema is this installation's.", looked.schema_state == "current")
    yield gauge("dpm_unread", "Parts of the warehouse that could not be read.", len(looked.unread))
    yield gauge("dpm_database_bytes", "Size of the database.", looked.database_bytes)
    if looked.disk:
        yield gauge("dpm_disk_bytes", "Size of the disk of the server's files.", looked.disk.total)
        yield gauge("dpm_disk_free_bytes", "What is free on it.", looked.disk.free)


def _refresh(looked: Snapshot) -> Iterator[Metric]:
    if waiting := looked.pending:
        yield gauge("dpm_pending_account_days", "Changed account-days that no refresh has taken.", waiting.keys)
        yield gauge("dpm_pending_months", "Months that they, and marks, lie in.", len(waiting.months))
        yield gauge("dpm_stale_views", "Materialized views whose inputs have moved.", len(waiting.views))
        yield gauge(
            "dpm_lag_seconds",
            "Age of the oldest change that no view shows; 0: there is none.",
            waiting.age_seconds or 0,
        )
    yield gauge("dpm_refresh_running", "1 while a refresh is at work.", looked.refresh_running is not None)
    yield gauge("dpm_refresh_failing", "1 when the last refresh failed.", looked.refresh_failure is not None)
    sums = looked.refresh_sums or []
    by = ["kind"]
    yield gauge(
        "dpm_refresh_last_timestamp_seconds", "End of the last refresh of a kind: keys, month, totals, views.",
        *(([s.kind], s.last_finished_at.timestamp()) for s in sums), by=by,
    )  # fmt: skip
    yield gauge("dpm_refresh_last_seconds", "What it took.", *(([s.kind], s.last_seconds) for s in sums), by=by)
    yield gauge(
        "dpm_refreshes_last_hour", "Refreshes of the hour before.", *(([s.kind], s.hour_count) for s in sums), by=by
    )
    yield gauge("dpm_refresh_seconds_last_hour", "What they took.", *(([s.kind], s.hour_seconds) for s in sums), by=by)
    yield gauge(
        "dpm_refresh_rows_last_hour",
        "Rollup rows that they wrote.",
        *(([s.kind], s.hour_rows_written) for s in sums),
        by=by,
    )


def _partitions(looked: Snapshot) -> Iterator[Metric]:
    yield gauge(
        "dpm_months_ahead", "Months of trades ready after the running one; -1: not even that.", looked.months_ahead
    )
    yield gauge("dpm_months_ahead_wanted", "Months that are kept ready.", settings().months_ahead)
    if looked.findings is not None:
        found = [f.severity for f in looked.findings]
        yield gauge(
            "dpm_partition_findings", "What dpm doctor finds.",
            *(([severity], found.count(severity)) for severity in ("error", "warning")), by=["severity"],
        )  # fmt: skip
    leaves = [
        (table, leaf) for table, there in (looked.partitions or {}).items() for leaf in there if leaf.state != "cold"
    ]
    by = ["table", "partition"]
    yield gauge(
        "dpm_partition_rows",
        "Rows as last estimated.",
        *(([table, leaf.name], leaf.rows or 0) for table, leaf in leaves),
        by=by,
    )
    yield gauge(
        "dpm_partition_dead_rows", "Rows to be vacuumed.",
        *(([table, leaf.name], leaf.dead_rows or 0) for table, leaf in leaves), by=by,
    )  # fmt: skip
    yield gauge(
        "dpm_partition_bytes", "Bytes: heap, indexes, toast.",
        *(
            ([table, leaf.name, part], count)
            for table, leaf in leaves
            for part, count in (("heap", leaf.heap_bytes), ("indexes", leaf.index_bytes), ("toast", leaf.toast_bytes))
        ),
        by=[*by, "part"],
    )  # fmt: skip
    cold = looked.cold or []
    yield gauge(
        "dpm_cold_parts", "Months or years in the archive.", *(([c.table], c.parts) for c in cold), by=["table"]
    )
    yield gauge("dpm_cold_rows", "Their rows.", *(([c.table], c.rows) for c in cold), by=["table"])
    yield gauge("dpm_cold_bytes", "Bytes of their files.", *(([c.table], c.bytes) for c in cold), by=["table"])


def _loads(looked: Snapshot) -> Iterator[Metric]:
    sums = looked.load_sums or []
    by = ["feed"]
    yield counter(
        "dpm_load_batches", "Files offered, whatever became of them.", *(([s.feed], s.batches) for s in sums), by=by
    )
    yield counter("dpm_load_rows_read", "Rows read.", *(([s.feed], s.rows_read) for s in sums), by=by)
    yield counter("dpm_load_rows_rejected", "Rows rejected.", *(([s.feed], s.rows_rejected) for s in sums), by=by)
    yield counter("dpm_load_seconds", "Time that loads took.", *(([s.feed], s.seconds) for s in sums), by=by)
    yield gauge(
        "dpm_loads", "Batches by what they are now: loaded, refused, undone.",
        *(
            ([s.feed, status], count)
            for s in sums
            for status, count in (("loaded", s.loaded), ("refused", s.refused), ("undone", s.undone))
        ),
        by=["feed", "status"],
    )  # fmt: skip
    yield gauge(
        "dpm_load_last_timestamp_seconds",
        "End of the last load that was neither refused nor undone.",
        *(([s.feed], s.last_finished_at.timestamp()) for s in sums if s.last_finished_at),
        by=by,
    )
    yield gauge(
        "dpm_rejects_open", "Rejected rows not resolved yet.", *(([s.feed], s.open_rejects) for s in sums), by=by
    )


def _queries(looked: Snapshot) -> Iterator[Metric]:
    log = looked.query_log
    if log is not None:
        yield gauge("dpm_query_log_missing", "1 when statements cannot be logged.", log.missing is not None)
        yield gauge(
            "dpm_query_log_timestamp_seconds", "The newest snapshot.", log.newest.timestamp() if log.newest else None
        )
    if looked.newly_slow is not None:
        yield gauge("dpm_newly_slow_queries", "Statements that have become slow, ten at most.", len(looked.newly_slow))
    slow = looked.queries or []
    by = ["fingerprint", "query"]
    labels = {q.fingerprint: [q.fingerprint, q.short(QUERY_WIDTH)] for q in slow}
    yield gauge(
        "dpm_query_mean_seconds", "Mean of the last day, of the ten slowest statements.",
        *((labels[q.fingerprint], q.mean_ms / 1000) for q in slow), by=by,
    )  # fmt: skip
    yield gauge(
        "dpm_query_max_seconds", "At most so long.", *((labels[q.fingerprint], q.max_ms / 1000) for q in slow), by=by
    )
    yield gauge("dpm_query_calls", "Calls of the last day.", *((labels[q.fingerprint], q.calls) for q in slow), by=by)
