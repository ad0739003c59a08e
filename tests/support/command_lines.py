"""Parse a command of ``zoo`` with the command line's own parser, running nothing."""

from __future__ import annotations

import shlex
from typing import Any

import typer
import typer.main

from zoo.cli.main import app
from zoo.cli.terminal.loading import prepare

_ACT_WHEN_PARSED = {"--install-completion", "--show-completion"}
"""Options of Typer that write to the home folder, or print, while the line is parsed."""
_UNFINISHED = {"MissingParameter", "NoArgsIsHelpError", "BadOptionUsage"}
"""What is wrong with a command that is mentioned, not written out.

``zoo train``, ``zoo download --mirror``.
"""


def fault(line: str, *, may_be_unfinished: bool) -> str | None:
    """Say why a command line would be refused before it does anything, ``None`` if it would not.

    Args:
        line: As ``zoo list --family resnet  # a comment``; what follows a pipe is not looked at.
        may_be_unfinished: Accept the name of a command without its arguments.
    """
    words = shlex.split(line.partition(" | ")[0], comments=True)[1:]
    if words and words[0].isupper():  # "zoo COMMAND --help"
        return None
    if words and words[0] in _ACT_WHEN_PARSED:
        return None
    try:
        _parse(words)
    except typer.Exit:  # after --help or --version
        return None
    except Exception as error:  # noqa: BLE001 - the classes belong to Typer's own copy of click, which is private
        if may_be_unfinished and type(error).__name__ in _UNFINISHED:
            return None
        return f"{type(error).__name__}: {getattr(error, 'message', error)}"
    return None


def _parse(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    prepare(command)
    context = command.make_context("zoo", words)
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        context = command.make_context(name, rest, parent=context)
