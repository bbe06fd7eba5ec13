"""A load into months that are there, with their rows and indexes: of other accounts, in the last month."""

import shutil
import time
from datetime import date
from pathlib import Path
from typing import Any

from dpm_assets.bench import rows
from dpm_assets.bench.filling import copy_file
from dpm_assets.bench.plan import Plan
from dpm_assets.bench.profiling import profiled
from dpm_assets.bench.systems import Connection, System
from dpm_assets.calendar import parse_month
from dpm_assets.database import Database
from dpm_assets.loads.load import load_file
from dpm_assets.samples import write_sample

LARGEST = 1_000_000


def load_more(conn: Connection, db: Database, system: System, plan: Plan, sample: Path) -> dict[str, Any]:
    """Seconds and trades: production through its loader, the others by one COPY. Of the loader also its "profile", and the
    seconds of processor that it took itself ("loader_cpu").

    Each try has trades of its own: a kill may come when they are in and nobody was told.
    """
    month = _last_month(plan, sample)
    number = _count_try(conn)
    path = _sample_of_month(plan, month, sample / f"more_{number}", plan.seed + number)
    if system.name == "v2":
        conn.execute("select prop_trading_model.create_partitions(%s)", [month])
    taken: dict[str, Any] = {}

    def take() -> None:
        began, worked = time.perf_counter(), time.process_time()
        if system.is_production:
            taken["trades"] = load_file(db, path, "trades").rows_inserted
            taken["loader_cpu"] = round(time.process_time() - worked, 3)
        else:
            taken["trades"] = copy_file(conn, path, "raw_trades_closed")
        taken["seconds"] = round(time.perf_counter() - began, 3)

    if system.is_production:
        taken["profile"] = profiled(conn, take, inner=False)
    else:
        take()
    return taken


def _count_try(conn: Connection) -> int:
    """The number of this try, the first is 1."""
    row = conn.execute("select count(*) + 1 from bench.taken where file like 'more/%'").fetchone()
    assert row is not None
    conn.execute("insert into bench.taken (file, trades) values (%s, 0)", [f"more/{row[0]}"])
    return int(row[0])


def _last_month(plan: Plan, sample: Path) -> date:
    """The month of the run's last trades."""
    path = rows.step_files(sample, len(plan.sizes) - 1)[-1]
    return parse_month(path.name.removeprefix("trades_")[:7])


def _sample_of_month(plan: Plan, month: date, folder: Path, seed: int) -> Path:
    """A tenth of the plan's trades, at most LARGEST, in one month; made once."""
    made = folder / "complete"
    if not made.exists():
        shutil.rmtree(folder, ignore_errors=True)
        write_sample(folder, trades=max(1_000, min(LARGEST, plan.trades // 10)), months=1, start=month, seed=seed)
        made.touch()
    return next((folder / "trades").glob("*.csv"))
