"""The process of trials, with a fate for three of them.

The first trial is ended by SIGKILL, as the kernel does when memory runs out; the fourth is a
network that does not fit into what RLIMIT_AS leaves it. The first winner is killed, too. All others
are trained as they are: who is killed at once has imported nothing, so that two processes do.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from zoo.bench import worker
from zoo.searcher.worker import answer

KILLED = "00001"
WITHOUT_MEMORY = "00004"
LEFT_BYTES = 64 * 2**20
FILTERS = 1024
"""A layer from 4,096 to 4,096 channels alone is of 64 MiB."""


def meet_fate(task: dict[str, Any]) -> dict[str, Any]:
    """Carry out an order, if its fate lets it."""
    folder = Path(task["order"]["folder"])
    trial = folder.name
    winners = list(folder.parent.glob("winner-*"))
    is_first_winner = task["order"]["is_final"] and not winners
    if is_first_winner:
        folder.mkdir()
    if trial == KILLED or is_first_winner:
        os.kill(os.getpid(), signal.SIGKILL)
    if trial == WITHOUT_MEMORY:
        task["order"]["setup"]["stack"]["filters"] = FILTERS
        limit_address_space()
    return answer(task)


def limit_address_space() -> None:
    """Leave this process little memory, after what it needs to train at all."""
    import resource

    import zoo.bench.runner
    import zoo.searcher.training  # noqa: F401 - as the line above: loaded before the limit
    from zoo.devices import proc_bytes

    held_bytes = proc_bytes(Path("/proc/self/status"), "VmSize") or 0
    limit_bytes = held_bytes + LEFT_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


if __name__ == "__main__":
    worker.main(meet_fate)
