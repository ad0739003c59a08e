"""Work in threads, results in order."""

import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from zoo.images.files import open_image
from zoo.images.stream import grouped, stream


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    """Also where the first takes longest: it waits for the second."""
    second_is_done = threading.Event()

    def work(number: int) -> int:
        if number == 0 and workers > 1:
            assert second_is_done.wait(60)
        if number == 1:
            second_is_done.set()
        return number * 10

    assert list(stream(range(50), work, workers=workers)) == list(range(0, 500, 10))


def test_what_work_raises_comes_in_its_turn_and_ends_the_threads() -> None:
    """The results before it are there; nothing of this stream runs afterwards."""
    results = stream([2, 1, 0, 5], lambda number: 10 // number, workers=2)
    assert [next(results), next(results)] == [5, 10]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("zoo-images")]


def test_no_more_is_begun_than_fits_into_memory() -> None:
    """Of endless items, a bounded number is taken before the first result."""
    begun = []

    def endless() -> Iterator[int]:
        number = 0
        while True:
            begun.append(number)
            yield number
            number += 1

    results = stream(endless(), lambda number: number, workers=2)
    assert next(results) == 0
    assert len(begun) == 32
    results.close()  # type: ignore[attr-defined]  # it is a generator


def test_groups_have_their_size_but_the_last() -> None:
    """Nothing is lost, and there is no empty group."""
    assert list(grouped(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(grouped([], 3)) == []


def test_decoding_in_threads_leaves_warnings_as_they_were(tmp_path: Path) -> None:
    """Each decoder asks for silence; the last one out gives the filters back."""
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    before = list(warnings.filters)
    names = [str(tmp_path / "a.png")] * 200
    assert len(list(stream(names, open_image, workers=8))) == 200
    assert list(warnings.filters) == before
