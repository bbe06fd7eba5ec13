"""Loading several files: one after the other, or some at the same time with the same outcome."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.load import load_file
from dpm_assets.loads.result import LoadResult
from dpm_assets.loads.staging import Progress
from dpm_assets.loads.taking import STDIN
from dpm_assets.loads.turns import Turn, TurnInLine, Turns

File = str | Path
Outcome = LoadResult | FileRefused

_STOPPED_EVERY_SECONDS = 0.2


def load_files(
    db: Database,
    files: Iterable[File],
    feed: str | None = None,
    *,
    jobs: int = 1,
    progress: Callable[[File], Progress | None] = lambda _: None,
    **asked: Any,
) -> Iterator[tuple[File, Outcome]]:
    """Load files as `load_file` does, up to `jobs` of them at the same time; each with its outcome, in their order.

    With several jobs the tables, the ledger and what the files say are those of one after the other: a file is committed
    when all before it are, or are refused. Up to `jobs` files beyond the last one that was asked for may be under way, or
    loaded. `progress` gives what a file's bytes are told to; `asked` is what `load_file` is asked for.

    A file at fault has its FileRefused as the outcome, and the others go on. What is not a file's fault is raised at its
    place: the files before it are loaded, those after it are not. That is also so when the caller goes away, and of what
    `files` raises.
    Raises DpmError for fewer than one job, or for more than `db` has connections for (one each, and two).
    """
    if not 1 <= jobs <= db.max_connections - 2:
        raise DpmError(
            f"jobs is {jobs}, and this Database has connections for 1 to {db.max_connections - 2}. Ask for so many, or make it"
            " with more max_connections."
        )

    def load(file: File, turn: Turn | None = None) -> Outcome:
        try:
            return load_file(db, file, feed, progress=progress(file), turn=turn, **asked)
        except FileRefused as error:
            return error

    return ((file, load(file)) for file in files) if jobs == 1 else _ahead(load, files, jobs)


def _ahead(
    load: Callable[[File, Turn | None], Outcome], files: Iterable[File], jobs: int
) -> Iterator[tuple[File, Outcome]]:
    """Each file in a thread with a connection of its own: what takes long releases Python's lock."""

    def load_in_turn(file: File, turn: TurnInLine) -> Outcome:
        if file == STDIN:
            turn.wait_idle()  # whoever reads it first has all of it
        ahead = not turn.has_come()
        try:
            outcome = load(file, turn)
        except DpmError:
            if not ahead or turn.is_numbered:
                raise
            turn.wait_idle()  # what the files before it have taken, connections and space, is there again
            outcome = load(file, turn)
        turn.end()  # after an error that is not the file's the turn of the next does not come
        return outcome

    turns, waiting = Turns(jobs), _Files(files)
    under_way: deque[tuple[File, Future[Outcome]]] = deque()
    with ThreadPoolExecutor(jobs, thread_name_prefix="load") as pool:
        try:
            while True:
                while len(under_way) < jobs and (file := waiting.next()) is not None:
                    under_way.append((file, pool.submit(load_in_turn, file, turns.next())))
                if not under_way:
                    waiting.end()
                    return
                outcome = under_way[0][1].result()
                yield under_way.popleft()[0], outcome
        finally:
            _stop(turns, [future for _, future in under_way])


class _Files:
    """Files to come; an error of their source is raised when those before it are loaded."""

    def __init__(self, files: Iterable[File]) -> None:
        self._files = iter(files)
        self._error: Exception | None = None

    def next(self) -> File | None:
        """None after the last, and after an error."""
        try:
            return None if self._error else next(self._files, None)
        except Exception as error:
            self._error = error
            return None

    def end(self) -> None:
        if self._error:
            raise self._error


def _stop(turns: Turns, under_way: list[Future[Outcome]]) -> None:
    for future in under_way:
        future.cancel()
    while wait(under_way, 0).not_done:
        try:
            turns.cancel()
            wait(under_way, _STOPPED_EVERY_SECONDS)
        except KeyboardInterrupt:  # a second one: what is under way has to end all the same
            continue
