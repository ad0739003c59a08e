"""Who may read a mirror: anybody, or those with a token.

A token is shown once, when it is made; the mirror keeps its SHA-256. Clients send it as they send
any other: ``Authorization: Bearer`` (``HF_TOKEN``), ``Basic`` (``~/.netrc``, a password in the
address; the user's name does not matter), ``token`` (``GITHUB_TOKEN``), and
``Proxy-Authorization`` (a password in the proxy's address).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import secrets
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from zoo.documents import parse_document
from zoo.errors import DocumentError, MirrorError, UsageError
from zoo.mirror import layout, policy
from zoo.mirror.store import now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.mirror.store import Store

DOCUMENT = f"{layout.PRIVATE}/tokens.json"
SCHEMA_VERSION = 1
PREFIX = "zoo_"
SECRET_BYTES = 24
FRESH_S = 2.0
"""How long a removed token may still be good for."""
MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who may read."""

    name: str
    sha256: str
    """Of the token."""
    created_at: str
    gated: tuple[str, ...] = ()
    """Patterns of gated items that may be read: ``hf:meta-llama/*``; ``*`` for all."""

    def may_read_gated(self, name: str) -> bool:
        """Tell whether this reader gets a gated item of this name."""
        return policy.fits(name, self.gated)


EVERYBODY = Reader("everybody", "", "", ("*",))
"""Who reads a mirror without tokens."""


@dataclass(frozen=True, slots=True)
class _Document:
    """All of ``tokens.json``."""

    readers: tuple[Reader, ...] = ()
    schema_version: int = SCHEMA_VERSION


def load(store: Store) -> tuple[Reader, ...]:
    """List who may read; nobody means everybody.

    Raises:
        MirrorError: The list cannot be read: then nobody may.
    """
    document = store.objects.read(DOCUMENT)
    if document is None:
        return ()
    return _parse(document.data)


def add(
    store: Store,
    name: str,
    gated: Sequence[str] = (),
) -> str:
    """Let somebody read, and return the token.

    Args:
        store: The mirror.
        name: What to call the reader.
        gated: Patterns of gated items that may be read as well.

    Raises:
        UsageError: The name cannot be one.
        MirrorError: There is one of this name.
    """
    has_letters = 0 < len(name) <= MAX_NAME
    if not has_letters or not name.isprintable():
        expected = f"a reader's name has 1 to {MAX_NAME} printable letters"
        raise UsageError(f"{expected}, got {name!r:.80}")

    secret = secrets.token_urlsafe(SECRET_BYTES)
    token = f"{PREFIX}{secret}"
    digest = _hash(token)
    added = Reader(name, digest, now(), tuple(gated))

    def change(readers: tuple[Reader, ...]) -> tuple[Reader, ...]:
        names = {reader.name for reader in readers}
        if name in names:
            advice = f'choose another name, or run "zoo mirror token remove {name}"'
            raise MirrorError(name, "there is a token of this name", advice)
        return (*readers, added)

    _change(store, change)
    return token


def remove(
    store: Store,
    name: str,
) -> None:
    """Let somebody read no longer.

    Raises:
        MirrorError: There is none of this name.
    """

    def change(readers: tuple[Reader, ...]) -> tuple[Reader, ...]:
        kept = tuple(reader for reader in readers if reader.name != name)
        if len(kept) == len(readers):
            raise MirrorError(
                name, "there is no token of this name", 'to see all, run "zoo mirror token list"'
            )
        return kept

    _change(store, change)


def _change(
    store: Store,
    change: Callable[[tuple[Reader, ...]], tuple[Reader, ...]],
) -> None:
    def rewrite(data: bytes | None) -> bytes:
        known = () if data is None else _parse(data)
        document = _Document(change(known))
        text = json.dumps(asdict(document), indent=1)
        return f"{text}\n".encode()

    store.objects.update(DOCUMENT, rewrite)


def _parse(data: bytes) -> tuple[Reader, ...]:
    try:
        return parse_document(data, _Document, SCHEMA_VERSION).readers
    except DocumentError as error:
        advice = "restore it, or remove it and add the tokens again"
        raise MirrorError(DOCUMENT, f"it is malformed: {error.fault}", advice) from error


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Readers:
    """Check tokens for one server; a change of the list counts within seconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read_at_s = -math.inf
        self._by_hash: dict[str, Reader] = {}

    @property
    def is_fresh(self) -> bool:
        """Whether the list was read a moment ago."""
        return time.monotonic() - self._read_at_s < FRESH_S

    def refresh(self) -> None:
        """Read the list again.

        Raises:
            MirrorError: It cannot be read.
        """
        self._by_hash = {reader.sha256: reader for reader in load(self._store)}
        self._read_at_s = time.monotonic()

    @property
    def is_open(self) -> bool:
        """Whether anybody may read."""
        return not self._by_hash

    def reader_of(self, authorization: str | None) -> Reader | None:
        """Return whose token a header holds; ``None`` if it holds none that is known."""
        if self.is_open:
            return EVERYBODY
        for token in _tokens_in(authorization or ""):
            # what is looked up is a digest: the time that it takes says nothing about the token
            if (reader := self._by_hash.get(_hash(token))) is not None:
                return reader
        return None


def _tokens_in(authorization: str) -> tuple[str, ...]:
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() in ("bearer", "token"):
        return (value.strip(),)
    if scheme.lower() != "basic":
        return ()
    try:
        decoded = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ()
    user, _, password = decoded.partition(":")
    return (password, user)
