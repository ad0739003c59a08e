"""From requests and responses to lines of the lock file."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from zoo.cache.lock_lines import LockedThing
from zoo.hashes import is_commit
from zoo.recorder import addresses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.recorder.addresses import Asked

WEIGHTS_SUFFIXES = (".pth", ".pt", ".th", ".ckpt", ".safetensors", ".bin", ".tar", ".npz")
Key = tuple[str, str]
Origin = tuple[str, str | None]
"""The address that was asked for first, and the commit that its response named."""
REDIRECTS = (301, 302, 303, 307, 308)
_CLIENT = re.compile(r"[A-Za-z][\w.-]*")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and how it was answered."""

    method: str
    url: str
    """The public address, wherever it was asked for."""
    user_agent: str
    status: int
    headers: Mapping[str, str]
    """Of the response; names in lower case."""
    sha256: str | None = None
    """Of the body, where all of it has passed."""
    size_bytes: int | None = None
    commit: str | None = None
    """For an archive: the commit in its comment."""
    tree_sha256: str | None = None
    """For an archive: the digest of its files."""
    text: str | None = None
    """The body of a short response in JSON."""


@dataclass
class Recorder:
    """Gather what passes; several threads may tell it."""

    day: str
    """What is written as the day of recording."""
    things: dict[Key, LockedThing] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What could not become a line, in words."""
    _origins: dict[str, Origin] = field(default_factory=dict)
    """Where a redirect leads -> where it comes from."""
    _commits: dict[Key, str] = field(default_factory=dict)
    """(repository, ref) -> commit, as GitHub says."""
    _licenses: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def observe(self, exchange: Exchange) -> None:
        """Take note of one exchange."""
        with self._lock:
            self._observe(exchange)

    def finish(self) -> list[LockedThing]:
        """Return the lines, sorted, with the licenses that were told on the way."""
        lines = []
        for key in sorted(self.things):
            thing = self.things[key]
            told = self._licenses.get(thing.subject)
            license_name = thing.license or told
            line = replace(thing, license=license_name)
            lines.append(line)
        return lines

    def _observe(self, exchange: Exchange) -> None:
        url = exchange.url
        status = exchange.status
        unknown = (url, None)
        first, commit = self._origins.get(url, unknown)
        named = exchange.headers.get("x-repo-commit")
        commit = named or commit
        if status in REDIRECTS:
            said = exchange.headers.get("location", "")
            location = urljoin(url, said)
            self._origins[location] = (first, commit)
            return

        if exchange.text is not None:
            self._learn(exchange)
        if exchange.method != "GET":
            return
        if status == 200:
            self._add(exchange, first, commit)
        if status == 206:
            note = f"{first}: asked for in parts, so its digest is not known"
            self.notes.append(note)

    def _learn(self, exchange: Exchange) -> None:
        """Read what GitHub and Hugging Face say of commits and licenses."""
        asked = addresses.read(exchange.url)
        try:
            content: Any = json.loads(exchange.text or "")
        except (ValueError, RecursionError):
            return

        name = asked.name
        if asked.meaning == "refs" and isinstance(content, list):
            for entry in content:
                self._learn_ref(name, entry)
        if asked.meaning == "model facts" and isinstance(content, dict):
            tags = content.get("tags")
            self._learn_license(name, tags)

    def _learn_license(self, name: str, tags: Any) -> None:
        if not isinstance(tags, list):
            return

        prefix = "license:"
        for tag in tags:
            if isinstance(tag, str) and tag.startswith(prefix):
                self._licenses[name] = tag.removeprefix(prefix)

    def _learn_ref(self, repository: str, entry: Any) -> None:
        try:
            name = str(entry["name"])
            commit = str(entry["commit"]["sha"])
        except (KeyError, TypeError):
            return
        if is_commit(commit):
            self._commits[repository, name] = commit

    def _add(
        self,
        exchange: Exchange,
        first: str,
        commit: str | None,
    ) -> None:
        """Turn a file that has passed whole into a line."""
        is_whole = exchange.sha256 is not None
        is_lookup = addresses.is_lookup(first)
        if is_lookup or not is_whole:
            return

        asked = addresses.read(first)
        if asked.meaning == "archive":
            thing = self._repository(exchange, asked)
        elif asked.meaning == "model file":
            thing = self._model_file(exchange, asked, commit)
        else:
            thing = self._file(exchange, first)
        if thing is None:
            return

        by = client_of(exchange.user_agent)
        asked_by = (by,) if by else ()
        thing = replace(
            thing,
            asked_by=asked_by,
            recorded_on=self.day,
        )
        key = thing.key
        before = self.things.get(key)
        if before is None:
            self.things[key] = thing
            return

        if before.sha256 == thing.sha256:
            self.things[key] = joined(before, thing)
            return
        note = f"{thing.name}: it was other bytes when it was asked for again"
        self.notes.append(note)

    def _repository(self, exchange: Exchange, asked: Asked) -> LockedThing | None:
        ref = asked.ref or ""
        said = self._commits.get((asked.name, ref))
        commit = exchange.commit or said or ref
        if not is_commit(commit):
            what = f"{asked.name}:{ref}"
            note = f"{what}: its archive names no commit"
            self.notes.append(note)
            return None

        name = f"{asked.name}@{commit}"
        return LockedThing(
            "github",
            name,
            exchange.tree_sha256,
            refs=_refs(ref),
        )

    def _model_file(
        self,
        exchange: Exchange,
        asked: Asked,
        commit: str | None,
    ) -> LockedThing | None:
        ref = asked.ref or ""
        revision = commit or ref
        if not is_commit(revision):
            what = f"{asked.name}/{asked.path}"
            note = f"{what}: the answer names no commit"
            self.notes.append(note)
            return None

        model = f"{asked.name}@{revision}"
        name = f"{model}/{asked.path}"
        return LockedThing(
            "huggingface",
            name,
            exchange.sha256,
            exchange.size_bytes,
            refs=_refs(ref),
        )

    def _file(self, exchange: Exchange, first: str) -> LockedThing:
        """Name weights that are kept in torch's cache by their file, all else by its address."""
        name = addresses.file_name(first)
        keeps = exchange.user_agent.startswith(("torch.hub", "zoo"))
        # A query may hold a token, and a lock file is committed.
        plain, _, _ = first.partition("?")
        if keeps and name.lower().endswith(WEIGHTS_SUFFIXES):
            return LockedThing(
                "file",
                name,
                exchange.sha256,
                exchange.size_bytes,
                url=plain,
            )
        return LockedThing(
            "url",
            plain,
            exchange.sha256,
            exchange.size_bytes,
        )


def client_of(user_agent: str) -> str | None:
    """Name the program that asks, without its version.

    >>> client_of("timm/1.0.31; hf_hub/2.4.0; python/3.11"), client_of("unknown/None; hf_hub/2.4.0")
    ('timm', 'hf_hub')
    """
    for product in re.split(r"[;\s]+", user_agent):
        name, _, _ = product.partition("/")
        is_name = _CLIENT.fullmatch(name) is not None
        is_known = name != "unknown"
        if is_name and is_known:
            return name
    return None


def joined(before: LockedThing, after: LockedThing) -> LockedThing:
    """Join two lines about the same bytes: refs and clients are added, the first day stays."""
    refs = {*before.refs, *after.refs}
    asked_by = {*before.asked_by, *after.asked_by}
    in_order = sorted(refs)
    clients = sorted(asked_by)
    return replace(
        before,
        refs=tuple(in_order),
        asked_by=tuple(clients),
        url=before.url or after.url,
        license=before.license or after.license,
        recorded_on=before.recorded_on or after.recorded_on,
        sha256=before.sha256 or after.sha256,
    )


def _refs(ref: str) -> tuple[str, ...]:
    """A commit is no name for itself."""
    is_name = ref and not is_commit(ref)
    return (ref,) if is_name else ()
