"""What a run was measured on."""

import os
import platform
import sys
from pathlib import Path
from typing import Any

from dpm_assets.bench.systems import Connection
from dpm_assets.calendar import today
from dpm_assets.server.tuning import machine_cores, machine_memory

_SAID = (
    "shared_buffers", "huge_pages", "huge_pages_status", "effective_cache_size", "work_mem", "maintenance_work_mem",
    "max_wal_size", "checkpoint_timeout", "max_parallel_workers_per_gather", "max_parallel_maintenance_workers",
    "max_worker_processes", "random_page_cost", "effective_io_concurrency", "wal_compression", "jit", "constraint_exclusion",
    "autovacuum", "fsync", "synchronous_commit", "full_page_writes", "data_checksums", "max_connections", "track_io_timing",
    "io_method", "shared_preload_libraries",
)  # fmt: skip


def machine(conn: Connection) -> dict[str, Any]:
    """The day, processor, cores, memory, system, versions, and the server's settings that matter for speed."""
    settings = dict(
        conn.execute(
            "select name, current_setting(name) from pg_settings where name = any (%s)", [list(_SAID)]
        ).fetchall()
    )
    version = conn.execute("show server_version").fetchone()
    assert version is not None
    return {
        "date": today(),
        "processor": _processor(),
        "cores": machine_cores(),
        "memory_gib": round(machine_memory() / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "postgresql": version[0],
        "settings": {name: settings[name] for name in _SAID if name in settings},
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
