"""Write a file whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zoo.errors import WriteError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path in the same folder to write to; afterwards that file is on the disk and takes the place of ``path``.

    Where the block fails, the new file is removed and the one before stays as it was.

    Raises:
        WriteError: The file system refuses.
    """
    temporary = path.with_name(f".{path.name}.partial")  # one name: what a kill leaves, the next write takes away
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise WriteError(str(path), error.strerror or str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8.

    Raises:
        WriteError: The file system refuses.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
