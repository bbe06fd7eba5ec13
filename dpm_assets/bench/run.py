"""A run, stage by stage: what is done is kept, what is no longer needed is dropped, and a killed run goes on."""

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dpm_assets.bench import rows
from dpm_assets.bench.asking import ask_all
from dpm_assets.bench.cold_reads import ask_cold
from dpm_assets.bench.cold_storage import store_cold
from dpm_assets.bench.dbt_model import measure_dbt
from dpm_assets.bench.disk import refuse_small_disk
from dpm_assets.bench.duckdb_rows import measure_duckdb
from dpm_assets.bench.filling import take_snapshots, take_trades
from dpm_assets.bench.first_refresh import refresh_first
from dpm_assets.bench.machine import machine
from dpm_assets.bench.more_trades import load_more
from dpm_assets.bench.plan import SLICE, Plan
from dpm_assets.bench.refreshes import measure_refreshes
from dpm_assets.bench.storage import storage
from dpm_assets.bench.store import SAMPLE, SERVER, Store, answers_so_far
from dpm_assets.bench.systems import SYSTEMS, System, connected, drop, make, settle
from dpm_assets.bench.throughput import measure_throughput
from dpm_assets.bench.without_index import ask_without_index
from dpm_assets.database import Database
from dpm_assets.server import EmbeddedServer
from dpm_assets.server.programs import forget_other_servers
from dpm_assets.settings import settings

COLD_ROUNDS = 3
REFRESH_ROUNDS = 3
DBT_LONGEST = 900.0
"""Seconds that a statement of dbt may take, if not longer than any other: without its first build there is no figure of it."""
Say = Callable[[str], None]


class Run:
    """One plan, measured in one folder."""

    def __init__(self, plan: Plan, store: Store, server: EmbeddedServer, say: Say) -> None:
        self.plan = plan
        self.store = store
        self.server = server
        self.say = say

    def stage(self, name: str, said: str, measure: Callable[[], Any]) -> Any:
        """What a stage found: measured now, or kept from an earlier start of this run."""
        if not self.store.has(name):
            self.say(said)
            began = time.monotonic()
            self.store.write(name, measure())
            self.say(f"that took {time.monotonic() - began:,.1f} s")
        return self.store.read(name)

    def all_stages(self) -> None:
        rows.prepare(self.plan, self.sample, self.say)
        groups = [list(SYSTEMS)] if self.plan.side_by_side else [[system] for system in SYSTEMS]
        for group in groups:
            name = "all" if len(group) > 1 else group[0].name
            if not self.store.has(f"ended.{name}"):
                self._measure_group(name, group)
                self.store.write(f"ended.{name}", True)
                self.store.fold()
            for system in group:
                drop(self.server, system)
        self.stage(
            "duckdb",
            "DuckDB over Parquet files of the same rows",
            lambda: measure_duckdb(self.plan, self.store, self.sample),
        )

    @property
    def sample(self) -> Path:
        return self.store.folder / SAMPLE

    @property
    def accounts(self) -> int:
        return sum(
            block.count(b"\n") for path in (self.sample / "accounts").glob("*.csv") for block in rows.text_of(path)
        ) - len(list((self.sample / "accounts").glob("*.csv")))

    def _measure_group(self, name: str, group: list[System]) -> None:
        for system in group:
            make(self.server, system)
        with connected(self.server, group[0]) as conn:
            self.stage("machine", "the machine and the server's settings", lambda: machine(conn))
            # A run goes on another day too, and maybe on another machine of the kind.
            self.stage(f"machine.{name}", "the machine once more", lambda: machine(conn))
        for step, size in enumerate(self.plan.sizes):
            for system in group:
                self._extend(system, step, size)
            self._ask(name, group, step, size)
        self._measure_whole(name, group)

    def _extend(self, system: System, step: int, size: int) -> None:
        """Load a step's trades, refresh what there is, and note what both took and what it all takes on disk."""
        files = rows.step_files(self.sample, step)
        bulk = size > SLICE and step > 0

        def load() -> dict[str, Any]:
            with (
                connected(self.server, system) as conn,
                Database(self.server.url(system.database), application_name="dpm bench") as db,
            ):
                take_snapshots(conn, db, system, self.sample)
                taken = take_trades(conn, db, system, files, bulk=bulk)
                found: dict[str, Any] = {"files": taken, "bulk": bulk}
                stopped = step > 0 and self._views_are_old(system, step - 1)
                found |= refresh_first(conn, system, self.plan.longest, stopped_before=stopped)
                settle(conn)
                return {**found, "storage": storage(conn, size)}

        how = "in bulk, " if bulk and not system.is_production else ""
        self.stage(f"step_{step}/load.{system.name}", f"{system.title}: {how}to {size:,} trades", load)

    def _ask(self, name: str, group: list[System], step: int, size: int) -> None:
        def ask() -> dict[str, Any]:
            with ExitStack() as stack:
                conns = {system.name: stack.enter_context(connected(self.server, system)) for system in group}
                return ask_all(
                    conns,
                    {system.name: self._as_it_answers(system, step) for system in group},
                    rounds=self.plan.rounds,
                    seconds=self.plan.seconds,
                    longest=self.plan.longest,
                    earlier=None if self.plan.side_by_side else answers_so_far(self.store, step),
                    keep_plan=lambda query, plan: self.store.keep_plan(f"step_{step}/{query}", plan),
                )

        self.stage(f"step_{step}/queries.{name}", f"queries of {size:,} trades ({name})", ask)

    def _views_are_old(self, system: System, step: int) -> bool:
        """Whether its views were not made in time at a step."""
        return bool(self.store.read(f"step_{step}/load.{system.name}").get("refresh_stopped"))

    def _as_it_answers(self, system: System, step: int) -> System:
        """A system with the forms of queries that it can answer at a step."""
        if not self._views_are_old(system, step):
            return system
        return replace(system, forms=tuple(form for form in system.forms if form != "views"))

    def _measure_whole(self, name: str, group: list[System]) -> None:
        """What is measured at the whole size only; from the refreshes on, it changes the trades."""
        last = len(self.plan.sizes) - 1
        known = self.store.read(f"step_{last}/queries.{name}")["parameters"]
        answering = [self._as_it_answers(system, last) for system in group]
        self.stage(
            f"cold.{name}",
            f"queries from the disk ({name})",
            lambda: ask_cold(
                self.server,
                answering,
                known,
                rounds=COLD_ROUNDS,
                seconds=self.plan.seconds,
                longest=self.plan.longest,
            ),
        )
        for system in answering:
            self.stage(
                f"throughput.{system.name}",
                f"{system.title}: many clients at once",
                partial(
                    measure_throughput,
                    self.server,
                    system,
                    known,
                    accounts=self.accounts,
                    seconds=self.plan.throughput_seconds,
                    clients=self.plan.clients,
                ),
            )
        for system in group:
            if system.name == "baseline":
                self._ask_without_index(system, last)
            self._change(system, known)

    def _ask_without_index(self, original: System, step: int) -> None:
        def ask() -> dict[str, Any]:
            earlier = answers_so_far(self.store, step)
            assert earlier is not None
            with connected(self.server, original) as conn:
                return ask_without_index(
                    conn,
                    earlier,
                    rounds=self.plan.rounds,
                    seconds=self.plan.seconds,
                    longest=self.plan.longest,
                    keep_plan=lambda query, plan: self.store.keep_plan(f"without_index/{query}", plan),
                )

        self.stage("without_index.baseline", f"{original.title}: without its index of dates", ask)

    def _change(self, system: System, known: dict[str, str]) -> None:
        with (
            connected(self.server, system) as conn,
            Database(self.server.url(system.database), application_name="dpm bench") as db,
        ):
            if system.refresh:
                self.stage(
                    f"refresh.{system.name}",
                    f"{system.title}: refreshes",
                    lambda: measure_refreshes(
                        conn,
                        db,
                        system,
                        known,
                        rounds=REFRESH_ROUNDS,
                        longest=self.plan.longest,
                        never_made=self._views_are_old(system, len(self.plan.sizes) - 1),
                    ),
                )
            if system.name == "baseline":
                self.stage(
                    "dbt",
                    "an incremental model of dbt over the original",
                    lambda: measure_dbt(
                        conn,
                        self.server.url(system.database),
                        system,
                        known,
                        folder=self.store.folder / "dbt",
                        longest=max(self.plan.longest, DBT_LONGEST),
                    ),
                )
            if system.is_production:
                self.stage(
                    "storage_cold",
                    "production: months older than six into Parquet files",
                    lambda: store_cold(conn, db, self.store.folder / "archive"),
                )
            self.stage(
                f"more.{system.name}",
                f"{system.title}: a load into months that are there",
                lambda: load_more(conn, db, system, self.plan, self.sample),
            )


def run(plan: Plan, store: Store, say: Say, *, free: int | None = None) -> None:
    """Measure everything that this plan's folder does not hold yet; the server is stopped at the end, however it ends.

    What only measuring needs goes when all is measured. Raises DpmError when the disk is too small (nothing is begun then)
    or when systems answer differently.
    """
    with store.alone():
        refuse_small_disk(plan, store.folder, free)
        if store.begin(plan):
            say("going on where the last run ended")
        server = _server(store)
        if store.has("duckdb"):
            server.stop()
            _remove(store, server)
            return
        server.start()
        try:
            Run(plan, store, server, say).all_stages()
        finally:
            server.stop()
        _remove(store, server)


def forget(store: Store) -> None:
    """Begin anew: stop the folder's server, and remove it, its data and all that was found."""
    with store.alone():
        server = _server(store)
        server.stop()
        _remove(store, server)
        store.forget()


def _server(store: Store) -> EmbeddedServer:
    forget_other_servers()
    return EmbeddedServer(store.folder / SERVER, settings().pg_bin)


def _remove(store: Store, server: EmbeddedServer) -> None:
    """Server, sample and files; the data may lie elsewhere, where the server's user can go."""
    if (server.home / "server.json").exists():
        shutil.rmtree(server.state().root, ignore_errors=True)
    for name in (SAMPLE, SERVER, "archive", "dbt", "parquet"):
        shutil.rmtree(store.folder / name, ignore_errors=True)
