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


@dataclass(frozen=True, slots=True)
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
        The findings that are fixed. A file that would not parse afterwards is left as it is.

    Raises:
        WriteError: A file cannot be written.
    """
    by_file: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.is_fixable:
            file = finding.use.place.file
            by_file.setdefault(file, []).append(finding)

    fixed: list[Finding] = []
    for file, ours in by_file.items():
        path = files[file]
        before = audit.read_text(path)
        is_notebook = path.suffix == audit.NOTEBOOK_SUFFIX
        if is_notebook:
            after = _fixed_notebook(before, ours)
        else:
            after = _fixed(before, ours)

        if after is not None:
            text = _with_line_ends(after, path)
            atomic.write_text(path, text)
            fixed += ours
    return fixed


def edits_of(findings: Iterable[Finding]) -> list[Edit]:
    """List the replacements for findings in one text, each once, from the last to the first."""
    edits = set()
    for finding in findings:
        commit = finding.commit or ""
        for slot in finding.use.slots:
            text = _written(slot.before, commit, slot.after)
            edit = Edit(slot.start, slot.end, text)
            edits.add(edit)

    by_text = sorted(edits, key=lambda edit: edit.text)
    return sorted(by_text, key=_place, reverse=True)


def _place(edit: Edit) -> tuple[int, int]:
    return edit.start, edit.end


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Replace characters; the edits come from the last to the first."""
    for edit in edits:
        before = text[: edit.start]
        behind = text[edit.end :]
        text = f"{before}{edit.text}{behind}"
    return text


def _written(before: str, commit: str, after: str) -> str:
    """Write the commit between its texts; a slot that only adds an option has no place for it."""
    is_option = before.startswith(", ") and not after
    if is_option:
        return before
    return f"{before}{commit}{after}"


def _fixed(text: str, findings: Iterable[Finding]) -> str | None:
    edits = edits_of(findings)
    after = apply(text, edits)
    try:
        python_code.parse(after)
    except SourceFaultError:
        return None
    return after


def _fixed_notebook(text: str, findings: Iterable[Finding]) -> str | None:
    """Fix the cells, and write the notebook as Jupyter does: one line of code on a line."""
    content = notebooks.parse(text)
    by_cell: dict[int, list[Finding]] = {}
    for finding in findings:
        number = finding.use.place.cell or 0
        by_cell.setdefault(number, []).append(finding)

    for number, ours in by_cell.items():
        cell: dict[str, Any] = content["cells"][number - 1]
        before = notebooks.source_of(cell)
        after = apply(before, edits_of(ours))
        plain = notebooks.without_magics(after)
        try:
            python_code.parse(plain)
        except SourceFaultError:
            return None
        cell["source"] = after.splitlines(keepends=True)

    written = json.dumps(content, indent=1, ensure_ascii=False)
    return f"{written}\n"


def _with_line_ends(text: str, path: Path) -> str:
    """Keep the line ends that a file had."""
    had_windows_ends = b"\r\n" in path.read_bytes()
    if had_windows_ends:
        return text.replace("\n", "\r\n")
    return text
