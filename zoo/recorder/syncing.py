"""Fetch what a lock file says into the caches, byte by byte or not at all."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from zoo.atomic import write_text
from zoo.cache import hub_files, paths
from zoo.cache.digests import sha256_file
from zoo.catalog.records import WeightsFile
from zoo.catalog.registry import load_registry
from zoo.download import fetcher
from zoo.download.options import FetchOptions
from zoo.errors import CacheError, CheckpointError
from zoo.recorder import addresses, trees

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from zoo.cache.lock_lines import LockedThing
    from zoo.download.events import Listener

NAMED_BY = ".zoo-lock"
"""A file inside an unpacked repository that says which commit and digest it has."""


class Outcome(Enum):
    """What was done about one line."""

    FETCHED = "fetched"
    WAS_THERE = "was there"
    NO_CACHE = "has no cache"


@dataclass(frozen=True, slots=True)
class Synced:
    """One line of the lock file, and where it lies now."""

    thing: LockedThing
    outcome: Outcome
    path: Path | None


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """Where to fetch from."""

    mirrors: tuple[str, ...] = ()
    upstreams: Mapping[str, str] | None = None
    """Host -> the base address that stands for it."""
    listener: Listener | None = None


def sync(things: Sequence[LockedThing], options: SyncOptions = SyncOptions()) -> list[Synced]:
    """Bring every file, repository and model of a lock file into its cache.

    Addresses that belong to no cache are fetched by the program itself; they are listed as such.

    Raises:
        FetchError: No source gave the locked bytes.
        CacheError: A cache cannot be used, or an archive is not what the lock file has.
    """
    with tempfile.TemporaryDirectory(prefix="zoo-sync-") as scratch:
        one = _Sync(options, Path(scratch))
        synced = [one.bring(thing) for thing in things]
    _write_references(things)
    return synced


class _Sync:
    """The fetching of one lock file."""

    def __init__(self, options: SyncOptions, scratch: Path) -> None:
        self._options = options
        self._scratch = scratch
        self._urls = _registry_urls()

    def bring(self, thing: LockedThing) -> Synced:
        """Bring one line into its cache."""
        doers: Mapping[str, Callable[[LockedThing], Synced]] = {
            "file": self._file,
            "github": self._repository,
            "huggingface": self._model_file,
        }
        doer = doers.get(thing.kind)
        if doer is None:
            return Synced(thing, Outcome.NO_CACHE, None)
        return doer(thing)

    def _file(self, thing: LockedThing) -> Synced:
        """Fetch weights into torch's cache; the registry knows addresses that version 1 lacks."""
        known = self._urls.get(thing.name)
        url = thing.url or known
        if url is None:
            fault = "neither zoo.lock nor the registry has its address"
            advice = 'to note the address, download it once with "zoo record -- COMMAND"'
            raise CacheError(thing.name, fault, advice)

        fetched = self._fetch(
            thing.name,
            url,
            thing,
            None,
        )
        outcome = Outcome.FETCHED
        if fetched.was_cached:
            outcome = Outcome.WAS_THERE
        return Synced(thing, outcome, fetched.path)

    def _model_file(self, thing: LockedThing) -> Synced:
        """Fetch one file of a model into Hugging Face's cache."""
        folder = hub_files.model_folder(thing.subject)
        revision = thing.revision or ""
        snapshot = folder / "snapshots" / revision
        inner = PurePosixPath(thing.path or "")
        target = snapshot / inner
        if _has_digest(target, thing.sha256):
            return Synced(thing, Outcome.WAS_THERE, target)

        path = quote(thing.path or "")
        home = f"https://huggingface.co/{thing.subject}"
        url = f"{home}/resolve/{revision}/{path}"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=".zoo-sync-",
            dir=folder,
        ) as name:
            fetched = self._fetch(
                "file",
                url,
                thing,
                Path(name),
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            fetched.path.replace(target)
        return Synced(thing, Outcome.FETCHED, target)

    def _repository(self, thing: LockedThing) -> Synced:
        """Unpack a hub repository where torch.hub looks for it, once for each of its refs."""
        folders = _hub_folders(thing)
        first = folders[0]
        missing = [folder for folder in folders if not _is_unpacked(folder, thing)]
        if not missing:
            return Synced(thing, Outcome.WAS_THERE, first)

        home = f"https://{addresses.GITHUB}/{thing.subject}"
        url = f"{home}/zipball/{thing.revision}"
        name = tempfile.mkdtemp(dir=self._scratch)
        scratch = Path(name)
        unchecked = replace(thing, sha256=None)
        fetched = self._fetch("repository.zip", url, unchecked, scratch)
        archive = fetched.path
        _prove(archive, thing)

        hub = first.parent
        hub.mkdir(parents=True, exist_ok=True)
        for folder in missing:
            _unpack(archive, folder, thing)
        trusted = hub / "trusted_list"
        trusted.touch()
        return Synced(thing, Outcome.FETCHED, first)

    def _fetch(
        self,
        name: str,
        url: str,
        thing: LockedThing,
        folder: Path | None,
    ) -> fetcher.FetchedFile:
        upstreams = self._options.upstreams or {}
        lock_file = self._scratch / "zoo.lock"
        file = WeightsFile(
            file_name=name,
            url=addresses.upstream(url, upstreams),
            size_bytes=thing.size_bytes,
            sha256=thing.sha256,
        )
        options = FetchOptions(
            mirrors=self._options.mirrors,
            folder=folder,
            lock_file=lock_file,
            allow_private_addresses=bool(upstreams),
        )
        if thing.sha256 is None:
            # Archives are called alike here; what was learnt of one says nothing of another.
            lock_file.unlink(missing_ok=True)
        return fetcher.fetch(
            file,
            options=options,
            listener=self._options.listener,
        )


def _hub_folders(thing: LockedThing) -> list[Path]:
    """List where torch.hub looks for a repository, a folder for each of its refs."""
    checkpoints = paths.checkpoints_folder()
    hub = checkpoints.parent
    commit = thing.revision or ""
    refs = thing.refs or (commit,)
    folders = []
    for ref in refs:
        name = f"{thing.subject}_{ref}"
        plain = name.replace("/", "_")
        folders.append(hub / plain)
    return folders


def _prove(archive: Path, thing: LockedThing) -> None:
    """Hold an archive against its line.

    Raises:
        CacheError: It is of another commit, or holds other files.
    """
    advice = "nothing was unpacked; try again, or ask the repository's owner"
    try:
        with archive.open("rb") as stream:
            commit, sha256 = trees.commit_and_digest(stream)
    except trees.ArchiveError as error:
        raise CacheError(thing.name, str(error), advice) from error
    if commit not in (None, thing.revision):
        fault = f"expected this commit, the archive is of {commit}"
        raise CacheError(thing.name, fault, advice)
    if thing.sha256 not in (None, sha256):
        fault = f"expected files with sha256 {thing.sha256}, got {sha256}"
        raise CacheError(thing.name, fault, advice)


def _unpack(
    archive: Path,
    final: Path,
    thing: LockedThing,
) -> None:
    """Unpack an archive without its top folder; the folder appears at once."""
    with tempfile.TemporaryDirectory(prefix=".zoo-sync-", dir=final.parent) as name:
        scratch = Path(name)
        staged = scratch / "new"
        staged.mkdir()
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                inner = _inner_path(entry, thing)
                if inner is None:
                    continue

                target = staged / inner
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(entry) as source, target.open("wb") as stream:
                    shutil.copyfileobj(source, stream)

        label = staged / NAMED_BY
        text = _label(thing)
        label.write_text(text)
        if final.exists():
            final.rename(scratch / "old")
        staged.rename(final)


def _inner_path(
    entry: zipfile.ZipInfo,
    thing: LockedThing,
) -> PurePosixPath | None:
    """Return where a file lies below the top folder of its archive; ``None`` for a folder.

    Raises:
        CheckpointError: It would lie elsewhere.
    """
    _, _, below = entry.filename.partition("/")
    inner = PurePosixPath(below)
    if entry.is_dir() or not inner.parts:
        return None

    if inner.is_absolute() or ".." in inner.parts:
        fault = f"its entry {entry.filename!a:.200} leads out"
        raise CheckpointError(thing.name, fault)
    return inner


def _is_unpacked(folder: Path, thing: LockedThing) -> bool:
    """Tell whether a folder was unpacked from this very line."""
    label = folder / NAMED_BY
    try:
        said = label.read_text()
    except OSError:
        return False
    wanted = _label(thing)
    return said == wanted


def _label(thing: LockedThing) -> str:
    return f"{thing.name} {thing.sha256}\n"


def _write_references(things: Iterable[LockedThing]) -> None:
    """Let Hugging Face's clients find the commits by the refs that named them."""
    for thing in things:
        if thing.kind != "huggingface":
            continue

        folder = hub_files.model_folder(thing.subject)
        commit = thing.revision or ""
        for ref in thing.refs:
            reference = folder / "refs" / ref
            reference.parent.mkdir(parents=True, exist_ok=True)
            # Exactly 40 letters: a newline at the end breaks offline use.
            write_text(reference, commit)


def _has_digest(path: Path, sha256: str | None) -> bool:
    is_there = path.is_file()
    if sha256 is None or not is_there:
        return False
    got = sha256_file(path)
    return got == sha256


def _registry_urls() -> dict[str, str]:
    found = {}
    for name, file in load_registry().files().items():
        if file.url is not None:
            found[name] = file.url
    return found
