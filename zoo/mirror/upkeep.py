"""Look after a mirror: what is there of what is wanted, what is damaged, what nobody needs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zoo.cache.digests import sha256_file
from zoo.errors import MirrorError, ZooError
from zoo.mirror import check, layout, quota, usage
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.entries import entry_of, stored_file
from zoo.mirror.policy import ONLY_SAFETENSORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from zoo.mirror.index import Index, Item, StoredFile
    from zoo.mirror.policy import Policy
    from zoo.mirror.published import RemoteFile, RemoteItem
    from zoo.mirror.settings import Settings
    from zoo.mirror.specs import ItemSpec
    from zoo.mirror.store import Store
    from zoo.mirror.store.objects import StoredObject


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that is not what the index says."""

    file: StoredFile
    fault: str


def items_of(
    index: Index,
    spec: ItemSpec,
) -> list[Item]:
    """List what a mirror holds for a spec."""
    ecosystem = ecosystems.of(spec.kind)
    return ecosystem.held(index, spec)


def is_here(
    store: Store,
    items: Iterable[Item],
) -> bool:
    """Tell whether items are whole and their files in place."""
    for item in items:
        has_files = all(map(store.is_whole, item.files))
        if item.is_partial or not has_files:
            return False
    return True


# -- verify


def verify(
    store: Store,
    workers: int = 2,
    advance: Callable[[int], None] | None = None,
) -> list[Damage]:
    """Read every file and compare it with the index.

    A damaged one is fetched again by the next sync.

    Digests of blocks that do not fit their file are damage as well, under their own path; the next
    sync makes them again, and those that are missing. A file that cannot be read is damage too.
    """

    def inspect(file: StoredFile) -> Damage | None:
        found = _damage(store, file)
        if advance is not None:
            advance(file.size_bytes)
        return found

    files = list(store.index().files.values())
    with ThreadPoolExecutor(workers, thread_name_prefix="verify") as pool:
        found = pool.map(inspect, files)
        return [damage for damage in found if damage is not None]


def _damage(
    store: Store,
    file: StoredFile,
) -> Damage | None:
    """Compare one file with the index."""
    try:
        digest = store.digest(file, may_trust_receipt=False)
    except ZooError as error:
        return Damage(file, f"it cannot be read: {error}")

    if digest is None:
        found = store.objects.size_bytes(file.path)
        there = "no file" if found is None else str(found)
        return Damage(file, f"expected {file.size_bytes} bytes, got {there}")

    if digest != file.sha256:
        return Damage(file, f"expected sha256 {file.sha256}, got {digest}")

    beside = layout.blocks_path(file.path)
    if beside is not None and _has_wrong_blocks(store, file):
        fault = "expected the digests of the file's blocks, got others"
        return Damage(replace(file, path=beside), fault)
    return None


def _has_wrong_blocks(
    store: Store,
    file: StoredFile,
) -> bool:
    """Compare the digests of a file's blocks with it; such as cannot be read are wrong."""
    try:
        return store.has_wrong_blocks(file)
    except ZooError:
        return True


def quarantine(
    store: Store,
    damages: Iterable[Damage],
) -> list[str]:
    """Move damaged files to where no client is served from them.

    Return where. ``prune`` removes them in time.
    """
    moved: list[str] = []
    for damage in damages:
        path = damage.file.path
        is_there = store.objects.size_bytes(path) is not None
        if is_there:
            moved.append(store.quarantine(path))
    return moved


# -- remove and prune


def remove(
    store: Store,
    wanted: Iterable[ItemSpec],
) -> list[Item]:
    """Stop holding something: the index first, then the files that nothing else needs.

    What is gone already is no mistake, so a removal that was cut off is simply repeated.
    """
    gone = list(wanted)
    before = store.index()
    doomed: dict[quota.Key, Item] = {}
    for spec in gone:
        for item in items_of(before, spec):
            doomed[item.key] = item

    unwanted = {str(spec) for spec in gone}

    def without(old: Settings) -> Settings:
        wanted = set(old.wanted) - unwanted
        return old.with_wanted(wanted)

    store.change_settings(without)
    items = list(doomed.values())
    drop(store, items)
    return items


def drop(
    store: Store,
    items: Iterable[Item],
) -> None:
    """Take items out of the index, then remove the files that nothing else needs."""
    doomed = list(items)
    store.forget(doomed)
    store.fold()
    kept = store.index().files
    for item in doomed:
        for file in item.files:
            if file.path in kept:
                continue

            key = store.key(file.path)
            store.remove(key)


def prune(
    store: Store,
    *,
    min_age_s: float = 0.0,
    is_dry_run: bool = False,
) -> list[tuple[str, int]]:
    """Remove files that the index does not name, and unfinished downloads.

    Return their paths and lengths.

    Nobody brings files meanwhile, and the index is compared with the manifests first, so that
    what a writer has died over is not taken for a stray.

    Raises:
        MirrorError: A sync is at work, or a manifest cannot be read and what it names is not known.
    """
    found = store.strays(min_age_s) if is_dry_run else _removed_strays(store, min_age_s)
    return [(entry.key, entry.size_bytes) for entry in found]


def _removed_strays(
    store: Store,
    min_age_s: float,
) -> list[StoredObject]:
    """Remove what the index does not name, while nobody brings files, and return it."""
    with store.alone():
        faults = store.reindex()
        if faults:
            fault = f"a manifest cannot be read ({faults[0]}); no file was removed"
            advice = 'run "zoo mirror sync", then try again'
            raise MirrorError(store.address, fault, advice)

        found = store.strays(min_age_s)
        for entry in found:
            store.remove(entry.key)
    return found


# -- policy and quota


def enforce_policy(
    store: Store,
    *,
    is_dry_run: bool = False,
) -> list[Item]:
    """Remove what the policy allows no more, then what was used longest ago until the rest fits.

    What was added by name stays: it has to be removed by name.
    """
    settings = store.settings()
    policy = settings.policy
    if policy.is_empty:
        return []

    index = store.index()
    pinned = _pinned(index, settings.wanted)
    leaving: list[Item] = []
    for item in index.items:
        may_leave = item.key not in pinned
        if may_leave and refusal(item, policy) is not None:
            leaving.append(item)

    rest = index
    if leaving:
        rest = index.without({item.key for item in leaving})

    most_bytes = policy.max_size_bytes
    if most_bytes is not None and quota.size_bytes(rest) > most_bytes:
        used_s = usage.read_all(store)
        leaving += quota.choose(rest, most_bytes, pinned, used_s)

    if leaving and not is_dry_run:
        drop(store, leaving)
    return leaving


def _pinned(
    index: Index,
    wanted: Iterable[str],
) -> set[quota.Key]:
    """Find the items that were added by name."""
    pinned: set[quota.Key] = set()
    for spec in ecosystems.parse_all(wanted):
        pinned.update(item.key for item in items_of(index, spec))
    return pinned


def refusal(
    item: Item,
    policy: Policy,
) -> str | None:
    """Say why a policy refuses an item, or all files of it."""
    name = ecosystems.spelled(item.kind, item.name)
    former = ecosystems.former_names(item)
    fault = policy.fault(name, item.license, former)
    if fault is not None:
        return fault

    paths = [file.path for file in item.files]
    if any(map(policy.allows_file, paths)):
        return None
    return ONLY_SAFETENSORS


# -- reindex


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What making the index again has come to."""

    items: int
    recovered: tuple[Item, ...]
    """What no manifest named, and whose bytes proved what they are."""
    faults: tuple[MirrorError, ...]
    """Manifests that could not be read; they were moved into quarantine."""


def reindex(store: Store) -> Reindexed:
    """Make the index again from the manifests, else from files that prove themselves."""
    with store.alone():
        faults = store.reindex()
        recovered = []
        for entry in store.strays():
            item = _recovered(store, entry.key)
            if item is not None:
                store.enter_alone(item)
                recovered.append(item)
        store.fold_alone()

    items = store.index().items
    return Reindexed(len(items), tuple(recovered), tuple(faults))


def _recovered(
    store: Store,
    path: str,
) -> Item | None:
    """Describe a file that no manifest names by its place and its bytes.

    ``None`` if they prove nothing.
    """
    remote = _described(path)
    if remote is None:
        return None

    (file,) = remote.files
    try:
        with store.read_locally(path) as place:
            sha256 = _proven_digest(place, remote, file)
            size_bytes = place.stat().st_size
    except (ZooError, OSError):
        return None
    if sha256 is None:
        return None

    stored = stored_file(file, size_bytes, sha256)
    return entry_of(remote, [stored])


def _proven_digest(
    place: Path,
    remote: RemoteItem,
    file: RemoteFile,
) -> str | None:
    """Return the digest of bytes that prove what they are.

    Raises:
        ZooError: They prove to be something else.
    """
    if file.sha256 is not None:
        return check.checked_digest(place, remote, file)

    check.check_bytes(place, remote, file)
    return sha256_file(place)


def _described(path: str) -> RemoteItem | None:
    """Find out from its place what a file must be."""
    top, *steps = path.split("/")
    for ecosystem in ecosystems.ECOSYSTEMS:
        if ecosystem.folder != top:
            continue

        try:
            return ecosystem.describe_by_place(steps)
        except ZooError:
            return None
    return None
