"""The mirror's folder: the only module that reads and writes it.

A file that the catalogue names is whole: it was written elsewhere, verified and renamed, and the catalogue was written
after it. Both the catalogue and the settings are replaced in one step, under a lock that all of a machine's processes
respect.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import MirrorError
from zoo.mirror import catalogue, layout, settings
from zoo.weights import block_hashes, disk, receipts
from zoo.weights.digests import sha256_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zoo.mirror.catalogue import Catalogue, StoredFile
    from zoo.mirror.settings import Settings

LOCK_TIMEOUT_S = 60


def now() -> str:
    """Return the time as catalogues write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """One mirror's folder. Threads may share it."""

    def __init__(self, root: Path) -> None:
        """Open a mirror.

        Raises:
            MirrorError: The folder is not a mirror.
        """
        self.root = root.resolve()
        self._seen: tuple[object, Catalogue] = (None, catalogue.Catalogue())
        if not (self.root / layout.SETTINGS).is_file():
            fault = f"expected a mirror, which holds {layout.SETTINGS}, got none"
            raise MirrorError(str(root), fault, f"run zoo mirror init {root}")

    @classmethod
    def create(cls, root: Path, initial: Settings) -> Store:
        """Make an empty mirror in a new or empty folder.

        Raises:
            MirrorError: Something is there already, or the folder cannot be written.
        """
        try:
            root.mkdir(parents=True, exist_ok=True)
            if any(root.iterdir()):
                raise MirrorError(str(root), "expected an empty folder, got one with files", "choose another")
            (root / layout.PRIVATE).mkdir(mode=0o700)
            (root / layout.INCOMING).mkdir()
            _replace(root / layout.CATALOGUE, catalogue.to_json(catalogue.Catalogue()))
            _replace(root / layout.SETTINGS, settings.to_json(initial))
        except OSError as error:
            fault = f"the mirror cannot be made: {error.strerror or error}"
            raise MirrorError(str(root), fault, "choose another folder") from error
        return cls(root)

    # -- the two documents -------------------------------------------------------------------------------------------

    def catalogue(self) -> Catalogue:
        """Return the catalogue as it is on disk now; it is parsed again only after a change.

        Raises:
            MirrorError: It is missing or malformed.
        """
        path = self.root / layout.CATALOGUE
        try:
            facts = path.stat()
            mark = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
            if self._seen[0] != mark:
                self._seen = (mark, catalogue.parse(path.read_text(encoding="utf-8"), str(path)))
        except (OSError, UnicodeDecodeError) as error:
            raise MirrorError(str(path), f"cannot be read: {error}", "restore the file") from error
        return self._seen[1]

    def update(self, change: Callable[[Catalogue], Catalogue]) -> Catalogue:
        """Change the catalogue in one step, keeping what other processes add at the same time."""
        with self._locked():
            changed = change(self.catalogue())
            _replace(self.root / layout.CATALOGUE, catalogue.to_json(changed))
        return changed

    def settings(self) -> Settings:
        """Return what ``mirror.json`` says.

        Raises:
            MirrorError: It is missing or malformed.
        """
        path = self.root / layout.SETTINGS
        try:
            return settings.parse(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise MirrorError(str(path), f"cannot be read: {error}", "restore the file") from error

    def change_settings(self, change: Callable[[Settings], Settings]) -> Settings:
        """Change ``mirror.json`` in one step."""
        with self._locked():
            changed = change(self.settings())
            _replace(self.root / layout.SETTINGS, settings.to_json(changed))
        return changed

    # -- files -------------------------------------------------------------------------------------------------------

    def path(self, path: str) -> Path:
        """Return where a path of the layout lies; nothing is looked up.

        Raises:
            MirrorError: The path could leave the mirror.
        """
        if fault := layout.path_fault(path):
            raise MirrorError(f"{path!r:.120}", f"this path is not used in a mirror: {fault}", "leave it out")
        return self.root / path

    def whole(self, file: StoredFile) -> Path | None:
        """Return the path of a file that is there with the right length and inside the mirror, else ``None``."""
        path = self.root / file.path
        try:
            real = path.resolve(strict=True)
            is_whole = real.is_file() and real.stat().st_size == file.size_bytes
        except OSError:
            return None
        return real if is_whole and real.is_relative_to(self.root) else None

    def digest(self, file: StoredFile, *, may_trust_receipt: bool = True) -> str | None:
        """Return the digest of what lies under a file's path; it is read unless a receipt vouches for it."""
        path = self.whole(file)
        if path is None:
            return None
        sha256 = receipts.recall(path) if may_trust_receipt else None
        if sha256 is None:
            stamp = receipts.stamp(path)
            sha256 = sha256_file(path)
            receipts.remember(path, sha256, stamp)
        return sha256

    def staged(self, name: str) -> Path:
        """Return a place for an unfinished download: on the mirror's own disk and never served."""
        folder = self.root / layout.INCOMING
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    @property
    def lock_file(self) -> Path:
        """Where the digests are remembered that no publisher states."""
        return self.root / layout.PRIVATE / "zoo.lock"

    def adopt(self, staged: Path, path: str, sha256: str) -> Path:
        """Give a verified file its place, and weights the digests of their blocks beside them.

        Raises:
            CacheError: The disk is full or failed.
            MirrorError: The path could leave the mirror.
        """
        target = self.path(path)
        with disk.translating(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.parent.resolve().is_relative_to(self.root):
                raise MirrorError(path, "its folder is a link that leaves the mirror", "remove the link")
            try:
                with staged.open("rb") as stream:
                    os.fsync(stream.fileno())
                staged.chmod(0o644)
                staged.replace(target)
            except FileNotFoundError:  # another process has fetched the same file, and was faster
                if not target.is_file() or sha256_file(target) != sha256:
                    raise
            disk.sync_folder(target.parent)
            receipts.remember(target, sha256, receipts.stamp(target))
        self.describe_blocks(path, sha256)
        return target

    def strays(self, min_age_s: float = 0.0) -> list[Path]:
        """List files that the catalogue does not name: left by removals, older commits and crashes.

        Args:
            min_age_s: Leave out younger files: a sync that runs now enters its files only when an item is whole.
        """
        newest = time.time() - min_age_s
        files = self.catalogue().files
        described = {layout.blocks_path(path) for path, file in files.items() if _has_blocks(file.size_bytes)}
        known = files.keys() | described | {layout.CATALOGUE, layout.SETTINGS, layout.CERTIFICATE}
        private = self.root / layout.PRIVATE
        return sorted(
            path
            for path in self.root.rglob("*")
            if not path.is_dir() and path.relative_to(self.root).as_posix() not in known
            if not path.is_relative_to(private) or path.parent == self.root / layout.INCOMING
            if path.lstat().st_mtime <= newest
        )

    def remove(self, path: Path) -> None:
        """Remove a file with the digests of its blocks, and the folders that it leaves empty."""
        if (beside := layout.blocks_path(path.relative_to(self.root).as_posix())) is not None:
            (self.root / beside).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder in (self.root, self.root / layout.INCOMING):
                break
            with contextlib.suppress(OSError):
                folder.rmdir()

    # -- digests of blocks, beside weights files ---------------------------------------------------------------------

    def read_blocks(self, path: str) -> bytes | None:
        """Return the digests of a weights file's blocks as they are served; ``None`` if there are none."""
        beside = layout.blocks_path(path)
        if beside is None:
            return None
        try:
            real = (self.root / beside).resolve(strict=True)
            if not real.is_relative_to(self.root):
                return None
            with real.open("rb") as stream:
                data = stream.read(block_hashes.LARGEST_SIDECAR_BYTES + 1)
        except OSError:
            return None
        return data if len(data) <= block_hashes.LARGEST_SIDECAR_BYTES else None

    def describe_blocks(self, path: str, sha256: str) -> None:
        """Write the digests of a weights file's blocks beside it, unless they are there and right.

        The file is read unless a receipt vouches for the digests. Nothing is written for a file of a single block, nor
        for one that is damaged.

        Raises:
            CacheError: The disk is full or failed.
        """
        beside, target = layout.blocks_path(path), (self.root / path).resolve()
        if beside is None or not target.is_relative_to(self.root) or not target.is_file():
            return
        data, place = self.read_blocks(path), self.root / beside
        known = block_hashes.parse(data or b"")
        if data and known and known.sha256 == sha256 and receipts.recall(place) == hashlib.sha256(data).hexdigest():
            return
        with disk.translating(beside):
            if not _has_blocks(target.stat().st_size):
                return
            hashes = block_hashes.hash_blocks(target)
            if hashes.sha256 != sha256:
                return
            if data != (text := hashes.to_text()).encode():
                _replace(place, text)
            receipts.remember(place, hashlib.sha256(text.encode()).hexdigest(), receipts.stamp(place))

    def has_wrong_blocks(self, file: StoredFile) -> bool:
        """Tell whether there are digests of a file's blocks that do not fit it; the file is read."""
        beside, path = layout.blocks_path(file.path), self.whole(file)
        if beside is None or path is None or not (self.root / beside).is_file() or not _has_blocks(file.size_bytes):
            return False
        known = block_hashes.parse(self.read_blocks(file.path) or b"")
        return known is None or known != block_hashes.hash_blocks(path, known.block_bytes)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from changing the documents."""
        import filelock

        (self.root / layout.PRIVATE).mkdir(exist_ok=True, mode=0o700)
        lock = filelock.FileLock(self.root / layout.PRIVATE / "lock", timeout=LOCK_TIMEOUT_S)
        try:
            with disk.translating(str(self.root)), lock:
                yield
        except filelock.Timeout as error:
            fault = f"another process has held the mirror's lock for {LOCK_TIMEOUT_S} seconds"
            raise MirrorError(str(self.root), fault, "wait for it or end it, then try again") from error


def _has_blocks(size_bytes: int) -> bool:
    """Tell whether a weights file is worth digests of its blocks: a file of one block is fetched whole anyway."""
    return size_bytes > block_hashes.BLOCK_BYTES


def _replace(path: Path, text: str) -> None:
    """Write a document: whole or not at all."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
            os.fchmod(stream.fileno(), 0o644)
        Path(temporary).replace(path)
        disk.sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
