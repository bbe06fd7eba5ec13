"""The daily rollup as an incremental model of dbt, for those who would build it so."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from dpm_assets.bench.changing import Changes
from dpm_assets.bench.measuring import seconds
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


def measure_dbt(conn: Connection, url: str, system: System, parameters: dict[str, str], folder: Path) -> dict[str, Any]:
    """Seconds of `dbt run`: all, after 1,000 trades, after a day; and of a late trade whether the model has it.

    {"reason": why not, or None, ...}. Each "run" has "total", start of the program included, and "model", the model alone.
    """
    program = dbt_program()
    if program is None:
        return {"reason": ABSENT}
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PROJECT, folder)
    changes = Changes(conn, system, parameters)
    settle(conn)
    found: dict[str, Any] = {"reason": None, "version": _version(program), "everything": _run(program, url, folder)}
    for name, load in (("small", changes.small), ("day", changes.day)):
        trades = load()
        found[name] = {"trades": trades, **_run(program, url, folder)}
    late = conn.execute(
        "update prop_trading_model.raw_trades_closed set profit = profit + 1000"
        " where account_id = %(account)s and trade_date = %(day)s::date and trade_id = %(trade)s",
        parameters,
    ).rowcount
    _run(program, url, folder)
    row = conn.execute(
        "select (select sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0))"
        " from prop_trading_model.raw_trades_closed where account_id = %(account)s and trade_date = %(day)s::date)"
        " = (select sum(net) from dbt_bench.account_symbol_day"
        " where account_id = %(account)s and trade_date = %(day)s::date)",
        parameters,
    ).fetchone()
    assert late == 1 and row is not None
    found["sees_a_correction_of"] = {"day": parameters["day"], "seen": row[0]}
    conn.execute("drop schema dbt_bench cascade")
    return found


def _version(program: str) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"installed:\s*(\S+)", said)
    return match[1] if match else "of an unknown version"


def _run(program: str, url: str, folder: Path) -> dict[str, float]:
    parts = conninfo_to_dict(url)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DBT_"))}
    environment = clean | {
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DPM_BENCH_HOST": str(parts["host"]),
        "DPM_BENCH_PORT": str(parts["port"]),
        "DPM_BENCH_USER": str(parts["user"]),
        "DPM_BENCH_PASSWORD": str(parts["password"]),
        "DPM_BENCH_DATABASE": str(parts["dbname"]),
    }
    command = [program, "run", "--project-dir", str(folder), "--profiles-dir", str(folder)]
    said: list[subprocess.CompletedProcess[str]] = []

    def execute() -> None:
        said.append(subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False))

    total = seconds(execute)
    if said[0].returncode != 0:
        raise DpmError(f"dbt run failed: {' '.join((said[0].stdout + said[0].stderr).split())[-500:]}")
    results = json.loads((folder / "target" / "run_results.json").read_text(encoding="utf-8"))
    return {"total": round(total, 2), "model": round(sum(one["execution_time"] for one in results["results"]), 2)}
