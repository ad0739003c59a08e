"""The journal of a search survives what ends it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.mutations import mutations
from tests.support.table_search import make_setup, run_table_search
from zoo.errors import SearchError
from zoo.searcher import journal as lines
from zoo.searcher.journal import Journal, read_events

if TYPE_CHECKING:
    from pathlib import Path


def _story(folder: Path) -> list[dict[str, object]]:
    """Read the lines without their times."""
    found = []
    for line in (folder / lines.NAME).read_text(encoding="utf-8").splitlines():
        content = json.loads(line)
        content.pop("at_s", None)
        found.append(content)
    return found


@pytest.mark.parametrize("strategy", ["random", "evolution", "progressive"])
def test_a_search_that_was_killed_at_any_line_goes_on_to_the_same_end(
    tmp_path: Path,
    strategy: str,
) -> None:
    """Whole, it is the yardstick; cut after a line or within one, it becomes the same again."""
    setup = make_setup(strategy)
    run_table_search(setup, tmp_path / "whole", 26)
    whole = (tmp_path / "whole" / lines.NAME).read_bytes()
    story = _story(tmp_path / "whole")
    ends = [index + 1 for index, letter in enumerate(whole) if letter == ord("\n")]

    for number, end in enumerate(ends[::14]):
        torn = end + (number % 3) * 7  # after the line, or some letters into the next
        folder = tmp_path / f"killed-{torn}"
        folder.mkdir()
        (folder / lines.NAME).write_bytes(whole[:torn])
        run_table_search(setup, folder, 26)
        assert _story(folder) == story, torn


def test_a_torn_last_line_is_dropped_before_the_next_is_written(tmp_path: Path) -> None:
    """Otherwise the two would become one line that nobody can read."""
    run_table_search(make_setup(), tmp_path, 3)
    path = tmp_path / lines.NAME
    events = read_events(tmp_path)
    with path.open("ab") as stream:
        stream.write(b'{"event":"ended","tri')
    assert list(read_events(tmp_path)) == list(events)
    with Journal(tmp_path) as journal:
        journal.append(lines.Measured("cell-0", 1.5))
    assert list(read_events(tmp_path)) == [*events, lines.Measured("cell-0", 1.5)]


def test_a_line_is_on_the_file_when_append_returns(tmp_path: Path) -> None:
    """Another reader sees it while the journal is still open."""
    with Journal(tmp_path) as journal:
        begun = lines.Begun(lines.SCHEMA_VERSION, make_setup())
        journal.append(begun)
        assert list(read_events(tmp_path)) == [begun]


def test_every_broken_value_is_refused_with_its_line(tmp_path: Path) -> None:
    """No damaged journal is read as another one, and none raises anything else."""
    run_table_search(make_setup(), tmp_path, 2)
    path = tmp_path / lines.NAME
    whole = path.read_text(encoding="utf-8").splitlines()
    for number in (0, 1, 2):
        for what, text in mutations(json.loads(whole[number])):
            broken = list(whole)
            broken[number] = text.replace("\n", " ")
            path.write_text("\n".join(broken) + "\n", encoding="utf-8")
            fault = _fault(tmp_path)
            assert fault is None or f"line {number + 1}:" in fault or "say what" in fault, what


@pytest.mark.parametrize(("errors", "images"), [(13, 12), (0, 0)])
def test_more_errors_than_images_are_refused(
    tmp_path: Path,
    errors: int,
    images: int,
) -> None:
    """No interval can be computed of them."""
    run_table_search(make_setup(), tmp_path, 1)
    judged = lines.Judged(
        trial=1,
        epoch=1,
        validation_error_percent=1.0,
        errors=errors,
        images=images,
        seconds=1.0,
        at_s=1.0,
    )
    with Journal(tmp_path) as journal:
        journal.append(judged)
    assert f"got {errors} of {images}" in str(_fault(tmp_path))


def _fault(folder: Path) -> str | None:
    """Read a journal, and say how it was refused if it was."""
    try:
        read_events(folder)
    except SearchError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "it holds no search"),
        (b"", "does not say what is searched"),
        (b'{"event":"measured","name":"a","latency_ms":1}\n', "does not say what is searched"),
        (b'{"event":"magic"}\n', "line 1: .*expected one of begun, asked"),
        (b"[1]\n", "line 1"),
    ],
)
def test_what_is_no_journal_is_refused(
    tmp_path: Path,
    content: bytes | None,
    fault: str,
) -> None:
    """The message says what was expected."""
    if content is not None:
        (tmp_path / lines.NAME).write_bytes(content)
    with pytest.raises(SearchError, match=fault):
        read_events(tmp_path)
