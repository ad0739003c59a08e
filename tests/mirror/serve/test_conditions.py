"""Conditional requests and ranges, case by case (rows 56 and 57)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.mirror.serve.conditions import Decision, decide, http_date

ETAG = '"abc"'
SIZE = 1000
WHEN = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
BEFORE, AFTER = (http_date(WHEN + timedelta(hours=hours)) for hours in (-1, 1))
WHOLE = (200, 0, SIZE)


def answer(method: str = "GET", size_bytes: int = SIZE, **headers: str) -> tuple[int, int, int]:
    """Decide, with header names written as Python can."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    decided = decide(method, named, etag=ETAG, size_bytes=size_bytes, modified=WHEN)
    return decided.status, decided.start, decided.end


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-0", (206, 0, 1)),
        ("bytes=0-", (206, 0, 1000)),
        ("bytes=10-19", (206, 10, 20)),
        ("bytes=990-5000", (206, 990, 1000)),
        ("bytes=-1", (206, 999, 1000)),
        ("bytes=-5000", (206, 0, 1000)),
        ("Bytes=1-2", (206, 1, 3)),
        ("bytes= 1-2 ,", (206, 1, 3)),
        ("bytes=1000-", (416, 0, 0)),
        ("bytes=99999999999999999999999-", (416, 0, 0)),
        ("bytes=-0", (416, 0, 0)),
        ("bytes=5-4", WHOLE),
        ("bytes=a-b", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=", WHOLE),
        ("bytes 0-1", WHOLE),
        ("bytes=0-1-2", WHOLE),
        ("bytes=+0-1", WHOLE),
        ("lines=0-1", WHOLE),
        ("bytes=0-0,-1", WHOLE),
        ("bytes=" + ",".join(["0-"] * 1000), WHOLE),
    ],
)
def test_range_is_one_part_the_whole_or_416(text: str, expected: tuple[int, int, int]) -> None:
    """Row 56: malformed, another unit, several parts: counts as not asked (RFC 9110, 14.2)."""
    assert answer(Range=text) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (ETAG, (206, 0, 1)),
        ('"other"', WHOLE),
        (f"W/{ETAG}", WHOLE),
        (http_date(WHEN), (206, 0, 1)),
        (BEFORE, WHOLE),
        (AFTER, WHOLE),
        ("abc", WHOLE),
        ("", WHOLE),
    ],
)
def test_if_range_lets_the_range_count_only_for_the_same_file(
    condition: str, expected: tuple[int, int, int]
) -> None:
    """Row 57: strong comparison of tags, exact comparison of dates (13.1.5)."""
    assert answer(Range="bytes=0-0", If_Range=condition) == expected


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If_None_Match": ETAG}, 304),
        ({"If_None_Match": f'"x", W/{ETAG}'}, 304),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": '"x"'}, 200),
        ({"If_None_Match": '"x"', "If_Modified_Since": AFTER}, 200),  # a tag goes before a date
        ({"If_Modified_Since": http_date(WHEN)}, 304),
        ({"If_Modified_Since": BEFORE}, 200),
        ({"If_Modified_Since": "yesterday"}, 200),
        ({"If_Match": ETAG}, 200),
        ({"If_Match": f'"x", {ETAG}'}, 200),
        ({"If_Match": "*"}, 200),
        ({"If_Match": f"W/{ETAG}"}, 412),  # strong comparison
        ({"If_Match": '"x"'}, 412),
        ({"If_Match": '"x"', "If_None_Match": ETAG}, 412),  # the order of 13.2.2
        ({"If_Unmodified_Since": BEFORE}, 412),
        ({"If_Unmodified_Since": AFTER}, 200),
        ({"If_Match": ETAG, "If_Unmodified_Since": BEFORE}, 200),
        ({"If_None_Match": ETAG, "Range": "bytes=0-0"}, 304),
    ],
)
def test_preconditions_are_evaluated_in_order(headers: dict[str, str], status: int) -> None:
    """Row 57: RFC 9110, section 13."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    assert decide("GET", named, etag=ETAG, size_bytes=SIZE, modified=WHEN).status == status


def test_head_takes_no_range() -> None:
    """Row 57: ranges are defined for GET only (14.2)."""
    assert answer("HEAD", Range="bytes=0-0") == WHOLE


def test_empty_file_has_no_range() -> None:
    """Nothing of it can be satisfied."""
    assert answer(size_bytes=0, Range="bytes=0-") == (416, 0, 0)
    assert answer(size_bytes=0) == (200, 0, 0)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.integers(0, 10**15))
def test_any_header_gives_a_range_inside_the_file(
    text: str, match: str, if_range: str, size_bytes: int
) -> None:
    """Hostile headers never raise and never lead outside of the file."""
    headers = {
        "Range": text,
        "If-None-Match": match,
        "If-Range": if_range,
        "If-Modified-Since": match,
    }
    decided = decide("GET", headers, etag=ETAG, size_bytes=size_bytes, modified=WHEN)
    assert isinstance(decided, Decision)
    assert 0 <= decided.start <= decided.end <= size_bytes
