"""Look after a mirror: what is there of what is wanted, what is damaged, what nobody needs, what was carried in."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.catalog.registry import load_registry
from zoo.errors import MirrorError, UsageError
from zoo.mirror import archives, layout, remotes, wants
from zoo.mirror.remotes import RemoteFile, RemoteItem
from zoo.mirror.sync import checked_digest, entry_of, git_oid, staging_name, stored_file
from zoo.mirror.wants import HuggingFaceWant, ModelWant, RepositoryWant
from zoo.weights.digests import sha256_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from zoo.mirror.catalogue import Catalogue, Item, StoredFile
    from zoo.mirror.store import Store
    from zoo.mirror.wants import Want


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that is not what the catalogue says."""

    file: StoredFile
    fault: str


def items_of(catalogue: Catalogue, want: Want) -> list[Item]:
    """List what a mirror holds of a want."""
    if isinstance(want, ModelWant):
        return [item for item in catalogue.versions("weights", str(want)) if item.files]
    if isinstance(want, HuggingFaceWant):
        found = [catalogue.by_ref("huggingface", want.name, want.revision)]
    elif want.ref is None:
        found = [catalogue.by_ref("repository", want.name, "HEAD")]
    else:
        refs = (f"heads/{want.ref}", f"tags/{want.ref}", want.ref)
        found = [catalogue.by_ref("repository", want.name, ref) for ref in refs]
        if not any(found) and len(want.ref) >= 4:
            found = [item for item in catalogue.versions("repository", want.name) if _is_prefix(want.ref, item)]
    return list(dict.fromkeys(item for item in found if item is not None))


def _is_prefix(ref: str, item: Item) -> bool:
    return item.revision is not None and item.revision.startswith(ref)


def verify(store: Store, workers: int = 2, advance: Callable[[int], None] | None = None) -> list[Damage]:
    """Read every file and compare it with the catalogue; a damaged one is fetched again by the next sync.

    Digests of blocks that do not fit their file are damage as well, under their own path; the next sync makes them
    again, and makes those that are missing.
    """

    def check(file: StoredFile) -> Damage | None:
        digest = store.digest(file, may_trust_receipt=False)
        if advance is not None:
            advance(file.size_bytes)
        if digest is None:
            return Damage(file, f"expected {file.size_bytes} bytes, got {_what_is_there(store, file)}")
        if digest != file.sha256:
            return Damage(file, f"expected sha256 {file.sha256}, got {digest}")
        beside = layout.blocks_path(file.path)
        if beside is not None and store.has_wrong_blocks(file):
            return Damage(replace(file, path=beside), "expected the digests of the file's blocks, got others")
        return None

    files = store.catalogue().files.values()
    with ThreadPoolExecutor(workers, thread_name_prefix="verify") as pool:
        return [damage for damage in pool.map(check, files) if damage is not None]


def _what_is_there(store: Store, file: StoredFile) -> str:
    try:
        return f"{(store.root / file.path).stat().st_size}"
    except OSError:
        return "no file"


def remove(store: Store, wanted: Iterable[Want]) -> list[Item]:
    """Stop holding something: the catalogue first, then the files that nothing else needs."""
    gone = list(wanted)
    before = store.catalogue()
    doomed = {item.key: item for want in gone for item in items_of(before, want)}
    unwanted = {str(want) for want in gone}
    store.change_settings(lambda old: old.with_wanted(set(old.wanted) - unwanted))
    after = store.update(lambda catalogue: catalogue.without(set(doomed)))
    for item in doomed.values():
        for file in item.files:
            if file.path not in after.files:
                store.remove(store.path(file.path))
    return list(doomed.values())


def collect_garbage(store: Store, *, min_age_s: float = 0.0, is_dry_run: bool = False) -> list[tuple[str, int]]:
    """Remove files that the catalogue does not name, and unfinished downloads; return their paths and lengths."""
    found = [(path, path.lstat().st_size) for path in store.strays(min_age_s)]
    if not is_dry_run:
        for path, _ in found:
            store.remove(path)
    return [(path.relative_to(store.root).as_posix(), size_bytes) for path, size_bytes in found]


# -- files carried in by hand ------------------------------------------------------------------------------------------


def import_file(store: Store, path: Path, what: str | None = None) -> Item:
    """Take a file, or the folder of a Hugging Face snapshot, that was carried in by hand. It is copied.

    Args:
        store: The mirror.
        path: The file or folder.
        what: What it is, where its name does not say so: ``owner/repo:ref``, ``hf:org/name@commit``, or an address.

    Raises:
        MirrorError: It is not known what it is, or it is not what it is said to be.
        UsageError: ``what`` cannot be read.
    """
    if not path.exists():
        raise MirrorError(str(path), "expected a file, there is none", "check the path")
    item, sources = _described(path, what)
    stored = []
    for file in item.files:
        source = sources[file.path]
        sha256 = checked_digest(source, item, file) if file.sha256 or file.git_oid else sha256_file(source)
        if sha256 is None:
            found = sha256_file(source)
            wanted = f"sha256 {file.sha256}" if file.sha256 else f"the git digest {file.git_oid}"
            fault = f"expected {wanted}, got sha256 {found} and {source.stat().st_size} bytes"
            raise MirrorError(str(source), fault, "get the file again")
        staged = store.staged(staging_name(file))
        shutil.copyfile(source, staged)
        if sha256_file(staged) != sha256:
            raise MirrorError(str(source), "it changed while it was copied", "try again")
        store.adopt(staged, file.path, sha256)
        stored.append(stored_file(file, source.stat().st_size, sha256))
    entry = entry_of(item, stored)
    store.update(lambda catalogue: catalogue.with_item(entry))
    return entry


def _described(path: Path, what: str | None) -> tuple[RemoteItem, dict[str, Path]]:
    """Find out what a path holds: the item, and where each of its files lies now."""
    if what is None:
        item = _registered(path)
    elif what.startswith(("http://", "https://")):
        item = remotes.unregistered_weights(what)
    else:
        want = wants.parse(what)[0]
        if isinstance(want, HuggingFaceWant):
            return _snapshot(path, want)
        if isinstance(want, ModelWant):
            raise UsageError(f"weights of the registry are known by their file name; import {path} without --as")
        item = _repository(path, want)
    return item, {item.files[0].path: path}


def _registered(path: Path) -> RemoteItem:
    for architecture in load_registry().architectures.values():
        for weights in architecture.weights.values():
            if any(file.file_name == path.name and file.url for file in weights.files):
                item = remotes.registered_weights(ModelWant(architecture.name, weights.tag))
                if len(item.files) == 1:
                    return item
    advice = "say what it is with --as owner/repo:ref, hf:org/name@commit, or its public address"
    raise MirrorError(str(path), "expected the file name of registered weights, got another", advice)


def _repository(path: Path, want: RepositoryWant) -> RemoteItem:
    commit = archives.commit_of(path)
    if commit is None:
        fault = "expected a zip archive with its commit as comment, as GitHub and git archive write it"
        raise MirrorError(str(path), fault, "fetch it from GitHub as zip, or by git archive --format=zip")
    archives.check_archive(path, want.name, commit)
    refs: tuple[str, ...] = ("HEAD", "heads/main")
    if want.ref is not None:
        refs = (commit,) if commit.startswith(want.ref) else (f"heads/{want.ref}", f"tags/{want.ref}")
    file = RemoteFile(layout.repository_path(want.name, commit), remotes.archive_url(want.name, commit))
    return RemoteItem("repository", want.name, (file,), commit, refs)


def _snapshot(path: Path, want: HuggingFaceWant) -> tuple[RemoteItem, dict[str, Path]]:
    """Describe a folder that holds the files of one commit."""
    if not layout.is_commit(want.revision) or not path.is_dir():
        raise UsageError(
            "a Hugging Face model is imported as a folder, with --as hf:organisation/model@COMMIT (40 digits)"
        )
    found = dict(_walk(path, want))
    files = tuple(
        RemoteFile(
            place,
            remotes.file_url(want.name, want.revision, source.relative_to(path).as_posix()),
            source.stat().st_size,
            git_oid=git_oid(source) if source.stat().st_size < 10 << 20 else None,
        )
        for place, source in found.items()
    )
    return RemoteItem("huggingface", want.name, files, want.revision, (want.revision, "main")), found


def _walk(path: Path, want: HuggingFaceWant) -> Iterator[tuple[str, Path]]:
    for folder, _, names in os.walk(path):
        for name in names:
            source = Path(folder, name)
            place = layout.huggingface_path(want.name, want.revision, source.relative_to(path).as_posix())
            if fault := layout.path_fault(place):
                raise MirrorError(str(source), f"it cannot be mirrored: {fault}", "leave it out")
            yield place, source
