"""Manifests: what a mirror holds of one name, in a small document of its own.

They are the truth, and the index is a copy of all of them in one file. To add an item, one manifest
is written and a mark that the index has not seen it yet; whoever reads takes the index, then the
marked manifests. Now and then the marked ones are folded into the index. So adding N items costs N
small files and one index, and an index that is lost is made again.

::

    manifests/3f/9ae2...c1.json                     kind, name, and the items of that name
    .private/pending/3f9ae2...c1.5d0e77a1b2c3d4e5   a mark: the index has not seen it yet
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import MirrorError
from zoo.mirror import index, layout

if TYPE_CHECKING:
    from zoo.mirror.index import Place, Versions

LARGEST_BYTES = 64 << 20
_ID_DIGITS = 40
_MARK = re.compile(rf"([0-9a-f]{{{_ID_DIGITS}}})\.[0-9a-f]{{16}}")
_KEY = re.compile(rf"{layout.MANIFESTS}([0-9a-f]{{2}})/([0-9a-f]{{{_ID_DIGITS - 2}}})\.json")
_ADVICE = 'run "zoo mirror reindex", then "zoo mirror sync"'


def id_of(place: Place) -> str:
    """Return the hex digits under which the manifest of a name lies.

    Names may be long, and differ in case alone.
    """
    kind, name = place
    text = f"{kind}\0{name}"
    digest = hashlib.sha256(text.encode())
    return digest.hexdigest()[:_ID_DIGITS]


def key_of(manifest_id: str) -> str:
    """Return the path of a manifest."""
    folder = manifest_id[:2]
    name = manifest_id[2:]
    return f"{layout.MANIFESTS}{folder}/{name}.json"


def id_in_key(key: str) -> str | None:
    """Return which manifest lies under a path; ``None`` if none does."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None

    folder, name = match.groups()
    return f"{folder}{name}"


def new_mark(manifest_id: str) -> str:
    """Return the path of a new mark."""
    own = secrets.token_hex(8)
    return f"{layout.PENDING}{manifest_id}.{own}"


def id_in_mark(mark: str) -> str | None:
    """Return which manifest a mark is about; ``None`` if it is no mark."""
    name = mark.removeprefix(layout.PENDING)
    match = _MARK.fullmatch(name)
    if match is None:
        return None
    return match[1]


def to_json(
    place: Place,
    versions: Versions,
) -> bytes:
    """Write a manifest. One without items says that the mirror has nothing of the name any more."""
    kind, name = place
    content = {
        "schema_version": index.SCHEMA_VERSION,
        "kind": kind,
        "name": name,
        "items": [index.record_of(item) for item in versions],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return f"{text}\n".encode()


@dataclass(frozen=True, slots=True)
class _Document:
    """What the text of a manifest holds."""

    kind: index.Kind
    name: str
    items: tuple[index.Item, ...]
    schema_version: int


def parse(
    data: bytes,
    key: str,
) -> tuple[Place, Versions]:
    """Read a manifest: of which name it is, and what is held of it.

    Raises:
        MirrorError: It is malformed, or it is another name's.
    """
    document = index.read_document(_Document, data, key, _ADVICE)
    place = (document.kind, document.name)
    is_own = id_of(place) == id_in_key(key)
    places = {item.place for item in document.items}
    if not is_own or not places <= {place}:
        fault = f"expected the manifest of one name, it is that of {document.name!r:.80}"
        raise MirrorError(key, fault, _ADVICE)
    return place, document.items
