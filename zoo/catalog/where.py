"""The language of ``zoo list --where``: ``parameters<10M and (top5_error<8 or family=resnet)``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from operator import attrgetter, ge, gt, le, lt

from zoo.catalog.index import load_index
from zoo.catalog.nearness import require_known
from zoo.catalog.quantities import FACTORS
from zoo.catalog.rows import CHOICES, NUMBERS, YES_NO, Row, column_name
from zoo.catalog.specs import has_wildcard
from zoo.errors import QueryError

Predicate = Callable[[Row], bool]
_TOKEN = re.compile(
    r"\s*(?:(?P<operator><=|>=|==|!=|<|>|=|~|\(|\))"
    r"|(?P<number>\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?)(?P<suffix>[kKMGT]?)[B%]?(?![\w.])"
    r"|'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\""
    r"|(?P<word>[A-Za-z_][\w.*?-]*))"
)
_DEEPEST = 50
_YES = frozenset({"yes", "true", "1", "1.0"})
_NO = frozenset({"no", "false", "0", "0.0"})
_ANSWERS = _YES | _NO
_UNKNOWN = frozenset({"-", "none", "unknown"})
"""How a value that is not known is written: as it is printed."""
_EQUAL = ("=", "==")
_EQUALITIES = (*_EQUAL, "!=")
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
_OPERATORS = (*_EQUALITIES, *_ORDER, "~")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    value: str | float
    position: int


@dataclass(frozen=True, slots=True)
class Condition:
    """One of the conditions that ``and`` joins."""

    text: str
    holds: Predicate


def parse_where(expression: str, extra: Iterable[str] = ()) -> Predicate:
    """Compile a filter such as ``parameters<10M and (top5_error<8 or family=resnet)``.

    Comparisons are ``< <= > >= = !=`` and ``~`` (shell pattern, or "contains" without a wildcard);
    they are joined by ``and``, ``or``, ``not`` and parentheses. Numbers may end in K, M, G or T
    (powers of 1,000).

    Raises:
        QueryError: It cannot be read, or can hold for no row; says where.
        UnknownNameError: A column, family, task or source does not exist.
    """
    parser = _Parser(expression, tuple(extra))
    return parser.read_all()


def conditions_of(expression: str, extra: Iterable[str] = ()) -> list[Condition]:
    """Part a filter at its outermost ``and``; errors are those of ``parse_where``.

    >>> [one.text for one in conditions_of("year=2015 and (cached=yes or task=detection)")]
    ['year=2015', '(cached=yes or task=detection)']
    """
    parser = _Parser(expression, tuple(extra))
    predicate = parser.read_all()
    if parser.outermost:
        return parser.outermost

    only = Condition(expression.strip(), predicate)
    return [only]


def columns_of(expression: str, extra: Iterable[str] = ()) -> tuple[str, ...]:
    """Name the columns of a filter, in their order; errors are those of ``parse_where``.

    >>> columns_of("macs<1G and license~apache")
    ('multiply_adds', 'license')
    """
    parser = _Parser(expression, tuple(extra))
    parser.read_all()
    without_repeats = dict.fromkeys(parser.columns)
    return tuple(without_repeats)


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, expression: str, extra: tuple[str, ...]) -> None:
        self.expression = expression
        self.extra = extra
        self.tokens = list(self._tokenize())
        self.index = 0
        self.depth = 0
        self.columns: list[str] = []
        self.outermost: list[Condition] = []
        """What the outermost ``and`` joins; empty where there is none."""

    def read_all(self) -> Predicate:
        """Read the whole expression.

        Raises:
            QueryError: Something is left over, or is missing.
        """
        predicate = self._read_or()
        rest = self._peek()
        if rest.kind != "end":
            raise self._fail("'and', 'or' or the end")
        return predicate

    # -- tokens

    def _tokenize(self) -> Iterable[_Token]:
        text = self.expression.rstrip()
        position = 0

        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                rest = text[position:].lstrip()
                unread = rest[:10]
                fault = f"did not expect {unread!r}"
                raise QueryError(self.expression, position, fault)
            yield _token(found)
            position = found.end()

    def _peek(self) -> _Token:
        if self.index < len(self.tokens):
            return self.tokens[self.index]
        return _Token(
            kind="end",
            value="the end",
            position=len(self.expression),
        )

    def _take(self, *values: str) -> _Token | None:
        token = self._peek()
        if token.kind not in {"word", "operator"}:
            return None
        if token.value not in values:
            return None

        self.index += 1
        return token

    def _fail(self, expected: str) -> QueryError:
        token = self._peek()
        fault = f"expected {expected}, got {token.value!r}"
        return QueryError(self.expression, token.position, fault)

    # -- grammar, loosest first

    def _read_or(self) -> Predicate:
        parts = [self._read_and()]
        while self._take("or"):
            parts.append(self._read_and())

        if len(parts) == 1:
            return parts[0]
        if self.depth == 0:
            # What the last ``and`` joined is one side of an ``or``: no condition of its own.
            self.outermost = []
        return lambda row: any(part(row) for part in parts)

    def _read_and(self) -> Predicate:
        parts: list[Predicate] = []
        conditions: list[Condition] = []

        while not parts or self._take("and"):
            start = self._peek().position
            part = self._read_not()
            end = self._peek().position
            text = self.expression[start:end].strip()
            without_and = text.removesuffix(" and").strip()
            condition = Condition(without_and, part)
            parts.append(part)
            conditions.append(condition)

        if self.depth == 0:
            self.outermost = conditions
        if len(parts) == 1:
            return parts[0]
        return lambda row: all(part(row) for part in parts)

    def _read_not(self) -> Predicate:
        position = self._peek().position
        if self._take("not"):
            inner = self._read_deeper(self._read_not, position)
            return lambda row: not inner(row)

        if self._take("("):
            inner = self._read_deeper(self._read_or, position)
            if not self._take(")"):
                raise self._fail("')'")
            return inner

        return self._read_comparison()

    def _read_deeper(self, read: Callable[[], Predicate], position: int) -> Predicate:
        self.depth += 1
        if self.depth > _DEEPEST:
            fault = f"nested too deeply, expected at most {_DEEPEST} levels"
            raise QueryError(self.expression, position, fault)
        inner = read()
        self.depth -= 1
        return inner

    def _read_comparison(self) -> Predicate:
        first = self._peek()
        if first.kind != "word":
            raise self._fail("a column")
        column = column_name(str(first.value), self.extra)
        self.index += 1

        taken = self._take(*_OPERATORS)
        if taken is None:
            raise self._fail("one of < <= > >= = != ~")
        sign = str(taken.value)

        literal = self._peek()
        if literal.kind not in {"number", "word", "text"}:
            raise self._fail("a number or a word")

        self.columns.append(column)
        self._check(column, sign, literal)
        self.index += 1
        return _comparison(column, sign, literal.value)

    def _check(
        self,
        column: str,
        sign: str,
        literal: _Token,
    ) -> None:
        """Refuse what can hold for no row.

        Raises:
            QueryError: The column holds values of another kind.
            UnknownNameError: There is no such family, task or source.
        """
        if sign == "~":
            return
        word = str(literal.value).lower()
        is_equality = sign in _EQUALITIES
        if is_equality and word in _UNKNOWN:
            return

        expected = self._expected(column, literal.value, is_equality=is_equality)
        if expected is not None:
            fault = f"expected {expected}, got {literal.value!r}"
            raise QueryError(self.expression, literal.position, fault)

        if column in CHOICES:
            read = attrgetter(column)
            known = set(map(read, load_index().entries))
            require_known(column, word, known)

    def _expected(
        self,
        column: str,
        value: str | float,
        *,
        is_equality: bool,
    ) -> str | None:
        """Say what a column is compared with, where it is not that."""
        if column in YES_NO:
            is_answer = str(value).lower() in _ANSWERS
            if is_equality and is_answer:
                return None
            return f"{column}=yes or {column}=no"

        is_extra = column in self.extra
        is_extra_number = is_extra and column != "measured"
        if column in NUMBERS or is_extra_number:
            if isinstance(value, float):
                return None
            return f"a number for {column}"

        if is_equality:
            return None
        return f"= != or ~ for {column}, which holds words"


def _token(found: re.Match[str]) -> _Token:
    """Make a token of what was found; a suffix makes a number larger, quotes are dropped."""
    if found["number"]:
        digits = found["number"].replace("_", "")
        prefix = found["suffix"].replace("K", "k")
        return _Token(
            kind="number",
            value=float(digits) * FACTORS[prefix],
            position=found.start("number"),
        )

    group = found.lastgroup or ""
    is_quoted = group in {"single", "double"}
    return _Token(
        kind="text" if is_quoted else group,
        value=found[group],
        position=found.start(group),
    )


def _comparison(
    column: str,
    sign: str,
    literal: str | float,
) -> Predicate:
    """Make the predicate of one comparison."""
    word = str(literal).lower()
    if sign == "~":
        return _likeness(column, word)

    is_equality = sign in _EQUAL
    if word in _UNKNOWN:
        return lambda row: (row[column] is None) == is_equality
    if column in YES_NO:
        answer = word in _YES
        return lambda row: (row[column] is answer) == is_equality

    def holds(row: Row) -> bool:
        value = row[column]
        if value is None:
            return False

        is_word = isinstance(value, (bool, str))
        has_words = is_word or isinstance(literal, str)
        if has_words:
            is_equal = str(value).lower() == word
        else:
            is_equal = value == literal

        if is_equality:
            return is_equal
        if sign == "!=":
            return not is_equal
        if has_words:
            return False

        compare = _ORDER[sign]
        return compare(value, literal)  # type: ignore[arg-type]  # both are numbers here

    return holds


def _likeness(column: str, pattern: str) -> Predicate:
    """Make the predicate of a shell pattern; without a wildcard it means "contains"."""
    glob = pattern if has_wildcard(pattern) else f"*{pattern}*"

    def holds(row: Row) -> bool:
        value = row[column]
        if value is None:
            return False
        text = str(value).lower()
        return fnmatchcase(text, glob)

    return holds
