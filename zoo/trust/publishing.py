"""Make, sign, publish and rotate a repository of signed files.

::

    trust.json                          how long each role's word counts
    drafts/2.root.json                  a root that lacks signatures
    public/metadata/1.root.json ...     what a web server serves
    public/targets/<sha256>.registry.json

The root names the keys of all roles and how many of them must sign. Its own keys stay offline and
sign only when keys change; the targets key signs what is published; snapshot and timestamp say what
belongs together, and how old it may be.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from zoo import atomic
from zoo.documents import read_regular_file
from zoo.errors import TrustError
from zoo.trust import keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from securesystemslib.signer import Signer, SSlibKey
    from tuf.api.metadata import Metadata, Root

ROLES = ("root", "targets", "snapshot", "timestamp")
SETTINGS = "trust.json"
LIST = "files.json"
"""The target that lists all others."""
LARGEST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Days:
    """How long each role's word counts."""

    root: int = 365
    targets: int = 90
    snapshot: int = 14
    timestamp: int = 3

    def until(self, role: str, now: datetime) -> datetime:
        """Return when something that is signed now expires."""
        days: int = getattr(self, role)
        until = now + timedelta(days=days)
        return until.replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """Who may sign for a role, and how many of them must."""

    public: tuple[SSlibKey, ...]
    threshold: int = 1


def init(
    folder: Path,
    roles: Mapping[str, RoleKeys],
    days: Days = Days(),
) -> Path:
    """Draft the first root of a new repository; it counts when enough keys have signed it.

    Args:
        folder: Where; must be empty or absent.
        roles: Keys of each role.
        days: How long each role's word counts.

    Raises:
        TrustError: The folder holds a repository, or a role has fewer keys than its threshold.
    """
    keys.require()
    from tuf.api.metadata import Metadata, Root

    if (folder / SETTINGS).exists():
        raise TrustError(str(folder), "there is a repository already", "rotate its keys instead")
    root = Root(consistent_snapshot=True)
    root.expires = days.until("root", datetime.now(UTC))
    for role in ROLES:
        _set_role(root, role, roles[role])
    for name in ("drafts", "public/metadata", "public/targets"):
        inner = folder / name
        inner.mkdir(parents=True, exist_ok=True)
    content = {"days": asdict(days)}
    atomic.write_bytes(folder / SETTINGS, _as_json(content))
    return _write_draft(folder, Metadata(root))


def sign(folder: Path, signers: Sequence[Signer]) -> tuple[int, bool]:
    """Sign the drafted root, and put it in place once enough keys have signed.

    Returns:
        How many signatures it has now, and whether it is in place.

    Raises:
        TrustError: Nothing is drafted, or a key is none of the root's.
    """
    path, draft = _draft(folder)
    before = current_root(folder)
    allowed = {*draft.signed.roles["root"].keyids}
    if before is not None:
        allowed |= {*before.signed.roles["root"].keyids}
    for signer in signers:
        key_id = signer.public_key.keyid
        if key_id not in allowed:
            fault = f"the key {key_id[:12]} is none of the root's"
            raise TrustError(str(path), fault, "sign with a key that the root names")
        keys.sign_metadata(draft, signer)

    draft.to_file(str(path))
    is_enough = _is_signed(draft, draft)
    if before is not None:
        is_enough = is_enough and _is_signed(before, draft)
    if is_enough:
        metadata = folder / "public" / "metadata"
        final = metadata / f"{draft.signed.version}.root.json"
        data = path.read_bytes()
        atomic.write_bytes(final, data)
        path.unlink()
    count = len(draft.signatures)
    return count, is_enough


def rotate(
    folder: Path,
    role: str,
    role_keys: RoleKeys,
) -> Path:
    """Draft the next root, in which a role has other keys; the old root keys must sign it as well.

    Raises:
        TrustError: There is no root in place, a draft waits already, or there are too few keys.
    """
    from tuf.api.metadata import Metadata

    before = _require_root(folder)
    drafts = folder / "drafts"
    waiting = next(drafts.glob("*.root.json"), None)
    if waiting is not None:
        advice = "sign or remove it first"
        raise TrustError(str(waiting), "a draft waits for signatures", advice)

    root = before.signed
    root.version += 1
    root.expires = settings(folder).until("root", datetime.now(UTC))
    for key_id in [*root.roles[role].keyids]:
        root.revoke_key(key_id, role)
    _set_role(root, role, role_keys)
    return _write_draft(folder, Metadata(root))


def publish(
    folder: Path,
    files: Mapping[str, Path],
    signers: Sequence[Signer],
    *,
    zoo_version: str,
) -> int:
    """Sign files as the next state of a repository, and put all of it where a web server finds it.

    Args:
        folder: The repository.
        files: Name under which a client finds it -> the file.
        signers: Keys of targets, snapshot and timestamp.
        zoo_version: The version of zoo that these files were made by.

    Returns:
        The number of the new state.

    Raises:
        TrustError: No root is in place, or a role's threshold is not met; nothing is published.
    """
    from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp

    root = _require_root(folder)
    days = settings(folder)
    now = datetime.now(UTC)
    public = folder / "public"
    version = _last_version(public / "metadata") + 1

    targets = Targets(
        version=version,
        expires=days.until("targets", now),
    )
    contents = {name: path.read_bytes() for name, path in files.items()}
    facts = {
        "files": sorted(files),
        "zoo_version": zoo_version,
        "published_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    contents[LIST] = _as_json(facts)
    for name, data in contents.items():
        target = TargetFile.from_data(name, data, ["sha256"])
        targets.targets[name] = target
        sha256 = target.hashes["sha256"]
        hashed = _hashed_name(name, sha256)
        place = public / "targets" / hashed
        place.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(place, data)

    signed_targets = _signed(
        root,
        "targets",
        Metadata(targets),
        signers,
    )
    snapshot = Snapshot(
        version=version,
        expires=days.until("snapshot", now),
    )
    snapshot.meta["targets.json"] = MetaFile(version)
    signed_snapshot = _signed(
        root,
        "snapshot",
        Metadata(snapshot),
        signers,
    )
    timestamp = Timestamp(
        version=version,
        expires=days.until("timestamp", now),
    )
    timestamp.snapshot_meta = MetaFile(version)
    signed_timestamp = _signed(
        root,
        "timestamp",
        Metadata(timestamp),
        signers,
    )

    # The timestamp comes last: a client that looks in between sees the state before.
    metadata = public / "metadata"
    atomic.write_bytes(metadata / f"{version}.targets.json", signed_targets)
    atomic.write_bytes(metadata / f"{version}.snapshot.json", signed_snapshot)
    atomic.write_bytes(metadata / "timestamp.json", signed_timestamp)
    _remove_superseded(public, version)
    return version


def settings(folder: Path) -> Days:
    """Read how long each role's word counts.

    Raises:
        TrustError: The folder is no repository.
    """
    path = folder / SETTINGS
    names = {one.name for one in fields(Days)}
    try:
        content = json.loads(read_regular_file(path, LARGEST_BYTES))
        days = content["days"]
        kinds = {type(value) for value in days.values()}
        if set(days) != names or kinds != {int}:
            listed = ", ".join(sorted(names))
            raise ValueError(f"expected whole numbers for {listed}")
        return Days(**days)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrustError(str(path), f"cannot be read: {error}", 'run "zoo trust init"') from error


def current_root(folder: Path) -> Metadata[Root] | None:
    """Read the root that is in place, the one with the highest number."""
    from tuf.api.metadata import Metadata

    metadata = folder / "public" / "metadata"
    roots = [*metadata.glob("*.root.json")]
    if not roots:
        return None
    newest = max(roots, key=_number_of)
    return Metadata.from_file(str(newest))


def _set_role(
    root: Root,
    role: str,
    role_keys: RoleKeys,
) -> None:
    threshold = role_keys.threshold
    given = len(role_keys.public)
    different = {key.keyid for key in role_keys.public}
    if not 0 < threshold <= len(different):
        fault = f"{given} keys cannot make {threshold} signatures"
        raise TrustError(f"the role {role}", fault, "name more keys, or a lower threshold")
    for key in role_keys.public:
        root.add_key(key, role)
    root.roles[role].threshold = threshold


def _write_draft(folder: Path, draft: Metadata[Root]) -> Path:
    path = folder / "drafts" / f"{draft.signed.version}.root.json"
    draft.to_file(str(path))
    return path


def _draft(folder: Path) -> tuple[Path, Metadata[Root]]:
    from tuf.api.metadata import Metadata

    keys.require()
    paths = sorted((folder / "drafts").glob("*.root.json"))
    if not paths:
        advice = 'draft one with "zoo trust init" or "zoo trust rotate"'
        raise TrustError(str(folder), "no root waits for signatures", advice)
    return paths[0], Metadata.from_file(str(paths[0]))


def _require_root(folder: Path) -> Metadata[Root]:
    keys.require()
    root = current_root(folder)
    if root is None:
        raise TrustError(str(folder), "no root is in place", 'sign one with "zoo trust sign"')
    return root


def _is_signed(by: Metadata[Root], what: Metadata[Root]) -> bool:
    """Tell whether enough keys that one root names have signed another."""
    from tuf.api.exceptions import UnsignedMetadataError

    try:
        by.signed.verify_delegate("root", what.signed_bytes, what.signatures)
    except UnsignedMetadataError:
        return False
    return True


def _signed(
    root: Metadata[Root],
    role: str,
    metadata: Metadata[Any],
    signers: Iterable[Signer],
) -> bytes:
    """Sign metadata with the keys of its role, and return its bytes."""
    from tuf.api.exceptions import UnsignedMetadataError

    ours = root.signed.roles[role].keyids
    for signer in signers:
        key_id = signer.public_key.keyid
        if key_id in ours:
            keys.sign_metadata(metadata, signer)
    try:
        root.signed.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError as error:
        advice = f"name keys of {role} with --key"
        raise TrustError(f"the role {role}", f"too few signatures: {error}", advice) from error
    return metadata.to_bytes()


def _hashed_name(name: str, sha256: str) -> str:
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{sha256}.{last}"


def _remove_superseded(public: Path, version: int) -> None:
    """Keep files that the newest state names, or the one before, which clients may be reading."""
    from tuf.api.metadata import Metadata, Targets

    kept: set[str] = set()
    for number in (version, version - 1):
        path = public / "metadata" / f"{number}.targets.json"
        if not path.is_file():
            continue
        metadata = Metadata[Targets].from_file(str(path))
        for name, target in metadata.signed.targets.items():
            kept.add(_hashed_name(name, target.hashes["sha256"]))

    folder = public / "targets"
    for path in [*folder.rglob("*")]:
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in kept:
            path.unlink()


def _last_version(metadata: Path) -> int:
    """Return the number of the last published state."""
    snapshots = metadata.glob("*.snapshot.json")
    versions = map(_number_of, snapshots)
    return max(versions, default=0)


def _number_of(path: Path) -> int:
    """Read the number that the name of a metadata file begins with."""
    number, _, _ = path.name.partition(".")
    return int(number)


def _as_json(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, indent=1)
    return f"{text}\n".encode()
