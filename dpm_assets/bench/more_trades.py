"""A load into months that are there, with their rows and indexes: of other accounts, in the last month."""

import shutil
import time
from pathlib import Path
from typing import Any

from dpm_assets.bench.filling import copy_file
from dpm_assets.bench.plan import Plan
from dpm_assets.bench.systems import Connection, System
from dpm_assets.calendar import add_months
from dpm_assets.database import Database
from dpm_assets.loads.load import load_file
from dpm_assets.samples import write_sample

LARGEST = 1_000_000


def load_more(conn: Connection, db: Database, system: System, plan: Plan, sample: Path) -> dict[str, Any]:
    """Seconds and trades: production through its loader, the others by one COPY."""
    path = _sample_of_last_month(plan, sample / "more")
    if system.name == "v2":
        conn.execute("select prop_trading_model.create_partitions(%s)", [add_months(plan.start, plan.months - 1)])
    began = time.perf_counter()
    if system.is_production:
        result = load_file(db, path, "trades")
        trades = result.rows_inserted
    else:
        trades = copy_file(conn, path, "raw_trades_closed")
    return {"trades": trades, "seconds": round(time.perf_counter() - began, 3)}


def _sample_of_last_month(plan: Plan, folder: Path) -> Path:
    """A tenth of the plan's trades, at most LARGEST, in its last month; made once."""
    made = folder / "complete"
    if not made.exists():
        shutil.rmtree(folder, ignore_errors=True)
        write_sample(
            folder,
            trades=max(1_000, min(LARGEST, plan.trades // 10)),
            months=1,
            start=add_months(plan.start, plan.months - 1),
            seed=plan.seed + 1,
        )
        made.touch()
    return next((folder / "trades").glob("*.csv"))
