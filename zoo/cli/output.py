"""The one sink of the command line: data to stdout, talk and errors to stderr.

Nothing that came from a file, a server or the arguments reaches a terminal raw: letters that a terminal might obey are
written as escapes. Colours appear on terminals only, and not where ``NO_COLOR`` is set.
"""

from __future__ import annotations

import json
import os
import sys
from typing import IO, TYPE_CHECKING, Any, Literal, NoReturn, TextIO

from zoo.cli import tables
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

Format = Literal["table", "json", "csv", "markdown"]
_STYLES = {"header": "1", "title": "1", "dim": "2", "marked": "1;32", "error": "1;31", "warning": "33"}
_ENOUGH_LINES = 24


def safe(text: str) -> str:
    r"""Write letters that a terminal might obey as escapes; line ends stay.

    >>> safe("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def is_terminal(stream: IO[str]) -> bool:
    """Tell whether a person reads this stream."""
    return stream.isatty()


def has_colours(stream: IO[str]) -> bool:
    """Tell whether this stream shows colours."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Make a text safe and, on a terminal, coloured."""
    text = safe(text)
    if style in _STYLES and has_colours(stream or sys.stdout):
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"
    return text


def terminal_width() -> int | None:
    """Columns of the terminal that data goes to; ``None`` for a file or a pipe, which take any width."""
    return _terminal_size().columns if is_terminal(sys.stdout) else None


def terminal_lines() -> int:
    """Lines of the terminal that data goes to; a usual number for a file or a pipe."""
    return _terminal_size().lines if is_terminal(sys.stdout) else _ENOUGH_LINES


def _terminal_size() -> os.terminal_size:
    from shutil import get_terminal_size

    return get_terminal_size()


def write(text: str) -> None:
    """Write data that may hold anything; a reader that has gone away ends the program in peace."""
    write_painted(safe(text))


def write_painted(text: str) -> None:
    """Write text that has gone through :func:`paint` or :func:`safe`."""
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        leave_broken_pipe()


def leave_broken_pipe() -> NoReturn:
    """Exit without complaint: ``zoo list | head -1`` has all it wants."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)


def write_json(value: Any) -> None:
    """Write JSON, indented for people on a terminal as in a file."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    write_painted(text if safe(text) == text else json.dumps(value, indent=2))


def write_table(table: tables.Table, form: Format) -> list[str]:
    """Write a table in any format.

    Returns:
        The titles of the columns that the terminal had no room for.
    """
    left_out: list[str] = []
    if form == "json":
        write_json(tables.to_records(table))
    elif form == "csv":
        write(tables.to_csv(table))
    elif form == "markdown":
        write(tables.to_markdown(table))
    else:
        lines, left_out = tables.to_lines(table, terminal_width(), paint)
        write_painted("\n".join(lines))
    return left_out


def talk(text: str, *, is_quiet: bool = False) -> None:
    """Tell people something on stderr."""
    if not is_quiet:
        sys.stderr.write(f"{paint(text, 'dim', sys.stderr)}\n")


def warn(text: str) -> None:
    """Warn on stderr, quiet or not."""
    sys.stderr.write(f"{paint('warning:', 'warning', sys.stderr)} {safe(text)}\n")


def fail(text: str) -> None:
    """Say on stderr why the command stops."""
    sys.stderr.write(f"{paint('error:', 'error', sys.stderr)} {safe(text)}\n")


def chosen_format(form: Format | None, *, is_json: bool, default: Format = "table") -> Format:
    """Combine ``--format`` and ``--json``.

    Raises:
        UsageError: They contradict each other.
    """
    if is_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} contradict each other: leave one out")
    return "json" if is_json else form or default


def talk_left_out(titles: Sequence[str], remedy: str, *, is_quiet: bool = False) -> None:
    """Say which columns the terminal had no room for, if any, and what shows them."""
    if titles:
        talk(f"left out for want of room: {', '.join(titles)}; {remedy}", is_quiet=is_quiet)


def progress_console() -> Console:
    """Make the console that progress bars are drawn on: stderr."""
    from rich.console import Console

    return Console(stderr=True)
