"""Measure what a mirror costs as it grows: 200, 2,000 and 20,000 items.

    python scripts/bench_mirror_scale.py --items 200,2000,20000 --json scale.json

Each item is one small weights file that the sync really brings: a server on loopback serves it, so
that sync's time is its own work and not a network's. Then the same mirror is synced again, served,
asked and listed. The last column says what the largest costs for each item, as a multiple of the
smallest: about 1 or less is a straight line. Exit code 1 if sync is steeper than the goal.
"""

from __future__ import annotations

import argparse
import http.client
import http.server
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from zoo.download.options import FetchOptions
from zoo.mirror import remotes
from zoo.mirror.ecosystems.known import parse_upstreams
from zoo.mirror.serve import ca
from zoo.mirror.settings import Settings
from zoo.mirror.store import Store
from zoo.mirror.sync import Sync

GOAL = 2.0
HEADS = 50
PATH = "/models/net{:06d}.pth"


@dataclass(frozen=True)
class Size:
    """What a mirror of one size costs."""

    items: int
    sync_s: float
    again_s: float
    """A second sync, which fetches nothing."""
    add_one_s: float
    """A sync of one more item alone."""
    start_s: float
    """From the start of ``zoo mirror serve`` to its first answer."""
    head_ms: float
    """Median of one HEAD over an open connection."""
    list_s: float
    """``zoo mirror list --json``."""
    memory_mb: float
    """Resident memory of the server after the questions."""


class Upstream(http.server.BaseHTTPRequestHandler):
    """Serve a few bytes that depend on the path, with a length, and take any question."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        data = f"weights of {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{self.path}"')
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--items", default="200,2000,20000", help="Sizes, with commas between.")
    parser.add_argument("--json", type=Path, help="Write the raw values to this file.")
    options = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    sizes = []
    try:
        for text in options.items.split(","):
            with tempfile.TemporaryDirectory() as name:
                os.environ["XDG_CACHE_HOME"] = f"{name}/cache"
                root = Path(name, "mirror")
                items = int(text)
                size = measure(root, items, server.server_port)
            sizes.append(size)
            print(f"{text} items measured", file=sys.stderr)
    finally:
        server.shutdown()
        server.server_close()
    return report(sizes, options.json)


def measure(
    root: Path,
    items: int,
    port: int,
) -> Size:
    """Fill a mirror, then ask it."""
    upstreams = parse_upstreams([f"pytorch=http://127.0.0.1:{port}"])
    store = Store.create(root, Settings(upstreams=upstreams))
    ca.create(Store(root))
    numbers = range(items)
    sync_s = timed_sync(store, numbers)
    again_s = timed_sync(store, numbers)
    one_more = range(items, items + 1)
    add_one_s = timed_sync(store, one_more)
    start_s, head_ms, memory_mb = ask(root, items)
    list_s = timed_list(root)
    return Size(
        items,
        sync_s,
        again_s,
        add_one_s,
        start_s,
        head_ms,
        list_s,
        memory_mb,
    )


def timed_sync(store: Store, numbers: range) -> float:
    """Sync some items and return the seconds."""
    options = FetchOptions(connections=1)
    start_s = time.perf_counter()
    with Sync(store, options=options) as sync:
        paths = [PATH.format(number) for number in numbers]
        urls = [f"https://download.pytorch.org{path}" for path in paths]
        items = [remotes.unregistered_weights(url) for url in urls]
        summary = sync.run(items)
    if summary.failures:
        _, error = summary.failures[0]
        raise error
    return time.perf_counter() - start_s


def ask(root: Path, items: int) -> tuple[float, float, float]:
    """Serve a mirror; return seconds to the first answer, milliseconds a HEAD, megabytes."""
    command = zoo("mirror", "serve", str(root), "--port", "0", "--quiet")
    start_s = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - asked for
            line = process.stdout.readline()
            parts = urlsplit(line.strip())
            connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=120)
            head(connection, 0)
            started_s = time.perf_counter() - start_s
            values = []
            for number in range(HEADS):
                chosen = number * items // HEADS
                before_s = time.perf_counter()
                head(connection, chosen)
                took_s = time.perf_counter() - before_s
                values.append(1000 * took_s)
            connection.close()
            file = Path(f"/proc/{process.pid}/statm")
            _, resident, *_ = file.read_text().split()
            pages = int(resident)
        finally:
            process.terminate()
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    memory_mb = pages * page_bytes / 1e6
    return started_s, statistics.median(values), memory_mb


def zoo(*arguments: str) -> list[str]:
    """Make a command of zoo."""
    return [sys.executable, "-m", "zoo", *arguments]


def head(connection: http.client.HTTPConnection, number: int) -> None:
    """Ask for one file's headers."""
    path = PATH.format(number)
    connection.request("HEAD", f"/weights/download.pytorch.org{path}")
    response = connection.getresponse()
    response.read()
    assert response.status == 200, response.status  # noqa: S101 - a benchmark


def timed_list(root: Path) -> float:
    """List a mirror and return the seconds."""
    command = zoo("mirror", "list", "--json", "--dir", str(root))
    start_s = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start_s


def report(sizes: list[Size], path: Path | None) -> int:
    """Print the table, write the raw values, and return the exit code."""
    machine = platform.machine()
    cores = os.cpu_count()
    version = platform.python_version()
    print(f"{machine}, {cores} CPUs, Python {version}")
    counts = [f"{size.items:>10}" for size in sizes]
    head = "".join(counts)
    print(f"{'items':12}{head}   an item, largest / smallest")

    slopes = {}
    smallest = sizes[0]
    largest = sizes[-1]
    for name in asdict(smallest):
        if name == "items":
            continue
        values = [float(getattr(size, name)) for size in sizes]
        first = values[0] / smallest.items
        last = values[-1] / largest.items
        slope = last / first
        slopes[name] = slope
        cells = [f"{value:>10.2f}" for value in values]
        row = "".join(cells)
        print(f"{name:12}{row}   {slope:.2f}")

    if path is not None:
        raw = [asdict(size) for size in sizes]
        text = json.dumps(raw, indent=1)
        path.write_text(text + "\n")

    steepest = max(slopes["sync_s"], slopes["again_s"])
    if steepest <= GOAL:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
