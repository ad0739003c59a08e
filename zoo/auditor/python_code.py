"""Read what a Python source would fetch, from its syntax tree."""

from __future__ import annotations

import ast
import re
import warnings
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from zoo.auditor.arguments import Call
from zoo.auditor.clients import Fetch, fetches_of
from zoo.auditor.findings import Place, Slot, Use
from zoo.auditor.scopes import FUNCTIONS, Scope, open_scope

if TYPE_CHECKING:
    from collections.abc import Iterator

_IGNORE = re.compile(r"#\s*zoo:\s*ignore(?:\[(?P<rules>[a-z, -]+)\])?")
_ALL = frozenset("*")


class SourceFaultError(ValueError):
    """Say why a source cannot be parsed."""


@dataclass(frozen=True)
class Source:
    """The text of one source, or of one cell of a notebook."""

    text: str
    file: str
    cell: int | None = None
    _starts: list[int] = field(
        init=False,
        repr=False,
    )
    """The offset of each line."""
    _lines: list[str] = field(
        init=False,
        repr=False,
    )

    def __post_init__(self) -> None:
        """Find where the lines begin: ast counts only these as ends of lines."""
        lines = re.split(r"(?<=\n)", self.text)
        starts = [0, *accumulate(len(line) for line in lines)]
        object.__setattr__(self, "_lines", lines)
        object.__setattr__(self, "_starts", starts)

    def offset(self, line: int, byte_column: int) -> int:
        """Turn ast's line and column, which counts bytes, into an offset in characters."""
        before = self._lines[line - 1].encode()[:byte_column]
        return self._starts[line - 1] + len(before.decode(errors="replace"))

    def position(self, offset: int) -> tuple[int, int]:
        """Turn an offset into a line and a column, both counted from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def span(self, node: ast.expr) -> tuple[int, int]:
        """Return the offsets of the first character of a node and of the one after its last."""
        end_line = node.end_lineno or node.lineno
        end_column = node.end_col_offset or node.col_offset
        start = self.offset(node.lineno, node.col_offset)
        return start, self.offset(end_line, end_column)

    def ignored(self, node: ast.expr) -> frozenset[str]:
        """List the rules that a comment turns off on the first or last line of a node."""
        found: set[str] = set()
        for line in {node.lineno, node.end_lineno or node.lineno}:
            match = _IGNORE.search(self._lines[line - 1])
            if match is None:
                continue
            if match["rules"] is None:
                return _ALL
            found |= {rule.strip() for rule in match["rules"].split(",")}
        return frozenset(found)


def read(source: Source) -> list[Use]:
    """List what a source would fetch, in the order of its lines.

    Raises:
        SourceFaultError: It is no Python of this version.
    """
    tree = parse(source.text)
    uses: list[Use] = []
    try:
        for call in _calls(tree, None):
            uses += [_use(source, call, fetch) for fetch in fetches_of(call)]
    except RecursionError as error:
        raise SourceFaultError("nested too deeply") from error
    return sorted(uses, key=lambda use: (use.place.line, use.place.column))


def parse(text: str) -> ast.Module:
    """Parse a source quietly.

    Raises:
        SourceFaultError: It is no Python of this version, or not meant for any parser.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        raise SourceFaultError(f"line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceFaultError(str(error) or "nested too deeply") from error


def _calls(node: ast.AST, scope: Scope | None) -> Iterator[Call]:
    """Walk through all calls, each with its scope."""
    opens_scope = isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS))
    inner = open_scope(node, scope) if opens_scope else scope
    if isinstance(node, ast.Call) and inner is not None:
        yield Call(node, inner)
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, inner)


def _use(
    source: Source,
    call: Call,
    fetch: Fetch,
) -> Use:
    start, end = source.span(call.node)
    line, column = source.position(start)
    end_line, end_column = source.position(end)
    place = Place(
        source.file,
        line,
        column,
        end_line,
        end_column,
        source.cell,
    )
    return Use(
        place,
        fetch.client,
        fetch.ecosystem,
        fetch.subject,
        fetch.revision,
        fetch.is_revision_known,
        fetch.path,
        fetch.marks,
        _slots(source, call, fetch),
        source.ignored(call.node),
    )


def _slots(
    source: Source,
    call: Call,
    fetch: Fetch,
) -> tuple[Slot, ...]:
    """Find where a commit is to be written; nowhere, where the text stands elsewhere."""
    pinned_by = fetch.pinned_by
    if pinned_by is None:
        return ()
    last = _last_argument(call.node)
    if last is None:
        return ()
    behind = source.span(last)[1]
    if pinned_by.node is None:
        is_option = fetch.ecosystem == "huggingface" and not pinned_by.before
        return (
            (
                Slot(
                    behind,
                    behind,
                    ', revision="',
                    '"',
                ),
            )
            if is_option
            else ()
        )

    start, end = source.span(pinned_by.node)
    slots = [
        Slot(
            start,
            end,
            f'"{pinned_by.before}',
            '"',
        )
    ]
    if pinned_by.after:
        slots.append(
            Slot(
                behind,
                behind,
                pinned_by.after,
                "",
            )
        )
    return tuple(slots)


def _last_argument(node: ast.Call) -> ast.expr | None:
    """Find the argument that ends last."""
    arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
    if not arguments:
        return None
    return max(arguments, key=lambda one: (one.end_lineno or 0, one.end_col_offset or 0))
