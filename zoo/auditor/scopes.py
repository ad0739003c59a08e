"""What a name means in a Python source, as far as it can be told without running it.

Three things are followed: imports (``import torch.hub as th``), names for parts of modules
(``hub = torch.hub``), and names that only ever get constants (``MODEL = "timm/resnet18.a1_in1k"``).
All else is unknown, and nothing is said of it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
MOST_STEPS = 20
"""Names that stand for names; a longer chain is a circle."""
MOST_VALUES = 50

Values = tuple[object, ...]
Bound = list[ast.expr | None]


@dataclass
class Scope:
    """The names of a module, a class or a function."""

    parent: Scope | None = None
    imports: dict[str, str] = field(default_factory=dict)
    assigned: dict[str, Bound] = field(default_factory=dict)
    """Everything that a name is bound to; ``None`` for what is no expression, as a parameter."""
    defaults: dict[str, ast.expr] = field(default_factory=dict)
    """Parameters with a default."""

    def bind(self, name: str, value: ast.expr | None) -> None:
        """Note one more thing that a name is bound to."""
        bound = self.assigned.setdefault(name, [])
        bound.append(value)

    def only_value(self, name: str) -> ast.expr | None:
        """Return the expression that a name is bound to, if it is bound once."""
        bound = self.assigned.get(name, [])
        if len(bound) != 1:
            return None
        return bound[0]

    def find(self, name: str) -> Scope | None:
        """Return the scope that binds a name."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.assigned or name in scope.imports:
                return scope
            scope = scope.parent
        return None


def open_scope(node: ast.AST, parent: Scope | None) -> Scope:
    """Gather what a module, class or function binds, not looking into those within it."""
    scope = Scope(parent)
    if isinstance(node, FUNCTIONS):
        _bind_parameters(scope, node.args)

    waiting: list[ast.AST] = []
    body = getattr(node, "body", [])
    if isinstance(body, list):
        waiting += body
    else:
        waiting.append(body)  # that of a lambda

    while waiting:
        statement = waiting.pop()
        _bind(scope, statement)
        if not isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            waiting += ast.iter_child_nodes(statement)
    return scope


def dotted_name(node: ast.expr, scope: Scope, steps: int = 0) -> str | None:
    """Write what an expression names with its module: ``th.load`` is ``torch.hub.load``.

    A name that is bound by no import stays as it is: ``MyModel.from_pretrained``.
    """
    if isinstance(node, ast.Attribute):
        base = dotted_name(node.value, scope, steps)
        return f"{base}.{node.attr}" if base else None
    if not isinstance(node, ast.Name) or steps > MOST_STEPS:
        return None

    owner = scope.find(node.id)
    if owner is None:
        return node.id
    if node.id in owner.imports:
        return owner.imports[node.id]

    alias = owner.only_value(node.id)
    if isinstance(alias, ast.Name | ast.Attribute):
        return dotted_name(alias, owner, steps + 1)
    return node.id


def constants(
    node: ast.expr,
    scope: Scope,
    *,
    takes_defaults: bool = False,
) -> Values | None:
    """List the constants that an expression can be; ``None`` where it can be something else.

    Args:
        node: The expression.
        scope: Where it stands.
        takes_defaults: Take the default of a parameter for its value.
    """
    reading = _Reading(scope, takes_defaults, steps=0)
    return reading.values(node)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How far an expression has been followed."""

    scope: Scope
    takes_defaults: bool
    steps: int
    """How many names were followed to get here."""

    def values(self, node: ast.expr) -> Values | None:
        """List the constants that an expression can be."""
        if isinstance(node, ast.Constant):
            return (node.value,)
        if isinstance(node, ast.FormattedValue):
            return self.values(node.value)

        is_circle = self.steps > MOST_STEPS
        if is_circle:
            return None
        return self._values_of_parts(node)

    def _values_of_parts(self, node: ast.expr) -> Values | None:
        further = self._further(self.scope)
        match node:
            case ast.IfExp(body=one, orelse=other):
                return further.any_of([one, other])
            case ast.BinOp(left=first, op=ast.Add(), right=second):
                return further.joined([first, second])
            case ast.JoinedStr(values=parts):
                return further.joined(parts)
            case ast.Name(id=name):
                return further.of_name(name)
            case ast.Starred(value=several):
                return further.items(several)
            case _:
                return None

    def any_of(self, nodes: Sequence[ast.expr]) -> Values | None:
        """List the constants of several expressions, one of which it will be."""
        found: list[object] = []
        for node in nodes:
            values = self.values(node)
            if values is None:
                return None
            found += values

        distinct = dict.fromkeys(found)
        return tuple(distinct)[:MOST_VALUES]

    def joined(self, nodes: Sequence[ast.expr]) -> Values | None:
        """List the texts that several expressions can make one after another."""
        texts = [""]
        for node in nodes:
            values = self.values(node)
            if values is None:
                return None

            are_texts = [isinstance(value, str) for value in values]
            if not all(are_texts):
                return None

            longer = [f"{text}{value}" for text in texts for value in values]
            texts = longer[:MOST_VALUES]
        return tuple(texts)

    def of_name(self, name: str) -> Values | None:
        """List the constants that a name is ever bound to."""
        owner = self.scope.find(name)
        if owner is None or name in owner.imports:
            return None

        bound = owner.assigned[name]
        default = owner.defaults.get(name)
        if default is not None and bound == [None]:
            if not self.takes_defaults:
                return None
            outside = owner.parent or owner  # where a default is worked out
            there = replace(self, scope=outside)
            return there.values(default)

        expressions = [value for value in bound if value is not None]
        if len(expressions) != len(bound):
            return None
        there = replace(self, scope=owner)
        return there.any_of(expressions)

    def items(self, node: ast.expr) -> Values | None:
        """List what a written tuple, list or set holds, also under a name that only it has."""
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            return self.any_of(node.elts)
        if not isinstance(node, ast.Name) or self.steps > MOST_STEPS:
            return None

        owner = self.scope.find(node.id)
        if owner is None:
            return None

        only = owner.only_value(node.id)
        if only is None:
            return None
        further = self._further(owner)
        return further.items(only)

    def _further(self, scope: Scope) -> _Reading:
        """Go a step on, in a scope."""
        return replace(self, scope=scope, steps=self.steps + 1)


def beginning(node: ast.expr) -> str:
    """Return the text that an expression certainly begins with.

    That is ``http://`` of ``f"http://{host}/a.pth"``.
    """
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=[first, *_]):
            return beginning(first)
        case ast.BinOp(left=first, op=ast.Add()):
            return beginning(first)
        case _:
            return ""


def _bind_parameters(scope: Scope, arguments: ast.arguments) -> None:
    positional = [*arguments.posonlyargs, *arguments.args]
    by_name = arguments.kwonlyargs
    rest = [arguments.vararg, arguments.kwarg]

    for parameter in [*positional, *by_name, *rest]:
        if parameter is not None:
            scope.assigned[parameter.arg] = [None]

    without_default = len(positional) - len(arguments.defaults)
    with_default = positional[without_default:]
    for parameter, default in zip(with_default, arguments.defaults, strict=True):
        scope.defaults[parameter.arg] = default

    for parameter, keyword_default in zip(by_name, arguments.kw_defaults, strict=True):
        if keyword_default is not None:
            scope.defaults[parameter.arg] = keyword_default


def _bind(scope: Scope, node: ast.AST) -> None:
    """Note what one statement or expression binds."""
    match node:
        case ast.Import() | ast.ImportFrom():
            _bind_imports(scope, node)
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                _bind_target(scope, target, value)
        case ast.AnnAssign() | ast.NamedExpr():
            _bind_target(scope, node.target, node.value)
        case ast.AugAssign(target=target):
            _bind_target(scope, target, None)
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            # The name of a loop is bound to each of the values, as by *VALUES.
            each_value = ast.Starred(node.iter, ast.Load())
            _bind_target(scope, node.target, each_value)
        case ast.withitem(optional_vars=ast.expr() as target):
            _bind_target(scope, target, None)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            scope.bind(node.name, None)


def _bind_imports(scope: Scope, node: ast.Import | ast.ImportFrom) -> None:
    """Note the names of an import: ``import torch.hub`` binds ``torch``."""
    if isinstance(node, ast.ImportFrom):
        dots = "." * node.level
        module = node.module or ""
        for alias in node.names:
            name = alias.asname or alias.name
            scope.imports[name] = f"{dots}{module}.{alias.name}"
        return

    for alias in node.names:
        top, _, _ = alias.name.partition(".")
        if alias.asname:
            scope.imports[alias.asname] = alias.name
        else:
            scope.imports[top] = top


def _bind_target(scope: Scope, target: ast.expr, value: ast.expr | None) -> None:
    if isinstance(target, ast.Name):
        scope.bind(target.id, value)
        return

    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            scope.bind(node.id, None)
