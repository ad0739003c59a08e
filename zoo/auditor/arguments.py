"""The arguments of one call, as far as they are written out."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from zoo.auditor.scopes import Scope, Values, constants


@dataclass(
    frozen=True,
    slots=True,
)
class Argument:
    """One argument of a call."""

    node: ast.expr | None
    """``None`` where it is not given."""
    values: Values | None
    """What it can be; ``None`` where only running the program would tell, ``()`` where it is not given."""

    @property
    def is_given(self) -> bool:
        """Whether the call certainly has it."""
        return self.node is not None

    @property
    def is_known(self) -> bool:
        """Whether all that it can be is written out."""
        return self.values is not None

    @property
    def texts(self) -> tuple[str, ...]:
        """What it can be, of the texts."""
        return tuple(value for value in self.values or () if isinstance(value, str))

    def is_surely(self, value: object) -> bool:
        """Tell whether it can be nothing else."""
        return self.values is not None and self.values == (value,)

    def may_be_on(self) -> bool:
        """Tell whether it is given and can be true."""
        return self.is_given and self.values is not None and any(self.values)


@dataclass(
    frozen=True,
    slots=True,
)
class Call:
    """A call and the scope that it stands in."""

    node: ast.Call
    scope: Scope

    @property
    def has_more(self) -> bool:
        """Whether ``*arguments`` or ``**options`` may add to what is written out."""
        has_stars = any(isinstance(argument, ast.Starred) for argument in self.node.args)
        return has_stars or any(keyword.arg is None for keyword in self.node.keywords)

    def argument(self, position: int | None, *names: str, takes_defaults: bool = False) -> Argument:
        """Find an argument by its position or one of its names."""
        node = self._node(position, names)
        if node is None:
            return Argument(None, None if self.has_more else ())
        values = constants(node, self.scope, takes_defaults=takes_defaults)
        return Argument(node, values)

    def _node(self, position: int | None, names: tuple[str, ...]) -> ast.expr | None:
        for keyword in self.node.keywords:
            if keyword.arg in names:
                return keyword.value
        before = self.node.args[: position + 1] if position is not None else []
        has_stars = any(isinstance(argument, ast.Starred) for argument in before)
        if position is None or has_stars or position >= len(self.node.args):
            return None
        return self.node.args[position]
