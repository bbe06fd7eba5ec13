"""Starting a server's process, and waiting until it takes connections where dpm looks for it."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from psycopg import pq

from dpm_assets.errors import DpmError
from dpm_assets.server.places import ServerUser
from dpm_assets.server.postmaster import listening, postmaster
from dpm_assets.server.programs import run
from dpm_assets.server.state import ServerState

Say = Callable[[str], None]

# Attempts to reach a server that says it is ready; on a machine that is very busy an answer may be late.
_ATTEMPTS = 5


class NotReachable(DpmError):
    """The server runs, but not where dpm looks for it: another try would not help."""


def say_nothing(text: str) -> None:
    """For who has nobody to tell."""


def ping(port: int) -> int:
    """What a server at this port of this machine answers, one of `pq.Ping`."""
    address = f"hostaddr=127.0.0.1 port={port} sslmode=disable gssencmode=disable connect_timeout=3"
    return pq.PGconn.ping(address.encode())


def is_replaying(state: ServerState) -> bool:
    """Whether the server lives, and takes no connections since it replays its log."""
    return (
        postmaster(state.data) is not None
        and listening(state.data)[0] == state.port
        and ping(state.port) == pq.Ping.REJECT
    )


def start_process(
    pg_ctl: str,
    state: ServerState,
    user: ServerUser | None,
    *,
    log: Path,
    output: Path,
    seconds: int,
    say: Say,
    options: Sequence[str] = (),
) -> None:
    """pg_ctl start, and wait until the server takes connections.

    pg_ctl gives up after so many `seconds`, and a server that was killed may have to replay its log for longer. It would begin
    anew if it were ended then, so it is waited for; `say` is told. Raises DpmError when the server ends, NotReachable when it
    listens elsewhere.
    """
    command = [pg_ctl, "start", "-D", str(state.data), "-l", str(log), "-w", "-t", str(seconds), *options]
    try:
        run(command, user, output)
    except DpmError:
        if postmaster(state.data) is None:
            raise
        say(f"PostgreSQL still replays its log after {seconds} s; waiting until that is done. It writes into {log}.")
    wait_until_ready(state)


def wait_until_ready(state: ServerState) -> None:
    """However long the log is replayed: pg_ctl does not wait for who goes back to a point in time, either."""
    refused = 0
    while True:
        if postmaster(state.data) is None:
            raise DpmError("The log could not be replayed.")
        port, ready = listening(state.data)
        if port not in (None, state.port):
            raise NotReachable(
                f"PostgreSQL listens at port {port} and not at {state.port}, which dpm has chosen. Take port out of "
                f"{_files_of_the_user(state)}, then start again."
            )
        answer = ping(state.port)
        if answer == pq.Ping.OK:
            return
        refused += ready and answer == pq.Ping.NO_RESPONSE
        if refused == _ATTEMPTS:
            raise NotReachable(
                f"PostgreSQL runs and does not answer at 127.0.0.1:{state.port}. Take listen_addresses out of "
                f"{_files_of_the_user(state)}, or name 127.0.0.1 there too, then start again."
            )
        time.sleep(0.2)


def _files_of_the_user(state: ServerState) -> str:
    return f"{state.data}/custom.conf, or out of postgresql.auto.conf beside it if alter system has set it"
