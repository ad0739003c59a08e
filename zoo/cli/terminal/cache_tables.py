"""The tables of ``zoo cache``: what lies there, what verifying found, what goes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zoo.catalog import quantities
from zoo.cli.terminal.tables import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.cache.dedupe import Link
    from zoo.cache.huggingface import HubFinding, HubSnapshot
    from zoo.cache.inventory import CachedFile
    from zoo.cache.prune import Removal
    from zoo.cache.verify import Finding

_FILE = Column("file_name", "file", quantities.text)
_SIZE = Column("size_bytes", "size", quantities.size, is_number=True)
_OWNER = Column("owner", "belongs to", quantities.text)
_STATE = Column("state", "state", quantities.text)
_FAULT = Column("fault", "fault", quantities.text)
_ADVICE = Column("fix_with", "fix it with", quantities.text)
_SHA256 = Column("sha256", "sha256", quantities.text)


def _day(moment: str) -> str:
    """Show the day of a moment."""
    return moment[:10]


def _moment(seconds: float) -> str:
    """Write a moment as machines read it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def inventory_table(files: Iterable[CachedFile]) -> Table:
    """List files of torch's cache."""
    columns = (
        _FILE,
        Column("role", "is", quantities.text),
        _OWNER,
        _SIZE,
        Column("last_used", "last used", _day),
        Column("is_verified", "verified", quantities.text),
    )
    rows = [
        [
            file.name,
            file.role.value,
            file.owner,
            file.size_bytes,
            _moment(file.last_used_s),
            file.is_verified,
        ]
        for file in files
    ]
    return Table(columns, rows, optional=("last_used", "role", "is_verified"))


def findings_table(findings: Iterable[Finding]) -> Table:
    """List what verifying has found."""
    columns = (_FILE, _OWNER, _SIZE, _STATE, _FAULT, _ADVICE, _SHA256)
    rows = [
        [
            found.file.name,
            found.file.owner,
            found.file.size_bytes,
            found.verdict.value,
            *_ends(found),
            found.sha256,
        ]
        for found in findings
    ]
    return Table(
        columns,
        rows,
        optional=("sha256", "size_bytes", "owner"),
        bonus=frozenset({"sha256"}),
        asked=frozenset({"fault", "fix_with"}),
        sentences=frozenset({"fault", "fix_with"}),
    )


def _ends(finding: Finding | HubFinding) -> list[str | None]:
    """Return what is wrong and what fixes it."""
    return [finding.fault, finding.advice]


def snapshots_table(snapshots: Iterable[HubSnapshot]) -> Table:
    """List the snapshots of a Hugging Face cache."""
    columns = (
        Column("repository", "repository", quantities.text),
        Column("kind", "is", quantities.text),
        Column("branches", "branches", quantities.text),
        Column("files", "files", quantities.count, is_number=True),
        _SIZE,
        Column("commit", "commit", quantities.text),
    )
    rows = [
        [
            found.repository,
            found.kind,
            ", ".join(found.branches) or None,
            len(found.files),
            found.size_bytes,
            found.commit,
        ]
        for found in snapshots
    ]
    return Table(columns, rows, optional=("commit", "branches", "kind"))


def hub_findings_table(findings: Iterable[HubFinding]) -> Table:
    """List what verifying a Hugging Face cache has found."""
    columns = (
        Column("repository", "repository", quantities.text),
        _FILE,
        Column("commit", "commit", quantities.text),
        _SIZE,
        _STATE,
        _FAULT,
        _ADVICE,
    )
    rows = [
        [
            found.file.repository,
            found.file.path,
            found.file.commit,
            found.file.size_bytes,
            found.verdict.value,
            *_ends(found),
        ]
        for found in findings
    ]
    return Table(columns, rows, optional=("commit", "size_bytes"))


def removals_table(removals: Iterable[Removal]) -> Table:
    """List what goes, and why."""
    columns = (_FILE, _OWNER, _SIZE, Column("reason", "reason", quantities.text))
    rows = [
        [gone.file.name, gone.file.owner, gone.file.size_bytes, gone.reason] for gone in removals
    ]
    return Table(columns, rows, optional=("owner",))


def links_table(links: Iterable[Link]) -> Table:
    """List which files become another name of which."""
    columns = (_FILE, _SIZE, Column("equals", "equals", quantities.text))
    return Table(
        columns, [[pair.replace.name, pair.replace.size_bytes, pair.keep.name] for pair in links]
    )
