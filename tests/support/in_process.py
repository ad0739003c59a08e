"""Run ``zoo`` in this process, which has torch, where a process of its own would show no more."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from zoo.cli.main import run


@dataclass(frozen=True)
class Done:
    """How a command ended and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def zoo(*arguments: str) -> Done:
    """Run a command line."""
    out = io.StringIO()
    err = io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([*arguments])
    return Done(code, out.getvalue(), err.getvalue())
