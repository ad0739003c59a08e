"""A server on loopback that plays download.pytorch.org, GitHub and Hugging Face for a mirror.

It answers what :mod:`zoo.mirror.remotes` asks, as the real ones do: GitHub's archives by a redirect, Hugging Face's
large files by a redirect to another path, file lists in pages. ``faults`` replaces the answer at a path by any
misbehaviour of :class:`~tests.support.faulty_server.FaultyServer`.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.faulty_server import FaultyServer

if TYPE_CHECKING:
    from tests.support.faulty_server import Behaviour, Exchange

TREE_PAGE = 2
HUBCONF = '''dependencies = ["torch"]


def answer(pretrained=False):
    """Return {value}."""
    return {value}
'''


@dataclass
class Repository:
    """What GitHub knows of a repository."""

    branches: dict[str, str]
    tags: dict[str, str] = field(default_factory=dict)
    archives: dict[str, bytes] = field(default_factory=dict)
    default: str = "main"
    licence: str = "BSD-3-Clause"

    def find(self, ref: str) -> list[str]:
        """List the commits that a ref names, in GitHub's own words."""
        if ref.startswith("heads/"):
            return [self.branches[ref[6:]]] if ref[6:] in self.branches else []
        if ref.startswith("tags/"):
            return [self.tags[ref[5:]]] if ref[5:] in self.tags else []
        commits = [commit for commit in self.archives if commit.startswith(ref)]
        return [self.branches.get(ref) or self.tags[ref]] if ref in self.branches or ref in self.tags else commits


@dataclass
class Model:
    """What Hugging Face knows of a model."""

    commits: dict[str, dict[str, bytes]]
    refs: dict[str, str]
    large: tuple[str, ...] = ("model.safetensors",)
    """Files in large file storage."""


class HubUpstream(FaultyServer):
    """A running server."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__(host=host)
        self.weights: dict[str, bytes] = {}
        """Path -> bytes."""
        self.repositories: dict[str, Repository] = {}
        self.models: dict[str, Model] = {}
        self.faults: dict[str, Behaviour] = {}
        """Path without query -> what happens there instead."""
        self.is_dead = False
        """Whether every request ends in a reset."""
        self.behave = self._answer

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order, without queries."""
        return [unquote(urlsplit(exchange.target).path) for exchange in self.requests]

    def __enter__(self) -> Self:
        """Start."""
        super().__enter__()
        return self

    def _answer(self, exchange: Exchange) -> None:
        url = urlsplit(exchange.target)
        path, query = unquote(url.path), parse_qs(url.query)
        parts = path.strip("/").split("/")
        if self.is_dead:
            exchange.stop("reset")
        elif path in self.faults:
            self.faults[path](exchange)
        elif path in self.weights:
            exchange.serve(self.weights[path], etag=f'"{hashlib.sha256(self.weights[path]).hexdigest()}"')
        elif parts[0] == "repos" and "/".join(parts[1:3]) in self.repositories:
            self._answer_api(exchange, self.repositories["/".join(parts[1:3])], parts[3:], query)
        elif parts[:2] == ["api", "models"] and "/".join(parts[2:4]) in self.models:
            self._answer_model(exchange, "/".join(parts[2:4]), parts[4:], query)
        elif "/".join(parts[:2]) in self.repositories:
            self._answer_github(exchange, "/".join(parts[:2]), parts[2:])
        elif "/".join(parts[:2]) in self.models and parts[2:3] == ["resolve"]:
            self._answer_resolve(exchange, self.models["/".join(parts[:2])], parts[3], "/".join(parts[4:]))
        else:
            exchange.answer(404, b"Not Found")

    def _answer_api(
        self, exchange: Exchange, repository: Repository, parts: list[str], query: dict[str, list[str]]
    ) -> None:
        if not parts:
            send_json(exchange, {"default_branch": repository.default, "license": {"spdx_id": repository.licence}})
        elif parts[0] in ("branches", "tags"):
            refs = repository.branches if parts[0] == "branches" else repository.tags
            page = int(query.get("page", ["1"])[0])
            send_json(exchange, [{"name": n, "commit": {"sha": c}} for n, c in refs.items()] if page == 1 else [])
        elif parts[0] == "commits" and len(found := repository.find("/".join(parts[1:]))) == 1:
            send_json(exchange, {"sha": found[0]})
        else:
            exchange.answer(422, b'{"message": "No commit found"}')

    def _answer_github(self, exchange: Exchange, name: str, parts: list[str]) -> None:
        repository, ref = self.repositories[name], "/".join(parts[1:])
        if parts[0] == "tree" and ref in repository.branches:
            exchange.answer(200, b"<!doctype html>", Content_Type="text/html")
        elif parts[0] == "zipball" and repository.find(ref):
            exchange.answer(302, Location=f"/{name}/legacy.zip/{ref}")
        elif parts[0] == "legacy.zip" and (found := repository.find(ref)):
            exchange.serve(repository.archives[found[0]], etag=None, ranges=False)
        else:
            exchange.answer(404)

    def _answer_model(self, exchange: Exchange, name: str, parts: list[str], query: dict[str, list[str]]) -> None:
        model = self.models[name]
        commit = model.refs.get("/".join(parts[1:]), parts[1] if len(parts) > 1 else "")
        if commit not in model.commits:
            exchange.answer(404, b"{}", X_Error_Code="RevisionNotFound")
        elif parts[0] == "revision":
            siblings = [{"rfilename": path} for path in model.commits[commit]]
            send_json(exchange, {"id": name, "sha": commit, "siblings": siblings, "tags": ["license:apache-2.0"]})
        else:
            start = int(query.get("cursor", ["0"])[0])
            entries = [tree_entry(path, data, model) for path, data in model.commits[commit].items()]
            link = f'<{self.base}/api/models/{name}/tree/{commit}?cursor={start + TREE_PAGE}>; rel="next"'
            more = {"Link": link} if start + TREE_PAGE < len(entries) else {}
            send_json(exchange, entries[start : start + TREE_PAGE], **more)

    def _answer_resolve(self, exchange: Exchange, model: Model, revision: str, path: str) -> None:
        commit = model.refs.get(revision, revision)
        data = model.commits.get(commit, {}).get(path)
        if data is None:
            exchange.answer(404, X_Error_Code="EntryNotFound")
        elif path in model.large:
            address = f"/cdn/{hashlib.sha256(data).hexdigest()}"
            self.weights[address] = data
            exchange.answer(302, Location=address, X_Repo_Commit=commit, X_Xet_Hash="0" * 64)
        else:
            exchange.serve(data, etag=f'"{git_oid(data)}"', X_Repo_Commit=commit)


def send_json(exchange: Exchange, content: object, **headers: str) -> None:
    """Answer with JSON."""
    exchange.answer(200, json.dumps(content).encode(), Content_Type="application/json", **headers)


def git_oid(data: bytes) -> str:
    """Compute git's digest of a file, as ``git hash-object`` does."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def tree_entry(path: str, data: bytes, model: Model) -> dict[str, object]:
    """Describe a file as Hugging Face's tree does."""
    entry: dict[str, object] = {"type": "file", "oid": git_oid(data), "size": len(data), "path": path}
    if path in model.large:
        entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        entry["xetHash"] = "0" * 64
    return entry


def hub_archive(repository: str, commit: str, value: int = 1, extra: dict[str, bytes] | None = None) -> bytes:
    """Make what GitHub serves for a hub repository whose only entry point returns a number.

    Like ``git archive``: folder entries, the commit as comment.
    """
    top = f"{repository.replace('/', '-')}-{commit[:7]}/"
    files = {"hubconf.py": HUBCONF.format(value=value).encode(), **(extra or {})}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = commit.encode()
        archive.writestr(zipfile.ZipInfo(top), b"")
        for name, data in files.items():
            archive.writestr(top + name, data)
    return buffer.getvalue()


def weights_name(data: bytes, stem: str = "net") -> str:
    """Name a file as torchvision does: with the first eight digits of its digest."""
    return f"{stem}-{hashlib.sha256(data).hexdigest()[:8]}.pth"
