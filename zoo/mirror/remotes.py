"""From what is wanted to what is published upstream: which commit, which files, which digests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

from zoo.errors import MirrorError, SourceError
from zoo.mirror import layout
from zoo.mirror.settings import GITHUB, HUGGINGFACE, PYTORCH
from zoo.mirror.wants import HuggingFaceWant, ModelWant, RepositoryWant
from zoo.weights import sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.catalog.records import WeightsFile
    from zoo.mirror.catalogue import Kind
    from zoo.mirror.upstream import Client
    from zoo.mirror.wants import Want

MOST_TREE_PAGES = 200
_NO_SUCH_REF = (404, 409, 422)
_DIGEST_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[a-z0-9.]+$")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{4,40}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file as its publisher describes it."""

    path: str
    """Where it goes in the mirror."""
    origin: str
    """Its public address."""
    size_bytes: int | None = None
    size_tolerance_bytes: int = 0
    sha256: str | None = None
    """The whole digest or its first digits."""
    git_oid: str | None = None
    """Git's digest, where that is the one that is published."""


@dataclass(frozen=True, slots=True)
class RemoteItem:
    """An item as it is upstream now."""

    kind: Kind
    name: str
    files: tuple[RemoteFile, ...]
    revision: str | None = None
    refs: tuple[str, ...] = ()
    licence: str | None = None


def resolve(want: Want, client: Client) -> list[RemoteItem]:
    """Find out what a want means today; a ref that is both a branch and a tag means two commits.

    Raises:
        SourceError: The upstream has no such thing, or does not answer.
        MirrorError: It has a file whose name cannot be part of a mirror.
    """
    if isinstance(want, ModelWant):
        return [registered_weights(want)]
    if isinstance(want, RepositoryWant):
        return _hub_repositories(want, client)
    return [_huggingface_model(want, client)]


# -- weights ----------------------------------------------------------------------------------------------------------


def registered_weights(want: ModelWant) -> RemoteItem:
    """Describe weights of the registry; nobody is asked."""
    weights = want.weights
    files = tuple(_registered_file(file, file.url) for file in weights.files if file.url is not None)
    return RemoteItem("weights", str(want), files, licence=weights.licence)


def _registered_file(file: WeightsFile, url: str) -> RemoteFile:
    digest = file.sha256 or file.sha256_prefix
    return RemoteFile(layout.weights_path(url), url, file.size_bytes, file.size_tolerance_bytes, digest)


def unregistered_weights(url: str) -> RemoteItem:
    """Describe a file of which only the address is known; digits in its name are taken for its digest as torch does.

    Eight decimal digits may be a date. Only download.pytorch.org is known to mean a digest by them.
    """
    path = layout.weights_path(url)
    if fault := layout.path_fault(path):
        raise MirrorError(sources.shown(url), f"this address cannot be mirrored: {fault}", "leave it out")
    match = _DIGEST_IN_NAME.search(path)
    digest = match[1] if match and (url.startswith(f"{PYTORCH}/") or not match[1].isdecimal()) else None
    return RemoteItem("weights", url, (RemoteFile(path, url, sha256=digest),))


# -- hub repositories -------------------------------------------------------------------------------------------------


def archive_url(name: str, commit: str) -> str:
    """Return the public address of a repository's archive at a commit."""
    return f"{GITHUB}/{name}/zipball/{commit}"


def _hub_repositories(want: RepositoryWant, client: Client) -> list[RemoteItem]:
    base = f"{client.upstreams.github_api}/repos/{want.name}"
    about = client.json(base).content
    licence = _text(about, "license", "spdx_id")
    by_commit: dict[str, list[str]] = {}
    for ref, commit in _commits(want, base, _text(about, "default_branch"), client):
        by_commit.setdefault(commit, []).append(ref)
    return [
        RemoteItem(
            "repository",
            want.name,
            (RemoteFile(layout.repository_path(want.name, commit), archive_url(want.name, commit)),),
            commit,
            tuple(refs),
            None if licence == "NOASSERTION" else licence,
        )
        for commit, refs in by_commit.items()
    ]


def _commits(want: RepositoryWant, base: str, default: str | None, client: Client) -> Iterator[tuple[str, str]]:
    """Yield (ref, commit) for everything that a want names."""
    ref = want.ref or default
    if ref is None:
        raise SourceError(sources.shown(base), "expected a default_branch in the answer, got none")
    found = [] if layout.is_commit(ref) else [f"{kind}/{ref}" for kind in ("heads", "tags")]
    is_found = False
    for name in found:
        if commit := _commit(f"{base}/commits/{quote(name)}", client):
            is_found = True
            yield name, commit
            if ref == default and name.startswith("heads/"):
                yield "HEAD", commit
    if is_found:
        return
    is_short = _SHORT_COMMIT.fullmatch(ref) is not None
    commit = _commit(f"{base}/commits/{ref}", client) if is_short else None
    if commit is None or not commit.startswith(ref):
        fault = f"expected a branch, tag or commit {ref!r}, the repository has none"
        raise SourceError(sources.shown(base), f"{fault} (a short commit must fit one only)", status=404)
    yield commit, commit


def _commit(url: str, client: Client) -> str | None:
    try:
        commit = _text(client.json(url).content, "sha")
    except SourceError as error:
        if error.status in _NO_SUCH_REF:
            return None
        raise
    if not layout.is_commit(commit):
        raise SourceError(sources.shown(url), f"expected a commit of 40 hex digits, got {commit!r:.80}")
    return commit


# -- Hugging Face -----------------------------------------------------------------------------------------------------


def file_url(name: str, commit: str, path: str) -> str:
    """Return the public address of one file of a Hugging Face model."""
    return f"{HUGGINGFACE}/{name}/resolve/{commit}/{quote(path)}"


def _huggingface_model(want: HuggingFaceWant, client: Client) -> RemoteItem:
    base = f"{client.upstreams.huggingface}/api/models/{want.name}"
    address = f"{base}/revision/{quote(want.revision, safe='')}"
    about = client.json(address).content
    commit = _text(about, "sha")
    if commit is None or not layout.is_commit(commit):
        raise SourceError(sources.shown(address), f"expected a commit of 40 hex digits, got {commit!r:.80}")
    files = tuple(_tree(f"{base}/tree/{commit}?recursive=true&expand=false", want.name, commit, client))
    return RemoteItem("huggingface", want.name, files, commit, (want.revision,), _licence(about))


def _tree(url: str | None, name: str, commit: str, client: Client) -> Iterator[RemoteFile]:
    """Yield every file of a commit, page by page."""
    for _ in range(MOST_TREE_PAGES):
        if url is None:
            return
        answer = client.json(url)
        if not isinstance(answer.content, list):
            raise SourceError(sources.shown(url), "expected a list of files")
        for entry in answer.content:
            if _text(entry, "type") == "file":
                yield _tree_file(entry, url, name, commit)
        following = urljoin(url, answer.next_url) if answer.next_url else None
        if following is not None and sources.origin(following) != sources.origin(url):
            raise SourceError(sources.shown(url), f"its list goes on elsewhere, at {sources.shown(following)}")
        url = following
    raise SourceError(sources.shown(url or ""), f"expected at most {MOST_TREE_PAGES} pages of files, got more")


def _tree_file(entry: Any, url: str, name: str, commit: str) -> RemoteFile:
    path, size_bytes = _text(entry, "path"), entry.get("size")
    sha256, git_oid = _text(entry, "lfs", "oid"), _text(entry, "oid")
    is_digest = re.fullmatch(r"[0-9a-f]{64}", sha256) if sha256 else re.fullmatch(r"[0-9a-f]{40}", git_oid or "")
    if path is None or not isinstance(size_bytes, int) or size_bytes < 0 or is_digest is None:
        raise SourceError(sources.shown(url), f"expected a file with path, size and digest, got {entry!r:.200}")
    place = layout.huggingface_path(name, commit, path)
    if fault := layout.path_fault(place):
        raise MirrorError(f"hf:{name}", f"its file {path!a:.120} cannot be mirrored: {fault}", "leave the model out")
    return RemoteFile(
        place, file_url(name, commit, path), size_bytes, sha256=sha256, git_oid=None if sha256 else git_oid
    )


def _licence(about: Any) -> str | None:
    licence = _text(about, "cardData", "license")
    tags = about.get("tags") if isinstance(about, dict) else None
    tagged = [tag for tag in tags or [] if isinstance(tag, str) and tag.startswith("license:")]
    return licence or (tagged[0].removeprefix("license:") if tagged else None)


def _text(value: Any, *keys: str) -> str | None:
    """Return a text deep inside an answer, ``None`` if there is no such thing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) and value.isprintable() else None
