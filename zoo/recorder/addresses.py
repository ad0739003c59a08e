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


@dataclass(
    frozen=True,
    slots=True,
)
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
        ref = unquote(match["ref"])
        return Asked("archive", match["name"], plain_ref(ref))

    match = _BRANCH.fullmatch(path)
    if host == GITHUB and match is not None:
        ref = unquote(match["ref"])
        return Asked("branch", match["name"], ref)

    match = _REFS.fullmatch(path)
    if host == GITHUB_API and match is not None:
        return Asked(
            "refs",
            match["name"],
            None,
            match["kind"],
        )
    if host in HUGGINGFACE:
        return _read_huggingface(url, path)
    return Asked("file", url)


def _read_huggingface(url: str, path: str) -> Asked:
    match = _MODEL_FILE.fullmatch(path)
    if match is not None:
        return Asked(
            "model file",
            match["name"],
            unquote(match["ref"]),
            unquote(match["path"]),
        )
    match = _MODEL_FACTS.fullmatch(path)
    if match is not None:
        ref = unquote(match["ref"] or "")
        return Asked("model facts", match["name"], ref or None)
    return Asked("file", url)


def is_lookup(url: str) -> bool:
    """Tell whether an address is looked up and holds no file, as those of the hubs' interfaces."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_api = parts.path.startswith("/api/")
    if host == GITHUB_API or (host in HUGGINGFACE and is_api):
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
    return f"{target}?{parts.query}" if parts.query else target
