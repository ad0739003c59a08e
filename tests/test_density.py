"""Lines breathe: syntax nodes a line of code, counted for each package.

Short functions were once bought by packing lines. The same count gives 3.8 to 4.7 for pooch, httpx,
structlog, python-tuf, import-linter, cattrs and llm. The figure is a symptom: to lower it, unpack
ideas (a named value for each, one assignment a line), do not chop lines.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
LIMIT = 5.0
"""Nodes a line that every package keeps to."""
CEILINGS: dict[str, float] = {}
"""Packages that are still denser. Ceilings only go down; who keeps to the limit leaves."""
LONGEST = 400
"""Lines of a file that needs no reason."""
REASON = re.compile(r"\blong\b")
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def nodes_of(tree: ast.AST) -> int:
    """Count syntax nodes; whether a name is read or written is no node of its own."""
    return sum(not isinstance(node, (ast.Load, ast.Store)) for node in ast.walk(tree))


def docstring_lines(tree: ast.AST) -> set[int]:
    """Number the lines of docstrings."""
    lines: set[int] = set()

    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines.update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))

    return lines


def code_lines(text: str) -> set[int]:
    """Number the lines that are not blank and hold more than a comment."""
    lines: set[int] = set()

    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))

    return lines


def density(files: list[Path]) -> float:
    """Divide the nodes of some files by their lines of code."""
    nodes = lines = 0

    for file in files:
        text = file.read_text(encoding="utf-8")
        tree = ast.parse(text)
        nodes += nodes_of(tree)
        lines += len(code_lines(text) - docstring_lines(tree))

    return nodes / max(lines, 1)


def packages() -> dict[str, list[Path]]:
    """List the files of each package, of the modules beside them, the scripts and tests/support."""
    zoo = REPOSITORY / "zoo"
    found = {"zoo": sorted(zoo.glob("*.py"))}

    for folder in sorted(zoo.iterdir()):
        files = sorted(folder.rglob("*.py"))
        if files:
            found[f"zoo/{folder.name}"] = files

    for name in ("scripts", "tests/support"):
        found[name] = sorted((REPOSITORY / name).rglob("*.py"))
    return found


@pytest.mark.parametrize("name", packages())
def test_lines_of_a_package_breathe(name: str) -> None:
    """To see which files are dense: python tests/test_density.py."""
    measured = density(packages()[name])
    assert measured <= CEILINGS.get(name, LIMIT), f"{name} has {measured:.2f} syntax nodes a line"


def test_a_long_file_says_why_at_its_top() -> None:
    """Over 400 lines: what holds it together is a sentence of its docstring."""
    silent = []
    for folder in ("zoo", "scripts", "tests"):
        for file in sorted((REPOSITORY / folder).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            if len(text.splitlines()) <= LONGEST:
                continue
            words = ast.get_docstring(ast.parse(text)) or ""
            if not REASON.search(words):
                silent.append(str(file.relative_to(REPOSITORY)))

    assert not silent, f"say at the top why it is long, or split it: {silent}"


def test_ceilings_are_for_packages_that_need_one() -> None:
    """A package that has gone, or was given room below the limit, leaves the table."""
    assert set(CEILINGS) <= set(packages())
    assert min(CEILINGS.values(), default=LIMIT + 1) > LIMIT


def test_the_count_is_that_of_the_definition(tmp_path: Path) -> None:
    """Worked out by hand: six lines of code with 16 nodes."""
    file = tmp_path / "example.py"
    file.write_text(
        '"""Words\nand more words."""\n'  # two nodes, Expr and Constant, no line
        "\n"
        "# a comment\n"
        "a = 1  # Assign, Name, Constant\n"
        "b = f(  # Assign, Name, Call, Name\n"
        "    a,  # Name\n"
        ")\n"
        "\n"
        "\n"
        "def g(x):  # FunctionDef, arguments, arg\n"
        "    return x  # Return, Name\n"
    )
    module = 1
    docstring = 2
    assert density([file]) == pytest.approx((module + docstring + 3 + 5 + 3 + 2) / 6)


if __name__ == "__main__":
    for package, sources in packages().items():
        print(f"{density(sources):.2f} {package}")  # noqa: T201  (a tool for people)
        for source in sorted(sources, key=lambda path: -density([path])):
            print(f"    {density([source]):.2f} {source.relative_to(REPOSITORY)}")  # noqa: T201
