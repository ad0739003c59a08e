"""Questions and their answers: what the catalogue says, or what is fetched for it. Knows nothing of sockets."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.mirror import answers, dialects, layout
from zoo.mirror.answers import Ambiguous
from zoo.mirror.catalogue import Item, StoredFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.mirror.answers import AnyItem
    from zoo.mirror.dialects import Question
    from zoo.mirror.pull import Download, Pull
    from zoo.mirror.store import Store

IMMUTABLE = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer without a file."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileReply:
    """An answer with a file that is here, or a part of it."""

    file: StoredFile
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamReply:
    """An answer with a file that is on its way here."""

    download: Download
    headers: Mapping[str, str] = field(default_factory=dict)


AnyReply = Reply | FileReply | StreamReply


def plain(status: int, text: str, **headers: str) -> Reply:
    """Make a short answer for people; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, f"{text}\n".encode(), {"Content-Type": "text/plain; charset=utf-8", **named})


def as_json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Make an answer for programs."""
    return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})


class Librarian:
    """Answer questions about one mirror.

    Args:
        store: The mirror.
        pull: How to fetch what is missing; ``None`` to serve only what is here.
    """

    def __init__(self, store: Store, pull: Pull | None = None) -> None:
        self.store = store
        self.pull = pull

    async def answer(self, question: Question, base: str) -> AnyReply:
        """Answer a question.

        Args:
            question: What is asked.
            base: The address under which the client knows us.
        """
        if isinstance(question, dialects.Stored):
            return await self._stored(question)
        if isinstance(question, dialects.Published):
            return await self._published(question.url, {})
        if isinstance(question, dialects.ModelFacts | dialects.ModelTree | dialects.ModelFile):
            return await self._model(question, base)
        if isinstance(question, dialects.Archive):
            return await self._archive(question)
        return await self._repository(question)

    # -- the static layout and torchvision ---------------------------------------------------------------------------

    async def _stored(self, question: dialects.Stored) -> AnyReply:
        if question.path in (layout.CATALOGUE, layout.CERTIFICATE):
            with contextlib.suppress(OSError):
                body = (self.store.root / question.path).read_bytes()
                kind = "application/json" if question.path == layout.CATALOGUE else "application/x-pem-file"
                return Reply(200, body, {"Content-Type": kind, "Cache-Control": "no-cache"})
            return plain(404, "there is none")
        if (described := layout.described_by(question.path)) is not None:
            return self._blocks(described)
        if (file := self._whole(question.path)) is not None:
            return FileReply(file, {"Cache-Control": IMMUTABLE})
        if self.pull is not None and (url := self.pull.address_of(question.path)) is not None:
            return await self._published(url, {"Cache-Control": IMMUTABLE})
        return plain(404, "the mirror does not hold this file")

    def _blocks(self, path: str) -> Reply:
        """Answer with the digests of a file's blocks; they are never fetched, for they are made from the file."""
        blocks = self.store.read_blocks(path) if self._whole(path) is not None else None
        if blocks is None:
            return plain(404, "the mirror has no digests of this file's blocks")
        return Reply(200, blocks, {"Content-Type": "application/json", "Cache-Control": "no-cache"})

    async def _published(self, url: str, headers: Mapping[str, str]) -> AnyReply:
        if (file := self._whole(layout.weights_path(url))) is not None:
            return FileReply(file, headers)
        if self.pull is None:
            return plain(404, "the mirror does not hold this file")
        return StreamReply(await self.pull.weights(url), headers)

    def _whole(self, path: str) -> StoredFile | None:
        file = self.store.catalogue().files.get(path)
        return file if file is not None and self.store.whole(file) is not None else None

    # -- GitHub ------------------------------------------------------------------------------------------------------

    async def _archive(self, question: dialects.Archive) -> AnyReply:
        if self.pull is not None:
            await self.pull.repository(question.name, question.ref)
        item = answers.commit_of(self.store.catalogue(), question.name, question.ref)
        if item is Ambiguous.BRANCH_AND_TAG:
            return plain(300, "the ref is a branch and a tag: ask for refs/heads/ or refs/tags/")
        if not isinstance(item, Item) or self._whole(item.files[0].path) is None:
            return plain(404, "the mirror does not hold this repository at this ref")
        name = f"{question.name.replace('/', '-')}-{(item.revision or '')[:7]}.zip"
        return FileReply(item.files[0], {"Content-Disposition": f"attachment; filename={name}"})

    async def _repository(
        self, question: dialects.Refs | dialects.Branch | dialects.RepositoryFacts | dialects.Commit
    ) -> AnyReply:
        name, catalogue = question.name, self.store.catalogue()
        if isinstance(question, dialects.Refs):
            listed = answers.ref_list(catalogue, name, question.kind, question.page)
            return as_json(listed if self.pull is None else await self.pull.ref_list(question, listed))
        if isinstance(question, dialects.Branch):
            is_there = catalogue.by_ref("repository", name, f"heads/{question.branch}") is not None
            if self.pull is not None and not is_there:
                is_there = await self.pull.has_branch(name, question.branch)
            return plain(200, f"branch {question.branch}") if is_there else plain(404, "no such branch is held here")
        if self.pull is not None:
            await self.pull.repository(name, question.ref if isinstance(question, dialects.Commit) else None)
            catalogue = self.store.catalogue()
        if isinstance(question, dialects.RepositoryFacts):
            facts = answers.repository_facts(catalogue, name)
            return as_json(facts) if facts else as_json({"message": "Not Found"}, 404)
        item = answers.commit_of(catalogue, name, question.ref)
        return as_json({"sha": item.revision}) if isinstance(item, Item) else as_json({"message": "No commit"}, 422)

    # -- Hugging Face ------------------------------------------------------------------------------------------------

    async def _model(
        self, question: dialects.ModelFacts | dialects.ModelTree | dialects.ModelFile, base: str
    ) -> AnyReply:
        catalogue = self.store.catalogue()
        item: AnyItem | None = catalogue.by_ref("huggingface", question.name, question.revision)
        if self.pull is not None:
            item = await self.pull.model(question.name, question.revision) or item
        if item is None:
            is_known = bool(catalogue.versions("huggingface", question.name))
            return missing("RevisionNotFound" if is_known else "RepoNotFound")
        if isinstance(question, dialects.ModelFacts):
            return as_json(answers.model_facts(item), headers={"X-Repo-Commit": item.revision or ""})
        return (
            _tree(item, question, base)
            if isinstance(question, dialects.ModelTree)
            else await self._file(item, question)
        )

    async def _file(self, item: AnyItem, question: dialects.ModelFile) -> AnyReply:
        file = answers.model_paths(item).get(question.path)
        if file is None:
            return missing("EntryNotFound", **{"X-Repo-Commit": item.revision or ""})
        headers = answers.model_file_headers(item, file)
        if (stored := self._whole(file.path)) is not None:
            return FileReply(stored, headers)
        if self.pull is None or isinstance(file, StoredFile):
            return missing("EntryNotFound", **headers)
        return StreamReply(await self.pull.model_file(item, file), headers)


def missing(code: str, **headers: str) -> Reply:
    """Say that something is missing in the words that Hugging Face's clients know."""
    words = {"X-Error-Code": code, "X-Error-Message": f"the mirror does not hold it: {code}"}
    return as_json({"error": code}, 404, {**words, **headers})


def _tree(item: AnyItem, question: dialects.ModelTree, base: str) -> Reply:
    """Answer one page of a model's files."""
    page = answers.model_tree(item, question.folder, is_recursive=question.is_recursive, start=question.start)
    if page is None:
        return missing("EntryNotFound")
    link = {}
    if page.next_start is not None:
        folder = f"/{question.folder}" if question.folder else ""
        recursive = str(question.is_recursive).lower()
        address = f"{base}/api/models/{item.name}/tree/{item.revision}{folder}?recursive={recursive}"
        link["Link"] = f'<{address}&cursor={page.next_start}>; rel="next"'
    return as_json(page.entries, headers={"X-Repo-Commit": item.revision or "", **link})
