"""A pseudo-terminal of a given size, to see what a program shows a person."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Shown:
    """What stood on the terminal at the end."""

    raw: str
    """With the escapes for colors and cursor."""
    exit_code: int

    @property
    def text(self) -> str:
        """Without escapes, lines ended by a line feed alone."""
        return ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    @property
    def lines(self) -> list[str]:
        """The lines of the text."""
        return self.text.splitlines()


def show(
    command: Sequence[str],
    *,
    columns: int,
    lines: int = 40,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Shown:
    """Run a program in a folder on a terminal of this size, with stdout and stderr on it.

    Return what it wrote.
    """
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in ("COLUMNS", "LINES", "NO_COLOR")
        }
        variables = {**kept, "TERM": "xterm-256color", **(environment or {})}
        with subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=variables,
            cwd=folder,
        ) as process:
            os.close(theirs)
            written = _read_to_end(ours)
            exit_code = process.wait(60)
    finally:
        os.close(ours)
    return Shown(written.decode(), exit_code)


def _read_to_end(descriptor: int) -> bytes:
    """Read until the last program that has the terminal open is gone."""
    pieces = []
    while True:
        try:
            piece = os.read(descriptor, 1 << 16)
        except OSError:  # how Linux says that nobody writes any more
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces)
