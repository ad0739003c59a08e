"""From what a user types to the place that holds a mirror: a folder, or a bucket by its address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.mirror.store import addresses
from zoo.mirror.store.folder import Folder

if TYPE_CHECKING:
    from zoo.mirror.store.objects import Objects


def find(
    place: Path | str,
    endpoint: str | None = None,
) -> Objects:
    """Return the objects of a place; nothing is looked up yet.

    Args:
        place: A folder, or the address of a bucket.
        endpoint: The address of a bucket's server that is not the provider's own.

    Raises:
        UsageError: It is no address of a bucket.
        MissingPackageError: obstore is not installed.
    """
    if isinstance(place, str) and addresses.is_address(place):
        from zoo.mirror.store.bucket import Bucket

        return Bucket(addresses.parse(place, endpoint))
    return Folder(Path(place).resolve())
