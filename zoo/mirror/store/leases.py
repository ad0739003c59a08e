"""Who works in a bucket. There are no locks, so whoever does leaves a *lease*.

That is an object which a thread renews as long as its owner lives. Who brings files shares the
bucket with others who do; who removes files is alone.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from typing import TYPE_CHECKING

from zoo.errors import MirrorError
from zoo.mirror import layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.mirror.store.objects import Objects

LEASE_S = 120.0
"""How long a lease that nobody renews stands for somebody who lives."""
ALONE_TIMEOUT_S = 60.0
_LEASES = f"{layout.PRIVATE}/leases/"
_LONGEST_PAUSE_S = 0.5


class Leases:
    """The leases of one process in one bucket. Threads may share it.

    Args:
        objects: The bucket.
        lease_s: How long a lease stands that nobody renews.
        alone_timeout_s: How long to wait for others before giving up being alone.
    """

    def __init__(
        self,
        objects: Objects,
        lease_s: float,
        alone_timeout_s: float,
    ) -> None:
        self._objects = objects
        self._lease_s = lease_s
        self._alone_timeout_s = alone_timeout_s
        self._lock = threading.Lock()
        self._workers = 0
        self._lease: _Lease | None = None

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Hold a lease; everybody of this process shares one."""
        with self._lock:
            self._workers += 1
            is_first = self._workers == 1
        try:
            if is_first:
                self._lease = self._begin_work()
            yield
        finally:
            with self._lock:
                self._workers -= 1
                lease = self._lease
                is_last = self._workers == 0
                if is_last:
                    self._lease = None
            if is_last and lease is not None:
                lease.end()

    def _begin_work(self) -> _Lease:
        """Leave a lease, then wait until nobody is alone here."""
        lease = _Lease(self._objects, "work", self._lease_s)
        self._wait_for("alone", lease, self._lease_s, "removes")
        return lease

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Leave a lease that keeps others from beginning, then wait until nobody works."""
        lease = _Lease(self._objects, "alone", self._lease_s)
        try:
            self._wait_for("work", lease, self._alone_timeout_s, "brings")
            self._wait_for("alone", lease, self._alone_timeout_s, "removes")
            yield
        finally:
            lease.end()

    def _wait_for(
        self,
        kind: str,
        own: _Lease,
        patience_s: float,
        what: str,
    ) -> None:
        """Wait until no living lease of a kind is left but our own; dead ones are removed."""
        beginning = f"{_LEASES}{kind}-"
        deadline_s = time.monotonic() + patience_s
        pause_s = min(_LONGEST_PAUSE_S, patience_s / 10)
        while True:
            others = self._living_others(own)
            if not any(key.startswith(beginning) for key in others):
                return

            if time.monotonic() > deadline_s:
                own.end()
                fault = f"another process {what} files here"
                advice = "wait for it or end it, then try again"
                raise MirrorError(self._objects.address, fault, advice)

            time.sleep(pause_s)
            own.renew()

    def _living_others(self, own: _Lease) -> list[str]:
        """List the leases of others that are renewed, and remove those that are not.

        The bucket's own clock decides: the newest lease says how late it is.
        """
        leases = list(self._objects.listed(_LEASES))
        now_s = max((lease.modified_s for lease in leases), default=0.0)
        oldest_s = now_s - self._lease_s

        living: list[str] = []
        for lease in leases:
            if lease.key == own.key:
                continue

            if lease.modified_s >= oldest_s:
                living.append(lease.key)
            else:
                self._objects.remove(lease.key)
        return living


class _Lease:
    """An object that says that somebody lives; a thread renews it."""

    def __init__(
        self,
        objects: Objects,
        kind: str,
        lease_s: float,
    ) -> None:
        own = secrets.token_hex(8)
        self.key = f"{_LEASES}{kind}-{own}"
        self._objects = objects
        self._ended = threading.Event()
        self.renew()

        pause_s = lease_s / 4
        self._thread = threading.Thread(target=self._keep, args=(pause_s,), daemon=True)
        self._thread.start()

    def renew(self) -> None:
        """Write it again."""
        self._objects.touch(self.key)

    def end(self) -> None:
        """Remove it."""
        if not self._ended.is_set():
            self._ended.set()
            self._thread.join()
            self._objects.remove(self.key)

    def _keep(self, pause_s: float) -> None:
        """Renew it until it ends."""
        while not self._ended.wait(pause_s):
            with contextlib.suppress(MirrorError):  # the next try may succeed
                self.renew()
