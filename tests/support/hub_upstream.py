"""A server on loopback that plays download.pytorch.org, GitHub and Hugging Face for a mirror.

It answers what :mod:`zoo.mirror.remotes` asks, as the real ones do: GitHub's archives by a
redirect, Hugging Face's large files by a redirect to another path, file lists in pages. ``faults``
replaces the answer at a path by any misbehaviour of
:class:`~tests.support.faulty_server.FaultyServer`.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.faulty_server import FaultyServer

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from tests.support.faulty_server import Behaviour, Exchange

    Query = dict[str, list[str]]
    Route = Callable[[Exchange, str, list[str], Query], None]

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
    license: str = "BSD-3-Clause"

    def find(self, ref: str) -> list[str]:
        """List the commits that a ref names, in GitHub's own words."""
        kind, _, name = ref.partition("/")
        if kind == "heads":
            commit = self.branches.get(name)
            return [commit] if commit else []
        if kind == "tags":
            commit = self.tags.get(name)
            return [commit] if commit else []
        if ref in self.branches:
            return [self.branches[ref]]
        if ref in self.tags:
            return [self.tags[ref]]
        return [commit for commit in self.archives if commit.startswith(ref)]


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
        self.renamed: dict[str, str] = {}
        """Former name -> what the repository or model is called now."""
        self.gated: set[str] = set()
        """Names of models that are gated."""
        self.modelscope: dict[str, dict[str, bytes]] = {}
        """Name -> path -> bytes, at the branch master."""
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
        path = unquote(url.path)
        former = self._former_name(path)
        if self.is_dead:
            exchange.stop("reset")
        elif former is not None:
            status = 307 if path.startswith("/api/") else 301
            place = exchange.target.replace(former, self.renamed[former])
            exchange.answer(status, Location=place)
        elif path in self.faults:
            fail = self.faults[path]
            fail(exchange)
        else:
            self._answer_rightly(exchange, path)

    def _former_name(self, path: str) -> str | None:
        """Find the name in a path that something has given up."""
        for name in self.renamed:
            if f"/{name}/" in f"{path}/":
                return name
        return None

    def _answer_rightly(self, exchange: Exchange, path: str) -> None:
        if path in self.weights:
            data = self.weights[path]
            exchange.serve(data, etag=f'"{sha256(data)}"')
            return

        query = parse_qs(urlsplit(exchange.target).query)
        for pattern, known, answer in self._routes:
            found = pattern.fullmatch(path)
            if found is None:
                continue
            name = found["name"]
            rest = found["rest"] or ""
            parts = [part for part in rest.split("/") if part]
            if name in known:
                answer(exchange, name, parts, query)
                return

        exchange.answer(404, b"Not Found")

    @property
    def _routes(self) -> list[tuple[re.Pattern[str], Container[str], Route]]:
        """What is asked for below which path, where something of that name is there."""
        return [
            (_below("/repos/"), self.repositories, self._answer_api),
            (_below("/api/v1/models/"), self.modelscope, self._answer_modelscope),
            (_below("/models/"), self.modelscope, self._answer_modelscope_file),
            (_below("/api/models/"), self.models, self._answer_model),
            (_below("/"), self.repositories, self._answer_github),
            (_below("/"), self.models, self._answer_resolve),
        ]

    def _answer_api(
        self,
        exchange: Exchange,
        name: str,
        parts: list[str],
        query: Query,
    ) -> None:
        repository = self.repositories[name]
        if not parts:
            facts = {
                "full_name": name,
                "default_branch": repository.default,
                "license": {"spdx_id": repository.license},
            }
            send_json(exchange, facts)
            return

        kind, *rest = parts
        if kind in {"branches", "tags"}:
            refs = repository.branches if kind == "branches" else repository.tags
            page = query.get("page", ["1"])[0]
            listed = []
            if page == "1":
                listed = [{"name": ref, "commit": {"sha": sha}} for ref, sha in refs.items()]
            send_json(exchange, listed)
            return

        found = []
        if kind == "commits":
            ref = "/".join(rest)
            found = repository.find(ref)
        if len(found) == 1:
            send_json(exchange, {"sha": found[0]})
        else:
            exchange.answer(422, b'{"message": "No commit found"}')

    def _answer_github(
        self,
        exchange: Exchange,
        name: str,
        parts: list[str],
        _query: Query,
    ) -> None:
        repository = self.repositories[name]
        kind = parts[0] if parts else ""
        ref = "/".join(parts[1:])
        found = repository.find(ref)

        if kind == "tree" and ref in repository.branches:
            exchange.answer(200, b"<!doctype html>", Content_Type="text/html")
        elif kind == "zipball" and found:
            exchange.answer(302, Location=f"/{name}/legacy.zip/{ref}")
        elif kind == "legacy.zip" and found:
            archive = repository.archives[found[0]]
            exchange.serve(archive, etag=None, ranges=False)
        else:
            exchange.answer(404)

    def _answer_model(
        self,
        exchange: Exchange,
        name: str,
        parts: list[str],
        query: Query,
    ) -> None:
        model = self.models[name]
        kind, *rest = parts
        ref = "/".join(rest)
        first = rest[0] if rest else ""
        commit = model.refs.get(ref, first)
        if commit not in model.commits:
            exchange.answer(404, b"{}", X_Error_Code="RevisionNotFound")
            return

        files = model.commits[commit]
        if kind == "revision":
            facts = {
                "id": name,
                "sha": commit,
                "siblings": [{"rfilename": path} for path in files],
                "tags": ["license:apache-2.0"],
                "gated": "manual" if name in self.gated else False,
            }
            send_json(exchange, facts)
            return

        entries = [tree_entry(path, data, model) for path, data in files.items()]
        start = int(query.get("cursor", ["0"])[0])
        end = start + TREE_PAGE
        more = {}
        if end < len(entries):
            page = f"{self.base}/api/models/{name}/tree/{commit}?cursor={end}"
            more["Link"] = f'<{page}>; rel="next"'
        send_json(exchange, entries[start:end], **more)

    def _answer_modelscope(
        self,
        exchange: Exchange,
        name: str,
        _parts: list[str],
        query: Query,
    ) -> None:
        if query.get("Revision") != ["master"]:
            exchange.answer(404, b'{"Code": 404, "Success": false, "Message": "no revision"}')
            return

        listed: list[dict[str, object]] = [
            {"Path": "sub", "Type": "tree", "Size": 0, "Sha256": ""},
        ]
        for path, data in self.modelscope[name].items():
            entry = {
                "Path": path,
                "Type": "blob",
                "Size": len(data),
                "Sha256": sha256(data),
            }
            listed.append(entry)
        send_json(exchange, {"Code": 200, "Data": {"Files": listed}})

    def _answer_modelscope_file(
        self,
        exchange: Exchange,
        name: str,
        parts: list[str],
        _query: Query,
    ) -> None:
        files = self.modelscope[name]
        path = "/".join(parts[2:])  # behind "resolve" and the revision
        exchange.serve(files[path])

    def _answer_resolve(
        self,
        exchange: Exchange,
        name: str,
        parts: list[str],
        _query: Query,
    ) -> None:
        if parts[:1] != ["resolve"]:
            exchange.answer(404, b"Not Found")
            return

        _, revision, *steps = parts
        path = "/".join(steps)
        model = self.models[name]
        commit = model.refs.get(revision, revision)
        files = model.commits.get(commit, {})
        data = files.get(path)
        if data is None:
            exchange.answer(404, X_Error_Code="EntryNotFound")
        elif path in model.large:
            address = f"/cdn/{sha256(data)}"
            self.weights[address] = data
            exchange.answer(302, Location=address, X_Repo_Commit=commit, X_Xet_Hash="0" * 64)
        else:
            exchange.serve(data, etag=f'"{git_oid(data)}"', X_Repo_Commit=commit)


def _below(prefix: str) -> re.Pattern[str]:
    """Match ``PREFIX OWNER/NAME``, and what stands below it."""
    return re.compile(rf"{prefix}(?P<name>[^/]+/[^/]+)(?:/(?P<rest>.*))?")


def send_json(
    exchange: Exchange,
    content: object,
    **headers: str,
) -> None:
    """Answer with JSON."""
    body = json.dumps(content).encode()
    exchange.answer(200, body, Content_Type="application/json", **headers)


def sha256(data: bytes) -> str:
    """Compute the digest that names large files."""
    return hashlib.sha256(data).hexdigest()


def git_oid(data: bytes) -> str:
    """Compute git's digest of a file, as ``git hash-object`` does."""
    head = b"blob %d\0" % len(data)
    blob = hashlib.sha1(head + data, usedforsecurity=False)
    return blob.hexdigest()


def tree_entry(
    path: str,
    data: bytes,
    model: Model,
) -> dict[str, object]:
    """Describe a file as Hugging Face's tree does."""
    entry: dict[str, object] = {
        "type": "file",
        "oid": git_oid(data),
        "size": len(data),
        "path": path,
    }
    if path in model.large:
        entry["lfs"] = {
            "oid": sha256(data),
            "size": len(data),
            "pointerSize": 134,
        }
        entry["xetHash"] = "0" * 64
    return entry


def hub_archive(
    repository: str,
    commit: str,
    value: int = 1,
    extra: dict[str, bytes] | None = None,
) -> bytes:
    """Make what GitHub serves for a hub repository whose only entry point returns a number.

    Like ``git archive``: folder entries, the commit as comment.
    """
    name = repository.replace("/", "-")
    top = f"{name}-{commit[:7]}/"
    hubconf = HUBCONF.format(value=value)
    files = {"hubconf.py": hubconf.encode()}
    files |= extra or {}

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = commit.encode()
        folder = zipfile.ZipInfo(top)
        archive.writestr(folder, b"")
        for path, data in files.items():
            archive.writestr(top + path, data)
    return buffer.getvalue()


def weights_name(data: bytes, stem: str = "net") -> str:
    """Name a file as torchvision does: with the first eight digits of its digest."""
    digits = sha256(data)[:8]
    return f"{stem}-{digits}.pth"
