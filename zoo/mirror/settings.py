"""``mirror.json``: what a mirror is asked to hold, and where it fetches from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from zoo.catalog.decoding import decode
from zoo.errors import MirrorError, RegistryError, UsageError
from zoo.mirror import layout
from zoo.weights import sources

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA_VERSION = 1
GITHUB = "https://github.com"
GITHUB_API = "https://api.github.com"
PYTORCH = "https://download.pytorch.org"
HUGGINGFACE = "https://huggingface.co"
KINDS = ("github", "github-api", "pytorch", "huggingface", "mirror")


@dataclass(frozen=True, slots=True)
class Upstreams:
    """The base address of each kind of upstream, without a slash at the end."""

    github: str = GITHUB
    github_api: str = GITHUB_API
    pytorch: str = PYTORCH
    huggingface: str = HUGGINGFACE
    mirror: str | None = None
    """Another zoo mirror, which then stands for all four and for every other host."""
    sends_tokens: bool = False
    """Whether tokens for GitHub and Hugging Face also go to addresses other than their own."""

    def rewritten(self, url: str) -> str:
        """Return the address to ask for a file that is published at a public address."""
        bases = ((PYTORCH, self.pytorch), (GITHUB, self.github), (HUGGINGFACE, self.huggingface))
        for public, base in bases:
            if url.startswith(f"{public}/"):
                return base + url.removeprefix(public)
        return f"{self.mirror}/{quote(layout.weights_path(url))}" if self.mirror is not None else url

    @property
    def is_changed(self) -> bool:
        """Whether any of them was named by the user, who may well mean an address in a private network."""
        return replace(self, sends_tokens=False) != Upstreams()


@dataclass(frozen=True, slots=True)
class Settings:
    """All of ``mirror.json``."""

    wanted: tuple[str, ...] = ()
    """Sorted, as :mod:`zoo.mirror.wants` writes them."""
    upstreams: Upstreams = field(default_factory=Upstreams)
    schema_version: int = SCHEMA_VERSION

    def with_wanted(self, wanted: Iterable[str]) -> Settings:
        """Ask for other things."""
        return replace(self, wanted=tuple(sorted(set(wanted))))


def parse_upstreams(options: Iterable[str], *, sends_tokens: bool = False) -> Upstreams:
    """Read ``KIND=ADDRESS`` options.

    Raises:
        UsageError: No such kind, or not an http(s) address.
    """
    bases: dict[str, str] = {}
    for option in options:
        kind, _, base = option.partition("=")
        parts = urlsplit(base)
        if kind not in KINDS or parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"--upstream takes KIND=ADDRESS with a KIND of {', '.join(KINDS)}, got {option!r:.80}")
        if parts.username or parts.query:
            raise UsageError(
                f"--upstream takes no password or query in {sources.shown(base)}; put passwords in ~/.netrc"
            )
        bases[kind.replace("-", "_")] = base.rstrip("/")
    if "mirror" in bases:
        bases = dict.fromkeys(("github", "github_api", "pytorch", "huggingface"), bases["mirror"]) | bases
    return Upstreams(**bases, sends_tokens=sends_tokens)


def to_json(settings: Settings) -> str:
    """Write the settings as text."""
    return json.dumps(asdict(settings), indent=1) + "\n"


def parse(text: str, file: str = layout.SETTINGS) -> Settings:
    """Read the text of a ``mirror.json``.

    Raises:
        MirrorError: It is not what :func:`to_json` writes.
    """
    try:
        content = json.loads(text)
        if isinstance(content, dict) and content.get("schema_version") != SCHEMA_VERSION:
            got = f"{content.get('schema_version')!r:.40}"
            raise RegistryError("$.schema_version", f"expected {SCHEMA_VERSION}, got {got}")
        return decode(Settings, content)
    except RegistryError as error:
        raise MirrorError(file, f"malformed at {error.json_path}: {error.fault}", "mend it or restore it") from error
    except (ValueError, RecursionError) as error:
        raise MirrorError(file, f"expected JSON, got: {error}", "mend it or restore it") from error
