"""The fresh process of one run: a JSON task on stdin, a JSON answer on stdout.

``python -m zoo.bench.worker`` is started by ``zoo.bench.processes``, and can be started anywhere by anything else.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import signal
import sys
import time
from dataclasses import asdict
from typing import Any

_WRITTEN_CHARACTERS = 500
_PR_SET_PDEATHSIG = 1
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """Do one task: ``{"job": "devices"}``, or ``{"job": "measure", "cell": ..., "effort": ...}``.

    Returns:
        What was asked for, or ``{"failure": {"kind": ..., "message": ...}}``.
    """
    from zoo.bench import devices, machine, runner
    from zoo.bench.records import Cell, Effort
    from zoo.catalog.decoding import decode
    from zoo.errors import ZooError

    if task["job"] == "devices":
        return {"devices": [asdict(device) for device in devices.list_devices()]}
    cell = decode(Cell, task["cell"])
    try:
        if cell.device == "cpu":
            machine.limit_memory()
        run = runner.measure(cell, decode(Effort, task["effort"]), task["started_ns"])
    except ZooError as error:
        return _failure("failed", str(error))
    except Exception as error:  # noqa: BLE001 - whatever a model or an engine raises is this cell's result
        if runner.is_out_of_memory(error):
            size = f"a batch of {cell.batch}" if cell.batch else "the best batch, with the inputs that take turns,"
            fault = f"{size} does not fit into the memory of {cell.device} ({error}); choose a smaller --batch, or best"
            return _failure("out-of-memory", fault)
        return _failure("failed", describe(error))
    return {"run": asdict(run), "environment": asdict(devices.describe_environment(cell.device))}


def describe(error: BaseException) -> str:
    """Say what was raised, and what that came from where an exporter or a compiler wraps it."""
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    story = f"{type(error).__name__}: {error}"
    return story if root is error else f"{type(root).__name__}: {root} (in {type(error).__name__})"


def _failure(kind: str, message: str) -> dict[str, Any]:
    line = " ".join(_TERMINAL_CODES.sub("", message).split())
    text = "".join(letter for letter in line if letter.isprintable())
    return {"failure": {"kind": kind, "message": text[:_WRITTEN_CHARACTERS]}}


def _end_with_parent() -> None:
    """Let Linux end this process when the session that started it is gone: nobody would hold its device any more."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Answer one task; whatever libraries print goes to stderr."""
    started_ns = time.monotonic_ns()
    _end_with_parent()
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    task = json.load(sys.stdin)
    task.setdefault("started_ns", started_ns)
    with channel:
        json.dump(answer(task), channel)


if __name__ == "__main__":
    main()
