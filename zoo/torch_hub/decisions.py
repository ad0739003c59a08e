"""Decisions to trust a commit of a repository, one file beside torch.hub's repositories.

torch.hub trusts an owner and a name for ever, whatever is pushed there next, and every repository
whose folder it finds. Here a decision is about one commit and the digest of its files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from zoo import atomic
from zoo.cache import disk, locks, paths
from zoo.documents import parse_document, read_regular_file
from zoo.errors import DocumentError, TrustError

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 1
LARGEST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Decision:
    """One commit of one repository that somebody trusts."""

    repository: str
    commit: str
    files_sha256: str
    """Of the names and contents of its files (:mod:`zoo.recorder.trees`)."""
    ref: str | None
    """What was asked for: a branch or tag; ``None`` for the default."""
    decided_at: str
    """UTC, ISO 8601."""
    decided_by: str
    """``"--trust"``, ``"a question on the terminal"``, ``"Python"``."""

    @property
    def key(self) -> str:
        """How the file names it; the case of letters does not matter to GitHub."""
        return f"{self.repository.lower()}@{self.commit}"


@dataclass(frozen=True, slots=True)
class DecisionFile:
    """The content of the file."""

    schema_version: int
    decisions: Mapping[str, Decision]
    """The newest comes last."""


def hub_folder() -> Path:
    """Return the folder in which torch.hub keeps repositories."""
    return paths.checkpoints_folder().parent


def own_folder() -> Path:
    """Return the folder that holds archives and decisions; torch.hub looks for no such name."""
    return hub_folder() / ".zoo"


def decisions_file() -> Path:
    """Return where decisions are written down."""
    return own_folder() / "trusted.json"


def read_decisions() -> dict[str, Decision]:
    """Read every decision, by ``owner/name@commit`` in lower case; none where there is no file.

    Raises:
        TrustError: The file is malformed.
    """
    path = decisions_file()
    try:
        data = read_regular_file(path, LARGEST_BYTES)
        return dict(parse_document(data, DecisionFile, SCHEMA_VERSION).decisions)
    except FileNotFoundError:
        return {}
    except (OSError, DocumentError) as error:
        fault = f"the decisions cannot be read: {error}"
        raise TrustError(str(path), fault, "fix the file, or delete it") from error


def find_decision(
    repository: str,
    commit: str,
) -> Decision | None:
    """Find what was decided about a commit."""
    return read_decisions().get(f"{repository.lower()}@{commit}")


def last_decision(
    repository: str,
    ref: str | None,
) -> Decision | None:
    """Find the commit that was trusted last of what was asked for in these words."""
    found = None
    for decision in read_decisions().values():
        is_same = decision.repository.lower() == repository.lower()
        if is_same and decision.ref == ref:
            found = decision
    return found


def write_decision(decision: Decision) -> None:
    """Add a decision.

    Raises:
        TrustError: The file is malformed.
        CacheError: It cannot be written.
    """
    with locks.held_for(decisions_file()):
        known = read_decisions()
        known.pop(decision.key, None)
        known[decision.key] = decision
        _write(known)


def forget(repository: str) -> list[Decision]:
    """Take back every decision about a repository, and return them.

    Raises:
        TrustError: The file is malformed.
        CacheError: It cannot be written.
    """
    with locks.held_for(decisions_file()):
        known = read_decisions()
        prefix = f"{repository.lower()}@"
        gone = [decision for key, decision in known.items() if key.startswith(prefix)]
        for decision in gone:
            del known[decision.key]
        if gone:
            _write(known)
    return gone


def _write(decisions: Mapping[str, Decision]) -> None:
    path = decisions_file()
    document = DecisionFile(SCHEMA_VERSION, decisions)
    text = json.dumps(asdict(document), indent=1)
    with disk.translating(path.name):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, f"{text}\n")
