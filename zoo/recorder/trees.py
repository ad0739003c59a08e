"""The digest of a repository's files, whatever archive carries them.

GitHub packs an archive when it is asked for, and may pack it otherwise tomorrow. What a commit
holds stays: the names and contents of its files. So these are hashed, in the order of their names,
without the folder that holds everything.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from typing import IO

BLOCK_BYTES = 1 << 20
_DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)


class ArchiveError(ValueError):
    """Say why an archive cannot be read."""


def commit_and_digest(stream: IO[bytes]) -> tuple[str | None, str]:
    """Return the commit in an archive's comment, if there is one, and the digest of its files.

    Raises:
        ArchiveError: It is no sound zip archive.
    """
    whole = hashlib.sha256()
    try:
        with zipfile.ZipFile(stream) as archive:
            data = archive.comment
            comment = data.decode("ascii", "replace")
            entries = sorted(archive.infolist(), key=_inner_name)
            for entry in entries:
                if entry.is_dir():
                    continue
                name = _inner_name(entry)
                content = _digest(archive, entry)
                line = f"{content} {name}\n"
                whole.update(line.encode())
    except _DAMAGED as error:
        fault = f"expected a sound zip archive, got: {error}"
        raise ArchiveError(fault) from error
    return comment or None, whole.hexdigest()


def _inner_name(entry: zipfile.ZipInfo) -> str:
    _, _, inner = entry.filename.partition("/")
    return inner


def _digest(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    digest = hashlib.sha256()
    with archive.open(entry) as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
