"""What is asked: the host that the client believes to ask, and the path. Pure.

Both are taken apart and checked once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONGEST_PATH = 4096
MAX_FIELDS = 2000
MAX_DIGITS = 9
Fields = dict[str, list[str]]


class BadPathError(Exception):
    """A path that no client of ours sends: 400."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, for whoever recognises it.

    A step may itself hold slashes where the client has quoted them, as in the name of a branch.
    """

    host: str | None
    """Which host the client believes to ask; ``None`` for the mirror itself."""
    steps: tuple[str, ...]
    """The path, decoded step by step; the root is one empty step."""
    query: Mapping[str, list[str]] = field(default_factory=dict)
    method: str = "GET"
    form: Mapping[str, list[str]] = field(default_factory=dict)
    """What a POST carries."""
    base: str = ""
    """The address under which the client knows us."""
    may_read_gated: Callable[[str], bool] = lambda _: True
    """Tells whether who asks may read a gated model of this name."""

    @property
    def path(self) -> str:
        """The path as it was before it was quoted, without the first slash."""
        return "/".join(self.steps)

    def is_true(self, name: str) -> bool:
        """Read a yes or no of the query or form; anything else is no."""
        return self.first(name).lower() in ("true", "1")

    def number(
        self,
        name: str,
        default: int,
    ) -> int:
        """Read a number of the query or form."""
        digits = self.first(name)
        is_number = digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS
        if is_number:
            return int(digits)
        return default

    def first(self, name: str) -> str:
        """Read a text of the query or form; an empty one if it is not there."""
        values = self.query.get(name) or self.form.get(name) or [""]
        return values[0]


def parse(
    target: str,
    host: str | None = None,
    *,
    method: str = "GET",
    base: str = "",
    may_read_gated: Callable[[str], bool] = lambda _: True,
) -> Request:
    """Read a request.

    Args:
        target: Path and query as they stand in the request, still encoded.
        host: Which host the client believes to ask; ``None`` for the mirror itself.
        method: Of the request.
        base: The address under which the client knows us.
        may_read_gated: Tells whether who asks may read a gated model of a name.

    Raises:
        BadPathError: The path tries to lead somewhere else, or is no UTF-8, or is too long.
    """
    path, _, query = target.partition("?")
    return Request(
        host, _split(path), fields(query), method, base=base, may_read_gated=may_read_gated
    )


def fields(text: str) -> Fields:
    """Read a query or a form.

    Raises:
        BadPathError: It is encoded wrongly, or has too many fields.
    """
    try:
        return parse_qs(text, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise BadPathError(str(error)) from error


def _split(path: str) -> tuple[str, ...]:
    """Take a path apart and decode each step once."""
    if not path.startswith("/") or len(path) > LONGEST_PATH:
        raise BadPathError("expected a path from the root")

    steps: list[str] = []
    plain = path[1:].rstrip("/")
    for quoted in plain.split("/"):
        step_bytes = unquote_to_bytes(quoted)
        try:
            step = step_bytes.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadPathError("expected UTF-8") from error
        steps.append(step)

    is_root = steps == [""]
    if not is_root and any(map(_leads_elsewhere, steps)):
        raise BadPathError("the path tries to lead elsewhere")
    return tuple(steps)


def _leads_elsewhere(step: str) -> bool:
    """Tell whether a step is none, or could be one to another folder."""
    if not step.isprintable() or "\\" in step:
        return True

    parts = set(step.split("/"))
    return not parts.isdisjoint({"", ".", ".."})
