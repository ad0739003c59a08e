"""Run the code blocks of a Markdown page in order, and put what they print beside what the page shows.

Conventions of a page: a ``python`` block may be followed by a ``text`` block with what it prints; a ``console`` block
holds ``$`` lines, each followed by what the command prints. A line of three dots stands for any number of lines.
``/tmp`` on a page is a folder that the run brings, so that two runs at once do not meet there. A block that must not
run (it needs the network, a server or hours) is fenced as ``bash``: its commands are parsed, see :func:`written`.
A table may be taken over from a generated page, see :func:`with_tables`.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FENCE = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_SCRATCH_NAME = "/tmp"  # noqa: S108 - what the pages say; a run puts its own folder there
_SCRATCH = re.compile(rf"{_SCRATCH_NAME}\b")
_TABLE = re.compile(r"(?<=<!-- the table of )(?P<source>\S+)(?P<between> -->\n\n)(?P<table>(?:\|.*\n)*)")
ELLIPSIS = "..."


@dataclass(frozen=True, slots=True)
class Shown:
    """One piece of output: where it stands in the page, what the page shows, what the run printed."""

    start: int
    end: int
    expected: str
    actual: str

    @property
    def is_right(self) -> bool:
        """Whether the page shows what was printed, apart from lines left out."""
        pattern = "".join(
            r"(?:.*\n)*?" if line.strip() == ELLIPSIS else re.escape(line) + r" *\n"
            for line in self.expected.rstrip("\n").splitlines()
        )
        return re.fullmatch(pattern, self.actual.rstrip("\n") + "\n" if self.actual.strip() else "") is not None


def run_page(text: str, folder: Path, scratch: Path) -> list[Shown]:
    """Run every block of a page.

    Args:
        text: The page.
        folder: Where commands run; Python blocks run in this process.
        scratch: An empty folder to stand for ``/tmp``.

    Raises:
        RuntimeError: A command failed.
    """
    namespace: dict[str, Any] = {"__name__": "page"}
    shown: list[Shown] = []
    blocks = list(_FENCE.finditer(text))
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if block["language"] == "python":
            printed = _run_python(block["body"], namespace, scratch)
            if (
                following is not None
                and following["language"] == "text"
                and not text[block.end() : following.start()].strip()
            ):
                shown.append(Shown(following.start("body"), following.end("body"), following["body"], printed))
        elif block["language"] == "console":
            shown += _run_console(block, folder, scratch)
    return shown


def with_tables(text: str, folder: Path) -> str:
    """Renew the tables that a page takes over from another, each below ``<!-- the table of docs/other.md -->``."""

    def renewed(match: re.Match[str]) -> str:
        table = re.search(r"(?:^\|.*\n)+", (folder / match["source"]).read_text(encoding="utf-8"), re.MULTILINE)
        if table is None:
            raise RuntimeError(f"{match['source']} holds no table")
        return match["source"] + match["between"] + table[0]

    return _TABLE.sub(renewed, text)


def languages(text: str) -> list[str]:
    """List the languages of a page's blocks, in order; an empty string where a fence names none."""
    return [block["language"] for block in _FENCE.finditer(text)]


def written(text: str) -> list[str]:
    """List the commands that a page tells the reader to type, but that do not run here.

    Those of its ``bash`` blocks, and those in code spans: ``zoo cache list`` in a table.
    """
    blocks = [block["body"] for block in _FENCE.finditer(text) if block["language"] == "bash"]
    spans = re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))
    return [
        line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()
    ] + spans


def _run_python(body: str, namespace: dict[str, Any], scratch: Path) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(_SCRATCH.sub(str(scratch), body), "page", "exec"), namespace)  # noqa: S102 - the pages are ours
    return printed.getvalue().replace(str(scratch), _SCRATCH_NAME)


def _run_console(block: re.Match[str], folder: Path, scratch: Path) -> list[Shown]:
    shown = []
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, "NO_COLOR": "1"}
    for command in re.finditer(
        r"^\$ (?P<line>(?:.*\\\n)*.*)\n(?P<output>(?:(?!\$ ).*\n)*)", block["body"], re.MULTILINE
    ):
        line = ["bash", "-c", _SCRATCH.sub(str(scratch), command["line"])]
        done = subprocess.run(line, cwd=folder, env=variables, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{command['line']} failed:\n{done.stderr}")
        start = block.start("body") + command.start("output")
        printed = done.stdout.replace(str(scratch), _SCRATCH_NAME)
        shown.append(Shown(start, start + len(command["output"]), command["output"], printed))
    return shown
