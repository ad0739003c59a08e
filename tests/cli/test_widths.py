"""Terminals of any width: no word is cut, what was asked for is shown, ASCII is enough."""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import LINES
from tests.support.terminal import ESCAPES, show
from tests.support.thorough import few_of
from zoo.cli.main import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

ZOO = [sys.executable, "-m", "zoo"]
MARK = "=== "
RUN_ALL = f"""
import sys
from zoo.cli.main import run
for line in sys.argv[1:]:
    print({MARK!r} + line, flush=True)
    run(line.split())
"""
ASKED = """
zoo list --sort year --limit 3
zoo list vgg --where license~bsd --columns name,title,paper,year,top1,license
zoo inspect alexnet_2012
zoo inspect vgg16 --layer features.0
zoo inspect net.pth --tensors
zoo compare resnet18 resnet50 vgg16 alexnet squeezenet1_1 densenet121 googlenet lenet5 mobilenet_v2
zoo choose --max-parameters 10M
zoo cache verify
zoo inspect resnet-18x
zoo list --where family=resnett
zoo list --columns nothing
zoo predict resnet18 missing.jpg
zoo ls resnet
zoo download resnet18 --mirror ftp://x
"""


USE_TORCH = (
    *("zoo predict", "zoo evaluate", "zoo train", "zoo convert", "zoo bench run", "zoo site"),
    *("zoo inspect net.pth", "zoo registry add", "zoo registry check", "zoo search run"),
)
"""Slower ones, which run in this process and on the narrowest terminal alone."""
MENTIONED = re.compile(rf"\bzoo (?:{'|'.join(COMMANDS)})\b")


def lines_to_run(mirror: dict[str, str], *, is_slow: bool) -> list[str]:
    """List one line for nearly every command, what people ask for, and errors."""
    lines = (LINES + ASKED).strip().replace("\n\n", "\n")
    for word, value in mirror.items():
        lines = lines.replace(word, value)
    chosen = [line for line in lines.split("\n") if line.startswith(USE_TORCH) == is_slow]
    return [line for line in chosen if not line.startswith(("zoo bom", "zoo mirror env"))]


def faults(lines: list[str], columns: int) -> list[str]:
    """List lines that a terminal would wrap between words, and commands with words beside them."""
    breakable = [line for line in lines if not is_unbreakable(line)]
    wide = [line for line in breakable if len(line) > columns]
    beside = [line for line in breakable if MENTIONED.search(line)]
    return wide + beside


def is_unbreakable(line: str) -> bool:
    """Tell a single word, or a command that stands alone on its line."""
    text = line.strip()
    return " " not in text or text.startswith(("zoo ", "pip "))


@pytest.mark.parametrize("columns", few_of([40, 80, 100, 160], 40, 80))
def test_every_command_fits_every_terminal(
    columns: int, places: Path, mirror: dict[str, str], repository: Path
) -> None:
    """The terminal wraps nothing but words wider than itself; a command to copy stands alone."""
    arguments = [line.removeprefix("zoo ") for line in lines_to_run(mirror, is_slow=False)]
    shown = show(
        [sys.executable, "-c", RUN_ALL, *arguments],
        columns=columns,
        folder=places,
        environment={"PYTHONPATH": str(repository)},
    )
    assert "Traceback" not in shown.text
    assert shown.text.count(MARK) == len(arguments)
    said = [line for line in shown.lines if not line.startswith(MARK)]
    assert faults(said, columns) == []


def test_commands_that_compute_fit_a_narrow_terminal(
    places: Path, zoo: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Likewise."""
    assert places.is_dir()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    lines = lines_to_run({}, is_slow=True)
    assert len(lines) > 6
    for line in lines:
        outcome = zoo(*shlex.split(line)[1:])
        text = ESCAPES.sub("", outcome.out + outcome.err)
        last_drawn = [one.rpartition("\r")[2] for one in text.split("\n")]
        assert (line, faults(last_drawn, 40)) == (line, [])


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("list --sort year --limit 2", ["1998", "2012"]),
        ("list lenet5 --where license~Apache", ["Apache-2.0"]),
        ("list lenet5 --columns name,title,paper,year,license", ["LeNet-5", "1998", "Apache-2.0"]),
        ("inspect vgg16 --layer features.0", ["kernel_size=(3, 3)", "padding=(1, 1)"]),
        ("inspect alexnet_2012", ["[1]"]),
    ],
)
def test_what_was_asked_for_is_shown(line: str, words: list[str], columns: int) -> None:
    """However narrow the terminal is."""
    shown = show([*ZOO, *shlex.split(line)], columns=columns)
    text = " ".join(shown.text.split())
    assert [word for word in words if word not in text] == []


def test_a_footnote_has_its_reference_in_the_table() -> None:
    """Both stand there, or neither."""
    shown = show([*ZOO, "inspect", "alexnet_2012"], columns=80)
    assert shown.text.count("[1]") >= 2


@pytest.mark.parametrize("line", ["inspect lenet5", "compare lenet5 resnet18"])
def test_without_unicode_lines_are_drawn_with_ascii(line: str) -> None:
    """And columns stay where they are: one letter for one."""
    plain = show([*ZOO, *line.split()], columns=120, environment={"PYTHONIOENCODING": "ascii"})
    usual = show([*ZOO, *line.split()], columns=120, environment={"PYTHONIOENCODING": "utf-8"})
    assert plain.text.isascii()
    assert "?" not in plain.text
    assert [len(one) for one in plain.lines] == [len(one) for one in usual.lines]
    if line.startswith("inspect"):
        assert "|- c1" in plain.text
        assert "`- output" in plain.text


@pytest.mark.parametrize(
    ("given", "typed"),
    [
        (("ls", "resnet"), "zoo list resnet"),
        (("rm", "resnet18"), "zoo cache remove resnet18"),
        (("info", "resnet18"), "zoo inspect resnet18"),
        (("show", "resnet18"), "zoo inspect resnet18"),
        (("search", "vgg*"), "zoo list 'vgg*'"),
    ],
)
def test_what_others_call_a_command_leads_to_ours(given: tuple[str, ...], typed: str) -> None:
    """The whole line to type, as wrong usage."""
    shown = show([*ZOO, *given], columns=100)
    assert shown.exit_code == 2
    assert shown.lines[-1] == f"  {typed}"
