"""Tests cite rows of tests/FAULTS.md: each citation names a row, and each row is cited."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CATALOGUE = TESTS / "FAULTS.md"
NUMBERS = re.compile(r"\b(?:[Rr]ows?|fault catalogue,) (\d+(?:(?:, | and | to )\d+)*)")
LETTERED = re.compile(r"\b[BN]\d\d\b(?: to [BN]\d\d\b)?")
DOCSTRING = re.compile(r'"""(?:[^"]|"(?!""))*"""')


def rows(text: str) -> list[str]:
    """List the numbers of the catalogue's rows."""
    return re.findall(r"^\| ([BN]?\d+) \|", text, re.MULTILINE)


def cited(text: str) -> set[str]:
    """List the rows that a text names: `Rows 5 and 6`, `rows 13 to 15`, `B02`, `B04 to B06`."""
    found: set[str] = set()

    for listing in NUMBERS.findall(text):
        for span in re.split(r", | and ", listing):
            first, _, last = span.partition(" to ")
            found.update(str(number) for number in range(int(first), int(last or first) + 1))

    for span in LETTERED.findall(text):
        first, _, last = span.partition(" to ")
        numbers = range(int(first[1:]), int((last or first)[1:]) + 1)
        found.update(f"{first[0]}{number:02}" for number in numbers)

    return found


def cited_by_tests() -> dict[str, set[str]]:
    """Map every row that a docstring of a test names to the files that name it."""
    citations: dict[str, set[str]] = {}

    for path in TESTS.rglob("test_*.py"):
        if path == Path(__file__):
            continue
        docstrings = " ".join(DOCSTRING.findall(path.read_text(encoding="utf-8")))
        for row in cited(docstrings) - {"0"}:
            citations.setdefault(row, set()).add(str(path.relative_to(TESTS)))

    return citations


def test_every_citation_names_a_row_of_the_catalogue() -> None:
    """A reader who looks a row up finds it."""
    known = {*rows(CATALOGUE.read_text(encoding="utf-8"))}
    lost = {row: files for row, files in cited_by_tests().items() if row not in known}
    assert lost == {}


def test_every_row_of_the_catalogue_is_cited() -> None:
    """A row without a test promises something that nobody checks."""
    assert set(rows(CATALOGUE.read_text(encoding="utf-8"))) - set(cited_by_tests()) == set()


def test_every_row_stands_once() -> None:
    """Two rows of one number would make a citation ambiguous."""
    numbers = rows(CATALOGUE.read_text(encoding="utf-8"))
    assert len(numbers) == len(set(numbers)) > 80


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Row 3: error", {"3"}),
        ("(rows 32 to 34 and 40)", {"32", "33", "34", "40"}),
        ("Rows 13, 14, 15: B04 to B06", {"13", "14", "15", "B04", "B05", "B06"}),
        ("grows 3", set()),
        ("Row 99", {"99"}),
    ],
)
def test_citations_are_read_in_every_form(text: str, expected: set[str]) -> None:
    """The check can fail: a row that does not exist is read too."""
    assert cited(text) == expected
