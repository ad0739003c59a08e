"""What a name means in a Python source, as far as it can be told without running it.

Three things are followed: imports (``import torch.hub as th``), names for parts of modules (``hub = torch.hub``), and
names that only ever get constants (``MODEL = "timm/resnet18.a1_in1k"``). All else is unknown, and nothing is said of it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

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
    body = getattr(node, "body", [])
    if not isinstance(body, list):
        body = [body]
    waiting: list[ast.AST] = [*body]
    while waiting:
        statement = waiting.pop()
        _bind(scope, statement)
        if not isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            waiting += ast.iter_child_nodes(statement)
    return scope


def dotted_name(
    node: ast.expr,
    scope: Scope,
    steps: int = 0,
) -> str | None:
    """Write what an expression names with its module: ``th.load`` is ``torch.hub.load``.

    A name that is bound by no import stays as it is: ``MyModel.from_pretrained``.
    """
    if isinstance(node, ast.Attribute):
        base = dotted_name(node.value, scope, steps)
        return None if base is None else f"{base}.{node.attr}"
    if not isinstance(node, ast.Name) or steps > MOST_STEPS:
        return None

    owner = scope.find(node.id)
    if owner is None:
        return node.id
    if node.id in owner.imports:
        return owner.imports[node.id]
    bound = owner.assigned[node.id]
    alias = bound[0] if len(bound) == 1 else None
    if isinstance(alias, ast.Name | ast.Attribute):
        return dotted_name(alias, owner, steps + 1)
    return node.id


def constants(  # noqa: PLR0911 - one return for each kind of expression
    node: ast.expr,
    scope: Scope,
    *,
    takes_defaults: bool = False,
    steps: int = 0,
) -> Values | None:
    """List the constants that an expression can be; ``None`` where it can be something else.

    Args:
        node: The expression.
        scope: Where it stands.
        takes_defaults: Take the default of a parameter for its value.
        steps: How many names were followed to get here.
    """
    if steps > MOST_STEPS:
        return None
    if isinstance(node, ast.Constant):
        return (node.value,)
    if isinstance(node, ast.IfExp):
        parts = [node.body, node.orelse]
        return _all_of(
            parts,
            scope,
            takes_defaults,
            steps + 1,
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined(
            [node.left, node.right],
            scope,
            takes_defaults,
            steps + 1,
        )
    if isinstance(node, ast.JoinedStr):
        parts = [
            part.value if isinstance(part, ast.FormattedValue) else part for part in node.values
        ]
        return _joined(
            parts,
            scope,
            takes_defaults,
            steps + 1,
        )
    if isinstance(node, ast.Name):
        return _constants_of_name(
            node.id,
            scope,
            takes_defaults,
            steps + 1,
        )
    if isinstance(node, ast.Starred):
        return _items(
            node.value,
            scope,
            takes_defaults,
            steps + 1,
        )
    return None


def beginning(node: ast.expr) -> str:
    """Return the text that an expression certainly begins with: ``http://`` of ``f"http://{host}/a.pth"``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and node.values:
        return beginning(node.values[0])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return beginning(node.left)
    return ""


def _bind_parameters(scope: Scope, arguments: ast.arguments) -> None:
    positional = [*arguments.posonlyargs, *arguments.args]
    rest = [arguments.vararg, arguments.kwarg]
    for parameter in [*positional, *arguments.kwonlyargs, *rest]:
        if parameter is not None:
            scope.assigned[parameter.arg] = [None]

    with_default = positional[len(positional) - len(arguments.defaults) :]
    pairs = list(zip(with_default, arguments.defaults, strict=True))
    for parameter, default in pairs:
        scope.defaults[parameter.arg] = default
    for parameter, keyword_default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if keyword_default is not None:
            scope.defaults[parameter.arg] = keyword_default


def _bind(scope: Scope, node: ast.AST) -> None:
    """Note what one statement or expression binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        _bind_imports(scope, node)
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            _bind_target(scope, target, node.value)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
        _bind_target(scope, node.target, node.value)
    elif isinstance(node, ast.AugAssign):
        _bind_target(scope, node.target, None)
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        # The name of a loop is bound to each of the values, as by *VALUES.
        _bind_target(scope, node.target, ast.Starred(node.iter, ast.Load()))
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        _bind_target(scope, node.optional_vars, None)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        scope.assigned.setdefault(node.name, []).append(None)


def _bind_imports(scope: Scope, node: ast.Import | ast.ImportFrom) -> None:
    """Note the names of an import: ``import torch.hub`` binds ``torch``."""
    if isinstance(node, ast.ImportFrom):
        module = f"{'.' * node.level}{node.module or ''}"
        for alias in node.names:
            name = alias.asname or alias.name
            scope.imports[name] = f"{module}.{alias.name}"
        return

    for alias in node.names:
        top = alias.name.partition(".")[0]
        if alias.asname:
            scope.imports[alias.asname] = alias.name
        else:
            scope.imports[top] = top


def _bind_target(
    scope: Scope,
    target: ast.expr,
    value: ast.expr | None,
) -> None:
    if isinstance(target, ast.Name):
        scope.assigned.setdefault(target.id, []).append(value)
        return
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            scope.assigned.setdefault(node.id, []).append(None)


def _constants_of_name(
    name: str,
    scope: Scope,
    takes_defaults: bool,
    steps: int,
) -> Values | None:
    owner = scope.find(name)
    if owner is None or name in owner.imports:
        return None
    default = owner.defaults.get(name)
    bound = owner.assigned[name]
    if default is not None and bound == [None]:
        found = constants(
            default,
            owner.parent or owner,
            takes_defaults=True,
            steps=steps,
        )
        return found if takes_defaults else None
    values = [value for value in bound if value is not None]
    if len(values) != len(bound):
        return None
    return _all_of(
        values,
        owner,
        takes_defaults,
        steps,
    )


def _items(
    node: ast.expr,
    scope: Scope,
    takes_defaults: bool,
    steps: int,
) -> Values | None:
    """List what a written tuple, list or set holds, also under a name that only it has."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return _all_of(
            node.elts,
            scope,
            takes_defaults,
            steps,
        )
    if not isinstance(node, ast.Name) or steps > MOST_STEPS:
        return None
    owner = scope.find(node.id)
    bound = owner.assigned.get(node.id, []) if owner is not None else []
    if owner is None or len(bound) != 1 or bound[0] is None:
        return None
    return _items(
        bound[0],
        owner,
        takes_defaults,
        steps + 1,
    )


def _all_of(
    nodes: list[ast.expr],
    scope: Scope,
    takes_defaults: bool,
    steps: int,
) -> Values | None:
    """List the constants of several expressions, one of which it will be."""
    found: list[object] = []
    for node in nodes:
        values = constants(
            node,
            scope,
            takes_defaults=takes_defaults,
            steps=steps,
        )
        if values is None:
            return None
        found += values
    return tuple(dict.fromkeys(found))[:MOST_VALUES]


def _joined(
    nodes: list[ast.expr],
    scope: Scope,
    takes_defaults: bool,
    steps: int,
) -> Values | None:
    """List the texts that several expressions can make one after another."""
    texts = [""]
    for node in nodes:
        values = constants(
            node,
            scope,
            takes_defaults=takes_defaults,
            steps=steps,
        )
        if values is None:
            return None
        if not all(isinstance(value, str) for value in values):
            return None
        longer = [f"{text}{value}" for text in texts for value in values]
        texts = longer[:MOST_VALUES]
    return tuple(texts)
