"""Start a worker for one task, wait for its answer, and tell how it ended if there is none."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAIL_CHARACTERS = 300


def ask(task: Mapping[str, Any], timeout_s: float, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Give a task to a fresh process.

    The process has a session of its own: Ctrl-C reaches this process only, which then ends that one and whatever it
    has started.

    Args:
        task: What ``zoo.bench.worker.answer`` takes.
        timeout_s: The process is ended after this time.
        environment: Variables to add to this process's own.

    Returns:
        The answer; ``{"failure": ...}`` also where the process crashed or took too long.
    """
    command = [sys.executable, "-m", "zoo.bench.worker"]
    variables = {**os.environ, **(environment or {})}
    pipe = subprocess.PIPE
    process = subprocess.Popen(  # noqa: S603 - our own module
        command,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env=variables,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    with process:
        try:
            given = json.dumps({**task, "started_ns": time.monotonic_ns()})
            written, said = process.communicate(given, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return _failure("timed-out", f"no result after {timeout_s:g} s; give it longer with --timeout")
        finally:
            _end(process)
    try:
        answer: dict[str, Any] = json.loads(written)
    except json.JSONDecodeError:
        return _failure("crashed", describe_end(process.returncode, said))
    return answer


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and all that it started; nothing happens to those that have ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def describe_end(code: int, said: str) -> str:
    """Say how a process ended without an answer.

    >>> describe_end(-9, "")
    'the process was ended by SIGKILL, most likely because memory ran out'
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = "".join(letter for letter in (lines[-1] if lines else "") if letter.isprintable())[:_TAIL_CHARACTERS]
    words = f"; its last words: {last}" if last else ""
    if code < 0:
        name = signal.Signals(-code).name
        guess = ", most likely because memory ran out" if name == "SIGKILL" else ""
        return f"the process was ended by {name}{guess}{words}"
    return f"the process ended with exit code {code} and no result{words}"


def _failure(kind: str, message: str) -> dict[str, Any]:
    return {"failure": {"kind": kind, "message": message}}
