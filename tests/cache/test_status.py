"""Deciding what to do about a file: a table, and what holds for every input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.cache.digests import Expected
from zoo.cache.paths import Kind
from zoo.cache.status import Found, State, plan

GOOD = "0123abcd" + "0" * 56
BAD = "f" * 64
EXACT = Expected(GOOD, 100)
PREFIX = Expected("0123abcd", 100, 10)
NOTHING_KNOWN = Expected(None)

TABLE = [
    (Found(Kind.NOTHING), EXACT, State.MISSING),
    (Found(Kind.NOTHING, kept_bytes=1), EXACT, State.PARTIAL),
    (Found(Kind.FILE, 100, GOOD), EXACT, State.WHOLE),
    (Found(Kind.FILE, 100, BAD), EXACT, State.DAMAGED),
    (Found(Kind.FILE, 99, GOOD), EXACT, State.DAMAGED),
    (Found(Kind.FILE, 101, GOOD), EXACT, State.DAMAGED),
    (Found(Kind.FILE, 0), EXACT, State.DAMAGED),
    (Found(Kind.FILE, 100), EXACT, State.DAMAGED),
    (Found(Kind.FILE, 90, GOOD), PREFIX, State.WHOLE),
    (Found(Kind.FILE, 110, GOOD), PREFIX, State.WHOLE),
    (Found(Kind.FILE, 89, GOOD), PREFIX, State.DAMAGED),
    (Found(Kind.FILE, 111, GOOD), PREFIX, State.DAMAGED),
    (Found(Kind.FILE, 100, BAD), PREFIX, State.DAMAGED),
    (Found(Kind.BROKEN_LINK), EXACT, State.DAMAGED),
    (Found(Kind.OTHER), EXACT, State.FOREIGN),
    (Found(Kind.OTHER), NOTHING_KNOWN, State.FOREIGN),
    (Found(Kind.FILE, 100, GOOD), NOTHING_KNOWN, State.UNKNOWN),
    (Found(Kind.FILE, 0), NOTHING_KNOWN, State.DAMAGED),
]

founds = st.builds(
    Found,
    kind=st.sampled_from(Kind),
    size_bytes=st.integers(0, 200),
    sha256=st.none() | st.sampled_from([GOOD, BAD]),
    kept_bytes=st.integers(0, 200),
)
wants = st.builds(
    Expected,
    sha256=st.none() | st.sampled_from([GOOD, GOOD[:8], BAD]),
    size_bytes=st.none() | st.integers(0, 200),
    size_tolerance_bytes=st.integers(0, 20),
)


@pytest.mark.parametrize(("found", "expected", "state"), TABLE)
def test_every_state_is_told_apart(found: Found, expected: Expected, state: State) -> None:
    """Missing, partial, whole, damaged, unknown and foreign."""
    assert plan(found, expected).state is state


@given(founds, wants)
def test_whole_means_that_digest_and_length_agree(found: Found, expected: Expected) -> None:
    """A file is whole just if it is not empty and agrees with all that is known, a digest too."""
    is_whole = plan(found, expected).state is State.WHOLE
    has_length = expected.size_bytes is None or (
        expected.size_bytes - expected.size_tolerance_bytes
        <= found.size_bytes
        <= expected.size_bytes + expected.size_tolerance_bytes
    )
    has_digest = expected.sha256 is not None and (found.sha256 or "").startswith(expected.sha256)
    assert is_whole == (
        found.kind is Kind.FILE and found.size_bytes > 0 and has_length and has_digest
    )


@given(founds, wants)
def test_only_what_contradicts_is_known_to_be_bad(found: Found, expected: Expected) -> None:
    """Folders, devices and files of which nothing is known stay until something better is there."""
    decision = plan(found, expected)
    if decision.is_known_bad:
        assert found.kind in (Kind.FILE, Kind.BROKEN_LINK)
        assert decision.state is State.DAMAGED
    assert decision.reason
