"""What an audit says: rules, findings, and everything that would be fetched."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Ecosystem = Literal["github", "huggingface", "torchvision", "timm", "url", "zoo", "file"]

_JOINTS = {"timm": ".", "huggingface": "@"}


class Severity(StrEnum):
    """How grave a finding is; the words are SARIF's."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def weight(self) -> int:
        """Order them: an error weighs most."""
        return {
            "error": 3,
            "warning": 2,
            "note": 1,
        }[self.value]


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of finding."""

    name: str
    severity: Severity
    """The usual one; a finding may be milder."""
    title: str
    advice: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands.

    Lines and columns count from 1, columns in characters; the end is exclusive.
    """

    file: str
    """Below the folder that is audited, with slashes."""
    line: int
    column: int = 1
    end_line: int | None = None
    end_column: int | None = None
    cell: int | None = None
    """The cell of a notebook, counted from 1; lines then count within the cell."""
    file_line: int | None = None
    """The line of the notebook's own JSON, where it is known."""

    def __str__(self) -> str:
        """Write it as compilers do."""
        cell = f" cell {self.cell}" if self.cell is not None else ""
        return f"{self.file}{cell}:{self.line}"


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a pin can be written: offsets in characters within the text that was parsed."""

    start: int
    end: int
    before: str
    """What is written in front of the commit, instead of the characters from start to end."""
    after: str


@dataclass(frozen=True, slots=True)
class Use:
    """One place of a program that fetches something, or loads a file."""

    place: Place
    client: str
    """What does it: ``torch.hub.load``, ``timm.create_model``."""
    ecosystem: Ecosystem
    subject: str | None
    """The repository, model, weights or address; ``None``: only running the program would tell."""
    revision: str | None = None
    """The ref, revision or tag as written; ``None`` where none is given."""
    is_revision_known: bool = True
    """False where a variable or ``**options`` may give one."""
    path: str | None = None
    """The file within a Hugging Face model."""
    marks: frozenset[str] = frozenset()
    """What else was seen: see :mod:`zoo.auditor.rules`."""
    slots: tuple[Slot, ...] = ()
    """Where a commit would be written to pin it."""
    ignored: frozenset[str] = frozenset()
    """Rules that a comment turns off here; ``*`` for all."""

    def __str__(self) -> str:
        """Name what is fetched."""
        if self.subject is None:
            return "(known at run time)"
        if self.revision is None:
            return self.subject
        joint = _JOINTS.get(self.ecosystem, ":")
        return f"{self.subject}{joint}{self.revision}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that should be otherwise."""

    rule: Rule
    severity: Severity
    use: Use
    message: str
    commit: str | None = None
    """What ``--fix`` would pin it to, if the lock file knows."""

    @property
    def is_fixable(self) -> bool:
        """Whether ``--fix`` can write the pin."""
        has_place = bool(self.use.slots)
        return has_place and self.commit is not None


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that could not be audited, and why."""

    file: str
    reason: str
