"""Hub repositories of GitHub: torch.hub."""

from __future__ import annotations

import re
import zipfile
from types import MappingProxyType
from typing import TYPE_CHECKING

from zoo.cache import paths
from zoo.download import tokens
from zoo.errors import MirrorError
from zoo.hashes import is_commit
from zoo.mirror import archives, remotes, specs
from zoo.mirror.ecosystems.protocol import Cache, Ecosystem, LookUp
from zoo.mirror.handlers import github as handlers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zoo.mirror.ecosystems.protocol import Bundle
    from zoo.mirror.index import Index, Item
    from zoo.mirror.published import RemoteItem
    from zoo.mirror.requests import Request
    from zoo.mirror.site import Handler
    from zoo.mirror.specs import ItemSpec, RepositorySpec
    from zoo.mirror.upstream import Client

TRUSTED_LIST = "trusted_list"
_SHORTEST_COMMIT = 4
_DEFAULT_BRANCHES = ("main", "master")
_REPOSITORY_FOLDER = re.compile(r"(?!checkpoints/)[^/]+(?=/)")


class GitHub(Ecosystem):
    """Repositories with a ``hubconf.py``."""

    kind = specs.REPOSITORY
    folder = "repositories"
    hosts = handlers.HOSTS
    upstreams = MappingProxyType({"github": remotes.GITHUB, "github-api": remotes.GITHUB_API})
    largest_plain_bytes = archives.LARGEST_BYTES

    def parse(self, text: str) -> Sequence[ItemSpec] | None:
        """Read ``owner/name`` or ``owner/name:ref``."""
        if "/" not in text:
            return None

        name, colon, ref = text.partition(":")
        if not colon:
            return [specs.check_repository(name, None)]
        return [specs.check_repository(name, ref)]

    def resolve(
        self,
        spec: RepositorySpec,
        client: Client,
    ) -> list[RemoteItem]:
        """Ask GitHub for the commit; a ref that is both a branch and a tag means two."""
        return remotes.hub_repositories(spec, client)

    def held(
        self,
        index: Index,
        spec: RepositorySpec,
    ) -> list[Item]:
        """List what a mirror holds for a spec."""
        refs: tuple[str, ...] = ("HEAD",)
        if spec.ref is not None:
            refs = (f"heads/{spec.ref}", f"tags/{spec.ref}", spec.ref)

        named = [index.by_ref(self.kind, spec.name, ref) for ref in refs]
        found = [item for item in named if item is not None]
        may_be_commit = spec.ref is not None and len(spec.ref) >= _SHORTEST_COMMIT
        if not found and may_be_commit:
            found = self._by_short_commit(index, spec)

        distinct = dict.fromkeys(found)
        return list(distinct)

    def _by_short_commit(
        self,
        index: Index,
        spec: RepositorySpec,
    ) -> list[Item]:
        """List the commits that begin with the digits of a spec."""
        found: list[Item] = []
        for item in index.versions(self.kind, spec.name):
            commit = item.revision or ""
            if commit.startswith(spec.ref or ""):
                found.append(item)
        return found

    def credentials(self) -> Iterator[tuple[str, str]]:
        """Name GitHub's token, for its pages and its API."""
        token = tokens.github_token()
        if token:
            yield remotes.GITHUB_API, token
            yield remotes.GITHUB, token

    def check(
        self,
        path: Path,
        item: RemoteItem,
    ) -> None:
        """Refuse an archive that is damaged, hostile, of another commit, or no hub repository."""
        archives.check_archive(path, item.name, item.revision or "")

    def describe(
        self,
        path: Path,
        spec: RepositorySpec,
    ) -> tuple[RemoteItem, dict[str, Path]]:
        """Describe an archive by the commit in its comment."""
        commit = archives.commit_of(path)
        if commit is None:
            fault = "expected a zip archive with its commit as comment"
            advice = "fetch it from GitHub as zip, or by git archive --format=zip"
            raise MirrorError(str(path), fault, advice)

        archives.check_archive(path, spec.name, commit)
        refs: tuple[str, ...]
        if spec.ref is None:
            refs = ("HEAD", "heads/main")
        elif commit.startswith(spec.ref):
            refs = (commit,)
        else:
            refs = (f"heads/{spec.ref}", f"tags/{spec.ref}")

        item = remotes.archive_at(spec.name, commit, refs)
        file = item.files[0]
        return item, {file.path: path}

    def describe_by_place(self, steps: Sequence[str]) -> RemoteItem | None:
        """Describe the archive of a repository at a commit: ``owner/name/<commit>.zip``."""
        if len(steps) != 3:
            return None

        owner, name, archive = steps
        commit = archive.removesuffix(".zip")
        if not is_commit(commit):
            return None
        return remotes.archive_at(f"{owner}/{name}", commit)

    def route(self, request: Request) -> Handler | None:
        """Recognise pages of branches, archives, and the API's lists of refs."""
        return handlers.route(request)

    def caches(self) -> tuple[Cache, ...]:
        """Name torch.hub's folder: a repository in it appears at once."""
        hub = paths.checkpoints_folder().parent
        return (Cache("torch/hub", hub, _REPOSITORY_FOLDER, (TRUSTED_LIST,)),)

    def bundle(
        self,
        spec: RepositorySpec,
        items: Sequence[Item],
        bundle: Bundle,
    ) -> None:
        """Add a repository, unpacked, under every ref that torch.hub may look for."""
        branch = f"heads/{spec.ref}"
        on_branch = [item for item in items if branch in item.refs]
        item = (on_branch or items)[0]
        file = item.files[0]
        refs = _refs_in_cache(spec, item)

        with bundle.store.local_copy(file) as path, zipfile.ZipFile(path) as archive:
            archives.check_archive(path, item.name, item.revision or "")
            entries = archive.infolist()
            top = entries[0].filename
            files = [entry for entry in entries if not entry.is_dir()]
            for ref in refs:
                folder = repository_folder(spec.name, ref)
                for entry in files:
                    inner = entry.filename.removeprefix(top)
                    with archive.open(entry) as stream:
                        bundle.add(f"torch/hub/{folder}/{inner}", stream)

    def look_up(self, spec: RepositorySpec) -> Iterator[LookUp]:
        """Look for the folder of a repository, its entry point, and the list of trusted ones."""
        hub = paths.checkpoints_folder().parent
        refs = [spec.ref] if spec.ref else _DEFAULT_BRANCHES
        places = [hub / repository_folder(spec.name, ref) for ref in refs]
        there = [place for place in places if place.is_dir()]
        place = (there or places)[0]
        fault = None if there else "missing: expected the repository's folder"
        yield _looked_up(spec, place, fault)

        entry_point = place / archives.ENTRY_POINT
        fault = None if entry_point.is_file() else "missing: expected a file"
        yield _looked_up(spec, entry_point, fault)

        trusted = hub / TRUSTED_LIST
        reason = "missing: without it loading fails on a read-only mount; it may be empty"
        fault = None if trusted.is_file() else reason
        yield _looked_up(spec, trusted, fault)


ECOSYSTEM: Ecosystem = GitHub()


def _looked_up(
    spec: RepositorySpec,
    place: Path,
    fault: str | None,
) -> LookUp:
    """Say what torch.hub finds at a place."""
    return LookUp(str(spec), "torch.hub", str(place), fault)


def repository_folder(
    name: str,
    ref: str,
) -> str:
    """Name the folder in which torch.hub looks for a repository.

    >>> repository_folder("pytorch/vision", "release/0.20")
    'pytorch_vision_release_0.20'
    """
    joined = f"{name}_{ref}"
    return joined.replace("/", "_")


def _refs_in_cache(
    spec: RepositorySpec,
    item: Item,
) -> list[str]:
    """List the refs under which torch.hub looks: without one for main, then master."""
    if spec.ref:
        return [spec.ref]

    of_branches = [ref for ref in item.refs if ref.startswith("heads/")]
    branches = [ref.removeprefix("heads/") for ref in of_branches]
    has_default = not set(branches).isdisjoint(_DEFAULT_BRANCHES)
    if not has_default:
        branches.append(_DEFAULT_BRANCHES[0])
    return branches
