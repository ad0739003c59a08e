"""An air-gap archive: what a mirror holds, laid out as torch.hub's and Hugging Face's own caches.

::

    bundle.json                                             every file with its length and SHA-256
    torch/hub/checkpoints/resnet18-f37072fd.pth             below $TORCH_HOME
    torch/hub/pytorch_vision_v0.20.0/hubconf.py ...         a hub repository, unpacked, by each ref
    hf/hub/models--timm--resnet18.a1_in1k/refs/main         below $HF_HOME: 40 letters, no newline
    hf/hub/models--timm--resnet18.a1_in1k/snapshots/<commit>/...
    hf/hub/models--timm--resnet18.a1_in1k/trees/<commit>.json       without Xet hashes

Applied to a machine, unmodified clients find all of it without a network, and on a read-only mount.

The file is long because what is packed is unpacked by the same rules, and both are read together.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping  # noqa: TC003 - the strict decoder reads it
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from zoo import atomic
from zoo.cache import disk
from zoo.documents import parse_document
from zoo.errors import DocumentError, MirrorError
from zoo.hashes import is_sha256
from zoo.mirror import layout
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.upkeep import items_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from zoo.mirror.ecosystems.protocol import Cache
    from zoo.mirror.index import Item, StoredFile
    from zoo.mirror.specs import ItemSpec
    from zoo.mirror.store import Store

MANIFEST = "bundle.json"
SCHEMA_VERSION = 1
LARGEST_MANIFEST_BYTES = 64 << 20
BLOCK_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)
_TORCH = "torch/hub"
_HUGGINGFACE = "hf/hub"
_SHORTEST_PATH = 4
"""Steps of a path: two of its cache, a folder, a file."""
_SYNC = 'to fetch it again, run "zoo mirror sync"'


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of a bundle."""

    size_bytes: int
    sha256: str


Files = dict[str, ManifestFile]
"""By their path in the bundle."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of ``bundle.json``."""

    schema_version: int
    wanted: tuple[str, ...]
    files: Mapping[str, ManifestFile]


# -- create


def create(
    store: Store,
    wanted: Iterable[ItemSpec],
    out: Path,
) -> dict[str, int]:
    """Write a bundle; return its files with their lengths. The archive appears whole or not at all.

    Raises:
        MirrorError: The mirror does not hold all of it, a file of it is damaged, or two files want
            one name in a cache.
    """
    index = store.index()
    held: list[tuple[ItemSpec, list[Item]]] = []
    missing: list[str] = []
    for spec in wanted:
        items = items_of(index, spec)
        held.append((spec, items))
        if not items or _is_partial(items):
            missing.append(str(spec))

    if missing:
        names = ", ".join(missing)
        fault = "the mirror does not hold all of it"
        advice = 'run "zoo mirror add" and "zoo mirror sync"'
        raise MirrorError(names, fault, advice)

    with disk.translating(out.name), atomic.replacing(out) as temporary:
        files = _write(store, held, temporary)
    return {path: file.size_bytes for path, file in files.items()}


def _write(
    store: Store,
    held: list[tuple[ItemSpec, list[Item]]],
    path: Path,
) -> Files:
    """Write the archive; return its files with length and digest."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        writer = _Writer(archive, store)
        for spec, items in held:
            ecosystem = ecosystems.of(spec.kind)
            ecosystem.bundle(spec, items, writer)
        writer.finish([str(spec) for spec, _ in held])
    return writer.files


def _is_partial(items: Iterable[Item]) -> bool:
    return any(item.is_partial for item in items)


@dataclass
class _Writer:
    """Writes entries and remembers their digests."""

    archive: zipfile.ZipFile
    store: Store
    files: Files = field(default_factory=dict)
    _folded: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        path: str,
        source: IO[bytes],
        sha256: str | None = None,
    ) -> None:
        """Add one file; the same file may be wanted twice, another one of its name not.

        Args:
            path: Its name in the bundle.
            source: Its bytes.
            sha256: The digest that they must have, where it is known.

        Raises:
            MirrorError: The bytes have another digest, or another file has the name.
        """
        known = self._folded.setdefault(path.casefold(), path)
        if known in self.files:
            self._check_same(known, path, source)
            return

        entry = zipfile.ZipInfo(path, _EPOCH)
        digest = hashlib.sha256()
        size_bytes = 0
        with self.archive.open(entry, "w", force_zip64=True) as target:
            while block := source.read(BLOCK_BYTES):
                target.write(block)
                digest.update(block)
                size_bytes += len(block)

        found = digest.hexdigest()
        if sha256 not in (None, found):
            fault = f"expected sha256 {sha256}, got {found}"
            raise MirrorError(path, fault, _SYNC)
        self.files[path] = ManifestFile(size_bytes, found)

    def add_file(
        self,
        path: str,
        file: StoredFile,
    ) -> None:
        """Copy one file of the mirror."""
        try:
            stream = self.store.open(file)
        except OSError as error:
            fault = f"it cannot be read: {error.strerror}"
            raise MirrorError(file.path, fault, _SYNC) from error

        with stream as source:
            self.add(path, source, file.sha256)

    def _check_same(
        self,
        known: str,
        path: str,
        source: IO[bytes],
    ) -> None:
        """Refuse a second file of a name that has other bytes, or other cases of letters."""
        digest = hashlib.sha256()
        while block := source.read(BLOCK_BYTES):
            digest.update(block)

        is_same = self.files[known].sha256 == digest.hexdigest()
        if not is_same or known != path:
            _, _, name = known.rpartition("/")
            fault = f"another file of the bundle is called {name}"
            raise MirrorError(path, fault, "put them into two bundles")

    def finish(self, wanted: list[str]) -> None:
        """Write the list of all files."""
        manifest = Manifest(SCHEMA_VERSION, tuple(wanted), self.files)
        text = json.dumps(asdict(manifest), indent=1)
        entry = zipfile.ZipInfo(MANIFEST, _EPOCH)
        self.archive.writestr(entry, text)


# -- apply


@dataclass
class Applied:
    """What applying a bundle has done."""

    written: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)


def caches(
    torch: Path | None = None,
    hub_cache: Path | None = None,
) -> dict[str, Cache]:
    """List the caches that a bundle seeds by what their paths in it begin with.

    Args:
        torch: Instead of ``$TORCH_HOME``.
        hub_cache: Instead of ``$HF_HUB_CACHE`` (``$HF_HOME/hub``).
    """
    found: dict[str, Cache] = {}
    for ecosystem in ecosystems.ECOSYSTEMS:
        for cache in ecosystem.caches():
            found[cache.place] = cache

    if torch is not None:
        found[_TORCH] = replace(found[_TORCH], folder=torch / "hub")
    if hub_cache is not None:
        found[_HUGGINGFACE] = replace(found[_HUGGINGFACE], folder=hub_cache)
    return found


def apply(
    bundle: Path,
    torch: Path | None = None,
    hub_cache: Path | None = None,
) -> Applied:
    """Unpack a bundle into the caches. Every file is verified before it gets its name.

    What is there and right stays.

    Args:
        bundle: The archive.
        torch: Instead of ``$TORCH_HOME``.
        hub_cache: Instead of ``$HF_HUB_CACHE`` (``$HF_HOME/hub``).

    Raises:
        MirrorError: It is not a bundle, or not whole, or names a place outside of the caches.
        CacheError: The disk is full or failed.
    """
    seeded = caches(torch, hub_cache)
    roots = {place: cache.folder for place, cache in seeded.items()}
    applied = Applied()
    try:
        with zipfile.ZipFile(bundle) as archive, disk.translating(bundle.name):
            files = _manifest(archive, bundle, seeded)
            needed = {_place_of(path) for path in files}
            for place in needed | {_TORCH, _HUGGINGFACE}:
                roots[place].mkdir(parents=True, exist_ok=True)

            size_bytes = sum(file.size_bytes for file in files.values())
            disk.check_space(roots[_TORCH], size_bytes, bundle.name)

            for folder, members in _groups(files, seeded):
                group = {path: files[path] for path in members}
                _place(archive, group, folder, roots, applied)

            for cache in seeded.values():
                for name in cache.empty_files:
                    (cache.folder / name).touch()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        fault = f"expected a whole zip archive, got: {error}"
        raise MirrorError(str(bundle), fault, "copy it again") from error
    return applied


def _manifest(
    archive: zipfile.ZipFile,
    bundle: Path,
    places: Collection[str],
) -> Files:
    """Read the list of files and hold it against the archive's own."""
    advice = 'make it again with "zoo bundle create"'
    try:
        info = archive.getinfo(MANIFEST)
        if info.file_size > LARGEST_MANIFEST_BYTES:
            raise ValueError("the list is too long")
        content = archive.read(info)
        manifest = parse_document(content, Manifest, SCHEMA_VERSION)
    except (KeyError, ValueError, DocumentError) as error:
        fault = f"expected a bundle with its {MANIFEST}, got: {error}"
        raise MirrorError(str(bundle), fault, advice) from error

    listed: dict[str, tuple[int, bool]] = {}
    for path, file in manifest.files.items():
        listed[path] = (file.size_bytes, is_sha256(file.sha256))

    entries: dict[str, tuple[int, bool]] = {}
    for entry in archive.infolist():
        entries[entry.filename] = (entry.file_size, True)
    entries.pop(MANIFEST)

    if entries != listed:
        odd, _ = min(entries.items() ^ listed.items())
        fault = f"its list and its entries differ at {odd!a:.200}"
        raise MirrorError(str(bundle), fault, advice)

    for path in listed:
        if not _lies_in(path, places):
            fault = f"its entry {path!a:.200} lies outside of the caches"
            raise MirrorError(str(bundle), fault, advice)
    return dict(manifest.files)


def _lies_in(
    path: str,
    places: Collection[str],
) -> bool:
    """Tell whether a path leads to a place in a cache, and nowhere else."""
    parts = path.split("/")
    if len(parts) < _SHORTEST_PATH or _place_of(path) not in places:
        return False

    faults = map(layout.component_fault, parts)
    return not any(faults)


def _place_of(path: str) -> str:
    """Name the cache that a path of a bundle begins with: ``torch/hub``."""
    first, second, *_ = path.split("/")
    return f"{first}/{second}"


def _groups(
    files: Iterable[str],
    seeded: Mapping[str, Cache],
) -> Iterator[tuple[str | None, list[str]]]:
    """Group the files that must appear at once: a hub repository's folder. References come last."""
    folders: dict[str | None, list[str]] = {}
    for path in files:
        place = _place_of(path)
        cache = seeded[place]
        inner = len(place) + 1
        match = cache.whole_folders.match(path, inner)

        folder = f"{place}/{match[0]}" if match else None
        members = folders.setdefault(folder, [])
        members.append(path)

    for folder, members in folders.items():
        by_name = sorted(members)
        yield folder, sorted(by_name, key=lambda path: "/refs/" in path)


def _place(
    archive: zipfile.ZipFile,
    files: Files,
    folder: str | None,
    roots: dict[str, Path],
    applied: Applied,
) -> None:
    """Write a group of files: one by one, or as one folder that appears at once."""
    targets = {path: _target(path, roots) for path in files}
    wrong: list[str] = []
    for path, target in targets.items():
        if not _is_right(target, files[path]):
            wrong.append(path)

    if not wrong:
        applied.kept += targets.values()
        return

    if folder is None:
        for path, target in targets.items():
            if path in wrong:
                _extract(archive, path, files[path], target)
                applied.written.append(target)
            else:
                applied.kept.append(target)
        return

    final = _target(folder, roots)
    with tempfile.TemporaryDirectory(prefix=".zoo-bundle-", dir=final.parent) as name:
        staged = Path(name, "new")
        for path, file in files.items():
            inner = path.removeprefix(f"{folder}/")
            _extract(archive, path, file, staged / inner)

        if final.exists():
            aside = Path(name, "old")
            final.rename(aside)
        staged.rename(final)
    applied.written += targets.values()


def _target(
    path: str,
    roots: dict[str, Path],
) -> Path:
    """Say where a file of a bundle belongs."""
    place = _place_of(path)
    inner = path.removeprefix(f"{place}/")
    return roots[place] / inner


def _is_right(
    target: Path,
    file: ManifestFile,
) -> bool:
    """Tell whether a file is there with the length and digest that it must have."""
    if not target.is_file():
        return False
    if target.stat().st_size != file.size_bytes:
        return False

    with target.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return digest.hexdigest() == file.sha256


def _extract(
    archive: zipfile.ZipFile,
    path: str,
    file: ManifestFile,
    target: Path,
) -> None:
    """Write one file under a temporary name, verify it, then give it its own."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(target) as temporary:
        with archive.open(path) as source, temporary.open("wb") as stream:
            shutil.copyfileobj(source, stream, BLOCK_BYTES)

        if not _is_right(temporary, file):
            expected = f"{file.size_bytes} bytes with sha256 {file.sha256}"
            fault = f"the bundle is damaged: expected {expected}, got others"
            raise MirrorError(path, fault, "copy the bundle again")
