"""From what is wanted to what is published upstream: which commit, which files, which digests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

from zoo.catalog.registry import load_registry
from zoo.download import sources
from zoo.errors import MirrorError, SourceError, UsageError
from zoo.hashes import is_commit, is_sha256
from zoo.mirror import layout, specs
from zoo.mirror.published import RemoteFile, RemoteItem
from zoo.mirror.specs import HuggingFaceSpec, ModelSpec, RepositorySpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.catalog.records import WeightsFile
    from zoo.mirror.upstream import Client

GITHUB = "https://github.com"
GITHUB_API = "https://api.github.com"
PYTORCH = "https://download.pytorch.org"
HUGGINGFACE = "https://huggingface.co"
MOST_TREE_PAGES = 200
_NO_SUCH_REF = (404, 409, 422)
_DIGEST_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[a-z0-9.]+$")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{4,40}")
_REPOSITORY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}/(?![-.])[A-Za-z0-9._-]{1,100}")
_MODEL_NAME = re.compile(
    r"(?!.*(?:--|\.\.))[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII
)


# -- weights


def registered_weights(spec: ModelSpec) -> RemoteItem:
    """Describe weights of the registry; nobody is asked."""
    weights = spec.weights
    files = tuple(
        _registered_file(file, file.url) for file in weights.files if file.url is not None
    )
    return RemoteItem(specs.WEIGHTS, str(spec), files, license=weights.license)


def weights_named(file_name: str) -> RemoteItem | None:
    """Describe weights of the registry by the name of their only file."""
    for architecture in load_registry().architectures.values():
        for weights in architecture.weights.values():
            names = {file.file_name for file in weights.files if file.url}
            if len(weights.files) == 1 and file_name in names:
                return registered_weights(ModelSpec(architecture.name, weights.tag))
    return None


def _registered_file(
    file: WeightsFile,
    url: str,
) -> RemoteFile:
    digest = file.sha256 or file.sha256_prefix
    return RemoteFile(
        layout.weights_path(url), url, file.size_bytes, file.size_tolerance_bytes, digest
    )


def unregistered_weights(url: str) -> RemoteItem:
    """Describe a file of which only the address is known.

    Digits in its name are taken for its digest as torch does.

    Eight decimal digits may be a date. Only download.pytorch.org is known to mean a digest by them.
    """
    path = layout.weights_path(url)
    if fault := layout.path_fault(path):
        raise MirrorError(
            sources.shown(url), f"this address cannot be mirrored: {fault}", "leave it out"
        )
    match = _DIGEST_IN_NAME.search(path)
    digest = (
        match[1] if match and (url.startswith(f"{PYTORCH}/") or not match[1].isdecimal()) else None
    )
    return RemoteItem(specs.WEIGHTS, url, (RemoteFile(path, url, sha256=digest),))


def weights_at(url: str) -> RemoteItem:
    """Describe weights by their address: as the registry does if it knows them."""
    try:
        spec = specs.read_address(url)
    except UsageError as error:
        raise MirrorError(sources.shown(url), str(error), "leave it out") from error
    if isinstance(spec, ModelSpec):
        return registered_weights(spec)
    return unregistered_weights(url)


# -- hub repositories
# -------------------------------------------------------------------------------------------------


def archive_url(
    name: str,
    commit: str,
) -> str:
    """Return the public address of a repository's archive at a commit."""
    return f"{GITHUB}/{name}/zipball/{commit}"


def archive_at(
    name: str,
    commit: str,
    refs: tuple[str, ...] = (),
    license: str | None = None,
    aliases: tuple[str, ...] = (),
) -> RemoteItem:
    """Describe a repository at a commit; without refs it is named by the commit itself."""
    file = RemoteFile(layout.repository_path(name, commit), archive_url(name, commit))
    return RemoteItem(
        specs.REPOSITORY,
        name,
        (file,),
        commit,
        refs or (commit,),
        license,
        aliases=aliases,
    )


def hub_repositories(
    spec: RepositorySpec,
    client: Client,
) -> list[RemoteItem]:
    """Ask GitHub what a spec means today; a ref that is both a branch and a tag means two commits.

    Raises:
        SourceError: There is no such thing, or nobody answers.
    """
    api = client.upstreams.base(GITHUB_API)
    about = client.json(f"{api}/repos/{spec.name}").content
    said = _text(about, "full_name")
    name, aliases = _current_name(spec.name, said, _REPOSITORY_NAME)

    license = _text(about, "license", "spdx_id")
    if license == "NOASSERTION":
        license = None

    base = f"{api}/repos/{name}"
    default = _text(about, "default_branch")
    by_commit: dict[str, list[str]] = {}
    for ref, commit in _commits(spec, base, default, client):
        refs = by_commit.setdefault(commit, [])
        refs.append(ref)

    items: list[RemoteItem] = []
    for commit, refs in by_commit.items():
        items.append(archive_at(name, commit, tuple(refs), license, aliases))
    return items


def _current_name(
    asked: str,
    said: str | None,
    form: re.Pattern[str],
) -> tuple[str, tuple[str, ...]]:
    """Return what something is called now, and the name that it was asked for if that is another.

    GitHub and the Hub lead from a name that was given up to the present one, and say it in their
    answer.
    """
    if said is None or not form.fullmatch(said):
        return asked, ()
    if said.lower() == asked.lower():
        return asked, ()
    return said, (asked,)


def _commits(
    spec: RepositorySpec,
    base: str,
    default: str | None,
    client: Client,
) -> Iterator[tuple[str, str]]:
    """Yield (ref, commit) for everything that a spec names."""
    ref = spec.ref or default
    if ref is None:
        raise SourceError(sources.shown(base), "expected a default_branch in the answer, got none")

    names = () if is_commit(ref) else (f"heads/{ref}", f"tags/{ref}")
    is_found = False
    for name in names:
        commit = _commit(f"{base}/commits/{quote(name)}", client)
        if commit is None:
            continue

        is_found = True
        yield name, commit
        if ref == default and name.startswith("heads/"):
            yield "HEAD", commit
    if is_found:
        return

    commit = None
    if _SHORT_COMMIT.fullmatch(ref) is not None:
        commit = _commit(f"{base}/commits/{ref}", client)
    if commit is None or not commit.startswith(ref):
        expected = f"expected a branch, tag or commit {ref!r}"
        fault = f"{expected}, the repository has none (a short commit must fit one only)"
        raise SourceError(sources.shown(base), fault, status=404)
    yield commit, commit


def _commit(
    url: str,
    client: Client,
) -> str | None:
    """Ask which commit a ref names; ``None`` if there is none."""
    try:
        response = client.json(url).content
        commit = _text(response, "sha")
    except SourceError as error:
        if error.status in _NO_SUCH_REF:
            return None
        raise

    if not is_commit(commit):
        fault = f"expected a commit of 40 hex digits, got {commit!r:.80}"
        raise SourceError(sources.shown(url), fault)
    return commit


# -- Hugging Face


def file_url(
    name: str,
    commit: str,
    path: str,
) -> str:
    """Return the public address of one file of a Hugging Face model."""
    return f"{HUGGINGFACE}/{name}/resolve/{commit}/{quote(path)}"


def huggingface_model(
    spec: HuggingFaceSpec,
    client: Client,
) -> RemoteItem:
    """Ask the Hub what a spec means today.

    Raises:
        SourceError: There is no such thing, or nobody answers.
        MirrorError: It has a file whose name cannot be part of a mirror.
    """
    base = f"{client.upstreams.base(HUGGINGFACE)}/api/models/{spec.name}"
    address = f"{base}/revision/{quote(spec.revision, safe='')}"
    about = client.json(address).content
    commit = _text(about, "sha")
    if commit is None or not is_commit(commit):
        raise SourceError(
            sources.shown(address), f"expected a commit of 40 hex digits, got {commit!r:.80}"
        )
    name, aliases = _current_name(spec.name, _text(about, "id"), _MODEL_NAME)
    base = f"{client.upstreams.base(HUGGINGFACE)}/api/models/{name}"
    files = tuple(_tree(f"{base}/tree/{commit}?recursive=true&expand=false", name, commit, client))
    return RemoteItem(
        specs.HUGGINGFACE,
        name,
        files,
        commit,
        (spec.revision,),
        _license(about),
        is_gated=about.get("gated") not in (None, False),
        aliases=aliases,
    )


def _tree(
    url: str | None,
    name: str,
    commit: str,
    client: Client,
) -> Iterator[RemoteFile]:
    """Yield every file of a commit, page by page."""
    for _ in range(MOST_TREE_PAGES):
        if url is None:
            return
        response = client.json(url)
        if not isinstance(response.content, list):
            raise SourceError(sources.shown(url), "expected a list of files")
        for entry in response.content:
            if _text(entry, "type") == "file":
                yield _tree_file(entry, url, name, commit)
        following = urljoin(url, response.next_url) if response.next_url else None
        if following is not None and sources.origin(following) != sources.origin(url):
            raise SourceError(
                sources.shown(url), f"its list goes on elsewhere, at {sources.shown(following)}"
            )
        url = following
    raise SourceError(
        sources.shown(url or ""), f"expected at most {MOST_TREE_PAGES} pages of files, got more"
    )


def _tree_file(
    entry: Any,
    url: str,
    name: str,
    commit: str,
) -> RemoteFile:
    path = _text(entry, "path")
    size_bytes = entry.get("size")
    is_size = isinstance(size_bytes, int) and size_bytes >= 0
    sha256 = _text(entry, "lfs", "oid")
    git_oid = _text(entry, "oid")
    is_digest = is_sha256(sha256) if sha256 else is_commit(git_oid)
    if path is None or not is_size or not is_digest:
        raise SourceError(
            sources.shown(url), f"expected a file with path, size and digest, got {entry!r:.200}"
        )
    place = layout.huggingface_path(name, commit, path)
    if fault := layout.path_fault(place):
        raise MirrorError(
            f"hf:{name}",
            f"its file {path!a:.120} cannot be mirrored: {fault}",
            "leave the model out",
        )
    return RemoteFile(
        place,
        file_url(name, commit, path),
        size_bytes,
        sha256=sha256,
        git_oid=None if sha256 else git_oid,
    )


def _license(about: Any) -> str | None:
    """Find the license in what the Hub says of a model: in its card, else in its tags."""
    license = _text(about, "cardData", "license")
    if license:
        return license

    tags = about.get("tags") if isinstance(about, dict) else None
    for tag in tags or []:
        if isinstance(tag, str) and tag.startswith("license:"):
            return tag.removeprefix("license:")
    return None


def _text(
    value: Any,
    *keys: str,
) -> str | None:
    """Return a text deep inside a response, ``None`` if there is no such thing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None

    if not isinstance(value, str) or not value.isprintable():
        return None
    return value
