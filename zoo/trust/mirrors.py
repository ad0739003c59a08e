"""Believe a mirror as far as its list of files is signed.

The root is named once for each mirror (``zoo download --mirror URL --mirror-root FILE``). From then
on that mirror must be signed: what it has not signed is not fetched from it.

::

    $XDG_DATA_HOME/zoo/mirrors/<digest of the address>/root.json
    $XDG_DATA_HOME/zoo/mirrors/<digest of the address>/metadata/    what was seen, against rollbacks
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from zoo import atomic
from zoo.cache import locks
from zoo.config import own_folder
from zoo.documents import read_regular_file
from zoo.download.sources import mirror_url, shown
from zoo.errors import TrustError
from zoo.mirror import layout, signing
from zoo.trust import keys
from zoo.trust.reading import LARGEST_METADATA_BYTES, download, keep_metadata, refreshed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.catalog.records import WeightsFile
    from zoo.mirror.signing import SignedFile
    from zoo.trust.fetching import Limits

ROOT = "root.json"


def folder_of(base: str) -> Path:
    """Return where it is remembered whom to trust for a mirror, whoever asks it."""
    address = _address(base)
    digest = hashlib.sha256(address.encode())
    name = digest.hexdigest()[:32]
    return own_folder("data") / "mirrors" / name


def must_be_signed(base: str) -> bool:
    """Tell whether a root was named for a mirror."""
    return (folder_of(base) / ROOT).exists()


def signed_files(
    base: str,
    root: Path | None = None,
    limits: Limits | None = None,
) -> Mapping[str, SignedFile]:
    """Fetch and check the list of what a mirror has signed.

    Args:
        base: The mirror's address.
        root: The root to trust, for the first time; by default the one that was named before.
        limits: How patient to be.

    Returns:
        Path in the mirror -> what is signed of the file.

    Raises:
        TrustError: What the mirror offers is not believed; nothing was changed.
        MissingPackageError: python-tuf is not installed.
    """
    keys.require()
    from tuf.api.exceptions import DownloadError, RepositoryError

    from zoo.trust.fetching import Fetcher
    from zoo.trust.fetching import Limits as Usual
    from zoo.trust.refusals import refusal

    address = _address(base)
    place = folder_of(base)
    known = place / ROOT
    trusted = _trusted_root(base, root or known)
    trust = layout.TRUST.rstrip("/")
    served = f"{base.rstrip('/')}/{trust}"
    place.mkdir(parents=True, exist_ok=True)
    fetcher = Fetcher(limits or Usual())
    try:
        with (
            locks.held_for(known),
            tempfile.TemporaryDirectory(prefix=".update-", dir=place) as name,
        ):
            scratch = Path(name)
            metadata = scratch / "metadata"
            seen = place / "metadata"
            # Another root than before begins anew: what the old keys signed counts no longer.
            if seen.is_dir() and trusted == _known_root(place):
                shutil.copytree(seen, metadata)
            else:
                metadata.mkdir()
            updater = refreshed(served, metadata, trusted, fetcher)
            listing = download(updater, address, signing.LIST, scratch / signing.LIST)
            files = signing.read_list(listing.read_bytes(), address)

            keep_metadata(metadata, seen)
            atomic.write_bytes(known, trusted)
    except (RepositoryError, DownloadError) as error:
        raise refusal(address, error) from error
    finally:
        fetcher.close()
    return files


def confirm(
    files: Sequence[WeightsFile],
    base: str,
    signed: Mapping[str, SignedFile],
) -> list[WeightsFile]:
    """Hold what is to be fetched against what a mirror has signed.

    Returns:
        The files, with the signed digest and length where the registry knows none.

    Raises:
        TrustError: The mirror has not signed a file, or signed another one than the registry's.
    """
    return [_confirm(file, base, signed) for file in files]


def _confirm(
    file: WeightsFile,
    base: str,
    signed: Mapping[str, SignedFile],
) -> WeightsFile:
    if file.packaged is not None:
        return file

    prefix = f"{base.rstrip('/')}/"
    address = mirror_url(base, file)
    path = unquote(address.removeprefix(prefix))
    entry = signed.get(path)
    if entry is None:
        fault = f"it has not signed {path}; nothing was fetched"
        advice = 'ask its administrator to add it and to run "zoo mirror sign"'
        raise TrustError(_address(base), fault, advice)

    expected = file.sha256 or file.sha256_prefix or ""
    if not entry.sha256.startswith(expected):
        claim = f"it has signed {entry.sha256[:12]} for {file.file_name}"
        fault = f"{claim}, the registry says {expected[:12]}; nothing was fetched"
        advice = "ask its administrator; use another mirror"
        raise TrustError(_address(base), fault, advice)

    return replace(
        file,
        sha256=entry.sha256,
        size_bytes=entry.size_bytes,
        size_tolerance_bytes=0,
    )


def _trusted_root(base: str, path: Path) -> bytes:
    try:
        return read_regular_file(path, LARGEST_METADATA_BYTES)
    except OSError as error:
        fault = f"no root to trust: {path} cannot be read ({error.strerror or error})"
        advice = "get the root from its administrator, and name it with --mirror-root FILE"
        raise TrustError(_address(base), fault, advice) from error


def _known_root(place: Path) -> bytes | None:
    """Return the root that was named before; scripts name the same one every time."""
    path = place / ROOT
    if not path.exists():
        return None
    return read_regular_file(path, LARGEST_METADATA_BYTES)


def _address(base: str) -> str:
    """Return a mirror's address without user and password."""
    return shown(base.rstrip("/"))
