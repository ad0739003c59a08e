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
        parts += [f"| {number} | `zoo.{name}` | {summary_of(name)} |" for name in row]

    return "\n".join(parts) + "\n"


def import_rows() -> list[list[str]]:
    """Read the rows of the import rule, top first."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    return [row.split(" | ") for row in layers]


def summary_of(name: str) -> str:
    """Give the first line of a package's or a module's docstring."""
    place = REPOSITORY / "zoo" / name
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return re.sub(r"``([^`]+)``", r"`\1`", docstring.split("\n\n")[0].replace("\n", " "))


def extras_page(note: str) -> str:
    """Write what each extra brings and what needs it, from the comments in ``pyproject.toml``."""
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    extras = text.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
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
        parts.append(f"| `{name}` | {purpose} | {', '.join(packages)} |")

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

    parts += [
        f"| {one.number} | {one.date} | {one.status} | [{one.title}]({one.file}) |"
        for one in read_decisions(folder)
    ]
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
            raise SystemExit(
                f"{path.name} must begin as docs/decisions/template.md does: a title with its "
                f"number, then a line with its date and its status ({', '.join(STATUSES)})"
            )
        if int(title[1]) != int(path.name[:4]):
            raise SystemExit(f"{path.name} calls itself number {title[1]}")

        successor = re.match(r" by (\[?\d+\]?\S*?)\.(?: |$)", state[3])
        status = f"{state[2]} by {successor[1]}" if successor else state[2]
        decisions.append(Decision(path.name, int(title[1]), title[2], state[1], status))

    return decisions
