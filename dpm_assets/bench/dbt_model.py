"""The daily rollup as an incremental model of dbt, for those who would build it so."""

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from dpm_assets.bench.changing import Changes
from dpm_assets.bench.systems import Connection, System, settle
from dpm_assets.errors import DpmError
from dpm_assets.settings import project_dir

PROJECT = Path(__file__).resolve().parent / "dbt_project"
ABSENT = (
    "dbt is not there: make .venv-dbt, then run again (dpm bench finds .venv-dbt/bin/dbt, DPM_DBT, or one on the PATH)"
)


def dbt_program() -> str | None:
    """DPM_DBT (empty: none), else .venv-dbt's, else one on the PATH.

    dbt has an environment of its own, since its pins and Dagster's do not fit together.
    """
    if "DPM_DBT" in os.environ:
        return os.environ["DPM_DBT"] or None
    own = project_dir() / ".venv-dbt" / "bin" / "dbt"
    return str(own) if own.exists() else shutil.which("dbt")


def measure_dbt(
    conn: Connection, url: str, system: System, parameters: dict[str, str], *, folder: Path, longest: float
) -> dict[str, Any]:
    """Seconds of `dbt run`: all, after 1,000 trades, after a day; and of a late trade whether the model has it.

    {"reason": why not, or None, ...}. Each "run" has "total", start of the program included, and "model", the model alone.
    A statement that takes more than `longest` seconds ends the measurement.
    """
    program = dbt_program()
    if program is None:
        return {"reason": ABSENT}
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PROJECT, folder)
    conn.execute("drop schema if exists dbt_bench cascade")
    settle(conn)
    dbt = _Dbt(program, url, folder, longest)
    try:
        return {"reason": None, "version": _version(program), **_measure(conn, dbt, system, parameters)}
    except _TooLongError:
        return {"reason": f"a statement of it took more than {longest:g} s, after which it was stopped"}
    finally:
        conn.execute("drop schema if exists dbt_bench cascade")


def _measure(conn: Connection, dbt: "_Dbt", system: System, parameters: dict[str, str]) -> dict[str, Any]:
    changes = Changes(conn, system, parameters)
    found: dict[str, Any] = {"everything": dbt.run()}
    for name, load in (("small", changes.small), ("day", changes.day)):
        trades = load()
        found[name] = {"trades": trades, **dbt.run()}
    late = conn.execute(
        "update prop_trading_model.raw_trades_closed set profit = profit + 1000"
        " where account_id = %(account)s and trade_date = %(day)s::date and trade_id = %(trade)s",
        parameters,
    ).rowcount
    dbt.run()
    row = conn.execute(
        "select (select sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0))"
        " from prop_trading_model.raw_trades_closed where account_id = %(account)s and trade_date = %(day)s::date)"
        " = (select sum(net) from dbt_bench.account_symbol_day"
        " where account_id = %(account)s and trade_date = %(day)s::date)",
        parameters,
    ).fetchone()
    assert late == 1 and row is not None
    return {**found, "sees_a_correction_of": {"day": parameters["day"], "seen": row[0]}}


def _version(program: str) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"installed:\s*(\S+)", said)
    return match[1] if match else "of an unknown version"


class _TooLongError(Exception):
    """The server stopped a statement of dbt."""


@dataclass(frozen=True)
class _Dbt:
    """dbt in a folder with its project, against one database."""

    program: str
    url: str
    folder: Path
    longest: float

    def run(self) -> dict[str, float]:
        """Seconds of `dbt run`, and of its model alone. The password goes through the environment."""
        parts = conninfo_to_dict(self.url)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DBT_"))}
        environment = clean | {
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "PGOPTIONS": f"-c statement_timeout={int(self.longest * 1000)}",
            "DPM_BENCH_HOST": str(parts["host"]),
            "DPM_BENCH_PORT": str(parts["port"]),
            "DPM_BENCH_USER": str(parts["user"]),
            "DPM_BENCH_PASSWORD": str(parts["password"]),
            "DPM_BENCH_DATABASE": str(parts["dbname"]),
        }
        command = [self.program, "run", "--project-dir", str(self.folder), "--profiles-dir", str(self.folder)]
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False)
        total = time.perf_counter() - began
        if done.returncode != 0:
            said = " ".join((done.stdout + done.stderr).split())
            if "due to statement timeout" in said:
                raise _TooLongError
            raise DpmError(f"dbt run failed: {said[-500:]}")
        results = json.loads((self.folder / "target" / "run_results.json").read_text(encoding="utf-8"))
        return {"total": round(total, 2), "model": round(sum(one["execution_time"] for one in results["results"]), 2)}
