"""The fresh process of one run: a JSON task on stdin, a JSON answer on stdout.

``python -m zoo.bench.worker`` is started by ``zoo.bench.processes``, and can be started anywhere by anything else.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from typing import Any

_WRITTEN_CHARACTERS = 500


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """Do one task: list the devices, measure their ceilings, or measure a cell.

    Returns:
        What was asked for, or ``{"failure": {"kind": ..., "message": ...}}``.
    """
    from zoo.bench import devices, runner
    from zoo.bench.records import Cell, Effort
    from zoo.catalog.decoding import decode
    from zoo.errors import ZooError

    try:
        if task["job"] == "devices":
            return {"devices": [asdict(device) for device in devices.list_devices()]}
        cell = decode(Cell, task["cell"])
        run = runner.measure(cell, decode(Effort, task["effort"]), task["started_ns"])
        return {"run": asdict(run), "environment": asdict(devices.describe_environment(cell.device))}
    except ZooError as error:
        return _failure("failed", str(error))
    except Exception as error:  # noqa: BLE001 - whatever a model or an engine raises is this cell's result
        kind = "out-of-memory" if runner.is_out_of_memory(error) else "failed"
        return _failure(kind, f"{type(error).__name__}: {error}")


def _failure(kind: str, message: str) -> dict[str, Any]:
    line = " ".join(message.split())
    text = "".join(letter if letter.isprintable() else "?" for letter in line)
    return {"failure": {"kind": kind, "message": text[:_WRITTEN_CHARACTERS]}}


def main() -> None:
    """Answer one task; whatever libraries print goes to stderr."""
    started_ns = time.monotonic_ns()
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    task = json.load(sys.stdin)
    task.setdefault("started_ns", started_ns)
    with channel:
        json.dump(answer(task), channel)


if __name__ == "__main__":
    main()
