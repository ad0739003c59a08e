"""What one transfer's workers may do to each other, in an order that threads seldom take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fetch_desk import DATA, NAME, PART_BYTES, SHA256
from zoo.cache.digests import Expected
from zoo.download.options import FetchOptions
from zoo.download.partial import Partial
from zoo.download.scheduler import Scheduler
from zoo.download.sources import Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = Source("http://127.0.0.1/x", may_be_private=True)


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Scheduler]:
    """Schedule the usual file, of one source, in parts."""
    expected = Expected(sha256=SHA256, size_bytes=len(DATA))
    options = FetchOptions(part_bytes=PART_BYTES, connections=2)

    def open_partial() -> Partial:
        return Partial(tmp_path / "partial", tmp_path / "journal", expected)

    made = Scheduler(open_partial, [SOURCE], expected, options, NAME)
    made.partial.set_length(len(DATA))
    yield made
    made.close()
    made.partial.close()


def test_n02_two_parts_that_bring_too_much_leave_one_worker_for_the_whole(
    scheduler: Scheduler,
) -> None:
    """The one that says so later was cancelled by then, and stops nobody any more."""
    for _ in range(2):
        scheduler.enlist(lambda: None)
    first, second = scheduler.claim(), scheduler.claim()
    assert first is not None
    assert second is not None

    scheduler.refuse_range(first)
    assert scheduler.finish(first)
    whole = scheduler.claim()
    assert whole is not None
    assert not whole.is_ranged

    scheduler.refuse_range(second)
    assert not scheduler.finish(second)
    assert not whole.is_cancelled
