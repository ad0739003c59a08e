"""The arguments of one call, as far as they are written out."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from zoo.auditor.scopes import Scope, Values, constants


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call."""

    node: ast.expr | None
    """``None`` where it is not given."""
    values: Values | None
    """What it can be: ``None`` where only running the program would tell, ``()`` if not given."""

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
        known = self.values or ()
        texts = [value for value in known if isinstance(value, str)]
        return tuple(texts)

    def is_surely(self, value: object) -> bool:
        """Tell whether it can be nothing else."""
        only = (value,)
        return self.values == only

    def may_be_on(self) -> bool:
        """Tell whether it is given and can be true."""
        known = self.values or ()
        return self.is_given and any(known)


@dataclass(frozen=True, slots=True)
class Call:
    """A call and the scope that it stands in."""

    node: ast.Call
    scope: Scope

    @property
    def has_more(self) -> bool:
        """Whether ``*arguments`` or ``**options`` may add to what is written out."""
        has_stars = _has_stars(self.node.args)
        has_options = any(keyword.arg is None for keyword in self.node.keywords)
        return has_stars or has_options

    def argument(self, position: int | None, *names: str, takes_defaults: bool = False) -> Argument:
        """Find an argument by its position or one of its names."""
        node = self._named(names)
        if node is None and position is not None:
            node = self._at(position)

        if node is None and self.has_more:
            return Argument(None, None)
        if node is None:
            return Argument(None, ())
        values = constants(node, self.scope, takes_defaults=takes_defaults)
        return Argument(node, values)

    def _named(self, names: tuple[str, ...]) -> ast.expr | None:
        for keyword in self.node.keywords:
            if keyword.arg in names:
                return keyword.value
        return None

    def _at(self, position: int) -> ast.expr | None:
        """Find an argument by its position; behind ``*arguments`` no position is certain."""
        up_to_it = self.node.args[: position + 1]
        is_there = len(up_to_it) > position
        if not is_there or _has_stars(up_to_it):
            return None
        return up_to_it[position]


def _has_stars(arguments: list[ast.expr]) -> bool:
    return any(isinstance(argument, ast.Starred) for argument in arguments)
