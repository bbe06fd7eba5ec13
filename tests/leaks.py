"""Where a password of a running service could be, and must not: its files, databases, UI, the arguments of its processes."""

import json
import mmap
import os
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.private import make_home
from dpm_assets.server import EmbeddedServer
from tests.service import Service

# Its middle needs no encoding, so it is found however the rest is written. Tests that hand it to a process are in the
# group of those that look at all processes.
KNOWN = "kennw0rt7Qx"
PASSWORD = f"ä@:/%?#&=+ {KNOWN}'\"\\[$HOME]"

ITS_FILE = "passwords.json"
DATABASES = ("dpm", "dagster")

SHOWN_BY_THE_UI = """
{
  instance { info }
  workspaceOrError { ... on Workspace { locationEntries { displayMetadata { key value } } } }
  runsOrError(limit: 100) { ... on Runs { results { runConfigYaml tags { key value } } } }
}
"""


def give_passwords(home: Path) -> None:
    """Make the home of a service that is to come, whose server gets the known password for both of its logins."""
    make_home(home)
    file = home / ITS_FILE
    file.touch(mode=0o600)
    file.write_text(json.dumps(dict.fromkeys(("postgres", "dpm_service"), PASSWORD)), encoding="utf-8")


class CommandLines:
    """Every command line of this machine that was seen, looked at ten times a second, as long as the `with` goes on."""

    def __init__(self) -> None:
        self.seen: frozenset[bytes] = frozenset()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "CommandLines":
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            self.seen |= {line for process in Path("/proc").glob("[0-9]*") if (line := _command_line(process))}

    def holding(self) -> list[bytes]:
        return [line for line in self.seen if KNOWN.encode() in line]


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""  # it has ended


def leaks(service: Service, processes: CommandLines) -> list[str]:
    """The places that hold the known password; `processes` are those that were watched."""
    root = Path(EmbeddedServer(service.home).state().root)
    folders = [service.folder, *([] if root.is_relative_to(service.folder) else [root])]
    found = [str(file) for folder in folders for file in files_holding(folder) if file != service.home / ITS_FILE]
    for database in DATABASES:
        with service.connect(database) as conn:
            found += [f"{database}.{table}" for table in tables_holding(conn)]
    found += [f"arguments: {line!r}" for line in processes.holding()]
    if KNOWN in json.dumps(service.graphql(SHOWN_BY_THE_UI)):
        found.append("the UI")
    return found


def files_holding(folder: Path) -> Iterator[Path]:
    """Files that come and go while it looks are passed over: what they hold is in those that stay."""
    for file in (Path(inside) / name for inside, _, names in os.walk(folder) for name in names):
        try:
            if not file.is_file() or file.stat().st_size == 0:
                continue
            with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as held:
                if held.find(KNOWN.encode()) >= 0:
                    yield file
        except (FileNotFoundError, ValueError):
            continue


def tables_holding(conn: "psycopg.Connection[Any]") -> Iterator[str]:
    """Tables and statistics with it in a row: in its text, or in bytes of it, which Dagster compresses."""
    tables = conn.execute(
        """
        select c.oid::regclass::text, n.nspname, c.relname, array(
            select a.attname::text from pg_attribute as a
            where a.attrelid = c.oid and a.atttypid = 'bytea'::regtype and a.attnum > 0 and not a.attisdropped
        )
        from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        where (c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast'))
            or c.relname = 'pg_stat_statements'
        """
    ).fetchall()
    for shown, schema, name, in_bytes in tables:
        table = sql.Identifier(schema, name)
        # Backwards, so that this statement brings it into no log.
        [(count,)] = conn.execute(
            sql.SQL("select count(*) from {} as t where position(reverse(%s) in t::text) > 0").format(table),
            [KNOWN[::-1]],
        ).fetchall()
        columns = sql.SQL(", ").join(map(sql.Identifier, in_bytes))
        packed = conn.execute(sql.SQL("select {} from {}").format(columns, table)).fetchall() if in_bytes else []
        if count or any(KNOWN.encode() in _unpacked(cell) for row in packed for cell in row if cell):
            yield shown


def _unpacked(cell: bytes) -> bytes:
    try:
        return zlib.decompress(cell)
    except zlib.error:
        return cell
