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


@dataclass(
    frozen=True,
    slots=True,
)
class Pass:
    """Ask the world, perhaps at another address."""

    url: str
    expected: LockedThing | None = None
    """What the body must be; ``None`` for what is no file."""


@dataclass(
    frozen=True,
    slots=True,
)
class Answer:
    """Answer without asking anybody."""

    status: int
    body: bytes
    content_type: str = "text/plain"
    headers: Headers = ()


Decision = Pass | Answer
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
                return Pass(url, self._redirects[url])
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
        """Remember where an answer leads: what comes from there is held against the same line."""
        with self._lock:
            target = urljoin(url, location)
            self._redirects[target] = expected

    def _repository(self, url: str, asked: Asked) -> Decision:
        lines = self._lines("github", asked.name)
        if not lines:
            where = asked.ref or "its default branch"
            return self._refuse(f"github {asked.name}:{where}")
        if asked.meaning == "refs":
            return _refs_answer(url, asked, lines)
        line = _line_of(lines, asked.ref or "")
        if asked.meaning == "branch":
            status = 404 if line is None else 200
            return Answer(status, b"")
        if line is None:
            return self._refuse(f"github {asked.name}:{asked.ref}")
        repository = f"https://{addresses.GITHUB}/{asked.name}"
        target = f"{repository}/zipball/{line.revision}"
        return Pass(target, line)

    def _model(self, url: str, asked: Asked) -> Decision:
        ref = asked.ref or "main"
        lines = self._lines("huggingface", asked.name)
        if not lines:
            return self._refuse(f"huggingface {asked.name}@{ref}")
        line = _line_of(lines, ref)
        if line is None:
            return self._refuse(f"huggingface {asked.name}@{ref}")
        commit = line.revision or ""
        if asked.meaning == "model facts":
            if asked.ref is None:
                return Pass(url)

            before = quote(asked.ref, safe="")
            pinned = url.replace(f"/{before}", f"/{commit}", 1)
            return Pass(pinned)

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
            return Answer(404, body, headers=why)

        path = quote(asked.path or "")
        home = f"https://huggingface.co/{asked.name}"
        target = f"{home}/resolve/{commit}/{path}"
        return Pass(target, exact)

    def _file(self, method: str, url: str) -> Decision:
        plain = url.partition("?")[0]
        name = addresses.file_name(url)
        for thing in self.things:
            is_there = thing.url in (None, plain)
            is_file = thing.key == ("file", name) and is_there
            is_address = thing.key == ("url", plain)
            if is_file or is_address:
                return Pass(url, thing)
        is_lookup = addresses.is_lookup(url)
        if is_lookup or method not in ("GET", "HEAD"):
            # Telemetry and log-ins: the client must live without an answer, and misses no file.
            return Answer(REFUSED, b"refused: a locked run looks nothing up\n")
        return self._refuse(f"url {plain}")

    def _refuse(self, line: str) -> Answer:
        self.missing[line] = None
        text = f'{self.lock_name} has no line for {line}; record it with "zoo record -- COMMAND"'
        message = ("X-Error-Message", text)
        return Answer(REFUSED, f"{text}\n".encode(), headers=(message,))

    def _lines(self, kind: str, subject: str) -> list[LockedThing]:
        ours = [one for one in self.things if one.kind == kind]
        return [one for one in ours if one.subject == subject]


def _line_of(lines: list[LockedThing], ref: str) -> LockedThing | None:
    """Find a line at a ref: one that names it, or whose commit it is."""
    for line in lines:
        commit = line.revision or ""
        is_beginning = commit.startswith(ref)
        is_short = is_beginning and len(ref) >= SHORTEST_COMMIT
        if ref in line.refs or is_short:
            return line
    return None


def _refs_answer(
    url: str,
    asked: Asked,
    lines: list[LockedThing],
) -> Answer:
    """List the refs of a repository as GitHub does: what is locked, and nothing else."""
    words = urlsplit(url).query.split("&")
    is_first_page = "page=" not in url or "page=1" in words
    entries = []
    for line in lines:
        commit = {"sha": line.revision}
        for name in line.refs or (line.revision,):
            entry = {"name": name, "commit": commit}
            entries.append(entry)
    # torch.hub looks among branches first, so that all of them may stand there.
    is_listed = is_first_page and asked.path == "branches"
    text = json.dumps(entries if is_listed else [])
    return Answer(200, text.encode(), "application/json")
