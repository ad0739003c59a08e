"""Decide what a sync has to fetch. Pure: nothing is read or written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zoo.mirror.index import Index, StoredFile
    from zoo.mirror.published import RemoteFile, RemoteItem


@dataclass(frozen=True, slots=True)
class Step:
    """One file to fetch."""

    file: RemoteFile
    reason: str
    """``"missing"``, ``"damaged"`` or ``"changed"``."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sync has to do."""

    steps: tuple[Step, ...]
    kept: int
    """How many files are there and right."""

    @property
    def size_bytes(self) -> int:
        """How much is to fetch, as far as it is known."""
        return sum(step.file.size_bytes or 0 for step in self.steps)


def plan(
    items: Iterable[RemoteItem],
    index: Index,
    digests: Mapping[str, str | None],
) -> Plan:
    """Decide which files to fetch.

    Args:
        items: What should be here.
        index: What is said to be here.
        digests: The digest of what lies under each path of the index; ``None`` where nothing of
            that length does, or where it cannot be read.
    """
    files = {file.path: file for item in items for file in item.files}
    steps: list[Step] = []
    for path, file in files.items():
        stored = index.files.get(path)
        reason = _reason_to_fetch(file, stored, digests.get(path))
        if reason is not None:
            steps.append(Step(file, reason))

    kept = len(files) - len(steps)
    return Plan(tuple(steps), kept)


def _reason_to_fetch(
    file: RemoteFile,
    stored: StoredFile | None,
    digest: str | None,
) -> str | None:
    """Say why a file is to be fetched; ``None`` where it is there and right."""
    if stored is None or digest is None:
        return "missing"
    if digest != stored.sha256:
        return "damaged"

    published = file.sha256 or ""
    if not digest.startswith(published):
        return "changed"
    return None
