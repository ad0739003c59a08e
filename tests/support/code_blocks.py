"""Run the code blocks of a Markdown page in order, and put what they print beside what the page shows.

Conventions of a page: a ``python`` block may be followed by a ``text`` block with what it prints; a ``console`` block
holds ``$`` lines, each followed by what the command prints. A line of three dots stands for any number of lines. A
block that must not run is fenced as ``bash``.
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


def run_page(text: str, folder: Path, environment: dict[str, str]) -> list[Shown]:
    """Run every block of a page.

    Args:
        text: The page.
        folder: Where commands run; Python blocks run in this process.
        environment: More variables for the commands.

    Raises:
        RuntimeError: A command failed that shows no output, or a Python block raised.
    """
    namespace: dict[str, Any] = {"__name__": "page"}
    shown: list[Shown] = []
    blocks = list(_FENCE.finditer(text))
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if block["language"] == "python":
            printed = _run_python(block["body"], namespace)
            if (
                following is not None
                and following["language"] == "text"
                and not text[block.end() : following.start()].strip()
            ):
                shown.append(Shown(following.start("body"), following.end("body"), following["body"], printed))
        elif block["language"] == "console":
            shown += _run_console(block, folder, environment)
    return shown


def _run_python(body: str, namespace: dict[str, Any]) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(body, "page", "exec"), namespace)  # noqa: S102 - the pages are ours
    return printed.getvalue()


def _run_console(block: re.Match[str], folder: Path, environment: dict[str, str]) -> list[Shown]:
    shown = []
    for command in re.finditer(
        r"^\$ (?P<line>.*(?:\\\n.*)*)\n(?P<output>(?:(?!\$ ).*\n)*)", block["body"], re.MULTILINE
    ):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        variables = {**os.environ, **environment, "PATH": path, "NO_COLOR": "1"}
        done = subprocess.run(
            ["bash", "-c", command["line"]], cwd=folder, env=variables, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command['line']} failed:\n{done.stderr}")
        start = block.start("body") + command.start("output")
        shown.append(Shown(start, start + len(command["output"]), command["output"], done.stdout))
    return shown
