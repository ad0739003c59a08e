"""Read what lies in the cache and say whether it is what it should be.

Works on a read-only cache.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from zoo.cache import paths, verified
from zoo.cache.digests import sha256_file
from zoo.cache.inventory import CachedFile, Role
from zoo.formats import checkpoint
from zoo.formats.scan_result import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Verdict(Enum):
    """What verifying a file has found."""

    WHOLE = "whole"
    """It has the digest that the registry or zoo.lock demands."""
    SOUND = "sound"
    """Nothing is known to compare it with, but it keeps its own format and checksums."""
    SUSPECT = "suspect"
    """Nothing is known to compare it with, and zoo would not load it."""
    UNKNOWN = "unknown"
    """Nothing is known to compare it with, and it was not judged."""
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Finding:
    """What verifying one file has found."""

    file: CachedFile
    verdict: Verdict
    sha256: str | None
    fault: str | None = None
    advice: str | None = None
    """The command that fixes it."""


def verify_files(
    files: Iterable[CachedFile],
    *,
    jobs: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Finding]:
    """Read every file and compare it with what the registry and ``zoo.lock`` know, several at once.

    Args:
        files: From an inventory; unfinished downloads and the quarantine are passed over.
        jobs: Files read at the same time; by default as many as there are processors.
        advance: Called with the length of each block that has been read, one call at a time.

    Returns:
        A finding for each file, in the order of the files.
    """
    tell = in_turn(advance)
    apart = (Role.PARTIAL, Role.QUARANTINED)
    wanted = [file for file in files if file.role not in apart]
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1, thread_name_prefix="verify") as pool:
        return list(pool.map(lambda file: verify_file(file, tell), wanted))


def in_turn(advance: Callable[[int], None] | None) -> Callable[[int], None]:
    """Make a function that several threads may call: one at a time gets through."""
    gate = threading.Lock()

    def tell(count: int) -> None:
        with gate:
            if advance is not None:
                advance(count)

    return tell


def verify_file(
    file: CachedFile,
    advance: Callable[[int], None] | None = None,
) -> Finding:
    """Read one file and say whether it is what it should be."""
    if paths.kind_of(file.path) is not paths.Kind.FILE:
        return _damaged(file, None, "expected a file, got a link to nothing")
    if not file.size_bytes or not file.expected.allows_size(file.size_bytes):
        return _damaged(
            file, None, f"expected {file.expected.size_words}, got {file.size_bytes} bytes"
        )
    try:
        stamp = verified.stamp(file.path)
        sha256 = sha256_file(file.path, advance)
    except OSError as error:
        return _damaged(file, None, f"it cannot be read: {error.strerror}")
    if file.expected.sha256 is None:
        return _judge_by_format(file, sha256)
    if not file.expected.allows_digest(sha256):
        return _damaged(file, sha256, f"expected sha256 {file.expected.sha256}, got {sha256}")
    verified.remember(file.path, sha256, stamp)
    return Finding(file, Verdict.WHOLE, sha256)


def _judge_by_format(
    file: CachedFile,
    sha256: str,
) -> Finding:
    """Look through a file that no digest is known of."""
    found = checkpoint.scan(file.path)
    if found.is_safe:
        return Finding(file, Verdict.SOUND, sha256)
    is_whole_format = found.format in (Format.ZIP, Format.SAFETENSORS) and all(
        use.is_allowed for use in found.imports
    )
    verdict = Verdict.DAMAGED if is_whole_format else Verdict.SUSPECT
    return Finding(
        file,
        verdict,
        sha256,
        "; ".join(found.faults[:2]),
        f"zoo scan {file.path}",
    )


def _damaged(
    file: CachedFile,
    sha256: str | None,
    fault: str,
) -> Finding:
    """Say which command fixes a damaged file."""
    if file.role is Role.WEIGHTS:
        advice = f"zoo cache repair {file.name}"
    elif file.role is Role.SAFETENSORS_COPY and file.owner:
        advice = f"zoo convert --force {file.owner}"
    else:
        advice = f"zoo cache quarantine {file.name}"
    return Finding(
        file,
        Verdict.DAMAGED,
        sha256,
        fault,
        advice,
    )
