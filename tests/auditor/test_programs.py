"""Thirty small programs, each of which says in comments what must be found, and on which line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo.auditor import audit, notebooks
from zoo.auditor.knowledge import Knowledge
from zoo.cache.lock_lines import LockedThing

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.txt"))
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ZEROS = "0" * 64


def locked(model: str, license: str | None = None) -> LockedThing:
    """Make a line of the lock file for a model's safetensors file."""
    name = f"{model}@{COMMIT}/model.safetensors"
    return LockedThing("huggingface", name, ZEROS, 1, ("main",), license=license)


KNOWLEDGE = Knowledge(
    (
        locked("timm/resnet18.a1_in1k", "apache-2.0"),
        locked("locked/net", "mit"),
        locked("restricted/net", "cc-by-nc-4.0"),
    )
)
Found = tuple[int, int, str]


def expected_in(text: str, cell: int = 0) -> Iterator[Found]:
    """Read the comments ``# finds: rule, rule``."""
    for number, line in enumerate(text.split("\n"), start=1):
        match = re.search(r"# finds: ([a-z, -]+)", line)
        rules = match[1].split(",") if match else []
        for rule in rules:
            yield cell, number, rule.strip()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_exactly_what_a_program_says_is_found(program: Path, tmp_path: Path) -> None:
    """Every finding on its line, and no other."""
    text = program.read_text(encoding="utf-8")
    path = tmp_path / program.stem
    path.write_text(text, encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = list(notebooks.code_cells(text))
        expected = [found for cell in cells for found in expected_in(cell.text, cell.number)]
    else:
        expected = list(expected_in(text))

    result = audit.audit([path], KNOWLEDGE)
    places = [(finding.use.place, finding.rule.name) for finding in result.findings]
    found = [(place.cell or 0, place.line, rule) for place, rule in places]
    assert sorted(found) == sorted(expected)
    assert result.unread == ()


def test_there_are_thirty_programs_and_they_break_every_rule() -> None:
    """All but the two rules that need a mirror or a lock file that must be whole."""
    from zoo.auditor.rules import RULES

    texts = "".join(path.read_text(encoding="utf-8") for path in PROGRAMS)
    broken = {rule for _, _, rule in expected_in(texts)}
    assert len(PROGRAMS) == 30
    assert broken == set(RULES) - {"not-in-lock", "not-held"}


def test_nothing_is_found_in_this_repository(repository: Path) -> None:
    """What it fetches is pinned, checked and safe, or was looked at and says so."""
    from zoo.auditor import settings

    result = audit.audit([repository], Knowledge(), settings.selection(repository))
    assert [str(finding.use.place) for finding in result.findings] == []
    assert result.unread == ()
    assert result.files > 300
