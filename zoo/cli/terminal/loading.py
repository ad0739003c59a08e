"""Start fast: import a command when it runs, Typer's converters when a value needs them."""

from __future__ import annotations

import importlib
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import typer.main
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typer.core import TyperArgument, TyperOption

_NUMBERS: dict[type[int | float], re.Pattern[str]] = {
    int: re.compile(r"-?[0-9]{1,18}"),
    float: re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?"),
}
_UNREAD = object()


@dataclass(frozen=True, slots=True)
class Entry:
    """One command of ``zoo``."""

    module: str
    """Its module, which holds a ``typer.Typer`` called ``app``, or what stands after a colon."""
    help: str
    """The line on the page of ``zoo --help``: the first line of the command's own help."""
    panel: str
    """The group it stands in on that page."""


class LazyGroup(TyperGroup):
    """A group that knows its commands by name and imports the one that is called."""

    entries: Mapping[str, Entry] = {}

    def __init__(self, **settings: Any) -> None:
        """Show each command by its line of help."""
        super().__init__(**settings)
        for name, entry in self.entries.items():
            stand_in = TyperCommand(name, help=entry.help, rich_help_panel=entry.panel)
            self.commands[name] = stand_in

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under the titles of their panels."""
        widest = max(map(len, self.entries))
        panels: dict[str, list[tuple[str, str]]] = {}

        for name in self.list_commands(ctx):
            entry = self.entries[name]
            rows = panels.setdefault(entry.panel, [])
            rows.append((name.ljust(widest), entry.help))

        for title, rows in panels.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is called, then go on as Typer does."""
        name = args[0] if args else None
        entry = self.entries.get(name or "")
        if name is not None and entry is not None:
            self.commands[name] = load_command(name, entry, ctx)
        return super().resolve_command(ctx, args)


def load_command(name: str, entry: Entry, parent: Any) -> Any:
    """Import a command."""
    path, _, attribute = entry.module.partition(":")
    module = importlib.import_module(path)
    app = getattr(module, attribute or "app")

    command: Any = typer.main.get_command(app)
    command.name = name
    prepare(command, parent)
    return command


def prepare(command: Any, parent: Any = None) -> None:
    """Spare a command, and those below it, Typer's converters, and rich for its help page."""
    command.rich_markup_mode = None
    context = typer.Context(command, parent=parent, **command.context_settings)

    for parameter in command.get_params(context):
        parameter.opts.sort(key=len)  # Typer takes the two names of the help option from a set
        parameter._runtime_param = _LateConversion()  # noqa: SLF001 - see its docstring

    if isinstance(command, LazyGroup):
        return  # each of its commands is prepared when it is called
    nested = getattr(command, "commands", {})
    for below in nested.values():
        prepare(below, context)


class _LateConversion:
    """Read plain text, numbers and paths; let Typer convert the rest, and refuse what is wrong.

    Typer makes a pydantic validator for every parameter, given or not, and pydantic alone takes
    longer to import than ``zoo list`` to run. A Typer without the attribute that this replaces
    converts as it always did.
    """

    def coerce(self, value: Any, param: TyperArgument | TyperOption, ctx: Any) -> Any:
        """Stand in for Typer's own converter of one parameter."""
        is_list = param.multiple or param.nargs == -1
        if value is None:
            return () if is_list else None

        wanted = param.type_descriptor
        kind = get_args(wanted.annotation)[0] if wanted.is_list else wanted.annotation
        given = value if is_list else (value,)
        found = [_read(item, kind, wanted) for item in given]
        if all(item is not _UNREAD for item in found):
            return found if is_list else found[0]

        param._runtime_param = None  # noqa: SLF001 - from here on Typer's own
        return param.get_runtime_param().coerce(value, param, ctx)


def _read(item: object, kind: object, wanted: Any) -> object:
    """Read one value, which may be a default, if that is no more than it seems."""
    limits = wanted.parameter_info
    if kind is int or kind is float:
        return _read_number(item, kind, limits)
    if kind is Path and isinstance(item, str | Path):
        return _read_path(item, limits)

    is_text = isinstance(item, str)
    is_choice = wanted.choices is not None and item in wanted.choices
    if is_text and (kind is str or is_choice):
        return item
    return _UNREAD


def _read_number(item: object, kind: type[int | float], limits: Any) -> object:
    """Read a number that is written plainly and lies within its limits."""
    if isinstance(item, str):
        is_plain = _NUMBERS[kind].fullmatch(item) is not None
    else:
        is_plain = type(item) in (kind, int)
    if not is_plain:
        return _UNREAD

    as_number: Any = kind
    number = as_number(item)
    lowest = -math.inf if limits.min is None else limits.min
    highest = math.inf if limits.max is None else limits.max
    return number if lowest <= number <= highest else _UNREAD


def _read_path(item: str | Path, limits: Any) -> object:
    """Read a path of which nothing is asked but to be readable if it is there."""
    is_any = limits.file_okay and limits.dir_okay
    is_more = limits.exists or limits.writable or limits.resolve_path or limits.allow_dash
    is_fit = not os.path.exists(item) or os.access(item, os.R_OK)  # noqa: PTH110 - text as well
    if is_any and not is_more and is_fit:
        return Path(item)
    return _UNREAD
