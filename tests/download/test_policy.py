"""Decisions about answers and pauses, as tables."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.cache.digests import Expected
from zoo.download import policy, ranges
from zoo.download.headers import Head
from zoo.download.ranges import ContentRange

EXACT = Expected("0123abcd", 100)
ROUGH = Expected("0123abcd", 100, 10)


def head(
    status: int = 206,
    content: ContentRange | None = None,
    length: int | None = None,
    *,
    is_web_page: bool = False,
) -> Head:
    """Return what some headers say."""
    return Head(status, length, content, None, None, is_web_page)


@pytest.mark.parametrize(
    ("answer", "expected", "length"),
    [
        (head(content=ContentRange(10, 20, 100)), EXACT, 100),
        (head(content=ContentRange(10, 15, 100)), EXACT, 100),  # shorter than asked for
        (head(content=ContentRange(10, 20, None)), EXACT, 100),  # the registry knows
        (head(content=ContentRange(10, 20, None)), ROUGH, None),  # nobody knows
        (head(content=ContentRange(0, 20, 100)), EXACT, None),
        (head(content=ContentRange(11, 20, 100)), EXACT, None),
        (head(content=ContentRange(10, 21, 100)), EXACT, None),
        (head(content=None), EXACT, None),
        (head(416, ContentRange(10, 20, 100)), EXACT, None),
    ],
)
def test_range_counts_only_if_it_is_the_one_asked_for(
    answer: Head, expected: Expected, length: int | None
) -> None:
    """Bytes 10 to 20 were asked for: what starts elsewhere or goes further is of no use."""
    assert policy.length_of_range(answer, (10, 20), expected) == length


@pytest.mark.parametrize(
    ("length", "is_web_page", "expected", "fault"),
    [
        (100, False, EXACT, None),
        (None, False, EXACT, None),
        (100, True, EXACT, None),  # a server that calls everything HTML
        (99, False, EXACT, "expected 100 bytes, it offers 99"),
        (99, False, ROUGH, None),
        (89, False, ROUGH, "expected 100 bytes (within 10), it offers 89"),
        (99, True, EXACT, "expected the file, got a web page (does it want a login?)"),
        (None, True, EXACT, "expected the file, got a web page (does it want a login?)"),
        (5, False, Expected(None), None),
    ],
)
def test_length_that_cannot_be_the_files_is_a_fault(
    length: int | None, is_web_page: bool, expected: Expected, fault: str | None
) -> None:
    """The registry's length decides, within its tolerance; a web page is called one."""
    assert policy.length_fault(length, head(200, is_web_page=is_web_page), expected) == fault


@given(st.integers(1, 10_000), st.none() | st.floats(0, 1e9), st.floats(0, 1))
def test_pause_is_bounded(tries: int, asked_s: float | None, jitter: float) -> None:
    """No pause is longer than the bound, whatever a server asks for and however often it failed."""
    assert 0 <= policy.pause_s(tries, asked_s, 60, jitter) <= 60


def test_pauses_double_up_to_the_bound() -> None:
    """Half a second, then twice as long each time."""
    assert [policy.pause_s(tries, None, 10, 1) for tries in range(1, 8)] == [
        0.5,
        1,
        2,
        4,
        8,
        10,
        10,
    ]
    assert [policy.pause_s(tries, None, 10, 0) for tries in (1, 2)] == [0.25, 0.5]


@pytest.mark.parametrize("module", [policy, ranges])
def test_examples_in_docstrings_run(module: object) -> None:
    """What the documentation shows is what happens."""
    result = doctest.testmod(module)  # type: ignore[arg-type]  # modules are objects too
    assert result.attempted > 0
    assert result.failed == 0
