"""What a ``hubconf.py`` offers, read from its syntax tree: nothing is imported and nothing runs.

``torch.hub.list`` and ``torch.hub.help`` run the file to answer. Here names are followed through
the imports of the repository's own modules; what only running would tell is said to be unknown.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Kind = Literal["function", "class", "imported", "value"]
HUBCONF = "hubconf.py"
_MOST_STEPS = 8
_DEPENDENCIES = "dependencies"
_MAKERS = frozenset({"globals", "setattr", "exec"})
_CALLABLE = (ast.Name, ast.Attribute, ast.Lambda, ast.Call)
_Definition = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Offer:
    """A public name of ``hubconf.py``."""

    name: str
    kind: Kind
    """``imported``: it comes from another package, so that only running tells what it is."""
    signature: str | None = None
    """``"(pretrained=False, **kwargs)"``."""
    doc: str | None = None
    defined_in: str | None = None
    """The repository's file, or the package that it is imported from."""


@dataclass(frozen=True, slots=True)
class Hubconf:
    """What was read."""

    offers: tuple[Offer, ...]
    dependencies: tuple[str, ...] | None
    """``None`` where the file names none, or computes them."""
    packages: tuple[str, ...]
    """What the file imports from outside of the repository, at its top."""
    is_complete: bool
    """False where names are made while the file runs, or come with ``import *`` from elsewhere."""

    def find(self, name: str) -> Offer | None:
        """Find an offer by its name; the case of letters counts, as in Python."""
        for offer in self.offers:
            if offer.name == name:
                return offer
        return None


def read_hubconf(read: Callable[[str], str | None]) -> Hubconf:
    """Read a repository's ``hubconf.py``.

    Args:
        read: Gives the text of a file of the repository, ``None`` where there is none.

    Raises:
        SyntaxError: The file is no Python that this version can read.
    """
    reader = _Reader(read)
    text = read(HUBCONF) or ""
    tree = ast.parse(text)

    offers: dict[str, Offer] = {}
    packages: dict[str, None] = {}
    dependencies = None
    for statement in _statements(tree.body):
        if _assigns(statement, _DEPENDENCIES):
            dependencies = _texts(statement)
        for offer in reader.offers(statement, HUBCONF):
            offers[offer.name] = offer
        for package in reader.packages(statement):
            packages[package] = None

    offers.pop(_DEPENDENCIES, None)
    return Hubconf(
        offers=tuple(offers.values()),
        dependencies=dependencies,
        packages=tuple(packages),
        is_complete=reader.is_complete,
    )


class _Reader:
    """Follow names through the modules of one repository."""

    def __init__(self, read: Callable[[str], str | None]) -> None:
        self._read = read
        self.is_complete = True

    def offers(
        self,
        statement: ast.stmt,
        file: str,
    ) -> Iterator[Offer]:
        """Give the public names that a statement of the top level binds."""
        for offer in self._bound(statement, file):
            is_hidden = offer.name.startswith("_")
            if not is_hidden:
                yield offer

    def _bound(
        self,
        statement: ast.stmt,
        file: str,
    ) -> Iterator[Offer]:
        if isinstance(statement, _Definition):
            yield _defined(statement.name, statement, file)
        elif isinstance(statement, ast.ImportFrom):
            yield from self._imported(statement)
        elif isinstance(statement, ast.Assign):
            yield from _assigned(statement, file)
        elif _makes_names(statement):
            self.is_complete = False

    def packages(self, statement: ast.stmt) -> Iterator[str]:
        """Name what a statement imports from outside of the repository."""
        for name in _modules(statement):
            top, _, _ = name.partition(".")
            is_own = self._file_of(top) or self._file_of(name)
            if not is_own:
                yield top

    def _imported(self, statement: ast.ImportFrom) -> Iterator[Offer]:
        module = statement.module or ""
        file = self._file_of(module)
        for alias in statement.names:
            name = alias.asname or alias.name
            if alias.name == "*":
                yield from self._everything_of(file)
            elif file is None:
                yield Offer(name, "imported", defined_in=module)
            else:
                yield from self._followed(alias.name, name, module, file)

    def _followed(
        self,
        original: str,
        name: str,
        module: str,
        file: str,
    ) -> Iterator[Offer]:
        """Give what a name of a module of the repository is; a module itself is no offer."""
        found = self._find(file, original, _MOST_STEPS)
        if found is not None:
            definition, place = found
            yield _defined(name, definition, place)
            return

        submodule = f"{module}.{original}"
        if self._file_of(submodule) is None:
            yield Offer(name, "value", defined_in=file)

    def _everything_of(self, file: str | None) -> Iterator[Offer]:
        """Give the public names of a module of the repository; of another nobody knows them."""
        if file is None:
            self.is_complete = False
            return
        for statement in self._body(file):
            yield from self.offers(statement, file)

    def _find(
        self,
        file: str,
        name: str,
        steps: int,
    ) -> tuple[_Definition, str] | None:
        """Find the definition of a name, through imports."""
        if steps == 0:
            return None

        for statement in self._body(file):
            found = None
            if isinstance(statement, _Definition):
                if statement.name == name:
                    found = (statement, file)
            elif isinstance(statement, ast.ImportFrom):
                found = self._find_imported(statement, file, name, steps)
            if found is not None:
                return found
        return None

    def _find_imported(
        self,
        statement: ast.ImportFrom,
        file: str,
        name: str,
        steps: int,
    ) -> tuple[_Definition, str] | None:
        module = statement.module or ""
        place = self._file_of(module, statement.level, file)
        if place is None:
            return None

        for alias in statement.names:
            bound = alias.asname or alias.name
            if bound == name:
                return self._find(place, alias.name, steps - 1)
            if bound == "*":
                return self._find(place, name, steps - 1)
        return None

    def _body(self, file: str) -> list[ast.stmt]:
        text = self._read(file) or ""
        try:
            tree = ast.parse(text)
        except SyntaxError:
            self.is_complete = False
            return []
        return list(_statements(tree.body))

    def _file_of(
        self,
        module: str,
        level: int = 0,
        importer: str = HUBCONF,
    ) -> str | None:
        """Find the file of a module inside the repository."""
        parts = []
        if level:
            folders = importer.split("/")
            parts += folders[:-level]
        if module:
            parts += module.split(".")
        if not parts:
            return None

        path = "/".join(parts)
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            if self._read(candidate) is not None:
                return candidate
        return None


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Give the statements of the top level, also inside of ``if`` and ``try``."""
    for statement in body:
        if isinstance(statement, ast.If):
            yield from _statements(statement.body)
            yield from _statements(statement.orelse)
        elif isinstance(statement, ast.Try):
            yield from _statements(statement.body)
            for handler in statement.handlers:
                yield from _statements(handler.body)
            yield from _statements(statement.orelse)
        else:
            yield statement


def _defined(
    name: str,
    definition: _Definition,
    file: str,
) -> Offer:
    doc = ast.get_docstring(definition)
    if isinstance(definition, ast.ClassDef):
        return Offer(name, "class", None, doc, file)
    parameters = ast.unparse(definition.args)
    return Offer(name, "function", f"({parameters})", doc, file)


def _modules(statement: ast.stmt) -> list[str]:
    """Name the modules that a statement imports by their full names."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        is_absolute = statement.level == 0
        if is_absolute and statement.module:
            return [statement.module]
    return []


def _assigns(
    statement: ast.stmt,
    name: str,
) -> bool:
    if not isinstance(statement, ast.Assign):
        return False
    names = [getattr(target, "id", None) for target in statement.targets]
    return name in names


def _assigned(
    statement: ast.Assign,
    file: str,
) -> Iterator[Offer]:
    """Give the names that may be callable: bound to another name, a lambda or a call's result."""
    if not isinstance(statement.value, _CALLABLE):
        return
    for target in statement.targets:
        if isinstance(target, ast.Name):
            yield Offer(target.id, "value", defined_in=file)


def _texts(statement: ast.stmt) -> tuple[str, ...] | None:
    """Read the list of texts that is assigned."""
    if not isinstance(statement, ast.Assign):
        return None
    try:
        found = ast.literal_eval(statement.value)
    except ValueError:
        return None
    if not isinstance(found, list | tuple):
        return None
    is_texts = all(isinstance(one, str) for one in found)
    return tuple(found) if is_texts else None


def _makes_names(statement: ast.stmt) -> bool:
    """Tell whether a statement may make names that it does not write down."""
    for node in ast.walk(statement):
        if not isinstance(node, ast.Name):
            continue
        if node.id in _MAKERS:
            return True
    return False
