"""Every command of ``zoo``, loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
import typer.main

from zoo.cli.main import COMMANDS, app
from zoo.cli.terminal.loading import load_command

if TYPE_CHECKING:
    from collections.abc import Iterator


def all_commands() -> Iterator[tuple[str, Any]]:
    """Load every command and sub-command with its full name."""
    top = typer.main.get_command(app)
    context = typer.Context(top, info_name="zoo")
    for name, entry in COMMANDS.items():
        command = load_command(name, entry, context)
        full_name = f"zoo {name}"
        yield full_name, command
        yield from _below(full_name, command)


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """List what is below a group, at any depth."""
    commands = getattr(command, "commands", {})
    for last_word, nested in commands.items():
        full_name = f"{name} {last_word}"
        yield full_name, nested
        yield from _below(full_name, nested)


LOADED = dict(all_commands())
LEAVES = {name: command for name, command in LOADED.items() if not hasattr(command, "commands")}
"""Those that do something themselves."""


def options_of(command: Any) -> set[str]:
    """Name the options of a command."""
    return {option for parameter in command.params for option in parameter.opts}


LINES = """
zoo list lenet5
zoo choose
zoo site build site
zoo compare lenet5 resnet18
zoo inspect lenet5
zoo scan net.pth
zoo audit project
zoo bench run lenet5 --device cpu --dry-run
zoo bench show results.json
zoo bench engines
zoo bench compare results.json results.json
zoo bench fleet results.json
zoo bench export results.json --by me --output exported.json
zoo bench import results.json --output imported
zoo download lenet5
zoo convert net.pth
zoo predict lenet5 digits/0/0.png
zoo evaluate lenet5 digits
zoo train lenet5 digits --epochs 1 --batch 4
zoo search run digits --trials 1 --epochs 1 --final-epochs 1 --blocks 1 --filters 4 --output new
zoo search show found
zoo cache list
zoo cache path
zoo cache verify
zoo cache quarantine stray.pth
zoo cache repair
zoo cache prune
zoo cache remove stray.pth
zoo cache dedupe
zoo mirror init other
zoo mirror add hf:org/tiny --dir m
zoo mirror sync --dir m
zoo mirror list --dir m
zoo mirror status --dir m
zoo mirror reindex --dir m
zoo mirror policy --dir m
zoo mirror remove hf:org/tiny --dir m
zoo mirror verify --dir m
zoo mirror prune --dir m
zoo mirror import config --as hf:org/tiny@COMMIT --dir m
zoo mirror env --mirror SERVER
zoo mirror token add other --dir t
zoo mirror token list --dir t
zoo mirror token remove cluster --dir t
zoo hub trusted
zoo bundle create out.zip hf:org/tiny --from m
zoo bundle apply bundle.zip
zoo doctor hf:org/tiny
zoo record --lock recorded.lock -- true
zoo sync --lock empty.lock
zoo lock check --lock empty.lock
zoo lock diff empty.lock empty.lock
zoo bom lenet5
zoo registry add --local own.safetensors --name mine
zoo registry remove local/theirs
zoo registry status
zoo registry check lenet5
zoo registry validate
"""
"""One line for nearly every command; the fixture ``places`` makes what they name."""
