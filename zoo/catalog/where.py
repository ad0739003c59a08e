"""The language of ``zoo list --where``: ``parameters<10M and (top5_error<8 or family=resnet)``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from zoo.catalog.rows import Row, column_name
from zoo.errors import QueryError

Predicate = Callable[[Row], bool]
_TOKEN = re.compile(
    r"\s*(?:(?P<operator><=|>=|==|!=|<|>|=|~|\(|\))"
    r"|(?P<number>\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?)(?P<suffix>[kKMGT]?)[B%]?(?![\w.])"
    r"|'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\""
    r"|(?P<word>[A-Za-z_][\w.*?-]*))"
)
_DEEPEST = 50
_SUFFIX = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    value: str | float
    position: int


def parse_where(expression: str, extra: Iterable[str] = ()) -> Predicate:
    """Compile a filter such as ``parameters<10M and (top5_error<8 or family=resnet)``.

    Comparisons are ``< <= > >= = !=`` and ``~`` (shell pattern, or "contains" without a wildcard); they are joined by
    ``and``, ``or``, ``not`` and parentheses. Numbers may end in K, M, G or T (powers of 1,000).

    Raises:
        QueryError: It cannot be read; says where.
        UnknownNameError: A column does not exist.
    """
    parser = _Parser(expression, tuple(extra))
    predicate = parser.read_or()
    parser.expect_end()
    return predicate


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, expression: str, extra: tuple[str, ...]) -> None:
        self.expression, self.extra = expression, extra
        self.tokens = list(self._tokenize())
        self.index = 0
        self.depth = 0

    def _tokenize(self) -> Iterable[_Token]:
        position, text = 0, self.expression.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                raise QueryError(self.expression, position, f"did not expect {text[position:].lstrip()[:10]!r}")
            kind = found.lastgroup or ""
            kind = "number" if found["number"] else kind
            start = found.start(kind)
            if kind == "number":
                value: str | float = float(found["number"].replace("_", "")) * _SUFFIX[found["suffix"]]
            else:
                value = found[kind]
            yield _Token("text" if kind in ("single", "double") else kind, value, start)
            position = found.end()

    def _peek(self) -> _Token:
        end = _Token("end", "the end", len(self.expression))
        return self.tokens[self.index] if self.index < len(self.tokens) else end

    def _take(self, *values: str) -> _Token | None:
        token = self._peek()
        if token.kind in ("word", "operator") and token.value in values:
            self.index += 1
            return token
        return None

    def _fail(self, expected: str) -> QueryError:
        token = self._peek()
        return QueryError(self.expression, token.position, f"expected {expected}, got {token.value!r}")

    def expect_end(self) -> None:
        if self._peek().kind != "end":
            raise self._fail("'and', 'or' or the end")

    def read_or(self) -> Predicate:
        parts = [self._read_and()]
        while self._take("or"):
            parts.append(self._read_and())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def _read_and(self) -> Predicate:
        parts = [self._read_not()]
        while self._take("and"):
            parts.append(self._read_not())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _read_not(self) -> Predicate:
        position = self._peek().position
        if self._take("not"):
            inner = self._read_deeper(self._read_not, position)
            return lambda row: not inner(row)
        if self._take("("):
            inner = self._read_deeper(self.read_or, position)
            if not self._take(")"):
                raise self._fail("')'")
            return inner
        return self._read_comparison()

    def _read_deeper(self, read: Callable[[], Predicate], position: int) -> Predicate:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise QueryError(self.expression, position, f"nested too deeply, expected at most {_DEEPEST} levels")
        inner = read()
        self.depth -= 1
        return inner

    def _read_comparison(self) -> Predicate:
        if self._peek().kind != "word":
            raise self._fail("a column")
        column = column_name(str(self._peek().value), self.extra)
        self.index += 1
        operator = self._take("<", "<=", ">", ">=", "=", "==", "!=", "~")
        if operator is None:
            raise self._fail("one of < <= > >= = != ~")
        literal = self._peek()
        if literal.kind not in ("number", "word", "text"):
            raise self._fail("a number or a word")
        self.index += 1
        return _comparison(column, str(operator.value), literal.value)


def _comparison(column: str, operator: str, literal: str | float) -> Predicate:
    if operator == "~":
        pattern = str(literal).lower()
        glob = pattern if any(character in pattern for character in "*?[") else f"*{pattern}*"
        return lambda row: row[column] is not None and fnmatchcase(str(row[column]).lower(), glob)

    def holds(row: Row) -> bool:
        value = row[column]
        if value is None:
            return False
        if isinstance(value, (bool, str)) or isinstance(literal, str):
            is_equal = str(value).lower() == str(literal).lower()
            return is_equal if operator in ("=", "==") else operator == "!=" and not is_equal
        if operator in ("=", "=="):
            return value == literal
        return value != literal if operator == "!=" else _COMPARE[operator](value, literal)

    return holds
