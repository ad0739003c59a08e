"""Write the pins that a lock file knows into the sources that lack them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo import atomic
from zoo.auditor import audit, notebooks, python_code
from zoo.auditor.python_code import SourceFaultError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from zoo.auditor.findings import Finding


@dataclass(
    frozen=True,
    slots=True,
)
class Edit:
    """Characters to replace."""

    start: int
    end: int
    text: str


def fix(files: Mapping[str, Path], findings: Iterable[Finding]) -> list[Finding]:
    """Write the commits of findings into their files, each file whole or not at all.

    Args:
        files: The path of each file by the name that findings show.
        findings: What was found; those without a commit to write are passed over.

    Returns:
        The findings that are mended. A file that would not parse afterwards is left as it is.

    Raises:
        WriteError: A file cannot be written.
    """
    by_file: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.is_fixable:
            by_file.setdefault(finding.use.place.file, []).append(finding)

    mended: list[Finding] = []
    for file, ours in by_file.items():
        path = files[file]
        before = audit.read_text(path)
        is_notebook = path.suffix == audit.NOTEBOOK_SUFFIX
        after = _fixed_notebook(before, ours) if is_notebook else _fixed(before, ours)
        if after is not None:
            atomic.write_text(path, _with_line_ends(after, path))
            mended += ours
    return mended


def edits_of(findings: Iterable[Finding]) -> list[Edit]:
    """List the replacements for findings in one text, each once, from the last to the first."""
    edits = set()
    for finding in findings:
        commit = finding.commit or ""
        for slot in finding.use.slots:
            text = _written(slot.before, commit, slot.after)
            edits.add(Edit(slot.start, slot.end, text))
    return sorted(edits, key=_from_the_end)


def _from_the_end(edit: Edit) -> tuple[int, int, str]:
    return -edit.start, -edit.end, edit.text


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Replace characters; the edits come from the last to the first."""
    for edit in edits:
        before = text[: edit.start]
        behind = text[edit.end :]
        text = f"{before}{edit.text}{behind}"
    return text


def _written(
    before: str,
    commit: str,
    after: str,
) -> str:
    """Write the commit between its texts; a slot that only adds an option has no place for it."""
    is_option = before.startswith(", ") and not after
    return before if is_option else f"{before}{commit}{after}"


def _fixed(text: str, findings: Iterable[Finding]) -> str | None:
    after = apply(text, edits_of(findings))
    try:
        python_code.parse(after)
    except SourceFaultError:
        return None
    return after


def _fixed_notebook(text: str, findings: Iterable[Finding]) -> str | None:
    """Mend the cells, and write the notebook as Jupyter does: one line of code on a line."""
    content = notebooks.parse(text)
    by_cell: dict[int, list[Finding]] = {}
    for finding in findings:
        by_cell.setdefault(finding.use.place.cell or 0, []).append(finding)

    for number, ours in by_cell.items():
        cell: dict[str, Any] = content["cells"][number - 1]
        code = apply(notebooks.source_of(cell), edits_of(ours))
        try:
            python_code.parse(notebooks.without_magics(code))
        except SourceFaultError:
            return None
        cell["source"] = code.splitlines(keepends=True)
    return (
        json.dumps(
            content,
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


def _with_line_ends(text: str, path: Path) -> str:
    """Keep the line ends that a file had."""
    is_windows = b"\r\n" in path.read_bytes()
    return text.replace("\n", "\r\n") if is_windows else text
