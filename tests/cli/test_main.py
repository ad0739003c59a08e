"""The command line as a whole: help, errors, exit codes, start-up, completion.

The file is long because what holds for every command is tested over all of them, here.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
from PIL import Image

from tests.support import warm
from tests.support.commands import LEAVES, LOADED
from tests.support.terminal import ESCAPES, show
from zoo.catalog.places import find_registry
from zoo.cli.main import COMMANDS, app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.cli.conftest import Run

ZOO = [sys.executable, "-m", "zoo"]
REFUSE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
"""
MARK = "=== "
EACH = f"""
import json, os, sys
from zoo.cli.main import main

for words, variables in json.loads(sys.argv[1]):
    print({MARK!r}, end="", flush=True)
    child = os.fork()
    if not child:
        os.environ.update(variables)
        sys.argv = ["zoo", *words]
        main()
    _, status = os.waitpid(child, 0)
    print({MARK!r} + str(os.waitstatus_to_exitcode(status)) + {MARK!r}, end="", flush=True)
"""
"""Runs many command lines, each in a process of its own, after importing the command line once."""
Words = tuple[str, ...]


def in_turn(program: Sequence[str], lines: Mapping[Words, Mapping[str, str]]) -> list[str]:
    """Write the command that runs :data:`EACH` on command lines with variables of their own."""
    return [*program, json.dumps(list(lines.items()))]


def outcomes(lines: Iterable[Words], text: str) -> dict[Words, tuple[int, str]]:
    """Give exit code and output of each line from what :data:`EACH` wrote."""
    parts = text.split(MARK)[1:]
    ends = zip(parts[::3], parts[1::3], strict=False)
    return {line: (int(code), out) for line, (out, code) in zip(lines, ends, strict=True)}


def run_each(setup: str, lines: Mapping[Words, Mapping[str, str]]) -> dict[Words, tuple[int, str]]:
    """Run command lines one after the other, with stdout and stderr in one pipe."""
    command = in_turn([sys.executable, "-c", setup + EACH], lines)
    pipe = subprocess.PIPE
    done = subprocess.run(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, check=True)
    return outcomes(lines, done.stdout)


def test_help_names_every_command_with_its_line(zoo: Run) -> None:
    """The page of the program itself, without importing a command."""
    page = zoo("--help")
    assert page.exit_code == 0
    words = " ".join(page.out.split())
    for name, entry in COMMANDS.items():
        assert f" {name} {entry.help} " in words


def test_no_arguments_show_the_help_page(zoo: Run) -> None:
    """A newcomer types the name alone; a script must not take that for success."""
    page = zoo()
    assert page.exit_code == 2
    assert "Find models:" in page.out + page.err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_registered_line_is_the_commands_own_first_sentence(name: str) -> None:
    """The table of commands, which imports nothing, repeats how each help text begins: no drift."""
    assert LOADED[f"zoo {name}"].help.startswith(COMMANDS[name].help)


GROUPS = ["zoo", *sorted(LOADED.keys() - LEAVES.keys())]


def examples_of(command: Any) -> list[str]:
    """List the command lines under Examples that start with zoo."""
    return re.findall(r"^ *(zoo .*)$", command.epilog or "", re.MULTILINE)


@pytest.mark.parametrize("name", LEAVES)
def test_every_help_page_has_examples_that_parse(name: str) -> None:
    """The real parser takes each example: options that are gone cannot stay in a help page."""
    examples = examples_of(LEAVES[name]) or examples_of(LOADED[" ".join(name.split()[:2])])
    assert "Examples:" in (LEAVES[name].epilog or LOADED[" ".join(name.split()[:2])].epilog)
    for example in examples:
        words = shlex.split(re.split(" > | && |[|]", example)[0])
        root: Any = typer.main.get_command(app)
        context = root.make_context("zoo", words[1:])
        while hasattr(context.command, "resolve_command") and (
            rest := [*context._protected_args, *context.args]
        ):
            inner_name, inner, arguments = context.command.resolve_command(context, rest)
            context = inner.make_context(inner_name, arguments, parent=context)


HELP_PAGES = f"""
import sys
from zoo.cli.main import run
for name in sys.argv[1:]:
    print({MARK!r} + name, flush=True)
    run([*name.split()[1:], "--help"])
"""


def help_pages(seed: str) -> dict[str, str]:
    """Show the pages of all commands in one process, whose sets have the order of a seed."""
    shown = show(
        [sys.executable, "-c", HELP_PAGES, "zoo", *LOADED],
        columns=80,
        environment={"PYTHONHASHSEED": seed},
    )
    pages = {}
    for part in shown.text.split(MARK)[1:]:
        name, _, page = part.partition("\n")
        pages[name] = page
    return pages


@pytest.fixture(scope="module")
def pages() -> list[dict[str, str]]:
    """Show every page in two processes."""
    return [help_pages(seed) for seed in "12"]


@pytest.mark.parametrize("name", LOADED)
def test_help_is_the_same_each_time_and_fits_80_columns(
    name: str, pages: list[dict[str, str]]
) -> None:
    """Help goes into the documentation: the order of sets and the terminal's width do not show."""
    page, other = [by_name[name] for by_name in pages]
    assert page == other
    assert "-h, --help" in page
    lines = page.partition("Examples:")[0].splitlines()
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("name", GROUPS)
def test_the_page_of_a_group_cuts_no_line(name: str, pages: list[dict[str, str]]) -> None:
    """What each command does stands whole on the page of its group, in 80 columns."""
    page = pages[0][name].partition("Examples:")[0]
    assert "Usage: " in page
    assert "..." not in page.replace("[ARGS]...", "").replace("NAME...", "")


def test_an_unknown_command_offers_the_nearest(zoo: Run) -> None:
    """A typo is answered, as wrong usage."""
    outcome = zoo("lst")
    assert outcome.exit_code == 2
    assert "Did you mean 'list'?" in outcome.err
    assert outcome.out == ""


def test_an_unknown_option_offers_the_nearest(zoo: Run) -> None:
    """A typo is answered, as wrong usage."""
    outcome = zoo("list", "--famly", "resnet")
    assert outcome.exit_code == 2
    assert "--family" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (("list",), 0),
        (("list", "resnt18"), 1),
        (("list", "--where", "parameters <"), 1),
        (("inspect", "resnet-81"), 1),
        (("inspect", "resnet18:v9"), 1),
        (("list", "--limit", "0"), 2),
        (("list", "--limit", "ten"), 2),
        (("list", "--format", "xml"), 2),
        (("list", "--json", "--format", "csv"), 2),
        (("list", "--year", "15"), 2),
        (("choose", "--max-parameters", "ten"), 2),
        (("compare", "resnet18"), 2),
        (("download",), 2),
        (("inspect",), 2),
        (("inspect", "resnet18", "--input", "3x"), 2),
        (("inspect", "resnet18", "--svg", "x.svg"), 2),
        (("inspect", "resnet18", "vgg16"), 2),
        (("inspect", "resnet18", "--depth", "-1"), 2),
        (("inspect", "resnet18", "--layer", "layer9"), 1),
    ],
)
def test_exit_codes(zoo: Run, arguments: tuple[str, ...], exit_code: int) -> None:
    """0 done, 1 what the user can fix, 2 wrong usage; errors go to stderr alone, in words."""
    outcome = zoo(*arguments)
    assert outcome.exit_code == exit_code
    if exit_code:
        assert outcome.out == ""
        assert outcome.err.strip()
        assert "Traceback" not in outcome.err


def test_an_error_is_one_line_that_begins_with_error(zoo: Run) -> None:
    """Scripts and people find it."""
    outcome = zoo("inspect", "resnet18x")
    assert outcome.err.startswith("error: no model is called 'resnet18x'; did you mean resnet18")
    assert outcome.err.count("\n") == 1


EVIL = "\x1b[2J\x9bevil"


HOSTILE: list[Words] = [
    (EVIL,),
    ("list", EVIL),
    ("list", "resnet", EVIL),
    ("list", f"--{EVIL}"),
    ("list", "--format", EVIL),
    ("list", "--where", EVIL),
    ("list", "--columns", EVIL),
    ("inspect", EVIL),
    ("inspect", "resnet18", "--layer", EVIL),
    ("inspect", "resnet18", "--input", EVIL),
    ("download", EVIL, "--mirror", EVIL),
    ("registry", "validate", EVIL),
]


@pytest.fixture(scope="module")
def hostile() -> dict[Words, tuple[int, str]]:
    """Run all of them on a terminal; keep the escapes that it was sent."""
    command = in_turn([sys.executable, "-c", EACH], {line: {} for line in HOSTILE})
    return outcomes(HOSTILE, show(command, columns=100).raw)


@pytest.mark.parametrize("arguments", HOSTILE)
def test_hostile_arguments_reach_the_terminal_escaped(
    arguments: Words, hostile: dict[Words, tuple[int, str]]
) -> None:
    """A pasted escape sequence colors, moves and clears nothing, in whichever argument it is."""
    exit_code, raw = hostile[arguments]
    assert exit_code in (1, 2)
    assert "\x1b[2J" not in raw
    assert "\x9b" not in raw
    assert "evil" in ESCAPES.sub("", raw)


def test_version_is_printed(zoo: Run) -> None:
    """The installed version."""
    outcome = zoo("--version")
    assert outcome.exit_code == 0
    assert re.fullmatch(r"zoo \d+\.\d+\.\d+\n", outcome.out)


def test_a_malformed_registry_ends_every_command_in_words(zoo_with: Callable[[str], Run]) -> None:
    """The message names the file and the JSON path; nothing is shown half."""
    text = (
        find_registry()
        .read_text(encoding="utf-8")
        .replace('"name": "resnet18"', '"name": "resnet 18"', 1)
    )
    broken = zoo_with(text)
    for arguments in (
        ("list",),
        ("inspect", "resnet18"),
        ("choose",),
        ("compare", "resnet18", "vgg16"),
    ):
        outcome = broken(*arguments)
        assert outcome.exit_code == 1
        assert outcome.out == ""
        assert "registry.json is malformed at $.architectures.resnet18.name" in outcome.err
        assert "Traceback" not in outcome.err


def loaded_by(*arguments: str) -> set[str]:
    """Run a command in a fresh process and list the packages it has imported."""
    program = (
        "import sys\nfrom zoo.cli.main import run\n"
        f"run({list(arguments)!r})\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_images_for_networks_of_our_own_are_prepared_without_torchvision(tmp_path: Path) -> None:
    """Its import takes as long as torch's."""
    image = tmp_path / "digit.png"
    Image.new("L", (28, 28)).save(image)
    loaded = loaded_by("predict", "lenet5", str(image))
    assert "torch" in loaded
    assert "torchvision" not in loaded


QUICK: list[Words] = [
    ("--help",),
    ("list",),
    ("list", "--limit", "3"),
    ("list", "resnet", "--where", "parameters<30M", "--sort", "-size", "--format", "json"),
    ("inspect", "resnet18"),
    ("compare", "resnet18", "vgg16"),
    ("choose", "--max-parameters", "10M"),
    ("download", "lenet5", "--dry-run"),
]
SAY_LOADED = "import atexit, sys; atexit.register(lambda: print('loaded', *sys.modules))"


@pytest.fixture(scope="module")
def loaded() -> dict[Words, set[str]]:
    """Run all of them and list the packages that each has imported."""
    found = {}
    for line, (code, text) in run_each(SAY_LOADED, {line: {} for line in QUICK}).items():
        assert code == 0, text
        modules = text.rpartition("loaded ")[2].split()
        found[line] = {name.partition(".")[0] for name in modules}
    return found


@pytest.mark.parametrize("arguments", QUICK)
def test_quick_commands_import_no_slow_package(
    arguments: Words, loaded: dict[Words, set[str]]
) -> None:
    """Neither torch nor numpy, and of Typer's own dependencies neither pydantic nor rich."""
    slow = {"torch", "torchvision", "numpy", "matplotlib", "requests", "pydantic", "rich", "PIL"}
    assert "zoo" in loaded[arguments]
    assert not slow & loaded[arguments]


def test_the_check_for_slow_packages_can_fail() -> None:
    """A number that is spelt oddly needs Typer's converter, and that is pydantic."""
    assert "pydantic" in loaded_by("list", "--limit", "+3")


def run_without(packages: set[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process where some packages are refused."""
    program = REFUSE.format(refused=packages) + warm.ZOO
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )


TORCHLESS: list[Words] = [
    ("list",),
    ("list", "--json"),
    ("inspect", "resnet18"),
    ("inspect", "vgg16", "--layer", "features.3"),
    ("inspect", "resnet50:imagenet1k_v1"),
    ("choose",),
    ("compare", "resnet18", "vgg16"),
    ("registry", "validate"),
    ("download", "lenet5", "--dry-run"),
]


@pytest.fixture(scope="module")
def torchless() -> dict[Words, tuple[int, str]]:
    """Run all of them where torch, torchvision and numpy are refused."""
    refuse = REFUSE.format(refused={"torch", "torchvision", "numpy"})
    return run_each(refuse, {line: {} for line in TORCHLESS})


@pytest.mark.parametrize("arguments", TORCHLESS)
def test_looking_at_the_registry_needs_no_torch(
    arguments: Words, torchless: dict[Words, tuple[int, str]]
) -> None:
    """In a process where torch, torchvision and numpy are refused."""
    exit_code, text = torchless[arguments]
    assert exit_code == 0, text


def test_what_needs_torch_says_so_where_it_is_missing() -> None:
    """One line, no traceback."""
    done = run_without({"torch"}, "inspect", "resnet18", "--repr")
    assert done.returncode == 1
    assert done.stderr == "error: this command needs the package torch, which is not installed\n"


COMPLETED = [
    ("zoo insp", 1, ["inspect"]),
    ("zoo inspect resnet1", 2, ["resnet101", "resnet152", "resnet18"]),
    ("zoo inspect resnet50:", 2, ["resnet50:imagenet1k_v1", "resnet50:imagenet1k_v2"]),
    ("zoo compare resnet18 squeeze", 3, ["squeezenet1_0", "squeezenet1_1"]),
    ("zoo list --family squ", 3, ["squeezenet"]),
    ("zoo list --sort mult", 3, ["multiply_adds"]),
    ("zoo list --task seg", 3, ["segmentation"]),
    ("zoo list --source ", 3, ["hub", "local", "timm", "torchvision", "zoo"]),
    ("zoo choose --source t", 3, ["timm", "torchvision"]),
    ("zoo list --format m", 3, ["markdown"]),
    ("zoo registry ch", 2, ["check"]),
    ("zoo inspect nothing", 2, []),
]


@pytest.fixture(scope="module")
def completions() -> dict[Words, list[str]]:
    """Ask for all completions as bash does, without torch."""
    asked: dict[Words, dict[str, str]] = {}
    for line, word, _ in COMPLETED:
        variables = {
            "_ZOO_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(word),
            "PATH": "",
        }
        asked[(line,)] = variables
    refuse = REFUSE.format(refused={"torch", "numpy"})
    return {line: text.split() for line, (_, text) in run_each(refuse, asked).items()}


@pytest.mark.parametrize(("line", "word", "expected"), COMPLETED)
def test_the_shell_completes_commands_names_and_values(
    line: str, word: int, expected: list[str], completions: dict[Words, list[str]]
) -> None:
    """From the registry, without torch."""
    assert completions[(line,)] == expected


def test_completion_of_names_survives_a_malformed_registry(zoo_with: Callable[[str], Run]) -> None:
    """A shell must not get a traceback in the middle of a line."""
    variables = {
        "_ZOO_COMPLETE": "complete_bash",
        "COMP_WORDS": "zoo inspect res",
        "COMP_CWORD": "2",
    }
    outcome = zoo_with("{")("", **variables)
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


def test_a_reader_that_goes_away_is_no_error() -> None:
    """``zoo list | head -1`` prints one line and nothing else."""
    line = f"set -o pipefail; {shlex.join([*ZOO, 'list', '--all-weights', '--json'])} | head -1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.stdout == "[\n"
    assert "Broken pipe" not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("place", [">/dev/full", ">&-"])
@pytest.mark.parametrize("arguments", [("--version",), ("list", "resnet18", "--json")])
def test_output_that_cannot_be_written_is_one_line_and_exit_1(
    place: str, arguments: tuple[str, ...]
) -> None:
    """A full disk or a closed stream, with Python's buffers as people have them."""
    line = f"unset PYTHONUNBUFFERED; {shlex.join([*ZOO, *arguments])} {place}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"error: (No space left on device|Bad file descriptor)\n", done.stderr)


def test_no_colors_in_a_pipe_nor_with_no_color() -> None:
    """Escapes are for terminals that want them."""
    piped = subprocess.run([*ZOO, "list", "resnet"], capture_output=True, check=True)
    assert b"\x1b" not in piped.stdout + piped.stderr
    assert "\x1b[1m" in show([*ZOO, "list", "resnet"], columns=100).raw
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert (
            "\x1b" not in show([*ZOO, "list", "resnet"], columns=100, environment=environment).raw
        )


def test_output_survives_an_encoding_that_cannot_hold_it() -> None:
    """A tree is drawn with letters that ASCII lacks."""
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PATH": ""}
    done = subprocess.run(
        [*ZOO, "inspect", "resnet18"], capture_output=True, check=False, env=environment
    )
    assert done.returncode == 0
    assert b"|- conv1" in done.stdout
    assert b"?" not in done.stdout


def test_quiet_prints_data_alone(zoo: Run) -> None:
    """Nothing on stderr; the same on stdout."""
    for arguments in (
        ("list", "resnet"),
        ("inspect", "resnet18"),
        ("choose",),
        ("download", "lenet5", "--dry-run"),
    ):
        loud, quiet = zoo(*arguments), zoo(*arguments, "-q")
        assert quiet.out == loud.out
        assert quiet.err == ""
        assert loud.err


@pytest.mark.parametrize(
    "arguments", [("list",), ("inspect", "resnet18"), ("choose",), ("compare", "vgg11", "vgg13")]
)
def test_json_is_json_and_alone_on_stdout(zoo: Run, arguments: tuple[str, ...]) -> None:
    """It parses strictly: no NaN, no trailing talk."""

    def refuse(word: str) -> None:
        pytest.fail(f"{word} is no JSON")

    outcome = zoo(*arguments, "--json")
    assert json.loads(outcome.out, parse_constant=refuse)
    assert zoo(*arguments, "--format", "json").out == outcome.out
