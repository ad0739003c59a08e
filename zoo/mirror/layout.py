"""Where everything lies in a mirror, and which names may be part of a path. Pure: nothing is read or written.

::

    mirror.json                     what was asked for, and where from
    catalogue.json                  everything that is here; written last, in one step
    ca.pem                          certificate of the proxy's own authority
    weights/download.pytorch.org/models/resnet18-f37072fd.pth       host and path of its address upstream
    weights/download.pytorch.org/models/resnet18-f37072fd.pth.blocks.json       digests of its blocks
    repositories/pytorch/vision/<commit>.zip                        a hub repository at one commit
    huggingface/models--timm--resnet18.a1_in1k/<commit>/config.json     a Hugging Face model at one commit
    .private/                       unfinished downloads, locks, the authority's key: never served

What is under a commit never changes; which commit ``main`` means today stands in the catalogue.
"""

from __future__ import annotations

import re

from zoo.weights import block_hashes
from zoo.weights.sources import mirror_path

SETTINGS = "mirror.json"
CATALOGUE = "catalogue.json"
CERTIFICATE = "ca.pem"
PRIVATE = ".private"
WEIGHTS = "weights/"
INCOMING = f"{PRIVATE}/incoming"
LONGEST_COMPONENT_BYTES = 200
COMMIT = re.compile(r"[0-9a-f]{40}")
_FORBIDDEN = frozenset('\\:*?"<>|')


def weights_path(url: str) -> str:
    """Return the path of a weights file that is published at an address."""
    return mirror_path(url)


def blocks_path(path: str) -> str | None:
    """Return where the digests of a file's blocks lie; ``None`` if the file is no weights file and has none."""
    return path + block_hashes.SUFFIX if path.startswith(WEIGHTS) else None


def described_by(path: str) -> str | None:
    """Return the path of the weights file whose blocks a path's digests describe; ``None`` if it is no such path."""
    is_blocks = path.startswith(WEIGHTS) and path.endswith(block_hashes.SUFFIX)
    return path.removesuffix(block_hashes.SUFFIX) if is_blocks else None


def repository_path(name: str, commit: str) -> str:
    """Return the path of a hub repository's archive."""
    return f"repositories/{name}/{commit}.zip"


def huggingface_path(name: str, commit: str, path: str) -> str:
    """Return the path of one file of a Hugging Face model."""
    return f"huggingface/models--{name.replace('/', '--')}/{commit}/{path}"


def component_fault(component: str) -> str | None:
    """Say what keeps a string from being one step of a path everywhere, or ``None``.

    >>> component_fault("..")
    'is empty or leads elsewhere'
    """
    if component.strip(". ") == "":
        return "is empty or leads elsewhere"
    if not component.isprintable() or "/" in component or _FORBIDDEN & set(component):
        return "has a control character, or a letter that some systems forbid"
    if component.endswith((".", " ")) or len(component.encode()) > LONGEST_COMPONENT_BYTES:
        return f"ends with a dot or space, or has more than {LONGEST_COMPONENT_BYTES} bytes"
    return None


def path_fault(path: str) -> str | None:
    """Say what keeps a string from being a path inside a mirror that anybody may read, or ``None``."""
    components = path.split("/")
    for component in components:
        if fault := component_fault(component):
            return f"{component!r:.80} {fault}"
    if described_by(path) is not None:
        return f"names that end with {block_hashes.SUFFIX} are kept for digests of blocks"
    return "the folder is private" if components[0] == PRIVATE else None


def is_commit(text: str | None) -> bool:
    """Tell whether a text is a whole commit: 40 lower-case hex digits."""
    return text is not None and COMMIT.fullmatch(text) is not None
