"""A process of its own that fetches one file, as a command would.

``python fetch_worker.py '{"url": ..., ...}'``.

Exit codes are those of the command line: 0 done, 1 a ZooError (its text on stderr), 130
    interrupted. With "crowd" it
forks that many children, which all fetch at once. With "kills" it is a driver instead: it forks a
child that fetches, kills it at a random moment, lets a second child finish, and reports what the
server had to send, once for every round.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from zoo.cache import paths
from zoo.catalog.records import WeightsFile
from zoo.download import events, fetcher
from zoo.download.options import FetchOptions, Timeouts
from zoo.errors import ZooError

BLOCK_BYTES = 512


def fetch(task: dict[str, Any]) -> int:
    """Fetch one file, or the same under two names; return the exit code."""
    options = FetchOptions(
        folder=Path(task["folder"]),
        lock_file=Path(task["folder"]) / "zoo.lock",
        allow_private_addresses=True,
        connections=task.get("connections", 4),
        part_bytes=task["part_bytes"],
        retries=task.get("retries", 3),
        timeouts=Timeouts(stall_s=task.get("stall_s", 60), longest_wait_s=0.01),
    )
    file = WeightsFile(task["name"], task["url"], task["size_bytes"], sha256=task["sha256"])
    files = [
        file,
        WeightsFile(f"second-{file.file_name}", file.url, file.size_bytes, sha256=file.sha256),
    ]
    try:
        fetcher.fetch_all(files[: task.get("files", 1)], options=options, listener=tell)
    except ZooError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except events.Interrupted as interruption:
        sys.stderr.write(f"{interruption}\n")
        return 130
    return 0


def tell(event: events.Event, /) -> None:
    """Print what a test waits for."""
    if isinstance(event, events.Waiting | events.Warned):
        print(event, flush=True)  # noqa: T201  (this is a program)


def child(task: dict[str, Any]) -> int:
    """Fork a process that fetches; return its number."""
    number = os.fork()
    if number:
        return number
    try:
        os._exit(fetch(task))
    finally:
        os._exit(99)


def load_what_fetches() -> None:
    """Import once, before the forks, what each child would import."""
    import requests  # noqa: F401  (for its effect)
    import urllib3  # noqa: F401  (as above)


def fetch_in_a_crowd(task: dict[str, Any]) -> int:
    """Fetch the file in many processes at once; return the largest of their exit codes."""
    load_what_fetches()
    begun = [child(task) for _ in range(task["crowd"])]
    ended = [os.waitpid(number, 0) for number in begun]
    return max(os.waitstatus_to_exitcode(status) for _, status in ended)


def sent_bytes(task: dict[str, Any]) -> int:
    """Ask the server how much it has sent since it was last asked."""
    with urllib.request.urlopen(f"{task['url']}?sent") as answer:  # noqa: S310  (the test's own server)
        return int(answer.read())


def written_bytes(partial: Path, truth: bytes) -> int:
    """Count what a killed process had received and written, whether or not it had noted it."""
    if not partial.exists():
        return 0

    data = partial.read_bytes()
    count = 0
    for begin in range(0, len(data), BLOCK_BYTES):
        end = begin + BLOCK_BYTES
        block = data[begin:end]
        if block == truth[begin:end]:
            count += len(block)
    return count


def drive(task: dict[str, Any]) -> None:
    """Kill and rerun, many times; print one JSON line a round."""
    load_what_fetches()
    dice = random.Random(task["seed"])  # noqa: S311  (moments, not secrets)
    target = Path(task["folder"]) / task["name"]
    truth = Path(task["truth"]).read_bytes()
    for round_number in range(task["kills"]):
        begun = child(task)
        time.sleep(dice.uniform(0, task["longest_s"]))
        os.kill(begun, signal.SIGKILL)
        _, status = os.waitpid(begun, 0)
        before_kill = sent_bytes(task)
        was_published = target.exists()
        if was_published:
            is_right_then = target.read_bytes() == truth
            written = len(truth)
        else:
            is_right_then = True
            partial = paths.side_files(target).partial
            written = written_bytes(partial, truth)

        again = child(task)
        _, rerun = os.waitpid(again, 0)
        report = {
            "was_killed": os.WIFSIGNALED(status),
            "is_right_then": is_right_then,
            "exit": os.waitstatus_to_exitcode(rerun),
            "is_right": target.read_bytes() == truth,
            "left": [path.name for path in paths.all_side_files(target)],
            "written": written,
            "sent": before_kill,
            "sent_again": sent_bytes(task),
            "round": round_number,
        }
        print(json.dumps(report), flush=True)  # noqa: T201  (as above)
        target.unlink()


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    if "kills" in settings:
        drive(settings)
    elif "crowd" in settings:
        sys.exit(fetch_in_a_crowd(settings))
    else:
        sys.exit(fetch(settings))
