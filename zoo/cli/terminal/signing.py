"""What the commands that sign and verify share: the passphrase, and which file is meant."""

from __future__ import annotations

import os
import sys
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from securesystemslib.signer import Signer


def passphrase(*, is_new: bool) -> str:
    """Take the passphrase from the environment, or ask a person for it.

    Raises:
        UsageError: There is nobody to ask, or two entries differ.
    """
    from zoo.trust.keys import PASSPHRASE_VARIABLE

    chosen = os.environ.get(PASSPHRASE_VARIABLE)
    if chosen is not None:
        return chosen
    if not sys.stdin.isatty():
        raise UsageError(f"set ${PASSPHRASE_VARIABLE}: nobody is here to type the passphrase")
    first = getpass("passphrase: ")
    if is_new and getpass("once more: ") != first:
        raise UsageError("the two passphrases differ")
    return first


def load_signers(paths: Sequence[Path]) -> list[Signer]:
    """Open private keys that share a passphrase."""
    from zoo.trust import keys

    chosen = passphrase(is_new=False)
    return [keys.load_private(path, chosen) for path in paths]


def find_weights_file(subject: str) -> tuple[Path, bool]:
    """Find the file that a user means: one of their own, or the cached one of a model.

    Returns:
        The file, and whether it is the user's own.

    Raises:
        UsageError: It is no file, and no cached weights of a model with one file.
        UnknownNameError: No model has this name.
    """
    own = Path(subject)
    if own.is_file():
        return own, True
    from zoo.cache import paths
    from zoo.catalog.resolver import resolve

    _, weights = resolve(subject)
    if len(weights.files) != 1:
        raise UsageError(f"{subject} has {len(weights.files)} files: name one of them by its path")
    (file,) = weights.files
    cached = paths.packaged_path(file) or paths.target_path(file)
    if not cached.is_file():
        raise UsageError(f'{subject} is not in the cache: run "zoo download {subject}"')
    return cached, False
