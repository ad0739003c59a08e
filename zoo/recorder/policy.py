"""From a lock file to what may pass, where to, and what it must be."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from zoo.recorder import addresses

if TYPE_CHECKING:
    from zoo.cache.lock_lines import LockedThing
    from zoo.recorder.addresses import Asked

Headers = tuple[tuple[str, str], ...]
REFUSED = 403
SHORTEST_COMMIT = 7
"""Fewer digits of a commit name nothing."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Ask the world, perhaps at another address."""

    url: str
    expected: LockedThing | None = None
    """What the body must be; ``None`` for what is no file."""


@dataclass(frozen=True, slots=True)
class OwnResponse:
    """Respond without asking anybody."""

    status: int
    body: bytes
    content_type: str = "text/plain"
    headers: Headers = ()


Decision = Pass | OwnResponse
Ordered = dict[str, None]
"""Each text once, in the order in which it came."""
Expectations = dict[str, "LockedThing | None"]
"""Address -> the line that what comes from there must have."""


def pass_everything(method: str, url: str) -> Decision:
    """Let everything through, as a recording does."""
    del method
    return Pass(url)


@dataclass
class LockedPolicy:
    """Let through what a lock file has lines for."""

    things: tuple[LockedThing, ...]
    lock_name: str = "zoo.lock"
    missing: Ordered = field(default_factory=dict)
    """What was refused, in order: the lines that the lock file lacks."""
    absent: Ordered = field(default_factory=dict)
    """Files of locked models that were asked for and are not locked: clients try several names."""
    _redirects: Expectations = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, method: str, url: str) -> Decision:
        """Decide about one request."""
        with self._lock:
            if url in self._redirects:
                expected = self._redirects[url]
                return Pass(url, expected)

            asked = addresses.read(url)
            meaning = asked.meaning
            if meaning in ("archive", "branch", "refs"):
                return self._repository(url, asked)
            if meaning in ("model file", "model facts"):
                return self._model(url, asked)
            return self._file(method, url)

    def redirected(
        self,
        url: str,
        location: str,
        expected: LockedThing | None,
    ) -> None:
        """Remember where a response leads: what comes from there is held against the same line."""
        with self._lock:
            target = urljoin(url, location)
            self._redirects[target] = expected

    def _repository(self, url: str, asked: Asked) -> Decision:
        name = asked.name
        ref = asked.ref or ""
        lines = self._lines("github", name)
        if not lines:
            where = ref or "its default branch"
            return self._refuse(f"github {name}:{where}")
        if asked.meaning == "refs":
            return _refs_response(url, asked, lines)

        line = _line_of(lines, ref)
        if asked.meaning == "branch":
            status = 404 if line is None else 200
            return OwnResponse(status, b"")
        if line is None:
            lacking = f"github {name}:{ref}"
            return self._refuse(lacking)

        repository = f"https://{addresses.GITHUB}/{name}"
        target = f"{repository}/zipball/{line.revision}"
        return Pass(target, line)

    def _model(self, url: str, asked: Asked) -> Decision:
        ref = asked.ref or "main"
        lines = self._lines("huggingface", asked.name)
        line = _line_of(lines, ref)
        if line is None:
            lacking = f"huggingface {asked.name}@{ref}"
            return self._refuse(lacking)

        commit = line.revision or ""
        if asked.meaning == "model facts":
            return _facts_at(url, asked.ref, commit)
        return self._model_file(asked, commit, lines)

    def _model_file(
        self,
        asked: Asked,
        commit: str,
        lines: list[LockedThing],
    ) -> Decision:
        """Lead to a file at the locked commit, or say as the Hub does that there is none."""
        model = f"{asked.name}@{commit}"
        wanted = f"{model}/{asked.path}"
        by_name = {one.name: one for one in lines}
        exact = by_name.get(wanted)
        if exact is None:
            self.absent[f"huggingface {wanted}"] = None
            text = f"{self.lock_name} has no line for {wanted}\n"
            body = text.encode()
            why = (
                ("X-Error-Code", "EntryNotFound"),
                ("X-Repo-Commit", commit),
            )
            return OwnResponse(404, body, headers=why)

        path = quote(asked.path or "")
        home = f"https://huggingface.co/{asked.name}"
        target = f"{home}/resolve/{commit}/{path}"
        return Pass(target, exact)

    def _file(self, method: str, url: str) -> Decision:
        plain, _, _ = url.partition("?")
        name = addresses.file_name(url)
        for thing in self.things:
            is_there = thing.url in (None, plain)
            has_name = thing.key == ("file", name)
            is_file = has_name and is_there
            is_address = thing.key == ("url", plain)
            if is_file or is_address:
                return Pass(url, thing)

        is_lookup = addresses.is_lookup(url)
        is_download = method in ("GET", "HEAD")
        if is_lookup or not is_download:
            # Telemetry and log-ins: the client must live without a response, and misses no file.
            return OwnResponse(REFUSED, b"refused: a locked run looks nothing up\n")
        return self._refuse(f"url {plain}")

    def _refuse(self, line: str) -> OwnResponse:
        self.missing[line] = None
        fault = f"{self.lock_name} has no line for {line}"
        text = f'{fault}; record it with "zoo record -- COMMAND"'
        message = ("X-Error-Message", text)
        body = f"{text}\n".encode()
        return OwnResponse(REFUSED, body, headers=(message,))

    def _lines(self, kind: str, subject: str) -> list[LockedThing]:
        wanted = (kind, subject)
        return [one for one in self.things if (one.kind, one.subject) == wanted]


def _facts_at(
    url: str,
    ref: str | None,
    commit: str,
) -> Pass:
    """Ask for the facts of a model at the locked commit, where the question names a ref."""
    if ref is None:
        return Pass(url)

    quoted = quote(ref, safe="")
    before = f"/{quoted}"
    after = f"/{commit}"
    pinned = url.replace(before, after, 1)
    return Pass(pinned)


def _line_of(lines: list[LockedThing], ref: str) -> LockedThing | None:
    """Find a line at a ref: one that names it, or whose commit it is."""
    for line in lines:
        commit = line.revision or ""
        is_beginning = commit.startswith(ref)
        is_telling = len(ref) >= SHORTEST_COMMIT
        is_short = is_beginning and is_telling
        is_named = ref in line.refs
        if is_named or is_short:
            return line
    return None


def _refs_response(
    url: str,
    asked: Asked,
    lines: list[LockedThing],
) -> OwnResponse:
    """List the refs of a repository as GitHub does: what is locked, and nothing else."""
    query = urlsplit(url).query
    words = query.split("&")
    has_pages = "page=" in url
    is_first_page = not has_pages or "page=1" in words
    # torch.hub looks among branches first, so that all of them may stand there.
    is_listed = is_first_page and asked.path == "branches"

    entries = []
    listed = lines if is_listed else []
    for line in listed:
        commit = {"sha": line.revision}
        names = line.refs or (line.revision,)
        for name in names:
            entry = {"name": name, "commit": commit}
            entries.append(entry)

    text = json.dumps(entries)
    return OwnResponse(200, text.encode(), "application/json")
