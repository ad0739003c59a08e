"""Models of ModelScope: its own client, with ``MODELSCOPE_ENDPOINT`` set to the mirror.

ModelScope states no commit of a file list, so the list names itself: its digest is the revision.

The file is long because an ecosystem is one file: specs, lists, routes and the cache of its client.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from zoo.cache.digests import sha256_file
from zoo.cache.hub_files import folder_name
from zoo.config import expanded
from zoo.download import sources
from zoo.errors import MirrorError, SourceError, UsageError
from zoo.hashes import is_sha256
from zoo.mirror import layout, specs
from zoo.mirror.ecosystems.protocol import Cache, Ecosystem, LookUp
from zoo.mirror.index import Item, StoredFile
from zoo.mirror.lookups import METADATA_S, is_absent
from zoo.mirror.published import RemoteFile, RemoteItem
from zoo.mirror.responses import (
    AnyResponse,
    FileResponse,
    Response,
    StreamResponse,
    as_json,
    one_line,
    unavailable,
)
from zoo.mirror.site import HELD_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zoo.mirror.ecosystems.protocol import Bundle
    from zoo.mirror.index import Index, Kind
    from zoo.mirror.requests import Request
    from zoo.mirror.site import Handler, Site
    from zoo.mirror.specs import ItemSpec
    from zoo.mirror.upstream import Client

LOG = logging.getLogger("zoo.mirror")
MODELSCOPE = "https://www.modelscope.cn"
KIND: Kind = "modelscope"
PREFIX = "ms:"
CLIENT = "modelscope"
BRANCH = "master"
CACHE_PLACE = "ms/models"
API = ("api", "v1", "models")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


@dataclass(frozen=True, slots=True)
class ModelScopeSpec:
    """A model at a branch or tag."""

    kind: ClassVar[Kind] = KIND
    name: str
    revision: str = BRANCH

    def __str__(self) -> str:
        """Write it as a user would."""
        return f"{PREFIX}{self.name}@{self.revision}"


class ModelScope(Ecosystem):
    """Models of modelscope.cn."""

    kind = KIND
    folder = "modelscope"
    prefix = PREFIX
    hosts = ("modelscope.cn", "www.modelscope.cn")
    upstreams = MappingProxyType({"modelscope": MODELSCOPE})
    endpoint_variable = "MODELSCOPE_ENDPOINT"

    def parse(self, text: str) -> Sequence[ItemSpec] | None:
        """Read ``ms:owner/name`` or ``ms:owner/name@revision``."""
        if not text.startswith(PREFIX):
            return None
        name, _, revision = text.removeprefix(PREFIX).partition("@")
        return [checked(name, revision or BRANCH)]

    def resolve(
        self,
        spec: ModelScopeSpec,
        client: Client,
    ) -> list[RemoteItem]:
        """Ask for the file list."""
        return [resolve(spec, client)]

    def held(
        self,
        index: Index,
        spec: ModelScopeSpec,
    ) -> list[Item]:
        """List what a mirror holds for a spec."""
        item = index.by_ref(KIND, spec.name, spec.revision)
        if item is None:
            return []
        return [item]

    def describe(
        self,
        path: Path,
        spec: ModelScopeSpec,
    ) -> tuple[RemoteItem, dict[str, Path]]:
        """Describe a folder that holds the files of a model."""
        if not path.is_dir():
            raise UsageError("a ModelScope model is imported as a folder, with --as ms:owner/name")
        listed = {}
        for source in sorted(path.rglob("*")):
            if source.is_file():
                inner = source.relative_to(path).as_posix()
                listed[inner] = (source.stat().st_size, sha256_file(source))
        item = described(spec, listed)
        inner_paths = paths(item)
        sources_of = {file.path: path / inner for inner, file in inner_paths.items()}
        return item, sources_of

    def route(self, request: Request) -> Handler | None:
        """Recognise the API that ModelScope's client asks."""
        is_asked = request.host is None or request.host in self.hosts
        if not is_asked or request.steps[:3] != API:
            return None

        steps = request.steps[3:]
        try:
            spec = checked("/".join(steps[:2]), BRANCH)
        except UsageError:
            return None

        name = spec.name
        what = "/".join(steps[2:])
        revision = request.first("Revision") or BRANCH
        if what == "repo/files":
            return functools.partial(_list, name=name, revision=revision, request=request)
        if what == "repo":
            path = request.first("FilePath")
            return functools.partial(_file, name=name, revision=revision, path=path)
        if what == "revisions":
            return functools.partial(_revisions, name=name)
        return None if what else functools.partial(_facts, name=name)

    def caches(self) -> tuple[Cache, ...]:
        """Name the folder of models in ModelScope's cache."""
        return (Cache(CACHE_PLACE, cache_folder() / "models"),)

    def bundle(
        self,
        spec: ModelScopeSpec,
        items: Sequence[Item],
        bundle: Bundle,
    ) -> None:
        """Add a model as ModelScope's cache has it."""
        for item in items:
            place = f"{CACHE_PLACE}/{_cache_folder(item.name, spec.revision)}"
            for inner, file in paths(item).items():
                if isinstance(file, StoredFile):
                    bundle.add_file(f"{place}/{inner}", file)

    def look_up(self, spec: ModelScopeSpec) -> Iterator[LookUp]:
        """Look for the folder of the revision."""
        place = cache_folder() / "models" / _cache_folder(spec.name, spec.revision)
        fault = None if place.is_dir() else "missing: expected the model's folder"
        yield LookUp(
            str(spec),
            CLIENT,
            str(place),
            fault,
        )


ECOSYSTEM: Ecosystem = ModelScope()


def cache_folder() -> Path:
    """Return where ModelScope's client keeps what it has fetched."""
    chosen = os.environ.get("MODELSCOPE_CACHE") or "~/.cache/modelscope"
    return expanded(chosen)


def _cache_folder(
    name: str,
    revision: str,
) -> str:
    """Name the folder of a revision in ModelScope's cache."""
    folder = name.replace("/", "--")
    return f"{folder}/snapshots/{revision}"


def checked(
    name: str,
    revision: str,
) -> ModelScopeSpec:
    """Check the parts of a model's name.

    Raises:
        UsageError: ModelScope has no such name or revision.
    """
    if not _NAME.fullmatch(name) or "--" in name or ".." in name:
        raise UsageError(f"a ModelScope model is written ms:owner/name@revision, got {name!r:.80}")
    specs.check_ref(revision)
    return ModelScopeSpec(name, revision)


# -- upstream


def resolve(
    spec: ModelScopeSpec,
    client: Client,
) -> RemoteItem:
    """Ask ModelScope which files a model has.

    Raises:
        SourceError: There is no such model, or nobody answers.
        MirrorError: It has a file whose name cannot be part of a mirror.
    """
    base = client.upstreams.base(MODELSCOPE)
    revision = quote(spec.revision, safe="")
    files = f"{base}/api/v1/models/{spec.name}/repo/files"
    address = f"{files}?Revision={revision}&Recursive=True"

    entries: Any = client.json(address).content
    for key in ("Data", "Files"):
        entries = entries.get(key) if isinstance(entries, dict) else None
    if not isinstance(entries, list):
        raise SourceError(sources.shown(address), "expected a list of files")

    listed = dict(_listed(entries, address))
    return described(spec, listed)


def _listed(
    entries: list[Any],
    address: str,
) -> Iterator[tuple[str, tuple[int, str]]]:
    """Read the files of a response: path, length and digest."""
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("Type") == "tree":
            continue

        path = entry.get("Path")
        size_bytes = entry.get("Size")
        sha256 = entry.get("Sha256")
        has_digest = isinstance(sha256, str) and is_sha256(sha256)
        is_named = isinstance(path, str) and has_digest
        if not is_named or not isinstance(size_bytes, int) or size_bytes < 0:
            fault = f"expected a file with path, size and digest, got {entry!r:.200}"
            raise SourceError(sources.shown(address), fault)

        yield str(path), (size_bytes, str(sha256))


def described(
    spec: ModelScopeSpec,
    listed: dict[str, tuple[int, str]],
) -> RemoteItem:
    """Make an item of a file list; the list's digest is its revision."""
    in_order = sorted(listed.items())
    lines = [f"{sha256} {path}\n" for path, (_, sha256) in in_order]
    text = "".join(lines)
    digest = hashlib.sha256(text.encode())
    revision = digest.hexdigest()[:40]

    folder = _folder(spec.name, revision)
    base = f"{MODELSCOPE}/models/{spec.name}/resolve/{spec.revision}"
    files: list[RemoteFile] = []
    for path, (size_bytes, sha256) in in_order:
        place = f"{folder}{path}"
        fault = layout.path_fault(place)
        if fault is not None:
            words = f"its file {path!a:.120} cannot be mirrored: {fault}"
            raise MirrorError(str(spec), words, "leave the model out")

        address = f"{base}/{quote(path)}"
        files.append(RemoteFile(place, address, size_bytes, sha256=sha256))

    return RemoteItem(
        kind=KIND,
        name=spec.name,
        files=tuple(files),
        revision=revision,
        refs=(spec.revision,),
    )


def _folder(
    name: str,
    revision: str,
) -> str:
    """Say where the files of a model lie in a mirror."""
    folder = folder_name(name)
    return f"modelscope/{folder}/{revision}/"


def paths(item: Item | RemoteItem) -> dict[str, StoredFile | RemoteFile]:
    """List a model's files by their path in it."""
    prefix = _folder(item.name, item.revision or "")
    return {file.path.removeprefix(prefix): file for file in item.files}


# -- handlers


async def _find(
    site: Site,
    name: str,
    revision: str,
) -> tuple[Item | RemoteItem | None, SourceError | None]:
    """Find a model as it is upstream or, where nobody answers, as it is held.

    And what was wrong upstream.
    """
    name = site.held_name(KIND, name)
    held = site.index.by_ref(KIND, name, revision)
    if site.upstream is None:
        return held, None
    spec = ModelScopeSpec(name, revision)
    limit_s = METADATA_S if held is None else HELD_S
    try:
        found = await site.upstream.ask(spec, functools.partial(resolve, spec), limit_s=limit_s)
        return site.upstream.allowed(found), None
    except SourceError as failure:
        LOG.warning("%s", failure)
        return held, failure


def _answer(data: object) -> Response:
    return as_json({"Code": 200, "Success": True, "Message": "success", "Data": data})


def _refuse(
    words: str,
    failure: SourceError | None,
) -> Response:
    """Say that something is not here; that it does not exist only if that is known."""
    if failure is not None and not is_absent(failure):
        return unavailable(words, failure)
    content = {"Code": 404, "Success": False, "Message": one_line(words)}
    return as_json(content, 404)


async def _list(
    site: Site,
    name: str,
    revision: str,
    request: Request,
) -> AnyResponse:
    item, failure = await _find(site, name, revision)
    if item is None:
        return _refuse("the mirror does not hold this model at this revision", failure)
    if isinstance(item, Item) and item.is_partial:
        return unavailable("the mirror holds only a part of this model", failure)
    root = request.first("Root").strip("/")
    entries = [
        {
            "Name": path.rpartition("/")[2],
            "Path": path,
            "Type": "blob",
            "Size": file.size_bytes,
            "Sha256": file.sha256,
            "Revision": item.revision,
        }
        for path, file in paths(item).items()
        if not root or path.startswith(f"{root}/")
    ]
    return _answer({"Files": entries, "LatestCommitter": {"Id": item.revision}})


async def _revisions(
    site: Site,
    name: str,
) -> AnyResponse:
    versions = site.index.versions(KIND, site.held_name(KIND, name))
    names = [ref for item in versions for ref in item.refs] or [BRANCH]
    branches = [{"Revision": ref} for ref in names]
    return _answer({"RevisionMap": {"Branches": branches, "Tags": []}})


async def _facts(
    site: Site,
    name: str,
) -> AnyResponse:
    item, failure = await _find(site, name, BRANCH)
    if item is None:
        return _refuse("the mirror does not hold this model", failure)
    owner, _, short = item.name.partition("/")
    return _answer({"Path": owner, "Name": short, "Revision": item.revision})


async def _file(
    site: Site,
    name: str,
    revision: str,
    path: str,
) -> AnyResponse:
    item, failure = await _find(site, name, revision)
    if item is None:
        return _refuse("the mirror does not hold this model at this revision", failure)
    file = paths(item).get(path)
    if file is None and isinstance(item, Item) and item.is_partial:
        return unavailable("the mirror holds only a part of this model", failure)
    if file is None:
        return _refuse("the model has no such file at this revision", None)
    return await _serve(site, item, file, failure)


async def _serve(
    site: Site,
    item: Item | RemoteItem,
    file: StoredFile | RemoteFile,
    failure: SourceError | None,
) -> AnyResponse:
    if (stored := site.whole(file.path)) is not None:
        return FileResponse(stored)
    if site.upstream is None or isinstance(file, StoredFile) or isinstance(item, Item):
        return unavailable("the mirror has lost this file", failure)
    try:
        return StreamResponse(await site.upstream.join(item, file))
    except SourceError as error:
        return unavailable("the mirror does not hold this file", error)
