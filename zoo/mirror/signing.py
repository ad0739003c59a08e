"""What a signed mirror says: the length and digest of every file that it holds.

``zoo mirror sign`` puts a repository of :mod:`zoo.trust` below ``trust/``, where any web server can
serve it. Clients that know its root believe the mirror only as far as that list goes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003 - decoded at run time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.documents import parse_document
from zoo.errors import DocumentError, MirrorError
from zoo.mirror import layout

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.mirror.index import Index
    from zoo.mirror.store import Store

SCHEMA_VERSION = 1
LIST = "mirror-files.json"
"""The name under which the list is signed."""
TIMESTAMP = "metadata/timestamp.json"


@dataclass(frozen=True, slots=True)
class SignedFile:
    """What is signed of one file."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Document:
    schema_version: int
    files: Mapping[str, SignedFile]


def list_files(index: Index) -> bytes:
    """Write the list of a mirror's files, sorted by path."""
    files = {
        path: {"size_bytes": file.size_bytes, "sha256": file.sha256}
        for path, file in sorted(index.files.items())
    }
    content = {"schema_version": SCHEMA_VERSION, "files": files}
    return (json.dumps(content, indent=0, ensure_ascii=False) + "\n").encode()


def read_list(
    data: bytes,
    place: str,
) -> Mapping[str, SignedFile]:
    """Read a list of files.

    Raises:
        MirrorError: It is malformed.
    """
    try:
        return parse_document(data, _Document, SCHEMA_VERSION).files
    except DocumentError as error:
        fault = f"its signed list of files cannot be read: {error.fault}"
        raise MirrorError(place, fault, "ask its administrator to sign it again") from error


def put(
    store: Store,
    public: Path,
) -> None:
    """Put what is signed where the mirror serves it, and remove what it takes the place of.

    Args:
        store: The mirror.
        public: The public folder of a repository of :mod:`zoo.trust`.
    """
    kept: dict[str, Path] = {}
    for path in sorted(public.rglob("*")):
        if path.is_file():
            name = path.relative_to(public).as_posix()
            kept[name] = path

    # The timestamp comes last: a client that looks in between sees the state before.
    kept[TIMESTAMP] = kept.pop(TIMESTAMP)
    for name, path in kept.items():
        key = f"{layout.TRUST}{name}"
        _write(store, key, path.read_bytes())

    entries = list(store.objects.listed(f"{layout.TRUST}targets/"))
    for entry in entries:
        name = entry.key.removeprefix(layout.TRUST)
        if name not in kept:
            store.objects.remove(entry.key)


def _write(
    store: Store,
    key: str,
    data: bytes,
) -> None:
    store.objects.update(key, lambda _: data)
