"""One server of forks for the processes that tests kill; each of their modules names itself."""

import multiprocessing
from multiprocessing.context import ForkServerContext

_preloaded: list[str] = []


def forks_of(module: str) -> ForkServerContext:
    """Its processes are forked from one that has imported them all: there is one list, and setting it replaces the last."""
    context = multiprocessing.get_context("forkserver")
    _preloaded.append(module)
    context.set_forkserver_preload(_preloaded)
    return context
