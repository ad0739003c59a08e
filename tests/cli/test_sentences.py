"""What is said on a terminal: folded between words, advice apart, a command alone on its line."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.test_errors import CLASSES, example
from zoo.cli.main import COMMANDS
from zoo.cli.terminal import output
from zoo.cli.terminal.sentences import lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[2] / "zoo"
WIDTHS = (40, 80, 100, 160)
COMMAND = re.compile(rf"\b(?:zoo (?:{'|'.join(COMMANDS)})|pip (?:un)?install)\b")
QUOTED = re.compile(r'"(?:zoo|pip|python) [^"]*"|pip install (?:-e )?"[^"]*"')
SAYS = re.compile(r"(?:talk|warn|fail|\w*Error)$")
ALONE = re.compile(r"^ *zoo .*$", re.MULTILINE)
"""A command that has its line already."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all is well", ["all is well"]),
        ('to see all, run "zoo list"', ["to see all, run", "  zoo list"]),
        (
            'run "zoo a b" or "zoo c", then go on',
            ["run", "  zoo a b", "or", "  zoo c", "then go on"],
        ),
        ('"zoo list" lists them', ["  zoo list", "lists them"]),
        (
            'run pip install -e "/a b[plot]" first',
            ["run", '  pip install -e "/a b[plot]"', "first"],
        ),
        ('no model is called "zoot"', ['no model is called "zoot"']),
        ("one\n  zoo list --sort year --limit 20", ["one", "  zoo list --sort year --limit 20"]),
        ("  far in and too wide for the line", ["  far in and too wide for", "    the line"]),
        ("", [""]),
    ],
)
def test_commands_stand_alone_and_words_stay_whole(text: str, expected: list[str]) -> None:
    """However they are joined to the sentence around them."""
    assert lay_out(text, 28) == expected


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_puts_advice_and_command_on_lines_of_their_own(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal of any width."""
    error = example(name)
    fault, command = str(error), "zoo inspect a-name-that-is-longer-than-a-line-of-forty-columns"
    if "advice" in vars(error) and error.advice:
        fault = fault.removesuffix(error.advice).removesuffix("; ")
    error.advice = f'to see what is there, run "{command}"'
    error.args = (f"{fault}; {error.advice}",)

    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    output.fail(error)
    lines = capsys.readouterr().err.splitlines()

    assert lines[-2:] == ["to see what is there, run", f"  {command}"]
    assert " ".join(" ".join(lines[:-2]).split()) == f"error: {' '.join(fault.split())}"
    assert [line for line in lines if len(line) > width and " " in line.strip()] in ([], lines[-1:])


def test_a_log_has_one_line_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody looks, programs do: they want a record a line."""
    output.fail(example("UnknownNameError"))
    assert capsys.readouterr().err.count("\n") == 1


def said() -> Iterator[tuple[str, int, str]]:
    """List every text of the package that is raised, told, warned of or given as advice."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            spoken: list[ast.expr] = []
            if isinstance(node, ast.Call) and SAYS.search(ast.unparse(node.func)):
                spoken = [*node.args, *(keyword.value for keyword in node.keywords)]
            elif isinstance(node, ast.Assign) and _is_advice(node.targets[0]):
                spoken = [node.value]
            for expression in spoken:
                yield from ((str(path.relative_to(PACKAGE)), *one) for one in _texts(expression))


def _is_advice(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and target.id.strip("_").lower() in {"advice", "text"}


def _texts(expression: ast.expr) -> Iterator[tuple[int, str]]:
    """Write out the texts of an expression, a blank for what is filled in."""
    inner: set[int] = set()
    for node in ast.walk(expression):
        if isinstance(node, ast.JoinedStr):
            inner.update(id(value) for value in node.values)
            parts = [v.value if isinstance(v, ast.Constant) else "{}" for v in node.values]
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and id(node) not in inner:
            yield node.lineno, str(node.value)


def test_every_command_that_is_advised_stands_in_quotes() -> None:
    """So that a terminal can give it a line of its own, and a reader sees where it ends."""
    checked = 0
    unquoted: list[str] = []
    for file, line, text in said():
        checked += bool(COMMAND.search(text))
        rest = ALONE.sub("", QUOTED.sub("", text))
        if COMMAND.search(rest):
            unquoted.append(f"{file}:{line}: {text}")
    assert unquoted == []
    assert checked > 40
