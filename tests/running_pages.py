"""Runs the blocks of a page as a reader would: with the embedded server's own database, in a folder with files."""

import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from dpm_assets.cli import main
from dpm_assets.schema.apply import apply_schema
from dpm_assets.server import EmbeddedServer
from dpm_assets.server.logins import WAREHOUSE_DATABASE
from dpm_assets.settings import project_dir, settings
from tests.documentation import Block, shows

_SHELL_SIGNS = set("|&;<>$`\\")
_TEMPLATE = "dpm_documentation"

# Trades and metrics of January to March 2023, and the files that the pages speak of.
_TRADES = """
select ensure_trade_months(array[date '2023-01-01', '2023-02-01', '2023-03-01']);
select ensure_metrics_years(array(select generate_series(2023, extract(year from utc_today())::integer)));
insert into raw_trades_closed
    (trade_id, account_id, login, symbol, side, open_time, close_time, trade_date, lots, volume_usd, profit, commission)
select 't' || n, 'a' || n % 20, (1000 + n % 20)::text, (array['EURUSD', 'XAUUSD'])[1 + n % 2], 'buy', day, day + interval '1 h',
    day, 1, 1000, n % 7 - 3, -0.1
from (select n, (date '2023-01-01' + n % 90)::timestamp as day from generate_series(1, 1800) as n) as days;
insert into raw_metrics_daily (account_id, login, date, net_profit, total_trades)
select 'a' || n % 20, (1000 + n % 20)::text, date '2023-01-01' + n, 1, 1 from generate_series(0, 89) as n;
insert into raw_accounts_data (account_id, login, starting_balance, current_balance)
select 'a' || n, (1000 + n)::text, 10000, 10000 + n from generate_series(0, 19) as n;
call refresh_warehouse();
"""
_HEADER = "trade_id,account_id,login,symbol,side,lots,profit,close_time\n"


@dataclass(frozen=True)
class Ended:
    code: int
    said: str


@dataclass
class Reader:
    """Who follows a page: its folder, what it finds in the environment, and the names of its Python session."""

    folder: Path
    environment: dict[str, str]
    names: dict[str, Any] = field(default_factory=dict)

    def follow(self, block: Block) -> None:
        """Run the block; a failure, or another output than the page shows, fails the test with the place in the page."""
        try:
            ended = {"sh": self._shell, "sql": self._sql, "python": self._python}[block.language](block.text)
        except Exception as error:
            raise AssertionError(f"{block} fails: {error!r}\n{block.text}") from error
        assert ended.code == block.exit_code, f"{block} ends with {ended.code}:\n{block.text}{ended.said}"
        if block.prints is not None and not shows(block.prints, ended.said):
            raise AssertionError(f"{block} prints\n{ended.said}\nand the page says\n{block.prints}")

    def _shell(self, text: str) -> Ended:
        lines = [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]
        if not all(_is_ours(words) for words in lines):
            return self._process(["bash", "-euo", "pipefail", "-c", text])
        said = ""
        for words in lines:
            ended = self._ours(words)
            said += ended.said
            if ended.code:
                return Ended(ended.code, said)
        return Ended(0, said)

    def _ours(self, words: list[str]) -> Ended:
        """`dpm` in this process, which saves a second a command."""
        arguments = [one for word in words[1:] for one in self._expanded(word)]
        said = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="")
        code: object = 0
        with self._environment() as patch, redirect_stdout(said), redirect_stderr(said):
            patch.setattr(sys, "argv", ["dpm", *arguments])
            try:
                main()
            except SystemExit as ended:
                code = ended.code
        said.flush()
        assert isinstance(said.buffer, io.BytesIO)
        return Ended(int(str(code or 0)), said.buffer.getvalue().decode())

    def _expanded(self, word: str) -> list[str]:
        if not set(word) & set("*?["):
            return [word]
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.glob(word)) or [word]

    def _sql(self, text: str) -> Ended:
        return self._process(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"], text)

    def _python(self, text: str) -> Ended:
        said = io.StringIO()
        with self._environment(), redirect_stdout(said):
            exec(text, self.names)
        return Ended(0, said.getvalue())

    def _process(self, command: list[str], given: str | None = None) -> Ended:
        done = subprocess.run(
            command,
            input=given,
            stdin=None if given is not None else subprocess.DEVNULL,
            env=os.environ | self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return Ended(done.returncode, done.stdout + done.stderr)

    @contextmanager
    def _environment(self) -> Iterator[pytest.MonkeyPatch]:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            settings.cache_clear()
            yield patch
        settings.cache_clear()


def _is_ours(words: list[str]) -> bool:
    """A line of `dpm` alone; `dpm server psql` becomes another program."""
    ours = words[0] in ("dpm", ".venv/bin/dpm") and words[1] != "server"
    return ours and not any(set(word) & _SHELL_SIGNS for word in words)


def files_for(folder: Path) -> None:
    """What a reader has at hand: exports of their own, the project's SQL and programs."""
    (folder / "trades_2025_03.csv").write_text(f"{_HEADER}T1,A1,1001,EURUSD,buy,0.5,125.00,2025-03-03T10:00:00Z\n")
    (folder / "exports").mkdir()
    (folder / "exports" / "february.csv").write_text(f"{_HEADER}T2,A1,1001,EURUSD,sell,0.5,-20,2025-02-03T10:00:00Z\n")
    for name in ("sql", "bench"):
        (folder / name).symlink_to(project_dir() / name)
    (folder / ".venv").symlink_to(sys.prefix)


def environment_for(server: EmbeddedServer, folder: Path) -> dict[str, str]:
    """The settings of a reader with the embedded server; a plain psql finds its database."""
    url = conninfo_to_dict(server.url())
    programs = os.pathsep.join([str(Path(sys.prefix) / "bin"), server.state().binaries, os.environ["PATH"]])
    return {
        "DPM_HOME": str(server.home),
        "DPM_DATABASE_URL": "",
        "DPM_COLD_LOCATION": str(folder / "cold"),
        "DPM_LANDING": str(folder / "landing"),
        "PATH": programs,
        "COLUMNS": "200",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(url["port"]),
        "PGUSER": str(url["user"]),
        "PGPASSWORD": str(url["password"]),
        "PGDATABASE": WAREHOUSE_DATABASE,
    }


@contextmanager
def warehouse(server: EmbeddedServer, template: str) -> Iterator[None]:
    """The embedded server's own database, as new, with trades of three months of 2023, refreshed; empty at the end."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        if not admin.execute("select from pg_database where datname = %s", [_TEMPLATE]).fetchone():
            _copy(admin, template, _TEMPLATE)
            apply_schema(server.url(_TEMPLATE))
            with psycopg.connect(server.url(_TEMPLATE), autocommit=True) as conn:
                for statement in _TRADES.strip().removesuffix(";").split(";\n"):
                    conn.execute(statement.encode())
        _copy(admin, _TEMPLATE, WAREHOUSE_DATABASE)
        try:
            yield
        finally:
            _copy(admin, "template0", WAREHOUSE_DATABASE)


def _copy(admin: psycopg.Connection[Any], of: str, name: str) -> None:
    database = sql.Identifier(name)
    admin.execute(sql.SQL("drop database if exists {} with (force)").format(database))
    admin.execute(sql.SQL("create database {} template {}").format(database, sql.Identifier(of)))
    for setting in ("search_path = prop_trading_model, public", "timezone = 'UTC'"):
        admin.execute(sql.SQL("alter database {} set ").format(database) + sql.SQL(setting))
