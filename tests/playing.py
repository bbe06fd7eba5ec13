"""Plays a permutation on the stage: the writer's transaction, in pieces, beside a refresh that stands; then the oracle."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from tests.interleaving import SECONDS
from tests.permutations import CALLS, Permutation
from tests.stage import Stage
from tests.steps import standing
from tests.writers import Writer


@dataclass
class Writing:
    """A writer's transaction, in pieces that the permutation puts in their places."""

    stage: Stage
    writer: Writer
    waiting: list[Future[Any]] = field(default_factory=list)
    open: bool = False

    def write(self) -> None:
        if self.writer.in_transaction:
            self.stage.writer.execute(f"begin isolation level {self.writer.level}".encode())
            self.open = True
        self.writer.run(self.stage)
        if self.writer.two_phase:
            self.stage.writer.execute("prepare transaction 'a_writer'")

    def commit(self) -> None:
        if not self.open:
            return
        self.open = False
        ending = "rollback" if self.writer.rolls_back else "commit"
        self.stage.writer.execute("commit prepared 'a_writer'" if self.writer.two_phase else ending)

    def whole(self) -> None:
        self.write()
        self.commit()

    def write_or_wait(self) -> None:
        """All of it, beside the test: it ends while the refresh stands, or it waits for the refresh and for nobody else."""
        done = self.stage.send_off_call(self.whole)
        give_up = time.monotonic() + SECONDS
        while not done.done():
            if self.stage.blocked(self.stage.writer, by=self.stage.refresher):
                self.waiting.append(done)
                return
            assert time.monotonic() < give_up, f"{self.writer.name} neither ended nor waited for the refresh"
            time.sleep(0.002)
        done.result()

    def end(self) -> None:
        """Whoever waited ends now that the refresh has; whoever is open commits."""
        for done in self.waiting:
            done.result(SECONDS)
        self.commit()


def play(stage: Stage, permutation: Permutation, broken: Callable[[Stage], Any] | None = None) -> None:
    """Plays one permutation on the stage; an AssertionError says all that is not as it must be.

    `broken` breaks something of the warehouse before the writer and the refresh come, for the proof of the proof.
    """
    writer = permutation.writer
    stage.restore()
    if permutation.call == "a refresh of a marked month":
        stage.observer.execute("insert into changed_months (month, reason) values ('2024-02-01', 'marked')")
    if broken:
        broken(stage)
    writing = Writing(stage, writer)
    stage.writer.execute("set lock_timeout = '10s'" if writer.waits else "set lock_timeout = '2s'")
    if permutation.timing == "opened before":
        writing.write()
    wrong: list[str] = []
    with standing(stage, CALLS[permutation.call], permutation.step) as refresh:
        before = stage.logged()
        if permutation.timing == "opened before":
            writing.commit()
        elif permutation.timing == "outlasts":
            writing.write()
        else:
            writing.write_or_wait()
        if writer.must_wait and not writing.waiting:
            wrong.append(f"{writer.name} did not wait for the refresh that was under way")
        if not writing.waiting:
            if permutation.timing != "outlasts":
                wrong += _untraced(writer, before, stage.logged())
            wrong += stage.live_differences()
        refresh.go_on()
    writing.end()
    wrong += stage.settle()
    if writer.trace == "leaves":
        wrong += stage.settle_after_writes_to_leaves()
    assert not wrong, "; ".join(wrong)


def _untraced(writer: Writer, before: dict[str, int], after: dict[str, int]) -> list[str]:
    """What was committed while the refresh stood is noted for the next: in the very log that is meant for it."""
    if writer.trace == "none" and before != after and not writer.must_wait:
        return [f"{writer.name} is noted as a change: {before}, then {after}"]
    if writer.trace not in ("none", "leaves") and after[writer.trace] <= before[writer.trace]:
        return [f"{writer.name} left no trace in the log of {writer.trace}"]
    return []
