"""What a request means: from host and path to a question. Pure: nothing is looked up.

torch.hub, torchvision and Hugging Face's clients ask different hosts; a client that was pointed at the mirror itself
asks the same paths of it, and they do not clash. Anything that is no question of theirs means nothing here: 404.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote_to_bytes

from zoo.errors import UsageError
from zoo.mirror import layout, wants

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_PATH = 4096
ROOTS = ("weights", "repositories", "huggingface")


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of the static layout."""

    path: str


@dataclass(frozen=True, slots=True)
class Published:
    """A file by its public address."""

    url: str


@dataclass(frozen=True, slots=True)
class Branch:
    """Whether there is a branch of this name: torch.hub asks for ``main`` where no ref was given."""

    name: str
    branch: str


@dataclass(frozen=True, slots=True)
class Refs:
    """One page of branches or tags."""

    name: str
    kind: str
    """``heads`` or ``tags``."""
    page: int


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """Default branch and licence; another mirror asks."""

    name: str


@dataclass(frozen=True, slots=True)
class Commit:
    """Which commit a ref names; another mirror asks."""

    name: str
    ref: str


@dataclass(frozen=True, slots=True)
class Archive:
    """A hub repository as a zip archive."""

    name: str
    ref: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Commit and file names of a Hugging Face model."""

    name: str
    revision: str


@dataclass(frozen=True, slots=True)
class ModelTree:
    """Files of a Hugging Face model, in pages."""

    name: str
    revision: str
    folder: str
    is_recursive: bool
    start: int


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a Hugging Face model."""

    name: str
    revision: str
    path: str


Question = Stored | Published | Branch | Refs | RepositoryFacts | Commit | Archive | ModelFacts | ModelTree | ModelFile


class BadPathError(Exception):
    """A path that no client of ours sends: 400."""


def read(host: str | None, target: str) -> Question | None:
    """Find out what is asked.

    Args:
        host: Which host the client believes to ask; ``None`` for the mirror itself.
        target: Path and query as they stand in the request, still encoded.

    Returns:
        The question; ``None`` if it is none of ours.

    Raises:
        BadPathError: The path is encoded wrongly, or tries to lead elsewhere.
    """
    path, _, query = target.partition("?")
    parts = _split(path)
    try:
        values = parse_qs(query, max_num_fields=32, errors="strict")
    except ValueError as error:
        raise BadPathError(str(error)) from error
    try:
        return _read(host, parts, {key: value[-1] for key, value in values.items()})
    except UsageError:  # a name that cannot exist
        return None


def _split(path: str) -> list[str]:
    """Take a path apart and decode each step once."""
    if not path.startswith("/") or len(path) > LONGEST_PATH:
        raise BadPathError("expected a path from the root")
    try:
        parts = [unquote_to_bytes(part).decode("utf-8") for part in path[1:].rstrip("/").split("/")]
    except UnicodeDecodeError as error:
        raise BadPathError("expected UTF-8") from error
    for part in parts:
        if not part.isprintable() or "\\" in part or any(step in ("", ".", "..") for step in part.split("/")):
            raise BadPathError("the path tries to lead elsewhere")
    return parts


def _read(host: str | None, parts: list[str], query: dict[str, str]) -> Question | None:  # noqa: PLR0911 - one return for each host
    if host == "api.github.com" or (host is None and parts[0] == "repos"):
        return _read_github_api(parts, query)
    if host == "huggingface.co" or (host is None and parts[:2] == ["api", "models"]):
        return _read_huggingface(parts, query)
    if host is not None and host not in ("github.com", "codeload.github.com"):
        return _published(host, parts)
    if host is None and (parts[0] in ROOTS or "/".join(parts) in (layout.CATALOGUE, layout.CERTIFICATE)):
        return Stored("/".join(parts)) if not any("/" in part for part in parts) else None
    if host is None and parts[0] == "models":
        return _published("download.pytorch.org", parts)
    if host is None and "resolve" in parts[1:3]:
        return _read_huggingface(parts, query)
    return _read_github(parts)


def _published(host: str, parts: Sequence[str]) -> Published | None:
    if any("/" in part for part in parts):
        return None
    return Published(f"https://{host}/{'/'.join(quote(part) for part in parts)}")


def _repository(parts: Sequence[str]) -> str:
    """Join and check the name of a hub repository.

    Raises:
        UsageError: There can be no such repository.
    """
    return wants.repository("/".join(parts), None).name


def _read_github(parts: list[str]) -> Question | None:
    name, what, ref = _repository(parts[:2]), parts[2] if len(parts) > 2 else "", "/".join(parts[3:])
    if what == "releases" and parts[3:4] == ["download"]:
        return _published("github.com", parts)
    if not ref or what not in ("tree", "zipball", "legacy.zip"):
        return None
    wants.check_ref(ref)
    return Branch(name, ref) if what == "tree" else Archive(name, ref)


def _read_github_api(parts: list[str], query: dict[str, str]) -> Question | None:
    if parts[0] != "repos" or len(parts) < 3:
        return None
    name, what, ref = _repository(parts[1:3]), parts[3] if len(parts) > 3 else "", "/".join(parts[4:])
    if not what:
        return RepositoryFacts(name)
    if what in ("branches", "tags") and not ref:
        return Refs(name, "heads" if what == "branches" else "tags", _number(query.get("page"), 1))
    if ref and what in ("commits", "zipball"):
        wants.check_ref(ref)
        return Commit(name, ref) if what == "commits" else Archive(name, ref)
    return None


def _read_huggingface(parts: list[str], query: dict[str, str]) -> Question | None:
    is_api = parts[:2] == ["api", "models"]
    rest = parts[2:] if is_api else parts
    verbs = ("revision", "tree") if is_api else ("resolve",)
    length = next((place for place in (1, 2) if rest[place : place + 1] and rest[place] in verbs), None)
    if length is None:
        is_facts = is_api and 1 <= len(rest) <= 2
        return ModelFacts(wants.huggingface("/".join(rest), "main").name, "main") if is_facts else None
    verb, revision, path = rest[length], "".join(rest[length + 1 : length + 2]), rest[length + 2 :]
    want = wants.huggingface("/".join(rest[:length]), revision)
    if verb == "revision":
        return None if path else ModelFacts(want.name, want.revision)
    if verb == "tree":
        is_recursive = query.get("recursive", "").lower() in ("true", "1")
        return ModelTree(want.name, want.revision, "/".join(path), is_recursive, _number(query.get("cursor"), 0))
    return ModelFile(want.name, want.revision, "/".join(path)) if path else None


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else default
