"""Where a test's mirror lies, a folder or a bucket, and what is done to it behind its back."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from zoo.mirror.store import Store, addresses
from zoo.mirror.store.bucket import Bucket

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.bucket_server import BucketServer


@dataclass(frozen=True)
class Places:
    """Where mirrors can be made: below a folder, or in buckets of a server."""

    folder: Path
    buckets: BucketServer | None = None

    def new(self) -> Path | str:
        """Name a place where nothing is yet."""
        if self.buckets is not None:
            return self.buckets.full(self.buckets.new_bucket())

        own = secrets.token_hex(4)
        return self.folder / own / "mirror"


def again(
    store: Store,
    **options: float,
) -> Store:
    """Open a mirror as another process does, which believes nothing that was so a moment ago."""
    if store.is_local:
        return Store(store.root)

    address = addresses.parse(store.address)
    chosen: dict[str, Any] = {"fresh_s": 0.0, **options}
    return Store(store.address, objects=Bucket(address, **chosen))


def keys(
    store: Store,
    prefix: str = "",
) -> set[str]:
    """List all that lies in a mirror, whether it is named by the index or not."""
    entries = store.objects.listed(prefix)
    return {entry.key for entry in entries}


def holds(
    store: Store,
    path: str,
) -> bool:
    """Tell whether anything lies under a path."""
    size_bytes = store.objects.size_bytes(path)
    return size_bytes is not None


def read(
    store: Store,
    path: str,
) -> bytes:
    """Read what lies under a path."""
    with store.objects.open(path) as stream:
        return stream.read()


def overwrite(
    store: Store,
    path: str,
    data: bytes,
) -> None:
    """Put other bytes under a path; on a disk nothing but the bytes shows it."""
    if not store.is_local:
        cast("Any", store.objects)._put(path, data)
        return

    place = store.root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    before = place.stat() if place.exists() else None
    place.write_bytes(data)
    if before is not None:
        os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))


def flip(
    store: Store,
    path: str,
) -> bytes:
    """Change the last bit of what lies under a path; return what was there."""
    good = read(store, path)
    last = good[-1] ^ 1
    bad = good[:-1] + bytes([last])
    overwrite(store, path, bad)
    return good


def lose(
    store: Store,
    path: str,
) -> None:
    """Take away what lies under a path."""
    store.objects.remove(path)
