"""`dpm status` and `dpm metrics`."""

import json
import signal
import threading
import time
from dataclasses import asdict
from typing import Annotated

import typer

from dpm_assets.monitor.page import print_page
from dpm_assets.monitor.problems import exit_code, problems
from dpm_assets.monitor.snapshot import take
from dpm_assets.printing import Terminal

console = Terminal()


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object on a line.")] = False,
    watch: Annotated[
        float | None, typer.Option("--watch", min=0.1, help="Look again every so many seconds, until Ctrl-C.")
    ] = None,
) -> None:
    """What whoever is on call has to know, on one page; exit code 0 healthy, 1 something is wrong, 2 it cannot be told."""
    try:
        while True:
            code = _look(as_json, watching=watch is not None)
            if watch is None:
                break
            time.sleep(watch)
    except KeyboardInterrupt:
        code = 0
    raise typer.Exit(code)


def _look(as_json: bool, watching: bool) -> int:
    looked = take()
    found = problems(looked)
    code = exit_code(looked, found)
    if as_json:
        known = asdict(looked) | {"months_ahead": looked.months_ahead}
        told = {"exit_code": code, "healthy": code == 0, "problems": [asdict(problem) for problem in found]}
        typer.echo(json.dumps(told | known, default=str))
        return code
    if watching and console.is_terminal:
        console.clear()
    print_page(console, looked, found)
    if watching and not console.is_terminal:
        console.print()
    return code


def metrics(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")],
    host: Annotated[str, typer.Option(help="Address to listen on; there is no password.")] = "127.0.0.1",
) -> None:
    """Expose the same for Prometheus at /metrics, one look at the warehouse a scrape, until Ctrl-C."""
    from dpm_assets.monitor.exposition import serve  # here, so that no other command pays for the import

    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with serve(host, port):
            console.print(f"metrics of this warehouse: http://{host}:{port}/metrics; Ctrl-C stops", soft_wrap=True)
            stopped.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
