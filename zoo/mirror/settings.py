"""``mirror.json``: what a mirror is asked to hold, and where it fetches from."""

from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003 - the strict decoder reads it
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from zoo.documents import parse_document
from zoo.errors import DocumentError, MirrorError
from zoo.mirror import layout
from zoo.mirror.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Where the upstreams are asked, if not at their public addresses."""

    bases: Mapping[str, str] = field(default_factory=dict)
    """What stands for a public address; neither has a slash at the end."""
    mirror: str | None = None
    """Another zoo mirror, which stands for every other host as well."""
    sends_tokens: bool = False
    """Whether the user's tokens also go to addresses other than their own."""

    def base(self, public: str) -> str:
        """Return the address to ask instead of a public one."""
        return self.bases.get(public, public)

    def rewritten(self, url: str) -> str:
        """Return the address to ask for a file that is published at a public address."""
        for public, base in self.bases.items():
            if url.startswith(f"{public}/"):
                return base + url.removeprefix(public)
        if self.mirror is None:
            return url
        return f"{self.mirror}/{quote(layout.weights_path(url))}"

    @property
    def is_changed(self) -> bool:
        """Whether the user has named any: he may well mean an address in a private network."""
        return bool(self.bases) or self.mirror is not None


@dataclass(frozen=True, slots=True)
class Settings:
    """All of ``mirror.json``."""

    wanted: tuple[str, ...] = ()
    """Sorted, as :mod:`zoo.mirror.specs` writes them."""
    upstreams: Upstreams = field(default_factory=Upstreams)
    policy: Policy = field(default_factory=Policy)
    schema_version: int = SCHEMA_VERSION

    def with_wanted(self, wanted: Iterable[str]) -> Settings:
        """Ask for other things."""
        return replace(self, wanted=tuple(sorted(set(wanted))))

    def with_policy(
        self,
        changes: Mapping[str, Any],
        *,
        is_cleared: bool,
    ) -> Settings:
        """Allow other things; without ``is_cleared`` what is not named stays as it was."""
        before = Policy() if is_cleared else self.policy
        return replace(self, policy=replace(before, **changes))


def to_json(settings: Settings) -> str:
    """Write the settings as text."""
    return json.dumps(asdict(settings), indent=1) + "\n"


def parse(
    text: str | bytes,
    file: str = layout.SETTINGS,
) -> Settings:
    """Read the text of a ``mirror.json``.

    Raises:
        MirrorError: It is not what :func:`to_json` writes.
    """
    try:
        return parse_document(text, Settings, SCHEMA_VERSION)
    except DocumentError as error:
        raise MirrorError(file, str(error), "fix it or restore it") from error
