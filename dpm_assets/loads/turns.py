"""Several files loaded at the same time, with the outcome of one after the other: each file's turn comes when those before it
have ended.

A file is read, judged and copied ahead of its turn; what others may see of it, it does in its turn. While it waits it holds
rows that are not committed, on which a file before it may wait in turn: a circle that PostgreSQL cannot see, since one side of
it waits in this process. So whoever is ahead of his turn gives way as soon as somebody waits for his locks: he rolls back, and
does his file again when his turn has come. That is also the answer to whatever else goes wrong ahead of the turn.
"""

import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any

import psycopg

from dpm_assets.server.tuning import machine_cores

LOOKS_EVERY_SECONDS = 0.1
"""How often a file that waits for its turn looks whether somebody waits for it."""
SPEAKS_EVERY_SECONDS = 30.0
"""How often a connection that waits and holds nothing says something, so that nobody takes it for a dead one."""
_CANCEL_SECONDS = 2.0


class OutOfTurn(Exception):
    """A file has been overtaken by its own haste: nothing of it is written, and it is done again in its turn."""


class Cancelled(Exception):
    """The loads end before this file's turn: nothing of it was loaded."""


class Turn:
    """The turn of a file that is loaded alone, which is always there."""

    takes_all_cores = False
    """Whether the files that are loaded at the same time have work for every core."""

    def has_come(self) -> bool:
        return True

    def wait_for_numbers(self) -> None:
        """Go on when the batches of all files before this one have their numbers: later files have higher ones. Raises
        Cancelled when they never will."""

    def enter(self, conn: psycopg.Connection[Any]) -> None:
        """From now on the file works with `conn`."""

    def leave(self) -> None:
        """It no longer does."""

    def has_number(self) -> None:
        """The batch has its number."""

    def is_first(self, what: Hashable) -> bool:
        """Take something that only the first file of those under way can have. False when one before this has it."""
        return True

    def give_way(self, conn: psycopg.Connection[Any]) -> None:
        """Raises OutOfTurn when the turn has not come and the transaction of `conn`, or what it has taken, is in the way."""

    def wait(self, conn: psycopg.Connection[Any]) -> None:
        """Wait for the turn, giving way with the transaction of `conn` meanwhile. Raises Cancelled when it will not come."""

    def wait_idle(self, conn: psycopg.Connection[Any] | None = None) -> None:
        """Wait for the turn, without a transaction. Raises Cancelled when it will not come."""

    def go_on(self) -> None:
        """Raises Cancelled when the loads are to end."""


class Turns:
    """The turns of files that are loaded at the same time, in the order in which they are asked for."""

    def __init__(self, jobs: int) -> None:
        self.take_all_cores = jobs >= machine_cores()
        self.changed = threading.Condition()
        self.cancelled = False
        self.places = 0
        self.numbered: set[int] = set()
        self.ended: set[int] = set()
        self.first: dict[Hashable, int] = {}
        self._conns: dict[int, psycopg.Connection[Any]] = {}

    def next(self) -> "TurnInLine":
        self.places += 1
        return TurnInLine(self, self.places)

    def working(self, place: int, conn: psycopg.Connection[Any] | None) -> None:
        """Note the connection that a file works with; None: with none."""
        with self.changed:
            if conn:
                self._conns[place] = conn
            else:
                self._conns.pop(place, None)

    def end(self, place: int) -> None:
        with self.changed:
            self.numbered.add(place)
            self.ended.add(place)
            self.changed.notify_all()

    def cancel(self) -> None:
        """Stop what is under way, statements of the server too. To be called until nothing is: a statement that begins at
        this moment is missed."""
        with self.changed:
            self.cancelled = True
            self.changed.notify_all()
            conns = list(self._conns.values())
        for conn in conns:  # over the network: whoever waits for his turn must not wait for that
            with suppress(psycopg.Error):
                conn.cancel_safe(timeout=_CANCEL_SECONDS)


class TurnInLine(Turn):
    """The turn of one file among several."""

    def __init__(self, turns: Turns, place: int) -> None:
        self.takes_all_cores = turns.take_all_cores
        self._turns = turns
        self._place = place
        self._taken: set[Hashable] = set()

    @property
    def is_numbered(self) -> bool:
        return self._place in self._turns.numbered

    def end(self) -> None:
        """The file is committed or refused."""
        self._turns.end(self._place)

    def has_come(self) -> bool:
        return all(before in self._turns.ended for before in range(1, self._place))

    def wait_for_numbers(self) -> None:
        self._until(lambda: all(n in self._turns.numbered for n in range(1, self._place)))

    def enter(self, conn: psycopg.Connection[Any]) -> None:
        self._turns.working(self._place, conn)

    def leave(self) -> None:
        self._turns.working(self._place, None)

    def has_number(self) -> None:
        with self._turns.changed:
            self._turns.numbered.add(self._place)
            self._turns.changed.notify_all()

    def is_first(self, what: Hashable) -> bool:
        with self._turns.changed:
            holder = self._turns.first.get(what, self._place)
            if holder < self._place and holder not in self._turns.ended:
                return False
            self._turns.first[what] = self._place  # one after this notices when it next looks
            self._taken.add(what)
            return True

    def give_way(self, conn: psycopg.Connection[Any]) -> None:
        if not self.has_come() and (self._has_lost() or _is_waited_for(conn)):
            raise OutOfTurn

    def wait(self, conn: psycopg.Connection[Any]) -> None:
        self._until(self.has_come, lambda: self.give_way(conn), LOOKS_EVERY_SECONDS)

    def wait_idle(self, conn: psycopg.Connection[Any] | None = None) -> None:
        self._until(self.has_come, (lambda: conn.execute("select")) if conn else None, SPEAKS_EVERY_SECONDS)

    def go_on(self) -> None:
        if self._turns.cancelled:
            raise Cancelled

    def _until(
        self, reached: Callable[[], bool], meanwhile: Callable[[], object] | None = None, every: float | None = None
    ) -> None:
        while True:
            with self._turns.changed:
                self._turns.changed.wait_for(lambda: self._turns.cancelled or reached(), every if meanwhile else None)
                self.go_on()
                if reached():
                    return
            if meanwhile:
                meanwhile()

    def _has_lost(self) -> bool:
        with self._turns.changed:
            return any(self._turns.first.get(what) != self._place for what in self._taken)


def _is_waited_for(conn: psycopg.Connection[Any]) -> bool:
    """Whether some session waits for a lock that the transaction of `conn` holds, of whoever it is."""
    row = conn.execute(
        "select exists (select from pg_catalog.pg_locks as l"
        " where not l.granted and pg_catalog.pg_backend_pid() = any (pg_catalog.pg_blocking_pids(l.pid)))"
    ).fetchone()
    return row == (True,)
