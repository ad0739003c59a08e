"""Pages about how `zoo` is built, made from what is in the tree.

The packages row by row, the decisions, the extras.
"""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = REPOSITORY / "pyproject.toml"
DECISIONS = REPOSITORY / "docs" / "decisions"
_EXTRA = re.compile(r"^([a-z]+) = \[(.*)\]  # (.*)$", re.MULTILINE)
STATUSES = ("proposed", "accepted", "rejected", "superseded")


@dataclass(frozen=True, slots=True)
class Decision:
    """What a decision says at its top."""

    file: str
    number: int
    title: str
    date: str
    status: str


def packages_page(note: str) -> str:
    """Write the import rows, top first, with one line for each package."""
    parts = [
        note,
        "",
        "# Packages",
        "",
        "Each package imports only from rows below its own; `lint-imports` holds that",
        "(`pyproject.toml`).",
        "",
        "| row | package | what it is for |",
        "|---:|---|---|",
    ]

    for number, row in enumerate(import_rows(), start=1):
        for name in row:
            summary = summary_of(name)
            parts.append(f"| {number} | `zoo.{name}` | {summary} |")

    return "\n".join(parts) + "\n"


def import_rows() -> list[list[str]]:
    """Read the rows of the import rule, top first."""
    text = PROJECT.read_text(encoding="utf-8")
    settings = tomllib.loads(text)
    rules = settings["tool"]["importlinter"]
    for contract in rules["contracts"]:
        if contract["type"] == "layers":
            return [row.split(" | ") for row in contract["layers"]]

    raise SystemExit("pyproject.toml has no contract of layers")


def summary_of(name: str) -> str:
    """Give the first line of a package's or a module's docstring."""
    place = REPOSITORY / "zoo" / name
    file = place.with_suffix(".py")
    if place.is_dir():
        file = place / "__init__.py"
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    docstring = ast.get_docstring(tree) or ""
    first, _, _ = docstring.partition("\n\n")
    line = first.replace("\n", " ")
    return re.sub(r"``([^`]+)``", r"`\1`", line)


def extras_page(note: str) -> str:
    """Write what each extra brings and what needs it, from the comments in ``pyproject.toml``."""
    text = PROJECT.read_text(encoding="utf-8")
    _, _, behind = text.partition("[project.optional-dependencies]")
    extras, _, _ = behind.partition("\n[")
    parts = [
        note,
        "",
        "# Extras",
        "",
        "| extra | for | brings |",
        "|---|---|---|",
    ]

    for name, listing, purpose in _EXTRA.findall(extras):
        packages = re.findall(r'"([\w-]+)', listing)
        joined = ", ".join(packages)
        parts.append(f"| `{name}` | {purpose} | {joined} |")

    return "\n".join(parts) + "\n"


def decisions_page(note: str, folder: Path = DECISIONS) -> str:
    """Write the index of decisions."""
    parts = [
        note,
        "",
        "# Decisions",
        "",
        "Why something is as it is, with what was not chosen. A decision is not edited when it",
        "falls: another one supersedes it. To add one, copy [the template](template.md) under the",
        "next free number and run `make docs`.",
        "",
        "| number | date | status | decision |",
        "|---:|---|---|---|",
    ]

    for one in read_decisions(folder):
        link = f"[{one.title}]({one.file})"
        parts.append(f"| {one.number} | {one.date} | {one.status} | {link} |")
    return "\n".join(parts) + "\n"


def read_decisions(folder: Path = DECISIONS) -> list[Decision]:
    """Read what every decision says at its top.

    Raises:
        SystemExit: A decision has no title, date or status, or another number than its file's name.
    """
    decisions = []

    for path in sorted(folder.glob("[0-9]*.md")):
        text = path.read_text(encoding="utf-8")
        title = re.match(r"# (\d+)\. (.+)\n", text)
        state = re.search(r"^Date: (\d{4}-\d\d-\d\d)\. Status: (\w+)(.*)$", text, re.MULTILINE)

        if title is None or state is None or state[2] not in STATUSES:
            known = ", ".join(STATUSES)
            raise SystemExit(
                f"{path.name} must begin as docs/decisions/template.md does: a title with its "
                f"number, then a line with its date and its status ({known})"
            )
        number = int(title[1])
        number_of_file = int(path.name[:4])
        if number != number_of_file:
            raise SystemExit(f"{path.name} calls itself number {number}")

        date, status, rest = state.groups()
        successor = re.match(r" by (\[?\d+\]?\S*?)\.(?: |$)", rest)
        if successor:
            status = f"{status} by {successor[1]}"
        decision = Decision(
            file=path.name,
            number=number,
            title=title[2],
            date=date,
            status=status,
        )
        decisions.append(decision)

    return decisions
