"""What is published upstream.

Files, and the items that they make up, as their publishers describe them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.mirror.index import Kind


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file as its publisher describes it."""

    path: str
    """Where it goes in the mirror."""
    origin: str
    """Its public address."""
    size_bytes: int | None = None
    size_tolerance_bytes: int = 0
    sha256: str | None = None
    """The whole digest or its first digits."""
    git_oid: str | None = None
    """Git's digest, where that is the one that is published."""


@dataclass(frozen=True, slots=True)
class RemoteItem:
    """An item as it is upstream now."""

    kind: Kind
    name: str
    files: tuple[RemoteFile, ...]
    revision: str | None = None
    refs: tuple[str, ...] = ()
    license: str | None = None
    is_partial: bool = False
    """Whether the mirror asks for some of its files only."""
    is_gated: bool = False
    """Whether its publisher gives it only to those who were let in."""
    aliases: tuple[str, ...] = ()
    """Names that it had before."""
    is_held: bool = False
    """Whether this is what the mirror holds, not what the publisher says now."""
