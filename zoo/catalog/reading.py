"""Files of a registry: whatever is wrong with one becomes an error that names it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from zoo.documents import read_regular_file
from zoo.errors import DocumentError, RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_INSTALL = 'run "zoo registry build", or install torch-zoo again'


def read_verified(
    path: Path,
    sha256: str,
    largest_bytes: int,
) -> str:
    """Read a file beside the index, if it is the one that the index was made from.

    Raises:
        RegistryError: It cannot be read, or has another digest.
    """
    import hashlib  # late: what is not verified needs none

    with naming(path, _INSTALL):
        data = read_regular_file(path, largest_bytes)
        got = hashlib.sha256(data).hexdigest()
        if got != sha256:
            fault = f"expected sha256 {sha256}, as the index says, got {got}"
            raise DocumentError("$", fault)

    return data.decode("utf-8", "replace")


@contextmanager
def naming(file: Path | str, advice: str = RegistryError.REBUILD) -> Iterator[None]:
    """Name the file in every error that reading it raises.

    ::

        with naming(path):
            return parse_document(read_regular_file(path, LARGEST_BYTES), Record)

    Args:
        file: The file that is read.
        advice: What to do about it.

    Raises:
        RegistryError: The file cannot be read, or its content is malformed; names the JSON path.
    """
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        fault = f"cannot be read ({error})"
        raise RegistryError("$", fault, str(file), advice) from error
    except DocumentError as error:
        raise RegistryError(error.json_path, error.fault, str(file), advice) from error
