"""Do something to each item in threads, and take the results in order.

Decoding and resizing are native code that lets other threads run; threads share memory with the
consumer, so that nothing is copied between processes and none has to start.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 16
"""Results for each thread that may wait for the consumer: memory stays bounded."""


def stream(
    items: Iterable[Item],
    work: Callable[[Item], Result],
    *,
    workers: int,
) -> Iterator[Result]:
    """Yield the result for each item, in their order.

    >>> list(stream([3, 1, 2], lambda number: number * number, workers=2))
    [9, 1, 4]

    Args:
        items: What to work on.
        work: Called in a thread; what it raises is raised here, in its turn.
        workers: Threads; with 0 the work is done when its result is asked for.
    """
    if workers == 0:
        yield from map(work, items)
        return
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="zoo-images")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= workers * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # A consumer that stops early must not wait for what it will not take.
        pool.shutdown(wait=True, cancel_futures=True)


def grouped(
    items: Iterable[Item],
    size: int,
) -> Iterator[list[Item]]:
    """Cut items into groups of a size; the last may be smaller.

    >>> list(grouped([1, 2, 3], 2))
    [[1, 2], [3]]
    """
    group: list[Item] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
