"""Every error that ``zoo`` raises on purpose.

::

    ZooError
    ├── RegistryError        registry.json or the facts file is malformed; says the JSON path
    ├── UnknownNameError     no such architecture, weights, family, column ...; offers the nearest
    ├── QueryError           a filter expression cannot be read
    ├── UsageError           options that contradict each other or a value out of range
    ├── MissingPackageError  an optional package is needed; says how to install it
    └── (each package adds its own below, in the order of the import rows)

The command line prints ``str(error)`` on stderr and exits with 1 (2 for ``UsageError``); facts are attributes,
the message is made from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ZooError(Exception):
    """Mark an error that a user can act on: the message says what to do next."""


class UsageError(ZooError):
    """Report options or arguments that cannot be meant."""


class RegistryError(ZooError):
    """Report a fault in ``registry.json``.

    Args:
        json_path: Where the fault is, as ``$.architectures.resnet18.parameters``.
        fault: What was expected and what stands there.
        file: The file that was read.
    """

    def __init__(self, json_path: str, fault: str, file: str = "registry.json") -> None:
        """Keep the facts and make the message."""
        self.json_path = json_path
        self.fault = fault
        self.file = file
        super().__init__(f'{file} is malformed at {json_path}: {fault}; run "zoo registry build" to make it again')


class UnknownNameError(ZooError):
    """Report a name that nothing has, with the nearest names that exist.

    Args:
        kind: What was looked for: ``"model"``, ``"weights of resnet18"``, ``"column"``.
        name: The name as the user typed it.
        nearest: Existing names, nearest first; may be empty.
        advice: The next command to type.
    """

    def __init__(self, kind: str, name: str, nearest: Sequence[str] = (), advice: str = "") -> None:
        """Keep the facts and make the message."""
        self.kind = kind
        self.name = name
        self.nearest = tuple(nearest)
        hint = f"; did you mean {' or '.join(self.nearest)}?" if self.nearest else ""
        end = f"{hint.rstrip('?')}? {advice}" if hint and advice else hint or (f"; {advice}" if advice else "")
        super().__init__(f"no {kind} is called {name!r}{end}")


class QueryError(ZooError):
    """Report a ``--where`` expression that cannot be read.

    Args:
        expression: The whole expression.
        position: Index of the first character that does not fit.
        fault: What was expected there.
    """

    def __init__(self, expression: str, position: int, fault: str) -> None:
        """Keep the facts and make the message."""
        self.expression = expression
        self.position = position
        self.fault = fault
        super().__init__(
            f"cannot read {expression!r} at character {position + 1}: {fault}; "
            "write for example 'parameters<10M and top5_error<8'"
        )


class MissingPackageError(ZooError):
    """Report an optional package that a feature needs.

    Args:
        package: Import name of what is missing.
        feature: What the user asked for.
        extra: The extra of ``torch-zoo`` that brings it.
    """

    def __init__(self, package: str, feature: str, extra: str) -> None:
        """Keep the facts and make the message."""
        self.package = package
        self.feature = feature
        self.extra = extra
        super().__init__(f'{feature} needs the package {package}: run pip install "torch-zoo[{extra}]"')
