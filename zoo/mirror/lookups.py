"""Lookups at the upstreams.

Each is made once for all who want to know, its result believed for a while.

That there is no such thing is a result too, and counts against GitHub's limit of requests. A
failure is remembered for a shorter time, so that an upstream that is down is not waited for again
by every client.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
FRESH_S = 60.0
"""How long a result is believed, ..."""
FAILURE_S = 10.0
"""... and how long an upstream that failed is not asked again."""
METADATA_S = 8.0
"""Clients of Hugging Face wait 10 seconds for a first byte; then what is known must do."""
MAX_RESULTS = 10_000
"""Results remembered before old ones are forgotten."""
THREADS = 32
"""Threads of their own: lookups that are stuck must not keep anything else from running."""
ABSENT = (404, 410, 422)
TIMED_OUT = 504


@dataclass(frozen=True, slots=True)
class _Asked:
    """A lookup on its way, or its result."""

    at: float
    task: asyncio.Task[Any]

    def may_be_believed(self, now: float) -> bool:
        """Tell whether the result is still good, or still awaited."""
        if not self.task.done():
            return True
        if self.task.cancelled():
            return False
        error = self.task.exception()
        is_result = error is None or is_absent(error)
        return now - self.at <= (FRESH_S if is_result else FAILURE_S)


class Lookups:
    """What the upstreams of one server have answered. All methods belong to its event loop."""

    def __init__(self) -> None:
        self._asked: dict[object, _Asked] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ask")

    async def close(self) -> None:
        """Give up what has not been answered."""
        tasks = [asked.task for asked in self._asked.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def ask(
        self,
        key: object,
        lookup: Callable[[], T],
        *,
        limit_s: float | None = METADATA_S,
    ) -> T:
        """Ask, or join those who have asked already, or take the result that is known.

        Args:
            key: What is asked.
            lookup: Asks it, in a thread.
            limit_s: How long the lookup may be on its way, however many wait for it.

        Raises:
            SourceError: There is no such thing (:func:`is_absent`), or no response.
        """
        now = time.monotonic()
        asked = self._asked.get(key)
        if asked is None or not asked.may_be_believed(now):
            asked = self._begin(key, lookup, now)

        left_s = None
        if limit_s is not None:
            until = asked.at + limit_s
            left_s = max(0.0, until - now)
        try:
            result: T = await asyncio.wait_for(asyncio.shield(asked.task), left_s)
        except TimeoutError as error:
            raise SourceError(
                "the upstream",
                f"expected an answer within {limit_s:.0f} seconds, got none yet",
                is_retryable=True,
                status=TIMED_OUT,
            ) from error
        return result

    def _begin(
        self,
        key: object,
        lookup: Callable[[], Any],
        now: float,
    ) -> _Asked:
        if len(self._asked) > MAX_RESULTS:
            known = self._asked
            awaited = {key: one for key, one in known.items() if not one.task.done()}
            self._asked = awaited

        async def look_up() -> Any:
            return await asyncio.get_running_loop().run_in_executor(self._threads, lookup)

        asked = _Asked(now, asyncio.ensure_future(look_up()))
        # a failure that nobody has waited for is no fault of the program
        asked.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._asked[key] = asked
        return asked


def is_absent(error: BaseException) -> bool:
    """Tell an upstream that says that there is no such thing from one that fails to answer."""
    return isinstance(error, SourceError) and error.status in ABSENT
