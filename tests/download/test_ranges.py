"""Range arithmetic and the headers that carry ranges."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zoo.download.ranges import ContentRange, Spans, parse_content_range, parse_length, range_header
from zoo.download.segments import Segments

offsets = st.integers(0, 60)
spans = st.lists(st.tuples(offsets, offsets))


def members(pairs: list[tuple[int, int]]) -> set[int]:
    """Return the bytes of some spans, one by one: the slow and obvious way."""
    return {byte for start, end in pairs for byte in range(start, end)}


@given(spans)
def test_spans_hold_exactly_the_bytes_put_in(pairs: list[tuple[int, int]]) -> None:
    """Merging loses no byte and invents none; parts are sorted and neither overlap nor touch."""
    merged = Spans.of(pairs)
    assert members(list(merged.parts)) == members(pairs)
    assert merged.total_bytes == len(members(pairs))
    assert merged.end == max(members(pairs), default=-1) + 1
    assert all(
        before[1] < after[0] for before, after in zip(merged.parts, merged.parts[1:], strict=False)
    )


@given(spans, offsets, offsets)
def test_missing_and_present_make_the_whole(
    pairs: list[tuple[int, int]], start: int, end: int
) -> None:
    """What is missing of a span is the span less what is there."""
    assert members(list(Spans.of(pairs).missing(start, end).parts)) == members(
        [(start, end)]
    ) - members(pairs)


@given(spans)
def test_prefix_ends_at_the_first_missing_byte(pairs: list[tuple[int, int]]) -> None:
    """The prefix is as long as the first segment allows."""
    present = members(pairs)
    assert Spans.of(pairs).prefix_bytes == next(byte for byte in range(100) if byte not in present)


@given(spans, offsets, offsets)
def test_adding_a_span_adds_its_bytes(pairs: list[tuple[int, int]], start: int, end: int) -> None:
    """Adding is a union."""
    assert Spans.of(pairs).with_span(start, end) == Spans.of([*pairs, (start, end)])


@given(st.integers(0, 10**15), st.integers(1, 10**9), st.one_of(st.none(), st.integers(0, 10**9)))
def test_content_range_of_a_good_server_is_read(start: int, length: int, rest: int | None) -> None:
    """What RFC 9110 section 14.4 writes is read back."""
    total = None if rest is None else start + length + rest
    text = f"bytes {start}-{start + length - 1}/{'*' if total is None else total}"
    assert parse_content_range(text) == ContentRange(start, start + length, total)
    assert range_header((start, start + length)) == f"bytes={start}-{start + length - 1}"


@given(st.text())
def test_any_header_text_is_read_or_ignored(text: str) -> None:
    """No header makes a parser raise; what is read makes sense."""
    content = parse_content_range(text)
    assert content is None or 0 <= content.start < content.end <= (
        content.total_bytes or content.end
    )
    length = parse_length(text)
    assert length is None or length >= 0


def test_nonsense_in_headers_is_ignored() -> None:
    """Backwards, beyond the end, other units, signs, digits of other scripts."""
    nonsense = [
        "bytes 5-4/10",
        "bytes 0-10/10",
        "items 0-1/2",
        "bytes -1-2/3",
        "bytes 0-1",
        "bytes */10",
        "bytes \u0660-\u0661/\u0662",
        "",
    ]
    assert [parse_content_range(text) for text in nonsense] == [None] * len(nonsense)
    assert [
        parse_length(text) for text in ("-1", "+1", "1e3", "\u0663", "0x1", "9" * 30, None)
    ] == [None] * 7


@given(st.integers(1, 200), spans, st.integers(1, 50))
def test_gaps_hand_out_every_missing_byte_once(
    length: int, pairs: list[tuple[int, int]], part_bytes: int
) -> None:
    """Whatever is there: parts are small enough, in order, and together just what is missing."""
    finished = Spans.of([(start, min(end, length)) for start, end in pairs if start < length])
    segments = Segments()
    segments.refill(finished, length)
    expected = segments.parts_left(part_bytes)
    taken = []
    while segments:
        segment = segments.take(part_bytes)
        assert segment.end is not None
        assert 0 < segment.end - segment.start <= part_bytes
        taken.append((segment.start, segment.end))
    assert taken == sorted(taken)
    assert len(taken) == expected
    assert sum(end - start for start, end in taken) == length - finished.total_bytes
    assert members(taken) == members([(0, length)]) - members(list(finished.parts))


def test_gap_of_unknown_end_is_cut_when_the_length_is_known() -> None:
    """The first part is asked for before anyone has said how long the file is."""
    segments = Segments()
    segments.refill(Spans(), None)
    first = segments.take(10)
    assert (first.start, first.end) == (0, 10)
    assert segments.parts_left(10) == 0
    segments.end_at(25)
    assert segments.parts_left(10) == 2
    segments.end_at(7)
    assert not segments


def test_gap_given_back_comes_first_and_remembers_its_tries() -> None:
    """A failed part is taken again before later ones, until another source forgives its tries."""
    segments = Segments()
    segments.refill(Spans(), 30)
    part = segments.take(10)
    segments.give_back(part.start + 4, part.end, 2)
    again = segments.take(10)
    assert (again.start, again.end, again.tries) == (4, 10, 2)
    segments.give_back(4, 10, 3)
    assert segments.take_all() == 3
    segments.give_back(4, 10, 3)
    segments.forgive()
    assert segments.take(10).tries == 0
