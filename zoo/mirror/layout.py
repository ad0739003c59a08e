"""Where everything lies in a mirror, and which names may be part of a path. Pure.

Nothing is read or written.

::

    mirror.json                     what was asked for, and where from
    index.json                      everything that is here, in one document
    manifests/3f/9ae2....json       what is here of one name: what the index is made from
    ca.pem                          certificate of the proxy's own CA
    weights/download.pytorch.org/models/resnet18-f37072fd.pth   host and path of its address
    weights/download.pytorch.org/models/resnet18-f37072fd.pth.blocks.json   digests of its blocks
    repositories/pytorch/vision/<commit>.zip                        a hub repository at one commit
    huggingface/models--timm--resnet18.a1_in1k/<commit>/config.json     a model at one commit
    trust/metadata/, trust/targets/ what zoo mirror sign has signed
    .private/                       unfinished downloads, locks, marks: never served

What is under a commit never changes; which commit ``main`` means today stands in the index.
"""

from __future__ import annotations

import hashlib

from zoo.cache import block_hashes
from zoo.cache.hub_files import folder_name
from zoo.download.sources import mirror_path

SETTINGS = "mirror.json"
INDEX = "index.json"
CERTIFICATE = "ca.pem"
PROXY_PORT_HEADER = "X-Zoo-Proxy-Port"
"""Comes with the certificate where the HTTPS proxy listens on another port."""
PRIVATE = ".private"
WEIGHTS = "weights/"
MANIFESTS = "manifests/"
TRUST = "trust/"
INCOMING = f"{PRIVATE}/incoming"
PENDING = f"{PRIVATE}/pending/"
QUARANTINE = f"{PRIVATE}/quarantine/"
USED = f"{PRIVATE}/used/"
REFUSED = f"{PRIVATE}/refused.json"
RESERVED = frozenset({SETTINGS, INDEX, CERTIFICATE, "manifests", "trust"})
"""What stands at the top of a mirror beside its files."""
LONGEST_COMPONENT_BYTES = 200
_FORBIDDEN = frozenset('/\\:*?"<>|')


def weights_path(url: str) -> str:
    """Return the path of a weights file that is published at an address."""
    return mirror_path(url)


def blocks_path(path: str) -> str | None:
    """Return where the digests of a file's blocks lie.

    ``None`` if the file is no weights file and has none.
    """
    if not path.startswith(WEIGHTS):
        return None
    return f"{path}{block_hashes.SUFFIX}"


def described_by(path: str) -> str | None:
    """Return the path of the weights file whose blocks a path's digests describe.

    ``None`` if it is no such path.
    """
    is_beside_weights = path.startswith(WEIGHTS)
    if not is_beside_weights or not path.endswith(block_hashes.SUFFIX):
        return None
    return path.removesuffix(block_hashes.SUFFIX)


def repository_path(
    name: str,
    commit: str,
) -> str:
    """Return the path of a hub repository's archive."""
    return f"repositories/{name}/{commit}.zip"


def huggingface_path(
    name: str,
    commit: str,
    path: str,
) -> str:
    """Return the path of one file of a Hugging Face model."""
    folder = folder_name(name)
    return f"huggingface/{folder}/{commit}/{path}"


def quarantine_path(path: str) -> str:
    """Return where a damaged file is moved to; the name still says what it was."""
    digest = hashlib.sha256(path.encode())
    short = digest.hexdigest()[:12]
    _, _, name = path.rpartition("/")
    readable = name[-100:]
    return f"{QUARANTINE}{short}-{readable}"


def component_fault(component: str) -> str | None:
    """Say what keeps a string from being one step of a path everywhere, or ``None``.

    >>> component_fault("..")
    'is empty or leads elsewhere'
    """
    if component.strip(". ") == "":
        return "is empty or leads elsewhere"

    letters = set(component)
    is_forbidden = not letters.isdisjoint(_FORBIDDEN)
    if is_forbidden or not component.isprintable():
        return "has a control character, or a letter that some systems forbid"

    size_bytes = len(component.encode())
    if component.endswith((".", " ")) or size_bytes > LONGEST_COMPONENT_BYTES:
        return f"ends with a dot or space, or has more than {LONGEST_COMPONENT_BYTES} bytes"
    return None


def path_fault(path: str) -> str | None:
    """Say what keeps a string from being a path that anybody may read, or ``None``."""
    components = path.split("/")
    for component in components:
        fault = component_fault(component)
        if fault is not None:
            return f"{component!r:.80} {fault}"

    if described_by(path) is not None:
        return f"names that end with {block_hashes.SUFFIX} are kept for digests of blocks"

    top = components[0]
    if top in RESERVED:
        return f"{top} is a name of the mirror's own"
    if top == PRIVATE:
        return "the folder is private"
    return None
