"""The process of a run: a JSON task on a line of stdin, a JSON answer on a line of stdout.

``python -m zoo.bench.worker`` is started by ``zoo.bench.processes``, and can be started anywhere by
anything else. It ends where its input ends: after one task it is the fresh process of one run.
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
from typing import TYPE_CHECKING, Any

from zoo.garbage import seldom_collected

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.bench.records import Case, Effort

_WRITTEN_CHARACTERS = 500
_PR_SET_PDEATHSIG = 1
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """Do one task: ``{"job": "devices"}``, or ``{"job": "measure", "case": ..., "effort": ...}``.

    Returns:
        What was asked for, or ``{"failure": {"kind": ..., "message": ...}}``.
    """
    from zoo.bench.environment import describe_environment
    from zoo.bench.records import Case, Effort
    from zoo.devices import list_devices
    from zoo.documents import decode

    if task["job"] == "devices":
        devices = [asdict(device) for device in list_devices()]
        return {"devices": devices}

    case = decode(Case, task["case"])
    effort = decode(Effort, task["effort"])
    os.environ.update(task.get("variables", {}))
    answered = _measure(case, effort, task["started_ns"])
    if "run" in answered:
        environment = describe_environment(case.device)
        answered["environment"] = asdict(environment)
    return answered


def _measure(
    case: Case,
    effort: Effort,
    started_ns: int,
) -> dict[str, Any]:
    """Measure a case; whatever a model or an engine raises is its result."""
    from zoo.bench import machine, runner
    from zoo.errors import ZooError

    try:
        if case.device == "cpu":
            machine.limit_memory()
        run = runner.measure(case, effort, started_ns)
    except ZooError as error:
        return failure_of("failed", str(error))
    except Exception as error:  # noqa: BLE001 - see above
        if runner.is_out_of_memory(error):
            return failure_of("out-of-memory", _describe_size(case, error))
        return failure_of("failed", describe(error))
    return {"run": asdict(run)}


def _describe_size(
    case: Case,
    error: Exception,
) -> str:
    """Say what did not fit, and what to do."""
    size = "the best batch, with the inputs that take turns,"
    if case.batch:
        size = f"a batch of {case.batch}"
    fault = f"{size} does not fit into the memory of {case.device} ({error})"
    return f"{fault}; choose a smaller --batch, or best"


def describe(error: BaseException) -> str:
    """Say what was raised, and what that came from where an exporter or a compiler wraps it."""
    root = error
    while root.__cause__ is not None:
        root = root.__cause__

    name = type(error).__name__
    if root is error:
        return f"{name}: {error}"

    root_name = type(root).__name__
    return f"{root_name}: {root} (in {name})"


def failure_of(
    kind: str,
    message: str,
) -> dict[str, Any]:
    """Make the answer of a task that failed: one printable line of bounded length."""
    plain = _TERMINAL_CODES.sub("", message)
    line = " ".join(plain.split())
    printable = "".join(filter(str.isprintable, line))
    written = printable[:_WRITTEN_CHARACTERS]
    return {"failure": {"kind": kind, "message": written}}


def _end_with_parent() -> None:
    """Let Linux end this process when the session that started it is gone.

    Nobody would hold its device any more.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(answer_one: Callable[[dict[str, Any]], dict[str, Any]] = answer) -> None:
    """Answer task after task; whatever libraries print goes to stderr."""
    started_ns = time.monotonic_ns()
    _end_with_parent()
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with channel, seldom_collected():
        for line in sys.stdin:
            task = json.loads(line)
            task.setdefault("started_ns", started_ns)
            json.dump(answer_one(task), channel)
            channel.write("\n")
            channel.flush()


if __name__ == "__main__":
    main()
