"""Work done in threads, with its results in the order of the items."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def in_order(work: Callable[[_In], _Out], items: Iterable[_In]) -> Generator[_Out, None, None]:
    """`work` on each item in threads, a few items ahead of the consumer, the results in the order of the items."""
    workers = max(1, min(3, (os.cpu_count() or 2) - 1))
    with ThreadPoolExecutor(workers, thread_name_prefix="sift") as pool:
        waiting: deque[Future[_Out]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def made_ahead(items: Generator[_Out, None, None]) -> Generator[_Out, None, None]:
    """`items`, each made in a thread while the one before is in use."""
    end: Any = object()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        try:
            coming = pool.submit(next, items, end)
            while (item := coming.result()) is not end:
                coming = pool.submit(next, items, end)
                yield item
        finally:
            pool.shutdown()
            items.close()
