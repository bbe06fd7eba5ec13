"""Where a test can stop a refresh: triggers on what it writes, which wait for an advisory lock that the test holds.

The refresh itself knows nothing of this, and nothing sleeps: it stands exactly where the test wants it, as long as the
test wants. Two of the steps need no trigger: before the refresh lock, and between two bites, the lock itself is held.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import sql

from dpm_assets.refresh.engine import ROLLUPS, VIEWS
from tests.interleaving import SECONDS, Connection
from tests.stage import Stage

LOCK_CLASS = 20241


@dataclass(frozen=True)
class Step:
    """A place in the refresh. `when` is a condition on a row that is written; without one, whole statements count."""

    name: str
    table: str = ""
    moment: Literal["before", "after"] = "after"
    events: str = "insert or update or delete"
    when: str = ""


BEFORE_THE_LOCK = Step("before the lock")
TAKING_KEYS = Step("as the keys are taken", "changed_account_days", "before", "delete")
KEYS_TAKEN = Step("between keys and raw rows", "changed_account_days", "after", "delete")
TAKING_MONTH = Step("as the month is taken", "changed_months", "before", "delete")
MONTH_TAKEN = Step("between the month and raw rows", "changed_months", "after", "delete")
WRITING = {name: Step(f"before {name} is written", name, "before") for name in ROLLUPS}
WRITTEN = {name: Step(f"after {name} is written", name, "after") for name in ROLLUPS}
COUNTED = Step("after the generation is counted", "input_generations", "after", "update")
BITE_WRITTEN = Step("before the bite commits", "refresh_log", "after", "insert", "new.kind in ('keys', 'month')")
BETWEEN_BITES = Step("between bites")
BEFORE_THE_VIEWS = Step("before the views", "changed_inputs", "before", "delete")
INPUTS_TAKEN = Step("after the inputs are taken", "changed_inputs", "after", "delete")
MADE = {
    name: Step(f"after {name} is made", "view_inputs", "after", "update", f"new.view_name = '{name}'") for name in VIEWS
}
VIEWS_WRITTEN = Step("after all views are made", "refresh_log", "after", "insert", "new.kind = 'views'")
BEFORE_THE_LAST_COMMIT = Step("before the last commit", "pipeline_execution_log", "after", "insert")

OF_KEYS = (TAKING_KEYS, KEYS_TAKEN, *WRITING.values(), *WRITTEN.values(), COUNTED, BITE_WRITTEN)
OF_VIEWS = (BEFORE_THE_VIEWS, INPUTS_TAKEN, *MADE.values(), VIEWS_WRITTEN, BEFORE_THE_LAST_COMMIT)
OF_MONTHS = (TAKING_MONTH, MONTH_TAKEN)
STEPS = (BEFORE_THE_LOCK, *OF_KEYS, *OF_MONTHS, BETWEEN_BITES, *OF_VIEWS)


def install(conn: Connection) -> None:
    """Gives a warehouse the triggers of all steps; they cost a refresh nothing while nobody holds a step."""
    conn.execute(
        sql.SQL(
            "create function prop_trading_model.stand_at_step() returns trigger language plpgsql as $$ begin"
            " perform pg_catalog.pg_advisory_lock_shared({lock}, tg_argv[0]::integer);"
            " perform pg_catalog.pg_advisory_unlock_shared({lock}, tg_argv[0]::integer);"
            " return null; end $$"
        ).format(lock=sql.Literal(LOCK_CLASS))
    )
    for number, step in enumerate(STEPS):
        for table in _relations(conn, step.table) if step.table else ():
            conn.execute(
                sql.SQL(
                    "create trigger {name} {moment} {events} on {table} for each {unit}"
                    " execute function prop_trading_model.stand_at_step({number})"
                ).format(
                    name=sql.Identifier(f"step_{number:03}"),
                    moment=sql.SQL(step.moment),
                    events=sql.SQL(step.events),
                    table=sql.Identifier("prop_trading_model", table),
                    unit=sql.SQL(f"row when ({step.when})" if step.when else "statement"),
                    number=sql.Literal(str(number)),
                )
            )


def _relations(conn: Connection, table: str) -> list[str]:
    """A table and its partitions: a statement on a partition does not fire the parent's triggers."""
    rows = conn.execute(
        "select relname::text from pg_class where oid = %(table)s::regclass or oid in"
        " (select inhrelid from pg_inherits where inhparent = %(table)s::regclass)",
        {"table": f"prop_trading_model.{table}"},
    )
    return [row[0] for row in rows]


@dataclass
class Standing:
    """A refresh that stands at a step until `go_on`."""

    stage: Stage
    done: Future[Any]
    release: Callable[[], Any]
    released: bool = False

    def go_on(self) -> Any:
        """Lets the refresh run to its end; its result, or its error."""
        if not self.released:
            self.released = True
            self.release()
        return self.done.result(SECONDS)


@contextmanager
def standing(stage: Stage, call: str, step: Step) -> Iterator[Standing]:
    """Sends a refresh off and hands it over once it stands at `step`; lets it go at the end at the latest."""
    release = hold(stage, step)
    done = stage.send_off(stage.refresher, call)
    refresh = Standing(stage, done, release)
    try:
        stage.wait_until_blocked(stage.refresher, by=stage.holder, unless=done, where=step.name)
        if step is BETWEEN_BITES:
            refresh.release = _queue_between(stage, release, done)
        yield refresh
    finally:
        if not refresh.released:
            refresh.release()
            _end(done)


def hold(stage: Stage, step: Step) -> Callable[[], Any]:
    """Holds a step, so that a refresh stands there, until what this returns is called."""
    if step is BEFORE_THE_LOCK:
        stage.holder.execute("begin")
        stage.holder.execute("select prop_trading_model.refresh_views('{}')")
        return stage.holder.rollback
    number = STEPS.index(BITE_WRITTEN if step is BETWEEN_BITES else step)
    stage.holder.execute("select pg_advisory_lock(%s, %s)", [LOCK_CLASS, number])
    return lambda: stage.holder.execute("select pg_advisory_unlock(%s, %s)", [LOCK_CLASS, number])


def _queue_between(stage: Stage, release: Callable[[], Any], done: Future[Any]) -> Callable[[], Any]:
    """Another refresh queues for the lock while the first bite is under way: it gets the lock when that bite commits."""
    stage.second.execute("begin")
    queued = stage.send_off(stage.second, "select prop_trading_model.refresh_views('{}')")
    stage.wait_until_blocked(stage.second, by=stage.refresher, unless=queued, where="in the queue")
    release()
    queued.result(SECONDS)
    stage.wait_until_blocked(stage.refresher, by=stage.second, unless=done, where=BETWEEN_BITES.name)
    return stage.second.rollback


def _end(done: Future[Any]) -> None:
    """Waits for a refresh whose test has failed already; what became of it does not matter."""
    give_up = time.monotonic() + SECONDS
    while not done.done() and time.monotonic() < give_up:
        time.sleep(0.01)
