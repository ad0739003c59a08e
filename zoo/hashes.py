"""How hashes are spelt: SHA-256 digests, commits of Git, blobs of Git.

Lower-case hex digits, all of them: an abbreviated commit may mean another one tomorrow.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    import hashlib

SHA256_DIGITS = "[0-9a-f]{64}"
"""As a part of a longer pattern."""
COMMIT_DIGITS = "[0-9a-f]{40}"
"""As a part of a longer pattern; Git names blobs and trees by as many digits."""
_SHA256 = re.compile(SHA256_DIGITS)
_COMMIT = re.compile(COMMIT_DIGITS)


def is_sha256(text: object) -> TypeGuard[str]:
    """Tell whether something is the text of a SHA-256 digest.

    >>> is_sha256("0" * 64), is_sha256("0" * 40), is_sha256(None)
    (True, False, False)
    """
    if not isinstance(text, str):
        return False
    return _SHA256.fullmatch(text) is not None


def is_commit(text: object) -> TypeGuard[str]:
    """Tell whether something is the text of a whole commit, or of another of Git's hashes.

    >>> is_commit("0" * 40), is_commit("main"), is_commit(None)
    (True, False, False)
    """
    if not isinstance(text, str):
        return False
    return _COMMIT.fullmatch(text) is not None


def git_blob(size_bytes: int) -> hashlib._Hash:
    """Begin Git's own hash of a file of this length; its bytes follow.

    >>> git_blob(0).hexdigest()
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    import hashlib  # late: every command imports this module, and few of them hash

    header = b"blob %d\0" % size_bytes
    return hashlib.sha1(header, usedforsecurity=False)
