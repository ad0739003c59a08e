"""Show what a download survives: SIGKILL, a connection that is cut, a mirror that lies.

    python -m scripts.demo_download

A server on loopback plays the publisher of a file of 24 MiB and does what it is told to. Each line
states what was checked; the program ends with an error where anything is otherwise.
"""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.faulty_server import FaultyServer
from zoo.catalog.records import WeightsFile
from zoo.download import events, fetcher
from zoo.download.options import MIB, FetchOptions

if TYPE_CHECKING:
    from collections.abc import Callable


NAME = "demo.pth"
CHANCE = random.Random(0)  # noqa: S311  (no secret)
DATA = CHANCE.randbytes(24 * MIB)
LONGEST_WAIT_S = 60


def main() -> None:
    """Play the three scenes."""
    with tempfile.TemporaryDirectory() as name, FaultyServer() as publisher:
        folder = Path(name)
        killed(publisher, folder)
        cut(publisher, folder)
        lied_to(publisher, folder)


def killed(publisher: FaultyServer, folder: Path) -> None:
    """Kill a process that fetches, with no chance to tidy up."""
    two_thirds = 16 * MIB
    publisher.behave = lambda exchange: exchange.serve(
        DATA,
        cut_at=two_thirds,
        end="stall",
    )
    process = start(publisher, folder)
    wait_for(lambda: publisher.body_bytes >= two_thirds)

    process.send_signal(signal.SIGKILL)
    process.wait()
    final = folder / NAME
    check(not final.exists())
    print("run 1: killed by SIGKILL after 16 of 24 MiB; nothing stands under the file's name")


def cut(publisher: FaultyServer, folder: Path) -> None:
    """Go on in another process, whose connection is cut once."""
    answers = iter([20 * MIB])
    publisher.behave = lambda exchange: exchange.serve(DATA, cut_at=next(answers, None))
    before = publisher.body_bytes
    process = start(publisher, folder)
    status = process.wait()
    check(status == 0)

    sent = publisher.body_bytes - before
    check(sent <= 16 * MIB)
    final = folder / NAME
    fetched = final.read_bytes()
    check(fetched == DATA)
    print("run 2: went on, cut at 20 MiB, went on; at most 8 MiB came twice; SHA-256 is right")


def lied_to(publisher: FaultyServer, folder: Path) -> None:
    """Ask a mirror first that has one bit wrong."""
    final = folder / NAME
    final.unlink()
    changed = bytearray(DATA)
    changed[5 * MIB] ^= 1
    lie = bytes(changed)

    with FaultyServer() as mirror:
        mirror.behave = lambda exchange: exchange.serve(lie)
        publisher.behave = lambda exchange: exchange.serve(DATA)
        process = start(publisher, folder, "--mirror", mirror.base)
        story, _ = process.communicate()
        check(process.returncode == 0)

    check("expected sha256" in story)
    check(f"going on with {publisher.base}" in story)
    fetched = final.read_bytes()
    check(fetched == DATA)
    print("run 3: a mirror with one wrong bit was found out; the file came from the publisher")


def start(publisher: FaultyServer, folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start a process that fetches."""
    program = [sys.executable, "-m", "scripts.demo_download"]
    place = str(folder)
    command = [*program, publisher.base, place, *more]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE)


def wait_for(is_so: Callable[[], bool]) -> None:
    """Look again and again until something is so."""
    end = time.monotonic() + LONGEST_WAIT_S
    while not is_so():
        check(time.monotonic() < end)
        time.sleep(0.01)


def check(is_so: bool) -> None:
    """End the program where something is not as the demonstration says."""
    if not is_so:
        raise SystemExit("the demonstration failed: this is a bug, please report it")


def fetch(base: str, folder: str, *more: str) -> None:
    """Fetch as ``zoo download`` does, one part at a time."""
    _, *mirrors = more or ("",)
    place = Path(folder)
    options = FetchOptions(
        mirrors=tuple(mirrors),
        folder=place,
        lock_file=place / "zoo.lock",
        allow_private_addresses=True,
        connections=1,
    )
    digest = hashlib.sha256(DATA).hexdigest()
    file = WeightsFile(
        file_name=NAME,
        url=f"{base}/{NAME}",
        size_bytes=len(DATA),
        sha256=digest,
    )
    fetcher.fetch(file, options=options, listener=tell)


def tell(event: events.Event, /) -> None:
    """Print warnings, for the process that plays the server."""
    if isinstance(event, events.Warned):
        print(event.message, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        fetch(*sys.argv[1:])
    else:
        main()
