"""Hub repositories: what torch.hub asks GitHub, answered from archives by commit.

The file is long because it has one function for each request of torch.hub and git.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import re
from enum import Enum
from typing import TYPE_CHECKING, Any

from zoo.download import sources
from zoo.errors import SourceError, UsageError, ZooError
from zoo.mirror import specs
from zoo.mirror.index import Item
from zoo.mirror.lookups import is_absent
from zoo.mirror.remotes import GITHUB, GITHUB_API
from zoo.mirror.responses import AnyResponse, FileResponse, as_json, text, unavailable

if TYPE_CHECKING:
    from zoo.mirror.index import Index, Kind
    from zoo.mirror.requests import Request
    from zoo.mirror.site import Handler, Site
    from zoo.mirror.upstream import Client

LOG = logging.getLogger("zoo.mirror")
API_HOST = "api.github.com"
KIND: Kind = "repository"
NO_GIT = 'this mirror serves archives, not git: use torch.hub, or "zoo mirror add OWNER/REPO:REF"'
_SHORT_COMMIT = re.compile(r"[0-9a-f]{4,39}")
_REF_KINDS = {"branches": "heads", "tags": "tags"}


class Ambiguous(Enum):
    """Why a ref names no single commit."""

    NONE = "no such ref"
    BRANCH_AND_TAG = "a branch and a tag"


HOSTS = ("github.com", "codeload.github.com", API_HOST)


def route(request: Request) -> Handler | None:
    """Recognise pages of branches, archives, and the API's lists of refs."""
    if request.host not in (None, *HOSTS):
        return None

    is_api = request.host == API_HOST
    if request.host is None:
        is_api = request.steps[0] == "repos"

    try:
        if is_api:
            return _route_api(request)
        return _route_site(request)
    except UsageError:  # a name that cannot exist
        return None


def _route_site(request: Request) -> Handler | None:
    """Recognise ``owner/name/tree/main`` and ``owner/name/zipball/main``."""
    steps = request.steps
    if steps[2:4] == ("info", "refs") and request.host is not None:
        return _refuse_git

    what = "".join(steps[2:3])
    ref = "/".join(steps[3:])
    handler = _OF_SITE.get(what)
    if not ref or handler is None:
        return None

    name = _repository(steps[:2])
    specs.check_ref(ref)
    return functools.partial(handler, name=name, ref=ref)


def _route_api(request: Request) -> Handler | None:
    """Recognise ``repos/owner/name/...``."""
    steps = request.steps
    if steps[0] != "repos" or len(steps) < 3:
        return None

    name = _repository(steps[1:3])
    what = "".join(steps[3:4])
    ref = "/".join(steps[4:])
    if not what:
        return functools.partial(_facts, name=name)

    if what in _REF_KINDS and not ref:
        page = request.number("page", 1)
        return functools.partial(_refs, name=name, what=what, page=page)

    handler = _OF_API.get(what)
    if not ref or handler is None:
        return None

    specs.check_ref(ref)
    return functools.partial(handler, name=name, ref=ref)


# -- handlers


async def _archive(
    site: Site,
    name: str,
    ref: str,
) -> AnyResponse:
    """Send the archive of a repository at a ref."""
    failure = await _bring(site, name, ref)
    name = site.held_name(KIND, name)
    item = commit_of(site.index, name, ref)
    if item is Ambiguous.BRANCH_AND_TAG:
        return text(300, "the ref is a branch and a tag: ask for refs/heads/ or refs/tags/")
    if not isinstance(item, Item):
        return _not_here("the mirror does not hold this repository at this ref", failure)

    file = item.files[0]
    if site.whole(file.path) is None:
        return unavailable("the mirror has lost this archive", failure)

    commit = item.revision or ""
    repository = name.replace("/", "-")
    file_name = f"{repository}-{commit[:7]}.zip"
    headers = {"Content-Disposition": f"attachment; filename={file_name}"}
    return FileResponse(file, headers)


async def _branch(
    site: Site,
    name: str,
    ref: str,
) -> AnyResponse:
    """Tell whether there is a branch: torch.hub asks for ``main`` where no ref was given."""
    name = site.held_name(KIND, name)
    is_there = site.index.by_ref(KIND, name, f"heads/{ref}") is not None
    if site.upstream is not None and not is_there:
        lookup = functools.partial(_has_branch, name, ref)
        try:
            is_there = await site.upstream.ask(("branch", name, ref), lookup)
        except SourceError as error:
            LOG.warning("%s", error)
            # A default branch that is held answers torch.hub's question all the same.
            if site.index.by_ref(KIND, name, "HEAD") is None:
                return unavailable("the repository's branches are not known", error)

    if is_there:
        return text(200, f"branch {ref}")
    return text(404, "no such branch is held here")


async def _refs(
    site: Site,
    name: str,
    what: str,
    page: int,
) -> AnyResponse:
    """List branches or tags: GitHub's, then those that are held beside."""
    name = site.held_name(KIND, name)
    held = ref_list(site.index, name, _REF_KINDS[what], page)
    if site.upstream is None:
        return as_json(held)

    lookup = functools.partial(_list_refs, name, what, page)
    try:
        listed = await site.upstream.ask((what, name, page), lookup)
    except SourceError as error:
        LOG.warning("%s", error)
        if is_absent(error) or site.index.versions(KIND, name):
            return as_json(held)
        return unavailable("the repository's refs are not known", error)

    others = [entry for entry in held if entry not in listed]
    return as_json(listed + others)


async def _facts(
    site: Site,
    name: str,
) -> AnyResponse:
    """Describe a repository."""
    failure = await _bring(site, name, None)
    held = site.held_name(KIND, name)
    facts = repository_facts(site.index, held)
    if not facts:
        return _not_here("Not Found", failure)
    return as_json(facts)


async def _commit(
    site: Site,
    name: str,
    ref: str,
) -> AnyResponse:
    """Say which commit a ref names."""
    failure = await _bring(site, name, ref)
    held = site.held_name(KIND, name)
    item = commit_of(site.index, held, ref)
    if isinstance(item, Item):
        return as_json({"sha": item.revision})
    return _not_here("No commit", failure, status=422)


async def _refuse_git(_site: Site) -> AnyResponse:
    """Answer ``git clone`` in words that git prints."""
    return text(403, NO_GIT)


def _repository(steps: tuple[str, ...]) -> str:
    """Join and check the name of a hub repository.

    Raises:
        UsageError: There can be no such repository.
    """
    spec = specs.check_repository("/".join(steps), None)
    return spec.name


def _not_here(
    words: str,
    failure: ZooError | None,
    status: int = 404,
) -> AnyResponse:
    """Say that a repository is not here.

    That it does not exist only if the upstream says so, or is never asked.
    """
    if failure is None or is_absent(failure):
        return as_json({"message": words}, status)
    return unavailable(words, failure)


async def _bring(
    site: Site,
    name: str,
    ref: str | None,
) -> ZooError | None:
    """Bring a repository into the mirror as it is now; return what kept it from coming."""
    if site.upstream is None:
        return None

    plain = ref or ""
    for beginning in ("refs/", "heads/", "tags/"):
        plain = plain.removeprefix(beginning)

    name = site.held_name(KIND, name)
    wanted_ref = None if plain in {"", "HEAD"} else plain
    spec = specs.RepositorySpec(name, wanted_ref)
    held = site.index.versions(KIND, name)
    at_commit = [item for item in held if item.revision == wanted_ref]
    if any(map(site.is_complete, at_commit)):
        return None

    try:
        await site.upstream.bring(spec)
    except ZooError as error:
        LOG.warning("%s", error)
        return error
    return None


_OF_SITE = {
    "tree": _branch,
    "zipball": _archive,
    "legacy.zip": _archive,
}
_OF_API = {
    "commits": _commit,
    "zipball": _archive,
}
"""What stands before a ref, and who answers."""


# -- lookups at GitHub, in a thread


def _has_branch(
    name: str,
    branch: str,
    client: Client,
) -> bool:
    """Ask GitHub whether there is a branch."""
    base = client.upstreams.base(GITHUB)
    return client.is_there(f"{base}/{name}/tree/{branch}/")


def _list_refs(
    name: str,
    what: str,
    page: int,
    client: Client,
) -> list[dict[str, Any]]:
    """Ask GitHub for a page of branches or tags."""
    base = client.upstreams.base(GITHUB_API)
    address = f"{base}/repos/{name}/{what}?per_page=100&page={page}"
    received = client.json(address).content
    if not isinstance(received, list):
        raise SourceError(sources.shown(address), f"expected a list, got {received!r:.60}")

    listed: list[dict[str, Any]] = []
    for entry in received:
        with contextlib.suppress(KeyError, TypeError):
            commit = entry["commit"]
            listed.append(_named_commit(entry["name"], commit["sha"]))
    return listed


def _named_commit(
    name: str,
    commit: str | None,
) -> dict[str, Any]:
    """Write a branch or tag as GitHub's API does."""
    return {"name": name, "commit": {"sha": commit}}


# -- from the index to GitHub's words


def commit_of(
    index: Index,
    name: str,
    ref: str,
) -> Item | Ambiguous:
    """Find what a ref names, as GitHub does.

    A bare name that is a branch and a tag of different commits is ambiguous (GitHub answers 300); a
    short commit that fits two commits is none.
    """
    versions = index.versions(KIND, name)
    exact = ref.removeprefix("refs/")
    if exact.startswith(("heads/", "tags/")):
        named = [item for item in versions if exact in item.refs]
    else:
        meanings = {f"heads/{ref}", f"tags/{ref}"}
        named = [item for item in versions if not meanings.isdisjoint(item.refs)]
        if len(named) > 1:
            return Ambiguous.BRANCH_AND_TAG

    found = named or _by_commit(versions, ref)
    if not found and ref == "HEAD":
        found = [item for item in versions if "HEAD" in item.refs]

    if len(found) != 1:
        return Ambiguous.NONE
    return found[0]


def _by_commit(
    versions: list[Item],
    ref: str,
) -> list[Item]:
    """List the items whose commit is a ref, or begins with it."""
    if _SHORT_COMMIT.fullmatch(ref) is None:
        return [item for item in versions if item.revision == ref]

    found: list[Item] = []
    for item in versions:
        commit = item.revision or ""
        if commit.startswith(ref):
            found.append(item)
    return found


def ref_list(
    index: Index,
    name: str,
    kind: str,
    page: int,
) -> list[dict[str, Any]]:
    """List the known branches or tags.

    All on the first page, because torch.hub reads every page before it goes on. A commit that is
    held by itself is listed as a branch of that name: torch.hub knows no other way to check a
    commit.
    """
    if page != 1:
        return []

    beginning = f"{kind}/"
    listed: list[dict[str, Any]] = []
    for item in index.versions(KIND, name):
        own = [ref for ref in item.refs if ref.startswith(beginning)]
        names = [ref.removeprefix(beginning) for ref in own]
        is_held_by_itself = not any("/" in ref for ref in item.refs)
        if is_held_by_itself and kind == "heads":
            names.append(item.revision or "")
        listed += [_named_commit(ref, item.revision) for ref in names]
    return listed


def repository_facts(
    index: Index,
    name: str,
) -> dict[str, Any] | None:
    """Describe a repository as far as another mirror asks."""
    versions = index.versions(KIND, name)
    if not versions:
        return None

    first = versions[0]
    facts: dict[str, Any] = {
        "full_name": first.name,
        "default_branch": None,
        "license": None,
    }
    if first.license:
        facts["license"] = {"spdx_id": first.license}

    for default in versions:
        if "HEAD" not in default.refs:
            continue

        facts["full_name"] = default.name
        branches = [ref for ref in default.refs if ref.startswith("heads/")]
        if branches:
            facts["default_branch"] = branches[0].removeprefix("heads/")
        break
    return facts
