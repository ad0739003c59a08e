"""The parts of a bill: models with their weights, hub repositories, single files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit

from zoo.catalog.registry import load_registry
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zoo.cache.lock_lines import LockedThing
    from zoo.catalog.records import Architecture, Weights, WeightsFile
    from zoo.mirror.index import Index, Item

Kind = Literal["model", "repository", "file"]


@dataclass(frozen=True, slots=True)
class PartFile:
    """One file of a part."""

    name: str
    sha256: str | None
    """``None`` where the publisher states none, or only its beginning."""
    sha256_prefix: str | None = None
    size_bytes: int | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One entry of a bill."""

    kind: Kind
    name: str
    """``resnet18``, ``timm/resnet18.a1_in1k``, ``pytorch/vision``, a file's name."""
    version: str | None
    """The tag of weights, or a commit."""
    supplier: str | None
    """Who publishes it."""
    files: tuple[PartFile, ...]
    package_url: str | None = None
    license: str | None = None
    home: str | None = None
    refs: tuple[str, ...] = ()
    """The branches and tags that named the commit when it was fetched."""
    asked_by: tuple[str, ...] = ()
    architecture: Architecture | None = None
    weights: Weights | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What parts are sorted by, and told apart by."""
        return self.kind, self.name, self.version or ""


def of_weights(
    pairs: Iterable[tuple[Architecture, Weights]], locked: Iterable[LockedThing] = ()
) -> list[Part]:
    """List weights of the registry as parts.

    Args:
        pairs: Architectures with their weights.
        locked: Lines of a lock file; they hold the digests that publishers state in part only.
    """
    digests = {thing.name: thing for thing in locked if thing.kind == "file"}
    parts = []
    for architecture, weights in pairs:
        files = []
        for file in weights.files:
            known = digests.get(file.file_name)
            files.append(_file_of_record(file, known))
        parts.append(_of_record(architecture, weights, tuple(files)))
    return sorted(parts, key=lambda part: part.key)


def of_lock(things: Iterable[LockedThing]) -> list[Part]:
    """List what a lock file pins as parts: files by their records, where the registry has some."""
    things = list(things)
    records = _records_by_file()
    parts: dict[tuple[str, str, str], Part] = {}
    for thing in things:
        known = records.get(thing.name) if thing.kind == "file" else None
        if known is not None:
            (part,) = of_weights([known], things)
            part = replace(part, asked_by=thing.asked_by)
        else:
            part = _of_thing(thing)
        before = parts.get(part.key)
        parts[part.key] = part if before is None else _joined(before, part)
    return sorted(parts.values(), key=lambda part: part.key)


def of_mirror(index: Index) -> list[Part]:
    """List what a mirror holds as parts."""
    parts = [_of_item(item) for item in index.items]
    return sorted(parts, key=lambda part: part.key)


def _of_record(
    architecture: Architecture,
    weights: Weights,
    files: tuple[PartFile, ...],
) -> Part:
    first = files[0]
    return Part(
        kind="model",
        name=architecture.name,
        version=weights.tag,
        supplier=architecture.provider,
        files=files,
        package_url=_hub_package_url(weights) or _generic_package_url(first),
        license=weights.license,
        home=weights.recipe_url,
        architecture=architecture,
        weights=weights,
    )


def _file_of_record(file: WeightsFile, known: LockedThing | None) -> PartFile:
    """Describe a file; the lock file knows its whole digest where the publisher states less."""
    sha256 = file.sha256
    size_bytes = file.size_bytes if file.size_tolerance_bytes == 0 else None
    if known is not None:
        sha256 = sha256 or known.sha256
        size_bytes = known.size_bytes
    return PartFile(
        name=file.file_name,
        sha256=sha256,
        sha256_prefix=file.sha256_prefix,
        size_bytes=size_bytes,
        url=file.url,
    )


def _of_thing(thing: LockedThing) -> Part:
    """Turn one line of a lock file into a part with one file."""
    if thing.kind == "github":
        part = _repository(thing.subject, thing.revision or "", ())
    elif thing.kind == "huggingface":
        path = thing.path or ""
        url = f"https://huggingface.co/{thing.subject}/resolve/{thing.revision}/{quote(path)}"
        file = PartFile(
            path,
            thing.sha256,
            None,
            thing.size_bytes,
            url,
        )
        part = _huggingface(thing.subject, thing.revision or "", (file,))
    else:
        url_or_none = thing.name if thing.kind == "url" else thing.url
        name = urlsplit(thing.name).path.rpartition("/")[2] or thing.name
        file = PartFile(
            name,
            thing.sha256,
            None,
            thing.size_bytes,
            url_or_none,
        )
        part = _single_file(thing.name, file)
    return replace(
        part,
        license=thing.license,
        refs=thing.refs,
        asked_by=thing.asked_by,
    )


def _of_item(item: Item) -> Part:
    """Turn one item of a mirror into a part."""
    files = []
    for file in item.files:
        name = file.path.rpartition("/")[2]
        if item.kind == "huggingface" and item.revision is not None:
            name = file.path.partition(f"/{item.revision}/")[2] or name
        files.append(
            PartFile(
                name,
                file.sha256,
                None,
                file.size_bytes,
                file.origin,
            )
        )

    if item.kind == "repository":
        part = _repository(item.name, item.revision or "", tuple(files))
    elif item.kind == "huggingface":
        part = _huggingface(item.name, item.revision or "", tuple(files))
    else:
        part = _weights_of_mirror(item.name, tuple(files))
    return replace(
        part,
        license=item.license or part.license,
        refs=item.refs,
    )


def _weights_of_mirror(name: str, files: tuple[PartFile, ...]) -> Part:
    """Describe weights of a mirror: those of the registry by their record, others by address."""
    model, _, tag = name.partition(":")
    architecture = load_registry().architectures.get(model)
    weights = None if architecture is None else architecture.weights.get(tag)
    if architecture is not None and weights is not None:
        return _of_record(architecture, weights, files)
    return _single_file(name, files[0])


def _repository(
    name: str,
    commit: str,
    files: tuple[PartFile, ...],
) -> Part:
    owner = name.partition("/")[0]
    return Part(
        kind="repository",
        name=name,
        version=commit,
        supplier=owner,
        files=files,
        package_url=f"pkg:github/{name.lower()}@{commit}",
        home=f"https://github.com/{name}",
    )


def _huggingface(
    name: str,
    commit: str,
    files: tuple[PartFile, ...],
) -> Part:
    owner, slash, _ = name.partition("/")
    return Part(
        kind="model",
        name=name,
        version=commit,
        supplier=owner if slash else None,
        files=files,
        package_url=f"pkg:huggingface/{name}@{commit}",
        home=f"https://huggingface.co/{name}",
    )


def _single_file(name: str, file: PartFile) -> Part:
    return Part(
        kind="file",
        name=name,
        version=None,
        supplier=None,
        files=(file,),
        package_url=_generic_package_url(file),
    )


def _hub_package_url(weights: Weights) -> str | None:
    """Write a package URL for weights that lie on the Hugging Face Hub."""
    hub = weights.files[0].hub
    if hub is None:
        return None
    name = f"pkg:huggingface/{hub.repository}"
    return f"{name}@{hub.revision}" if hub.revision else name


def _generic_package_url(file: PartFile) -> str | None:
    """Write a package URL for a file that no package registry has."""
    if file.url is None:
        return None
    address = quote(file.url, safe="")
    checksum = f"&checksum=sha256:{file.sha256}" if file.sha256 else ""
    return f"pkg:generic/{quote(file.name)}?download_url={address}{checksum}"


def _joined(one: Part, other: Part) -> Part:
    """Join two lines about one model: its files, refs and who asked for them."""
    files = {file.name: file for file in (*one.files, *other.files)}
    refs = dict.fromkeys((*one.refs, *other.refs))
    asked_by = dict.fromkeys((*one.asked_by, *other.asked_by))
    return replace(
        one,
        files=tuple(files.values()),
        refs=tuple(refs),
        asked_by=tuple(asked_by),
        license=one.license or other.license,
    )


def _records_by_file() -> Mapping[str, tuple[Architecture, Weights]]:
    """Find the record of each file of the registry; the first where several share one."""
    found: dict[str, tuple[Architecture, Weights]] = {}
    for architecture in load_registry().architectures.values():
        for weights in architecture.weights.values():
            for file in weights.files:
                found.setdefault(file.file_name, (architecture, weights))
    return found


def require_some(parts: list[Part], source: str) -> list[Part]:
    """Refuse an empty bill.

    Raises:
        UsageError: There is nothing to list.
    """
    if not parts:
        raise UsageError(f'{source} lists nothing: name models, as in "zoo bom resnet18"')
    return parts
