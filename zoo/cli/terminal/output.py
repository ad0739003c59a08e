"""The one sink of the command line: data to stdout, talk and errors to stderr.

Nothing that came from a file, a server or the arguments reaches a terminal raw: letters that a
terminal might obey are written as escapes. Colors appear on terminals only, and not where
``NO_COLOR`` is set.
"""

from __future__ import annotations

import codecs
import os
import sys
import warnings
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, NoReturn, TextIO

from zoo.errors import UsageError, ZooError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from zoo.cli.terminal.tables import Table

Format = Literal["table", "json", "csv", "markdown"]
_STYLES = {
    "header": "1",
    "title": "1",
    "dim": "2",
    "marked": "1;32",
    "error": "1;31",
    "warning": "33",
}
_ENOUGH_LINES = 24
_STDOUT = 1
_STDERR = 2
_USUAL_WIDTH = 120
_PACKAGE = Path(__file__).parents[2]


def safe(text: str) -> str:
    r"""Write letters that a terminal might obey as escapes; line ends stay.

    >>> safe("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    if text.replace("\n", "").isprintable():
        return text
    return "".join(map(_safe_letter, text))


def _safe_letter(letter: str) -> str:
    if letter == "\n" or letter.isprintable():
        return letter
    return letter.encode("unicode_escape").decode()


@contextmanager
def quiet_stdout() -> Iterator[None]:
    """Keep libraries from printing where data belongs, as Ray does about its nodes."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        yield


_PLAIN_LETTERS = str.maketrans(
    {
        "├": "|",
        "└": "`",
        "│": "|",
        "─": "-",
        "█": "#",
        "→": ">",
        "…": ".",
        "·": ".",
        "±": "+",
        "≤": "<",
        "≥": ">",
        "\u00d7": "x",
        "\u2013": "-",
    }
)
"""What draws the same without letters beyond ASCII, one for one, so that columns stay aligned."""


def _plain_letters(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks with its nearest letters: ``é`` as ``e``, the rest as ``?``."""
    import unicodedata

    if not isinstance(error, UnicodeEncodeError):
        raise error
    unknown = error.object[error.start : error.end]
    text = unknown.translate(_PLAIN_LETTERS)
    parts = unicodedata.normalize("NFKD", text)
    without_accents = parts.encode("ascii", "ignore").decode()
    if len(without_accents) == len(text):
        return without_accents, error.end

    letters = [letter if letter.isascii() else "?" for letter in text]
    return "".join(letters), error.end


def prepare_streams() -> None:
    """Let a terminal without Unicode show plain letters instead of failing."""
    _fill_closed_streams()
    codecs.register_error("zoo-plain", _plain_letters)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="zoo-plain")


def _fill_closed_streams() -> None:
    """Open again what was closed (``>&-``), so that writing fails as it should.

    Else the next file that is opened would have the number of a standard stream, and get what is
    meant for it.
    """
    handle = os.open(os.devnull, os.O_RDONLY)
    while handle <= _STDERR:
        handle = os.open(os.devnull, os.O_RDONLY)
    os.close(handle)

    if sys.stdout is None:
        sys.stdout = os.fdopen(_STDOUT, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        sys.stderr = os.fdopen(nowhere, "w", encoding="utf-8")


def is_terminal(stream: IO[str]) -> bool:
    """Tell whether a person reads this stream."""
    return stream.isatty()


def has_colors(stream: IO[str]) -> bool:
    """Tell whether this stream shows colors."""
    if not is_terminal(stream) or os.environ.get("NO_COLOR"):
        return False
    return os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Make a text safe and, on a terminal, colored."""
    shown = safe(text)
    code = _STYLES.get(style)
    if code is None or not has_colors(stream or sys.stdout):
        return shown
    return f"\x1b[{code}m{shown}\x1b[0m"


def terminal_width() -> int | None:
    """Columns of the terminal that data goes to; ``None`` where any width fits: a file, a pipe."""
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
    line_end = "" if text.endswith("\n") else "\n"
    try:
        sys.stdout.write(text + line_end)
        sys.stdout.flush()
    except BrokenPipeError:
        leave_broken_pipe()


def leave_broken_pipe() -> NoReturn:
    """Exit without complaint: ``zoo list | head -1`` has all it wants."""
    _give_up_stdout()
    raise SystemExit(0)


def finish() -> str | None:
    """Write what still waits to be written; where it cannot be, say why and give it up.

    Else Python tries once more at the very end, and complains in its own way.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        _give_up_stdout()
        return error.strerror
    return None


def _give_up_stdout() -> None:
    """Lead stdout nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_json(value: Any) -> None:
    """Write JSON, indented for people on a terminal as in a file.

    JSON has no NaN and no infinities: they are written as null, with a warning.
    """
    import json  # late, as the tables below: most commands write one of them, or neither

    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError:
        from zoo.documents import without_odd_numbers

        warn("some numbers are NaN or infinite; JSON has none, so they are written as null")
        value = without_odd_numbers(value)
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)

    if safe(text) != text:
        text = json.dumps(value, indent=2, allow_nan=False)
    write_painted(text)


def write_table(table: Table, form: Format) -> list[str]:
    """Write a table in any format.

    Returns:
        The titles of the columns that the terminal had no room for.
    """
    from zoo.cli.terminal import tables

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
        folded = fitted(text, sys.stderr)
        sys.stderr.write(paint(folded, "dim", sys.stderr) + "\n")


def warn(text: str) -> None:
    """Warn on stderr, quiet or not."""
    _say("warning", "warning", text)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print what this package warns of as any other warning: where in its code says nothing.

    Takes the place of :func:`warnings.showwarning`.
    """
    if issubclass(category, UserWarning) and Path(filename).is_relative_to(_PACKAGE):
        warn(str(message))
        return
    text = warnings.formatwarning(message, category, filename, lineno, line)
    print(text, end="", file=file or sys.stderr)


def fail(error: str | ZooError) -> None:
    """Say on stderr why the command stops; on a terminal the advice has a line of its own."""
    text = str(error)
    advice = "" if isinstance(error, str) else error.advice
    if advice:
        fault = text.removesuffix(advice).removesuffix("; ")
        between = "\n" if is_terminal(sys.stderr) else "; "
        text = f"{fault}{between}{advice}"
    _say("error", "error", text)


def _say(word: str, style: str, text: str) -> None:
    """Write a text behind a colored word."""
    prefix = f"{word}:"
    folded = fitted(f"{prefix} {safe(text)}", sys.stderr)
    behind = folded.removeprefix(prefix)
    sys.stderr.write(paint(prefix, style, sys.stderr) + behind + "\n")


def fitted(text: str, stream: TextIO | None = None) -> str:
    """Fold lines that are wider than the terminal which a stream is; commands stand alone there."""
    if not is_terminal(stream or sys.stdout):
        return text

    from zoo.cli.terminal import sentences

    lines = sentences.lay_out(text, _terminal_size().columns)
    return "\n".join(lines)


def chosen_format(form: Format | None, *, is_json: bool, default: Format = "table") -> Format:
    """Combine ``--format`` and ``--json``.

    Raises:
        UsageError: They contradict each other.
    """
    if is_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} contradict each other: leave one out")
    if is_json:
        return "json"
    return form or default


def talk_left_out(titles: Sequence[str], remedy: str, *, is_quiet: bool = False) -> None:
    """Say which columns the terminal had no room for, if any, and what shows them."""
    if titles:
        hidden = ", ".join(dict.fromkeys(titles))
        talk(f"hidden (terminal too narrow): {hidden}; {remedy}", is_quiet=is_quiet)


def pairs(facts: Iterable[tuple[str, str | None]]) -> Iterator[str]:
    """Write names and values in two columns; long values go on below themselves."""
    from textwrap import wrap

    from zoo.cli.terminal.tables import cell_width

    known = [(name, value) for name, value in facts if value]
    widest = max(len(name) for name, _ in known)
    width = terminal_width()
    room = max((width or _USUAL_WIDTH) - widest - 4, 10)

    for name, value in known:
        label = paint(name.ljust(widest), "dim")
        indent = " " * (widest + 4)
        lines = wrap(safe(value), room, break_long_words=False, break_on_hyphens=False)
        first, *rest = lines or [""]
        if width is not None and cell_width(first) > room:  # a word that needs a line
            first, rest = "", lines
            indent = "    "

        yield f"  {label}  {first}".rstrip()
        for line in rest:
            yield indent + line


def counted(number: int, noun: str) -> str:
    """Write a number with its noun.

    >>> counted(1, "file"), counted(2, "file")
    ('1 file', '2 files')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def progress_console() -> Console:
    """Make the console that progress bars are drawn on: stderr."""
    from rich.console import Console

    return Console(stderr=True)
