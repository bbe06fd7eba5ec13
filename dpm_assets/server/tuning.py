"""The settings of the embedded server, fitted to the machine's memory and cores."""

import os
import shutil
from pathlib import Path

_MB = 1024 * 1024


def machine_memory() -> int:
    """Bytes of memory that this machine, or the container this process is in, may use."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        total = 4096 * _MB
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        if limit.is_file() and (text := limit.read_text().strip()).isdigit():
            total = min(total, int(text))
    return total


def machine_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_statement_statistics(binaries: Path) -> bool:
    """Whether pg_stat_statements came with the programs: a server told to preload what is missing does not start."""
    folders = (binaries.parent / part for part in ("lib", "lib/postgresql", "lib64/pgsql"))
    return any(folder.joinpath(f"pg_stat_statements{end}").exists() for folder in folders for end in (".so", ".dylib"))


def server_settings(
    port: int, major: int, *, memory: int, cores: int, has_statements: bool, free: int
) -> dict[str, str]:
    """Settings as name -> value. `memory`, and `free` space on the disk, in bytes."""
    megabytes = memory // _MB
    chosen = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "250",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "shared_buffers": f"{max(64, min(megabytes // 4, 8192))}MB",
        "effective_cache_size": f"{max(128, megabytes * 6 // 10)}MB",
        "work_mem": f"{max(4, min(megabytes // 384, 128))}MB",
        "maintenance_work_mem": f"{max(32, min(megabytes // 24, 1024))}MB",
        "wal_buffers": "16MB",
        "max_wal_size": f"{largest_log(memory, free) // _MB}MB",
        "min_wal_size": "128MB",
        "checkpoint_timeout": "15min",
        # Compressing page images (pglz is what every build has) costs a small refresh more than all the rest of it.
        "wal_compression": "off",
        # Refreshing often leaves dead rows often; who refreshes from psql has only autovacuum to remove them.
        "autovacuum_naptime": "10s",
        "random_page_cost": "1.1",
        "effective_io_concurrency": "100",
        "max_worker_processes": str(max(8, cores * 2)),
        "max_parallel_workers": str(max(2, cores)),
        "max_parallel_workers_per_gather": str(max(1, min(cores // 2 + 1, 4))),
        "max_parallel_maintenance_workers": str(max(1, min(cores // 2 + 1, 4))),
        "max_prepared_transactions": "20",
        # Compiling costs more than it saves in the short queries of a refresh.
        "jit": "off",
        # Partitions are found by their bounds. To look whether the checks of each rule it out too, which they do for no trade
        # that can be, takes half of the planning of a short query.
        "constraint_exclusion": "off",
        "track_io_timing": "on",
        # A session whose client was killed ends soon, and its locks with it.
        "client_connection_check_interval": "5s",
        "huge_pages": "try",
        "log_min_duration_statement": "5s",
        "log_lock_waits": "on",
        "log_checkpoints": "off",
    }
    if _small_shared_memory():
        chosen["dynamic_shared_memory_type"] = "mmap"
    if has_statements:
        chosen["shared_preload_libraries"] = "pg_stat_statements"
        chosen["track_activity_query_size"] = "4096"
    if major >= 18:
        chosen["io_method"] = "worker"
    return chosen


def largest_log(memory: int, free: int) -> int:
    """Bytes that the write-ahead log may take between two checkpoints, with so much memory and space on the disk."""
    return max(256, min(memory // _MB // 3, free // _MB // 10, 8192)) * _MB


def settings_text(chosen: dict[str, str]) -> str:
    """The settings as a file that postgresql.conf includes."""
    lines = [f"{name} = '{value}'" for name, value in chosen.items()]
    head = "# Written by dpm at each start; put settings of your own, but no port, into custom.conf beside it."
    return "\n".join([head, *lines, ""])


def _small_shared_memory() -> bool:
    """Containers get 64 MB of /dev/shm by default: parallel queries would fail for want of it."""
    shared = Path("/dev/shm")
    return shared.is_dir() and shutil.disk_usage(shared).total < 512 * _MB
