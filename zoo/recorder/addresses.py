"""What an address means: which repository, model or file, at which ref. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

GITHUB = "github.com"
GITHUB_API = "api.github.com"
CODELOAD = "codeload.github.com"
HUGGINGFACE = ("huggingface.co", "hf.co")
PYTORCH = "download.pytorch.org"
Meaning = Literal["archive", "branch", "refs", "model file", "model facts", "file"]
_ARCHIVE = re.compile(
    r"/(?P<name>[^/]+/[^/]+)/(?:zipball|legacy\.zip|archive)/(?P<ref>.+?)(?:\.zip)?"
)
_BRANCH = re.compile(r"/(?P<name>[^/]+/[^/]+)/tree/(?P<ref>.+?)/?")
_REFS = re.compile(r"/repos/(?P<name>[^/]+/[^/]+)/(?P<kind>branches|tags)")
_MODEL_FILE = re.compile(r"/(?P<name>[^/]+(?:/[^/]+)?)/resolve/(?P<ref>[^/]+)/(?P<path>.+)")
_MODEL_FACTS = re.compile(
    r"/api/models/(?P<name>[^/]+(?:/[^/]+?)?)(?:/(?:revision|tree)/(?P<ref>[^/]+))?"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is for."""

    meaning: Meaning
    name: str
    """The repository, the model, or the whole address."""
    ref: str | None = None
    """A branch, tag or commit, without ``refs/heads/``."""
    path: str | None = None
    """The file within a model; ``branches`` or ``tags``."""


def read(url: str) -> Asked:
    """Say what an address is for; one that none of the hubs has is for itself.

    >>> read("https://github.com/pytorch/vision/zipball/main")
    Asked(meaning='archive', name='pytorch/vision', ref='main', path=None)
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    path = parts.path

    match = _ARCHIVE.fullmatch(path)
    if host in (GITHUB, CODELOAD) and match is not None:
        name, said = match.group("name", "ref")
        ref = plain_ref(unquote(said))
        return Asked("archive", name, ref)

    match = _BRANCH.fullmatch(path)
    if host == GITHUB and match is not None:
        name, said = match.group("name", "ref")
        ref = unquote(said)
        return Asked("branch", name, ref)

    match = _REFS.fullmatch(path)
    if host == GITHUB_API and match is not None:
        name, kind = match.group("name", "kind")
        return Asked("refs", name, path=kind)
    if host in HUGGINGFACE:
        return _read_huggingface(url, path)
    return Asked("file", url)


def _read_huggingface(url: str, path: str) -> Asked:
    match = _MODEL_FILE.fullmatch(path)
    if match is not None:
        name, said, inner = match.groups()
        ref = unquote(said)
        file = unquote(inner)
        return Asked("model file", name, ref, file)

    match = _MODEL_FACTS.fullmatch(path)
    if match is not None:
        name, quoted = match.groups()
        if quoted is None:
            return Asked("model facts", name)
        ref = unquote(quoted)
        return Asked("model facts", name, ref)
    return Asked("file", url)


def is_lookup(url: str) -> bool:
    """Tell whether an address is looked up and holds no file, as those of the hubs' interfaces."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_api = parts.path.startswith("/api/")
    is_hub_api = is_api and host in HUGGINGFACE
    if is_hub_api or host == GITHUB_API:
        return True

    asked = read(url)
    return asked.meaning in ("branch", "refs", "model facts")


def plain_ref(ref: str) -> str:
    """Leave out what GitHub puts before the name of a branch or tag."""
    plain = ref.removeprefix("refs/")
    plain = plain.removeprefix("heads/")
    return plain.removeprefix("tags/")


def file_name(url: str) -> str:
    """Return the last step of an address's path, as torch.hub names what it downloads."""
    path = urlsplit(url).path
    _, _, last = path.rpartition("/")
    return unquote(last)


def upstream(url: str, upstreams: Mapping[str, str]) -> str:
    """Return the address to ask for a public one, where something else stands for its host."""
    parts = urlsplit(url)
    base = upstreams.get(parts.hostname or "")
    if base is None:
        return url
    start = base.rstrip("/")
    target = f"{start}{parts.path}"
    if parts.query:
        target = f"{target}?{parts.query}"
    return target
