"""Many clients at once: pgbench with the queries as scripts, prepared, and the latency of every one of them."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from psycopg.conninfo import conninfo_to_dict

from dpm_assets.bench.chart_rows import SETS
from dpm_assets.bench.profiling import cores_at_work
from dpm_assets.bench.queries import Query, questions
from dpm_assets.bench.systems import System
from dpm_assets.errors import DpmError
from dpm_assets.server import EmbeddedServer
from dpm_assets.server.tuning import machine_cores

_ONE = "('{prefix}' || lpad(:n::text, 6, '0'))"
CONNECTING = 0.02
"""Seconds that a client may take to connect; pgbench counts them as its own."""
WARM_UP = 0.01
"""Seconds for each client that are not counted: every connection reads the catalogue and plans its statements first."""
TRIES = 3
PATIENCE = 60.0
"""Seconds that pgbench may take beyond its time, while the queries end that have begun."""
_HUNDRED = (
    "(array(select '{prefix}' || lpad(i::text, 6, '0') from generate_series(:n::integer, :n::integer + 99) as i))"
)


def pgbench(server: EmbeddedServer) -> str | None:
    """The program, beside the server's own or on the PATH."""
    beside = Path(server.state().binaries) / "pgbench"
    if beside.exists():
        return str(beside)
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"), reverse=True)
    return str(found[0]) if found else shutil.which("pgbench")


def measure_throughput(
    server: EmbeddedServer,
    system: System,
    parameters: dict[str, str],
    *,
    accounts: int,
    seconds: int,
    clients: Iterable[int],
) -> dict[str, Any]:
    """{"reason": why not, or None, "sets": {set: {clients: {"per_second", "p50_ms", "p95_ms", "p99_ms", "queries", "cores"}}},
    "left_out": {set: clients}}; "cores" as `cores_at_work` tells, pgbench the program.

    Each transaction is one query of the set, all equally likely, of an account drawn from all `accounts` accounts. Where so
    many clients did not come to an end, the set is left out from there on.
    """
    program = pgbench(server)
    if program is None:
        return {"reason": "there is no pgbench beside the server or on the PATH", "sets": {}, "left_out": {}}
    bench = _Bench(program, server.url(system.database), parameters, seconds)
    found: dict[str, Any] = {}
    left_out: dict[str, int] = {}
    for name in SETS:
        if name == "dashboard" and "views" not in system.forms:
            continue
        with tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder:
            scripts = [
                _write_script(Path(folder), query, query.forms[query.best(system.forms)], parameters, accounts)
                for query in questions().tagged(name)
            ]
            found[name] = {}
            for count in clients:
                measured, cores = cores_at_work(partial(bench.run, scripts, count))
                if measured is None:
                    left_out[name] = count
                    break
                found[name][str(count)] = {**measured, "cores": cores}
    return {"reason": None, "sets": found, "left_out": left_out}


def script_text(statement: str, parameters: dict[str, str], accounts: int) -> str:
    """The statement as a script of pgbench: another account, or another hundred of them, each time."""
    prefix = parameters["account"][:-6]
    text = statement.replace(":'account'", _ONE.format(prefix=prefix))
    text = text.replace(":'accounts'", _HUNDRED.format(prefix=prefix))
    text = re.sub(r"(?<!:):'(\w+)'", r":\1", text)
    last = accounts - 100 if ":'accounts'" in statement else accounts - 1
    return f"\\set n random(0, {max(last, 0)})\n{text};\n"


def _write_script(folder: Path, query: Query, statement: str, parameters: dict[str, str], accounts: int) -> Path:
    path = folder / f"{query.name}.sql"
    path.write_text(script_text(statement, parameters, accounts), encoding="utf-8")
    return path


@dataclass(frozen=True)
class _Bench:
    """pgbench against one database, so many seconds at a time; `parameters` are variables of the scripts."""

    program: str
    url: str
    parameters: dict[str, str]
    seconds: int

    def run(self, scripts: list[Path], clients: int) -> dict[str, Any] | None:
        """Transactions a second, and their latencies; None when they do not end, or when few begin in four times the time."""
        for more in range(TRIES):
            seconds = (self.seconds + int(clients * (CONNECTING + WARM_UP))) << more
            ended, found = self._run(scripts, clients, seconds)
            if found or not ended:
                return found
        return None

    def _run(self, scripts: list[Path], clients: int, seconds: int) -> tuple[bool, dict[str, Any] | None]:
        """Whether pgbench came to an end, and what it found, if anything. The password goes through the environment."""
        parts = conninfo_to_dict(self.url)
        given = {name: value for name, value in self.parameters.items() if name not in ("account", "accounts")}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {
            "PGPASSWORD": str(parts["password"]),
            "PGHOST": str(parts["host"]),
            "PGPORT": str(parts["port"]),
            "PGUSER": str(parts["user"]),
            "PGOPTIONS": "-c search_path=prop_trading_model,public",
        }
        with tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder:
            command = [
                self.program, "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, machine_cores())),
                "-T", str(seconds), "-l", f"--log-prefix={folder}/log",
                *(option for name, value in given.items() for option in ("-D", f"{name}={value}")),
                *(option for path in scripts for option in ("-f", str(path))),
                str(parts["dbname"]),
            ]  # fmt: skip
            try:
                done = subprocess.run(
                    command,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=seconds + PATIENCE,
                )
            except subprocess.TimeoutExpired:
                return False, None
            if done.returncode != 0:
                raise DpmError(f"pgbench failed: {' '.join(done.stderr.split())[-400:] or 'no message'}.")
            return True, latencies(Path(folder), [path.stem for path in scripts], clients * WARM_UP)


def latencies(folder: Path, names: list[str], warm_up: float) -> dict[str, Any] | None:
    """Transactions a second and milliseconds out of pgbench's logs, of what ended after `warm_up` seconds: of all, and the
    milliseconds of each script by itself; None when nothing did."""
    lines = [line.split() for path in sorted(folder.glob("log*")) for line in path.read_text().splitlines()]
    if not lines:
        return None
    taken = np.array([int(line[2]) for line in lines]) / 1000
    script = np.array([int(line[3]) for line in lines])
    ended = np.array([int(line[4]) + int(line[5]) / 1e6 for line in lines])
    begun = float((ended - taken / 1000).min()) + warm_up
    counted = ended > begun
    if not counted.any():
        return None
    per_second = round(float(counted.sum() / (ended.max() - begun)), 1)
    of_scripts = {
        name: _percentiles(taken[counted & (script == n)])
        for n, name in enumerate(names)
        if (counted & (script == n)).any()
    }
    return {"per_second": per_second, **_percentiles(taken[counted]), "queries": of_scripts}


def _percentiles(taken: Any) -> dict[str, Any]:
    p50, p95, p99 = np.percentile(taken, [50, 95, 99])
    return {
        "transactions": len(taken),
        "p50_ms": round(float(p50), 3),
        "p95_ms": round(float(p95), 3),
        "p99_ms": round(float(p99), 3),
    }
