"""Hugging Face models: what huggingface_hub, timm and HfFileSystem ask the Hub.

The file list of a commit is answered only where the whole of it is known: clients take a file that
is not in it, or is answered ``EntryNotFound``, for one that does not exist, and remember that.

The file is long because it has one function for each kind of request, and there are many kinds.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zoo.errors import SourceError, UsageError
from zoo.mirror import hub_documents, policy, remotes, specs
from zoo.mirror.index import Item, StoredFile
from zoo.mirror.lookups import METADATA_S, is_absent
from zoo.mirror.responses import (
    AnyResponse,
    FileResponse,
    Response,
    StreamResponse,
    as_json,
    error,
    text,
    unavailable,
)
from zoo.mirror.site import HELD_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.mirror.hub_documents import AnyFile, AnyItem
    from zoo.mirror.index import Kind
    from zoo.mirror.requests import Request
    from zoo.mirror.site import Handler, Site
    from zoo.mirror.upstream import Client

LOG = logging.getLogger("zoo.mirror")
KIND: Kind = "huggingface"
API_VERBS = ("revision", "tree", "paths-info", "refs", "commits")
FILE_VERBS = ("resolve", "raw")
OTHER_KINDS = ("datasets", "spaces")
NO_GIT = "this mirror serves files, not git: use hf download, or snapshot_download"
NO_ACCOUNTS = "this mirror has no accounts; a token for the Hub is of no use here"
ONLY_A_PART = "the mirror holds only a part of this model"
KEPT_OUT = "it is refused: this file may hold code, and the mirror holds safetensors only"
MODELS_ONLY = "this mirror holds models only, no {kind}"
ABSENT = {
    "RepoNotFound": "the mirror does not hold this model",
    "RevisionNotFound": "the mirror does not hold this revision of the model",
    "EntryNotFound": "the model has no such file at this revision",
    "GatedRepo": "this model is gated, and the mirror's own token may not read it",
}
GATED = "this model is gated: ask for a token of this mirror that may read it"
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Found:
    """A model as it is upstream or, where nobody answers, as it is held."""

    item: AnyItem
    failure: SourceError | None = None
    """What was wrong upstream."""

    @property
    def commit(self) -> dict[str, str]:
        """The header that says which commit a response is about."""
        return {"X-Repo-Commit": self.item.revision or ""}

    @property
    def is_partial(self) -> bool:
        """Whether the whole file list is not known."""
        return isinstance(self.item, Item) and self.item.is_partial


HOSTS = ("huggingface.co",)


def route(request: Request) -> Handler | None:
    """Recognise the Hub's API and files.

    On the mirror itself by the word after the model's name.
    """
    if request.host not in (None, *HOSTS):
        return None
    steps = request.steps
    try:
        if steps[0] == "api":
            return _route_api(request, steps[1:])
        return _route_file(request)
    except UsageError:  # a name that cannot exist
        return functools.partial(_absent, code="RepoNotFound")


def _route_api(
    request: Request,
    steps: tuple[str, ...],
) -> Handler | None:
    """Recognise what is asked under ``/api``."""
    kind = steps[0] if steps else ""
    is_list = len(steps) == 1
    if kind == "whoami-v2":
        return _no_accounts
    if kind in OTHER_KINDS:
        return functools.partial(_models_only, kind=kind, is_list=is_list)

    if kind != "models":
        return None
    if is_list:
        return functools.partial(_search, request=request)
    return _route_model(request, steps[1:])


def _route_model(
    request: Request,
    steps: tuple[str, ...],
) -> Handler | None:
    """Recognise what is asked of one model: ``owner/name/tree/main/folder``."""
    length = _name_length(steps, API_VERBS)
    if length is None:
        if len(steps) > 2:
            return None
        spec = specs.check_huggingface("/".join(steps), "main")
        return _about(_facts, spec.name, "main", request)

    verb, *rest = steps[length:]
    revision = rest[0] if rest else "main"
    path = "/".join(rest[1:])
    name = _checked_name(steps[:length], revision)
    if verb == "refs":
        return functools.partial(_refs, name=name)

    if path and verb != "tree":
        return None
    if verb == "commits":
        return functools.partial(_commits, name=name, revision=revision, request=request)

    describers: dict[str, Callable[..., AnyResponse]] = {
        "revision": _facts,
        "tree": functools.partial(_tree, folder=path),
        "paths-info": _paths_info,
    }
    return _about(describers[verb], name, revision, request)


def _about(
    describe: Callable[..., AnyResponse],
    name: str,
    revision: str,
    request: Request,
) -> Handler:
    """Make the handler of what a model's whole file list tells: found first, then described."""
    described = functools.partial(describe, request=request)
    return functools.partial(_describe, name=name, revision=revision, describe=described)


def _route_file(request: Request) -> Handler | None:
    """Recognise a file: ``owner/name/resolve/main/path``."""
    steps = request.steps
    kind = steps[0]
    is_file = bool(request.host) or "resolve" in steps[1:4]
    if is_file and kind in OTHER_KINDS:
        return functools.partial(_models_only, kind=kind, is_list=False)

    if steps[-2:] == ("info", "refs") and len(steps) in (3, 4):
        return _refuse_git

    length = _name_length(steps, FILE_VERBS)
    if length is None:
        return None

    verb, *rest = steps[length:]
    if len(rest) < 2:
        return None

    revision, *inner = rest
    path = "/".join(inner)
    name = _checked_name(steps[:length], revision)
    handler = _file if verb == "resolve" else _raw
    return functools.partial(handler, name=name, revision=revision, path=path, request=request)


def _checked_name(
    steps: tuple[str, ...],
    revision: str,
) -> str:
    """Join and check the name of a model.

    Raises:
        UsageError: There can be no such model, or no such revision.
    """
    spec = specs.check_huggingface("/".join(steps), revision)
    return spec.name


def _name_length(
    steps: tuple[str, ...],
    verbs: tuple[str, ...],
) -> int | None:
    """Find out how many steps are the model's name: the oldest models have no organisation."""
    for length in (1, 2):
        if len(steps) > length and steps[length] in verbs:
            return length
    return None


# -- responses that are the same for every model


async def _absent(
    _site: Site,
    code: str,
) -> AnyResponse:
    return absent(code)


def absent(
    code: str,
    commit: str | None = None,
) -> Response:
    """Say that something does not exist, or may not be read."""
    headers: dict[str, str] = {}
    if commit:
        headers["X-Repo-Commit"] = commit

    status = 404
    if code == "GatedRepo":
        status = 403
    return error(status, code, ABSENT[code], headers)


async def _no_accounts(_site: Site) -> AnyResponse:
    return error(403, None, NO_ACCOUNTS)


async def _refuse_git(_site: Site) -> AnyResponse:
    """Answer ``git clone`` in words that git prints."""
    return text(403, NO_GIT)


async def _models_only(
    _site: Site,
    kind: str,
    *,
    is_list: bool,
) -> AnyResponse:
    if is_list:
        return as_json([])
    return error(404, "RepoNotFound", MODELS_ONLY.format(kind=kind))


async def _search(
    site: Site,
    request: Request,
) -> AnyResponse:
    """List the models that are here."""
    words = request.first("search").lower()
    author = request.first("author").lower()
    limit = request.number("limit", 1000)
    beginning = f"{author}/" if author else ""

    newest = {item.name: item for item in site.index.items if item.kind == KIND}
    found: list[Item] = []
    for name, item in newest.items():
        lowered = name.lower()
        if words in lowered and lowered.startswith(beginning):
            found.append(item)

    is_full = request.is_true("full")
    listed = [hub_documents.facts(item, has_files=is_full) for item in found[:limit]]
    return as_json(listed)


# -- one model


async def _find(
    site: Site,
    name: str,
    revision: str,
) -> Found | Response:
    """Find a model, or the response that says why there is none."""
    name = site.held_name(KIND, name)
    held = site.index.by_ref(KIND, name, revision)
    is_final = held is not None and held.revision == revision and site.is_complete(held)
    if site.upstream is None or is_final:
        if held is not None:
            return Found(held)
        return _none(site, name, None)

    spec = specs.HuggingFaceSpec(name, revision)
    limit_s = METADATA_S if held is None else HELD_S
    try:
        found = await site.upstream.ask(
            spec, functools.partial(remotes.huggingface_model, spec), limit_s=limit_s
        )
    except SourceError as failure:
        LOG.warning("%s", failure)
        if held is not None:
            return Found(held, failure)
        return _none(site, name, failure)
    try:
        item = site.upstream.allowed(found)
    except SourceError as refusal:
        return error(403, None, str(refusal))
    names = site.names_of((KIND, item.name), revision, item.revision)
    return Found(replace(item, refs=names))


def _none(
    site: Site,
    name: str,
    failure: SourceError | None,
) -> Response:
    if failure is None or is_absent(failure) or failure.status == 401:
        is_known = bool(site.index.versions(KIND, name))
        return absent("RevisionNotFound" if is_known else "RepoNotFound")
    if failure.status == 403:
        return absent("GatedRepo")
    return unavailable("the mirror does not hold this model", failure)


def _find_here(
    site: Site,
    name: str,
    revision: str,
    path: str,
) -> Found | None:
    """Find a model of which a file is here at a commit: that never changes, so nobody is asked."""
    held = site.index.by_ref(KIND, site.held_name(KIND, name), revision)
    if held is None or held.revision != revision:
        return None
    file = hub_documents.paths(held).get(path)
    is_here = file is not None and site.whole(file.path) is not None
    if is_here:
        return Found(held)
    return None


async def _describe(
    site: Site,
    name: str,
    revision: str,
    describe: Callable[[Found], AnyResponse],
) -> AnyResponse:
    """Describe a model whose whole file list is known, or say why it is not."""
    found = await _find(site, name, revision)
    if isinstance(found, Response):
        return found
    if found.is_partial:
        return unavailable(ONLY_A_PART, found.failure)
    return describe(found)


def _facts(
    found: Found,
    request: Request,
) -> AnyResponse:
    facts = hub_documents.facts(found.item, has_sizes=request.is_true("blobs"))
    return as_json(facts, headers=found.commit)


def _tree(
    found: Found,
    request: Request,
    folder: str,
) -> AnyResponse:
    """Answer one page of a model's files."""
    is_recursive = request.is_true("recursive")
    is_expanded = request.is_true("expand")
    entries = hub_documents.tree(
        found.item, folder, is_recursive=is_recursive, is_expanded=is_expanded
    )
    if entries is None:
        return absent("EntryNotFound", found.item.revision)

    start = request.number("cursor", 0)
    end = start + hub_documents.TREE_PAGE
    headers = found.commit
    if end < len(entries):
        place = f"{found.item.revision}/{folder}".rstrip("/")
        query = f"recursive={_word(is_recursive)}&expand={_word(is_expanded)}&cursor={end}"
        address = f"{request.base}/api/models/{found.item.name}/tree/{place}?{query}"
        headers["Link"] = f'<{address}>; rel="next"'
    return as_json(entries[start:end], headers=headers)


def _word(value: bool) -> str:
    if value:
        return "true"
    return "false"


def _paths_info(
    found: Found,
    request: Request,
) -> AnyResponse:
    """Describe the paths that a POST names; those that do not exist are left out, as on the Hub."""
    entries = hub_documents.tree(
        found.item, "", is_recursive=True, is_expanded=request.is_true("expand")
    )
    asked = {path.strip("/") for path in request.form.get("paths", [])}
    named = [entry for entry in entries or [] if entry["path"] in asked]
    return as_json(named, headers=found.commit)


async def _refs(
    site: Site,
    name: str,
) -> AnyResponse:
    name = site.held_name(KIND, name)
    held = hub_documents.refs(site.index.versions(KIND, name))
    if site.upstream is None:
        if held["branches"]:
            return as_json(held)
        return _none(site, name, None)
    try:
        listed = await site.upstream.ask(
            ("refs", name),
            functools.partial(_ask_api, f"{name}/refs"),
            limit_s=HELD_S if held["branches"] else METADATA_S,
        )
    except SourceError as failure:
        LOG.warning("%s", failure)
        if held["branches"]:
            return as_json(held)
        return _none(site, name, failure)
    return as_json(listed)


async def _commits(
    site: Site,
    name: str,
    revision: str,
    request: Request,
) -> AnyResponse:
    """List the commit that is held: the mirror knows no history."""
    found = await _find(site, name, revision)
    if isinstance(found, Response):
        return found
    is_first = request.number("p", 0) == 0
    return as_json([hub_documents.commit(found.item)] if is_first else [], headers=found.commit)


def _ask_api(
    path: str,
    client: Client,
) -> object:
    return client.json(f"{client.upstreams.base(remotes.HUGGINGFACE)}/api/models/{path}").content


# -- one file


async def _file(
    site: Site,
    name: str,
    revision: str,
    path: str,
    request: Request,
) -> AnyResponse:
    found = _find_here(site, name, revision, path) or await _find(site, name, revision)
    if isinstance(found, Response):
        return found
    file = await _file_at(site, found, path, request)
    if isinstance(file, Response):
        return file
    return await _serve(site, found, file, hub_documents.file_headers(found.item, file))


async def _raw(
    site: Site,
    name: str,
    revision: str,
    path: str,
    request: Request,
) -> AnyResponse:
    """Answer with what git holds: the file itself or, for a large one, the pointer to it."""
    found = await _find(site, name, revision)
    if isinstance(found, Response):
        return found
    file = await _file_at(site, found, path, request)
    if isinstance(file, Response):
        return file
    if file.git_oid is None:
        pointer = hub_documents.pointer(file)
        return Response(200, pointer.encode(), {"Content-Type": TEXT, **found.commit})
    return await _serve(site, found, file, found.commit)


async def _file_at(
    site: Site,
    found: Found,
    path: str,
    request: Request,
) -> AnyFile | Response:
    """Pick a file of a model, or the response that says why it cannot be had."""
    refusal = refuse_gated(found.item, request)
    if refusal is not None:
        return refusal
    file = hub_documents.paths(found.item).get(path)
    if file is None:
        return await _no_file(site, found, path)
    return file


def refuse_gated(
    item: AnyItem,
    request: Request,
) -> Response | None:
    """Refuse the files of a gated model to those who may not read it.

    What it consists of is no secret.
    """
    if not item.is_gated or request.may_read_gated(f"{specs.HUGGINGFACE_PREFIX}{item.name}"):
        return None
    return error(403, "GatedRepo", GATED)


async def _no_file(
    site: Site,
    found: Found,
    path: str,
) -> Response:
    """Say that a file is not here.

    Clients remember for ever that a file does not exist: only a whole list can say that, and not of
    a file that the mirror's policy keeps out.
    """
    if found.is_partial:
        return unavailable(ONLY_A_PART, found.failure)

    if policy.may_hold_pickles(path):
        settings = await asyncio.to_thread(site.store.settings)
        if not settings.policy.allows_file(path):
            return error(403, None, KEPT_OUT)
    return absent("EntryNotFound", found.item.revision)


async def _serve(
    site: Site,
    found: Found,
    file: AnyFile,
    headers: dict[str, str],
) -> AnyResponse:
    if (stored := site.whole(file.path)) is not None:
        return FileResponse(stored, headers)
    item = found.item
    if site.upstream is None or isinstance(file, StoredFile) or isinstance(item, Item):
        return unavailable("the mirror has lost this file", found.failure)
    try:
        return StreamResponse(await site.upstream.join(item, file), headers)
    except SourceError as failure:
        return unavailable("the mirror does not hold this file", failure)
