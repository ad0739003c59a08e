"""The lines of ``zoo.lock``: one thing that a project fetches, and what it must be.

::

    file resnet18-f37072fd.pth sha256=f37072fd… size=46830571 url=https://download.pytorch.org/…
    github pytorch/vision@<commit> refs=v0.20.0
    huggingface timm/resnet18.a1_in1k@<commit>/model.safetensors sha256=… size=46807446 refs=main
    url https://example.org/labels.txt sha256=… size=21675

The first two words say what it is; the rest are ``field=value`` in the order of
:class:`LockedThing`. Blanks, commas and percent signs within a value are written as in an
address: ``%20``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import quote, unquote, urlsplit

from zoo.catalog.file_names import name_fault
from zoo.hashes import COMMIT_DIGITS, SHA256_DIGITS

Kind = Literal["file", "github", "huggingface", "url"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_SHA256 = re.compile(SHA256_DIGITS)
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_GITHUB = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,38}}/[A-Za-z0-9._-]{{1,100}}@{COMMIT_DIGITS}")
_HUGGINGFACE = re.compile(
    r"(?P<model>(?:[A-Za-z0-9][A-Za-z0-9._-]{0,95}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,95})"
    rf"@(?P<commit>{COMMIT_DIGITS})/(?P<path>.+)"
)
_ESCAPED = frozenset("% ,")


@dataclass(frozen=True, slots=True)
class LockedThing:
    """One line: what was fetched, and what it must be wherever it is fetched again."""

    kind: Kind
    name: str
    """A file name, ``owner/repository@commit``, ``organization/model@commit/path``, or an
    address."""
    sha256: str | None = None
    """Of the bytes; for a repository that of its files' names and contents, or ``None``."""
    size_bytes: int | None = None
    refs: tuple[str, ...] = ()
    """The branches and tags that named this commit when it was recorded."""
    url: str | None = None
    license: str | None = None
    asked_by: tuple[str, ...] = ()
    """Which clients asked for it: ``torch.hub``, ``timm/1.0.31``."""
    recorded_on: str | None = None
    """The day on which the line was first written, UTC: ``2026-11-29``."""

    @property
    def key(self) -> tuple[str, str]:
        """What is unique about it, and what lines are sorted by."""
        return self.kind, self.name

    @property
    def subject(self) -> str:
        """The repository, model, file or address, without commit and path.

        ``timm/resnet18.a1_in1k``.
        """
        if self.revision:
            return self.name.partition("@")[0]
        return self.name

    @property
    def revision(self) -> str | None:
        """The commit; files and addresses have none."""
        if self.kind not in ("github", "huggingface"):
            return None
        return self.name.partition("@")[2].partition("/")[0]

    @property
    def path(self) -> str | None:
        """The path inside a Hugging Face model."""
        if self.kind != "huggingface":
            return None
        return self.name.partition("@")[2].partition("/")[2]


def format_line(thing: LockedThing) -> str:
    """Write one line."""
    fields = {
        "sha256": thing.sha256,
        "size": None if thing.size_bytes is None else str(thing.size_bytes),
        "refs": _joined(thing.refs),
        "url": thing.url and _packed(thing.url),
        "license": thing.license and _packed(thing.license),
        "by": _joined(thing.asked_by),
        "on": thing.recorded_on,
    }
    words = [thing.kind, _packed(thing.name)]
    for field, value in fields.items():
        if value is not None:
            words.append(f"{field}={value}")
    return " ".join(words)


def parse_line(line: str) -> LockedThing:
    """Read one line.

    Raises:
        ValueError: It is not what :func:`format_line` writes; the text says what was expected.
    """
    kind, _, rest = line.partition(" ")
    if kind not in KINDS:
        kinds = ", ".join(KINDS)
        raise ValueError(f"expected a line that begins with {kinds}, got {line[:120]!a}")

    name, *words = rest.split(" ")
    fields: dict[str, str] = {}
    for word in words:
        field, equals, value = word.partition("=")
        if not equals or not value or field in fields:
            raise ValueError(f"expected FIELD=VALUE, each once, got {word[:80]!a}")
        fields[field] = value

    thing = LockedThing(
        kind=kind,
        name=_unpacked(name),
        sha256=_matching(_SHA256, fields.pop("sha256", None), "64 lower-case hex digits"),
        size_bytes=_size(fields.pop("size", None)),
        refs=_split(fields.pop("refs", None)),
        url=_unpacked_or_none(fields.pop("url", None)),
        license=_unpacked_or_none(fields.pop("license", None)),
        asked_by=_split(fields.pop("by", None)),
        recorded_on=_matching(_DAY, fields.pop("on", None), "a day such as 2026-11-29"),
    )
    if fields:
        unknown = next(iter(fields))
        raise ValueError(f"unknown field {unknown[:80]!a}; update torch-zoo if the file is newer")
    fault = _fault(thing)
    if fault:
        raise ValueError(fault)
    return thing


def _fault(thing: LockedThing) -> str | None:
    """Say what is wrong with a line whose fields can be read, or ``None``."""
    fault = _name_fault(thing)
    if fault:
        return fault
    is_known = thing.sha256 is not None and thing.size_bytes is not None
    if thing.kind != "github" and not is_known:
        return f"expected sha256=DIGEST and size=BYTES for {thing.name[:120]!a}"
    texts = (
        thing.url or "",
        thing.license or "",
        *thing.refs,
        *thing.asked_by,
    )
    if not all(text.isprintable() for text in texts):
        return f"control character in a field of {thing.name[:120]!a}"
    return None


def _name_fault(thing: LockedThing) -> str | None:
    """Say what keeps a name from being one of its kind, or ``None``."""
    name = thing.name
    shown = f"got {name[:120]!a}"
    if not name.isprintable():
        return f"control character in the name {shown}"
    if thing.kind == "file":
        fault = name_fault(name)
        return f"expected a plain file name, {shown}, which {fault}" if fault else None

    if thing.kind == "github":
        form = "owner/repository@commit"
        is_right = _GITHUB.fullmatch(name) is not None
    elif thing.kind == "url":
        form = "an http or https address"
        is_right = _is_address(name)
    else:
        form = "organization/model@commit/path"
        match = _HUGGINGFACE.fullmatch(name)
        steps = match["path"].split("/") if match else [""]
        is_right = all(step.strip(". ") and "\\" not in step for step in steps)
    return None if is_right else f"expected {form}, {shown}"


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _packed(text: str) -> str:
    """Write blanks, commas and percent signs as in an address."""
    letters = [quote(letter) if letter in _ESCAPED else letter for letter in text]
    return "".join(letters)


def _unpacked(text: str) -> str:
    return unquote(text, errors="strict")


def _unpacked_or_none(text: str | None) -> str | None:
    if text is None:
        return None
    return _unpacked(text)


def _joined(texts: tuple[str, ...]) -> str | None:
    """Write several values; none at all is no field."""
    packed = [_packed(text) for text in texts]
    return ",".join(packed) or None


def _split(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    return tuple(_unpacked(part) for part in text.split(","))


def _size(text: str | None) -> int | None:
    checked = _matching(_SIZE, text, "a number of bytes")
    if checked is None:
        return None
    return int(checked)


def _matching(
    pattern: re.Pattern[str],
    text: str | None,
    meaning: str,
) -> str | None:
    if text is not None and not pattern.fullmatch(text):
        raise ValueError(f"expected {meaning}, got {text[:120]!a}")
    return text
