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
_OPENS_SCOPE = (ast.Module, ast.ClassDef, *FUNCTIONS)


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
        lengths = map(len, lines)
        starts = [0, *accumulate(lengths)]
        object.__setattr__(self, "_lines", lines)
        object.__setattr__(self, "_starts", starts)

    def offset(self, line: int, byte_column: int) -> int:
        """Turn ast's line and column, which counts bytes, into an offset in characters."""
        index = line - 1
        data = self._lines[index].encode()
        before = data[:byte_column].decode(errors="replace")
        return self._starts[index] + len(before)

    def position(self, offset: int) -> tuple[int, int]:
        """Turn an offset into a line and a column, both counted from 1."""
        line = bisect_right(self._starts, offset)
        start = self._starts[line - 1]
        column = offset - start + 1
        return line, column

    def span(self, node: ast.expr) -> tuple[int, int]:
        """Return the offsets of the first character of a node and of the one after its last."""
        start = self.offset(node.lineno, node.col_offset)

        end_line = node.end_lineno or node.lineno
        end_column = node.end_col_offset or node.col_offset
        end = self.offset(end_line, end_column)
        return start, end

    def ignored(self, node: ast.expr) -> frozenset[str]:
        """List the rules that a comment turns off on the first or last line of a node."""
        found: set[str] = set()
        last = node.end_lineno or node.lineno

        for line in {node.lineno, last}:
            match = _IGNORE.search(self._lines[line - 1])
            if match is None:
                continue
            if match["rules"] is None:
                return _ALL
            names = match["rules"].split(",")
            found.update(name.strip() for name in names)
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
            fetches = fetches_of(call)
            uses += [_use(source, call, fetch) for fetch in fetches]
    except RecursionError as error:
        raise SourceFaultError("nested too deeply") from error
    return sorted(uses, key=_beginning)


def _beginning(use: Use) -> tuple[int, int]:
    """Tell where a use begins."""
    return use.place.line, use.place.column


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
    inner = scope
    if isinstance(node, _OPENS_SCOPE):
        inner = open_scope(node, scope)

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
    arguments = list(node.args)
    arguments += [keyword.value for keyword in node.keywords]
    return max(arguments, key=_end, default=None)


def _end(node: ast.expr) -> tuple[int, int]:
    """Tell where an argument ends."""
    return node.end_lineno or 0, node.end_col_offset or 0
