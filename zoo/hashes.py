"""How hashes are spelt: SHA-256 digests, commits of Git, blobs of Git.

Lower-case hex digits, all of them: an abbreviated commit may mean another one tomorrow.
"""

from __future__ import annotations

import re
from typing import TypeGuard

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
