"""Replay what unmodified clients look up without a network, and name what is missing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.mirror import bundle, layout
from zoo.mirror.wants import ModelWant, RepositoryWant
from zoo.weights import cache, fetcher, huggingface_cache
from zoo.weights.digests import expected_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from zoo.mirror.wants import HuggingFaceWant, Want

TREE_MARK = b'"xet_hash"'


@dataclass(frozen=True, slots=True)
class LookUp:
    """One thing that a client looks for."""

    want: str
    client: str
    """``torchvision``, ``torch.hub`` or ``huggingface_hub``."""
    path: str
    fault: str | None = None
    """What is wrong with it; ``None`` if it is there and right."""


def look_up(wanted: Iterable[Want]) -> list[LookUp]:
    """Look for everything that clients will look for."""
    found: list[LookUp] = []
    for want in wanted:
        if isinstance(want, ModelWant):
            found += _weights(want)
        elif isinstance(want, RepositoryWant):
            found += _repository(want)
        else:
            found += _model(want)
    return found


def _weights(want: ModelWant) -> Iterator[LookUp]:
    """Look where torch.hub keeps checkpoints; the bytes are read, which torch itself never does."""
    for file in want.weights.files:
        path = cache.packaged_path(file) or cache.target_path(file)
        decided = fetcher.plan(fetcher.look(path, expected_of(file)), expected_of(file))
        is_usable = decided.state in (fetcher.State.WHOLE, fetcher.State.UNKNOWN)
        fault = None if is_usable else f"{decided.state.value}: {decided.reason}"
        yield LookUp(str(want), "torchvision", str(path), fault)


def _repository(want: RepositoryWant) -> Iterator[LookUp]:
    hub = bundle.torch_home() / "hub"
    refs = [want.ref] if want.ref else ["main", "master"]
    places = [hub / bundle.repository_folder(want.name, ref) for ref in refs]
    place = next((place for place in places if place.is_dir()), places[0])
    fault = None if place.is_dir() else "missing: expected the repository's folder"
    yield LookUp(str(want), "torch.hub", str(place), fault)
    entry_point = place / "hubconf.py"
    yield LookUp(
        str(want), "torch.hub", str(entry_point), None if entry_point.is_file() else "missing: expected a file"
    )
    trusted = hub / bundle.TRUSTED_LIST
    reason = "missing: without it loading fails on a read-only mount; it may be empty"
    yield LookUp(str(want), "torch.hub", str(trusted), None if trusted.is_file() else reason)


def _model(want: HuggingFaceWant) -> Iterator[LookUp]:
    root = huggingface_cache.default_folder() / f"models--{want.name.replace('/', '--')}"
    commit: str | None = want.revision
    if not layout.is_commit(want.revision):
        reference = root / "refs" / want.revision
        commit = _commit_in(reference)
        fault = None if layout.is_commit(commit) else "expected exactly 40 hex digits and no newline"
        yield LookUp(str(want), "huggingface_hub", str(reference), fault if reference.is_file() else "missing")
    known = [s for s in huggingface_cache.list_snapshots() if s.repository == want.name and s.kind == "models"]
    snapshot = next((snapshot for snapshot in known if snapshot.commit == commit), None)
    place = root / "snapshots" / (commit or "")
    fault = None if snapshot and snapshot.files else "missing: expected the commit's files"
    yield LookUp(str(want), "huggingface_hub", str(place), fault)
    if snapshot is None:
        return
    for finding in huggingface_cache.verify([snapshot]):
        yield LookUp(str(want), "huggingface_hub", str(finding.file.place), finding.fault)
    tree = root / "trees" / f"{commit}.json"
    if tree.is_file():
        yield from _tree(want, tree, {file.path for file in snapshot.files}, place)


def _commit_in(reference: Path) -> str | None:
    try:
        return reference.read_bytes()[:200].decode("ascii")
    except (OSError, UnicodeDecodeError):
        return None


def _tree(want: HuggingFaceWant, tree: Path, present: set[str], place: Path) -> Iterator[LookUp]:
    """Compare the files that the commit has with those that are here."""
    listed = _listed(tree)
    for path in sorted(listed - present):
        yield LookUp(str(want), "huggingface_hub", str(place / path), "missing: the commit holds it")
    if TREE_MARK in tree.read_bytes():
        yield LookUp(str(want), "huggingface_hub", str(tree), "it holds Xet hashes, which make clients ask the network")


def _listed(tree: Path) -> set[str]:
    """Read which files a commit holds; none where that cannot be read."""
    try:
        return set(json.loads(tree.read_bytes())["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()
