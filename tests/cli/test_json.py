"""``--json`` on every command: what stdout holds is JSON and nothing else."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.commands import LEAVES, LINES, options_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

PRINT_NOTHING = {"zoo mirror exec", "zoo run"}
"""The command that is run in their place prints."""
NOT_RUN_HERE = {
    *("zoo mirror serve", "zoo site serve"),
    *("zoo registry build", "zoo registry pin", "zoo registry watch"),
    "zoo lock update",
    *("zoo hub list", "zoo hub help", "zoo hub load"),
    *("zoo sign", "zoo verify", "zoo mirror sign"),
    *("zoo trust key", "zoo trust init", "zoo trust sign", "zoo trust publish", "zoo trust rotate"),
    *("zoo registry update", "zoo registry rollback", "zoo registry hold"),
}
"""Two run until they are stopped, two rewrite the installation, one needs what it asks for.

The rest needs keys, an installed registry or GitHub, and is run by test_trust.py and
tests/torch_hub.
"""


def command_of(line: str) -> str:
    """Give the name of the command that a line runs."""
    words = line.split()
    names = [" ".join(words[:count]) for count in (4, 3, 2)]
    return next(name for name in names if name in LEAVES)


COMMAND_LINES = {command_of(line): line for line in LINES.split("\n") if line}


@pytest.mark.parametrize("name", sorted(LEAVES.keys() - PRINT_NOTHING))
def test_every_command_takes_json(name: str) -> None:
    """Machines can read what any command says."""
    assert "--json" in options_of(LEAVES[name])


def test_every_command_is_run_below() -> None:
    """A new command cannot be forgotten."""
    assert COMMAND_LINES.keys() == LEAVES.keys() - PRINT_NOTHING - NOT_RUN_HERE


def parse(text: str) -> Any:
    """Read JSON that holds neither NaN nor infinities."""
    return json.loads(text, parse_constant=pytest.fail)


NEED_A_MIRROR = ("zoo mirror", "zoo bundle", "zoo doctor")


@pytest.mark.parametrize("name", [n for n in COMMAND_LINES if not n.startswith(NEED_A_MIRROR)])
def test_stdout_is_json(name: str, zoo: Run, places: Path) -> None:
    """Also where there is nothing to tell; talk is on stderr."""
    assert places.is_dir()
    words = shlex.split(COMMAND_LINES[name].replace(" -- ", " --json -- "))[1:]
    outcome = zoo(*words, *([] if "--" in words else ["--json"]))
    assert "Traceback" not in outcome.err
    parse(outcome.out)


@pytest.mark.parametrize("name", [n for n in COMMAND_LINES if n.startswith(NEED_A_MIRROR)])
def test_stdout_is_json_where_a_mirror_is_needed(
    name: str, zoo: Run, request: pytest.FixtureRequest
) -> None:
    """Likewise, with a mirror, which runs where its address is asked for."""
    line = COMMAND_LINES[name]
    fixture = "mirror" if "SERVER" in line else "store"
    words: dict[str, str] = request.getfixturevalue(fixture)
    for word, value in words.items():
        line = line.replace(word, value)
    outcome = zoo(*shlex.split(line)[1:], "--json")
    assert "Traceback" not in outcome.err
    parse(outcome.out)
