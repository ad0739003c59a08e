"""Asking the system to write early is a hint: it changes nothing and never fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.cache.disk import begin_writing_back

if TYPE_CHECKING:
    from pathlib import Path


def test_bytes_stay_and_a_handle_that_is_closed_does_no_harm(tmp_path: Path) -> None:
    """A fetch goes on whatever the hint comes to; fsync tells what fails."""
    file = tmp_path / "a"
    with file.open("wb+", buffering=0) as stream:
        stream.write(bytes(range(256)) * 4096)
        begin_writing_back(stream.fileno(), 0, 1 << 20)
        handle = stream.fileno()
    begin_writing_back(handle, 0, 1)
    assert file.read_bytes() == bytes(range(256)) * 4096
