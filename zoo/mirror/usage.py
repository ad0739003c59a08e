"""When each file was last asked for.

Every server writes it down now and then, whoever prunes reads all.

::

    .private/used/<server>.json     {"schema_version": 1, "used_s": {"weights/...": 1764406800}}

An hour more or less is all that matters here, so a busy server writes seldom.
"""

from __future__ import annotations

import hashlib
import json
import platform
import threading
import time
from collections.abc import Mapping  # noqa: TC003 - the strict decoder reads it
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.documents import parse_document
from zoo.errors import DocumentError, ZooError
from zoo.mirror import layout

if TYPE_CHECKING:
    from zoo.mirror.store import Store

SCHEMA_VERSION = 1
LARGEST_BYTES = 64 << 20
STEP_S = 3600.0
"""A use so soon after the last one is not worth writing."""


@dataclass(frozen=True, slots=True)
class _Document:
    """What one server has written down."""

    schema_version: int
    used_s: Mapping[str, float]


class Usage:
    """What one server has seen. Threads may share it.

    Args:
        store: The mirror.
        server: What tells this server from others on the same mirror, such as its port.
    """

    def __init__(
        self,
        store: Store,
        server: str,
    ) -> None:
        who = f"{platform.node()} {server}"
        digest = hashlib.sha256(who.encode())
        name = digest.hexdigest()[:16]
        self._store = store
        self._key = f"{layout.USED}{name}.json"
        self._lock = threading.Lock()
        self._used_s = _read(store, self._key)
        self._is_changed = False

    def note(self, path: str) -> None:
        """Take note that a file is asked for now."""
        now_s = time.time()
        with self._lock:
            if now_s - self._used_s.get(path, 0.0) > STEP_S:
                self._used_s[path] = float(int(now_s))
                self._is_changed = True

    def write(self) -> None:
        """Write down what is new; files that the mirror holds no more are forgotten."""
        with self._lock:
            if not self._is_changed:
                return

            files = self._store.index().files
            used = self._used_s
            self._used_s = {path: last_s for path, last_s in used.items() if path in files}
            content = {"schema_version": SCHEMA_VERSION, "used_s": self._used_s}
            self._is_changed = False
        data = json.dumps(content).encode()
        self._store.objects.update(self._key, lambda _: data)


def read_all(store: Store) -> dict[str, float]:
    """Return when each file was last asked for, of any server."""
    latest_s: dict[str, float] = {}
    for key in store.objects.names(layout.USED):
        for path, used in _read(store, key).items():
            latest_s[path] = max(used, latest_s.get(path, 0.0))
    return latest_s


def _read(
    store: Store,
    key: str,
) -> dict[str, float]:
    """Read what a server has written; a document that is damaged says nothing."""
    try:
        document = store.objects.read(key, LARGEST_BYTES)
        if document is None:
            return {}
        return dict(parse_document(document.data, _Document, SCHEMA_VERSION).used_s)
    except (DocumentError, ZooError):
        return {}
