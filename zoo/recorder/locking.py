"""Add what was recorded to a lock file, compare lock files, and check one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from zoo.cache import lockfile
from zoo.catalog.registry import load_registry
from zoo.errors import LockConflictError
from zoo.recorder.observing import joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from zoo.cache.lock_lines import LockedThing

Change = Literal["added", "removed", "changed"]
Key = tuple[str, str]
"""Kind and name of a line."""


class Ref(NamedTuple):
    """A branch, tag or revision of a repository or model: what names a commit."""

    kind: str
    subject: str
    name: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two lock files do not have alike."""

    change: Change
    name: str
    before: LockedThing | None
    after: LockedThing | None


def add(
    path: Path,
    recorded: Sequence[LockedThing],
    *,
    replaces: bool = False,
) -> list[Difference]:
    """Add recorded lines to a lock file, which is made if there is none.

    Args:
        path: The lock file.
        recorded: What was fetched.
        replaces: Whether lines that say otherwise give way.

    Returns:
        What has changed.

    Raises:
        LockConflictError: The lock file says otherwise about one of them; it stays as it is.
        LockFileError: The lock file is malformed.
        CacheError: It cannot be written.
    """
    known = lockfile.read_things(path)
    if not path.exists():
        lockfile.write_things(path, [])
    merged: tuple[LockedThing, ...] = ()

    def changed(things: tuple[LockedThing, ...]) -> tuple[LockedThing, ...]:
        nonlocal merged
        merged = merge(
            things,
            recorded,
            path.name,
            replaces=replaces,
        )
        return merged

    lockfile.change(path, changed)
    return differences(known, merged)


def merge(
    known: Sequence[LockedThing],
    recorded: Sequence[LockedThing],
    lock_name: str = lockfile.FILE_NAME,
    *,
    replaces: bool = False,
) -> tuple[LockedThing, ...]:
    """Join the lines of a lock file with what was recorded.

    Raises:
        LockConflictError: They contradict each other, and ``replaces`` is not set.
    """
    table = {thing.key: thing for thing in known}
    conflicts = _other_bytes(table, recorded)
    conflicts += _moved_refs(known, recorded)
    if conflicts and not replaces:
        raise LockConflictError(lock_name, conflicts)

    if replaces:
        table = _without_moved(table, recorded)
    for thing in recorded:
        before = table.get(thing.key)
        if before is not None and _agree(before, thing):
            table[thing.key] = joined(before, thing)
        else:
            table[thing.key] = thing
    in_order = sorted(table)
    return tuple(table[key] for key in in_order)


def differences(before: Iterable[LockedThing], after: Iterable[LockedThing]) -> list[Difference]:
    """Compare two lock files, by what they demand: who asked and when makes no difference."""
    old = {thing.key: thing for thing in before}
    new = {thing.key: thing for thing in after}
    keys = old.keys() | new.keys()
    found = []
    for key in sorted(keys):
        one = old.get(key)
        other = new.get(key)
        change = _change(one, other)
        if change is not None:
            _, name = key
            found.append(Difference(change, name, one, other))
    return found


def _change(
    one: LockedThing | None,
    other: LockedThing | None,
) -> Change | None:
    if one is None:
        return "added"
    if other is None:
        return "removed"
    if _demands(one) != _demands(other):
        return "changed"
    return None


def contradictions(things: Sequence[LockedThing]) -> list[str]:
    """Name refs that stand at two commits, as they do after a merge of two branches."""
    commits: dict[Ref, set[str]] = {}
    for thing in things:
        for ref in _refs(thing):
            meant = commits.setdefault(ref, set())
            meant.add(thing.revision or "")

    found = []
    for ref, meant in sorted(commits.items()):
        if len(meant) > 1:
            commits_in_order = sorted(meant)
            places = " and at ".join(commits_in_order)
            found.append(f"{ref.subject}: {ref.name} stands at {places}")
    return found


def specs(things: Sequence[LockedThing]) -> list[str]:
    """Write what a lock file has as ``zoo mirror add`` takes it, each once.

    Repositories and models stand at their commit, files are named by the registry's weights.
    """
    by_file = _weights_by_file()
    found: dict[str, None] = {}
    for thing in things:
        spec = _spec(thing, by_file)
        if spec is not None:
            found[spec] = None
    return list(found)


def without_spec(things: Sequence[LockedThing]) -> list[LockedThing]:
    """List what a mirror cannot be asked for: addresses, and files that no record has."""
    by_file = _weights_by_file()
    found = []
    for thing in things:
        spec = _spec(thing, by_file)
        if spec is None:
            found.append(thing)
    return found


def _spec(thing: LockedThing, by_file: Mapping[str, str]) -> str | None:
    if thing.kind == "github":
        return f"{thing.subject}:{thing.revision}"
    if thing.kind == "huggingface":
        return f"hf:{thing.subject}@{thing.revision}"
    if thing.kind == "file":
        return by_file.get(thing.name)
    return None


def _weights_by_file() -> dict[str, str]:
    """Name the weights of each file of the registry, as ``NAME:TAG``."""
    found: dict[str, str] = {}
    registry = load_registry()
    for architecture in registry.architectures.values():
        name = architecture.name
        for weights in architecture.weights.values():
            spec = f"{name}:{weights.tag}"
            for file in weights.files:
                found.setdefault(file.file_name, spec)
    return found


def _demands(thing: LockedThing) -> LockedThing:
    """Leave out what is there for people."""
    return replace(
        thing,
        asked_by=(),
        recorded_on=None,
        license=None,
        url=None,
    )


def _agree(before: LockedThing, thing: LockedThing) -> bool:
    """Tell whether a line says nothing of a digest, or the same."""
    return before.sha256 in (None, thing.sha256)


def _refs(thing: LockedThing) -> list[Ref]:
    """List the refs of a line, each with what it is a ref of."""
    return [Ref(thing.kind, thing.subject, name) for name in thing.refs]


def _other_bytes(
    table: Mapping[Key, LockedThing],
    recorded: Sequence[LockedThing],
) -> list[str]:
    found = []
    for thing in recorded:
        before = table.get(thing.key)
        if before is not None and not _agree(before, thing):
            what = f"{thing.kind} {thing.name}"
            fault = f"sha256 {before.sha256} is locked, the program got {thing.sha256}"
            found.append(f"{what}: {fault}")
    return found


def _moved_refs(
    known: Sequence[LockedThing],
    recorded: Sequence[LockedThing],
) -> list[str]:
    """Name refs that the lock file has at another commit."""
    locked = _commits(known)
    found: dict[str, None] = {}
    for ref, commit in _commits(recorded).items():
        before = locked.get(ref)
        if before in (None, commit):
            continue
        text = f"{ref.subject}: {ref.name} is locked at {before}, and is at {commit} now"
        found[text] = None
    return list(found)


def _without_moved(
    table: Mapping[Key, LockedThing],
    recorded: Sequence[LockedThing],
) -> dict[Key, LockedThing]:
    """Take refs from commits that they have left; what nothing names any more goes."""
    now = _commits(recorded)
    kept = {}
    for key, thing in table.items():
        staying = []
        for ref in _refs(thing):
            commit = now.get(ref, thing.revision)
            if commit == thing.revision:
                staying.append(ref.name)

        had_none = not thing.refs
        if staying or had_none:
            names = tuple(staying)
            kept[key] = replace(thing, refs=names)
    return kept


def _commits(things: Iterable[LockedThing]) -> dict[Ref, str | None]:
    """Say which commit each ref names."""
    found = {}
    for thing in things:
        for ref in _refs(thing):
            found[ref] = thing.revision
    return found
