"""Read a signed repository with python-tuf: metadata first, then the files that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo import atomic
from zoo.errors import TrustError

if TYPE_CHECKING:
    from pathlib import Path

    from tuf.ngclient import Updater

    from zoo.trust.fetching import Fetcher

LARGEST_FILE_BYTES = 64 << 20
LARGEST_METADATA_BYTES = 4 << 20


def refreshed(
    base: str,
    metadata: Path,
    root: bytes,
    fetcher: Fetcher,
) -> Updater:
    """Bring a folder of metadata up to date; python-tuf checks each file of it.

    Args:
        base: Where ``metadata/`` and ``targets/`` are served.
        metadata: What was seen before, against rollbacks; what is seen now is written there.
        root: The root to begin with.
        fetcher: How to fetch.

    Raises:
        RepositoryError: Of python-tuf: what is offered is not believed.
        DownloadError: Of python-tuf: something cannot be fetched.
    """
    from tuf.ngclient import Updater, UpdaterConfig

    config = UpdaterConfig(
        max_root_rotations=1024,
        targets_max_length=LARGEST_METADATA_BYTES,
    )
    updater = Updater(
        str(metadata),
        f"{base}/metadata/",
        target_base_url=f"{base}/targets/",
        fetcher=fetcher,
        config=config,
        bootstrap=root,
    )
    updater.refresh()
    return updater


def download(
    updater: Updater,
    base: str,
    name: str,
    path: Path,
) -> Path:
    """Fetch a file that is signed, and check it.

    Raises:
        TrustError: No file of that name is signed, or it is too long.
    """
    target = updater.get_targetinfo(name)
    if target is None or target.length > LARGEST_FILE_BYTES:
        fault = f"it has signed no file {name} of at most {LARGEST_FILE_BYTES} bytes"
        raise TrustError(base, f"{fault}; nothing was changed", "check the address")
    updater.download_target(target, str(path))
    return path


def keep_metadata(
    seen: Path,
    final: Path,
) -> None:
    """Keep the newest metadata that was seen: an older one is a rollback from now on.

    File by file, each whole, the time stamp last. What was remembered is never away, so a crash in
    between forgets nothing: python-tuf fetches again what does not fit together.

    Args:
        seen: The folder that :func:`refreshed` has brought up to date.
        final: Where it is remembered.

    Raises:
        WriteError: The file system refuses.
    """
    for path in sorted(seen.rglob("*.json")):
        if not path.is_symlink():  # root.json leads to the newest root, which is always named
            target = final / path.relative_to(seen)
            target.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_bytes(target, path.read_bytes())
