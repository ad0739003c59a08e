"""Measure the bundled server side by side with nginx: one file, 1, 16 and 64 connections, in turns.

    python scripts/bench_mirror.py --size-mb 500 --rounds 3

Each client thread reads the whole file over one connection with ``recv_into`` and drops the bytes.
The servers take turns, so that noise of the machine meets both. Exit code 1 if the median ratio is
below the goal (0.6 at 1 connection, 0.75 at 16 and 64), or the server's memory grows.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zoo.mirror.index import Item, StoredFile
from zoo.mirror.serve import ca
from zoo.mirror.settings import Settings
from zoo.mirror.store import Store, now

if TYPE_CHECKING:
    from collections.abc import Iterator

GOALS = {1: 0.6, 16: 0.75, 64: 0.75}
PATH = "weights/bench.example.org/big.bin"
MEMORY_GROWTH_BYTES = 64 << 20
NGINX = """
daemon off;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    {temporary}
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@dataclass(frozen=True)
class Cell:
    """One number of connections."""

    connections: int
    zoo_mb_per_s: list[float]
    nginx_mb_per_s: list[float]
    memory_mb: float
    """Resident memory of the server's process after the cell."""

    @property
    def ratio(self) -> float:
        """Median of our throughput over the median of nginx's."""
        ours = statistics.median(self.zoo_mb_per_s)
        theirs = statistics.median(self.nginx_mb_per_s)
        return ours / theirs


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size-mb", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="Write the raw values to this file.")
    options = parser.parse_args()
    if shutil.which("nginx") is None:
        print("nginx is not installed: apt-get install nginx-light", file=sys.stderr)
        return 2
    size_bytes = options.size_mb * 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = make_mirror(folder / "mirror", size_bytes)
        with nginx(root, folder) as nginx_port, zoo(root) as (zoo_port, pid):
            for port in (nginx_port, zoo_port):
                fetch(port, 1, size_bytes)

            before = memory_bytes(pid)
            cells = []
            for count in GOALS:
                cell = measure(zoo_port, nginx_port, pid, count, options)
                cells.append(cell)
            grown = memory_bytes(pid) - before
    return report(cells, before, grown, options)


def measure(
    zoo_port: int,
    nginx_port: int,
    pid: int,
    connections: int,
    options: argparse.Namespace,
) -> Cell:
    """Measure one number of connections, both servers in turns."""
    size_bytes = options.size_mb * 1_000_000
    ours: list[float] = []
    theirs: list[float] = []
    for round_number in range(options.rounds):
        pairs = [(zoo_port, ours), (nginx_port, theirs)]
        if round_number % 2 == 0:
            pairs.reverse()
        for port, values in pairs:
            speed = fetch(port, connections, size_bytes)
            values.append(speed)

    memory_mb = memory_bytes(pid) / 1e6
    return Cell(connections, ours, theirs, memory_mb)


def fetch(
    port: int,
    connections: int,
    size_bytes: int,
) -> float:
    """Read the whole file over every connection at once. Return MB/s of all together."""
    threads = []
    failures = []

    def read() -> None:
        try:
            read_file(port, size_bytes)
        except (OSError, AssertionError) as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(connections)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    if failures:
        raise failures[0]
    moved_mb = connections * size_bytes / 1e6
    return moved_mb / seconds


def read_file(port: int, length_bytes: int) -> None:
    """Read the file over one new connection."""
    buffer = memoryview(bytearray(1 << 20))
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        request = f"GET /{PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(1 << 16)
        assert received.startswith(b"HTTP/1.1 200"), received[:100]  # noqa: S101 - a benchmark
        _, _, body = received.partition(b"\r\n\r\n")
        done = len(body)
        while count := connection.recv_into(buffer):
            done += count
        assert done == length_bytes, (done, length_bytes)  # noqa: S101 - a benchmark


def make_mirror(root: Path, size_bytes: int) -> Path:
    """Make a mirror that holds one file."""
    store = Store.create(root, Settings())
    ca.create(Store(root))
    path = root / PATH
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True)
    with path.open("wb") as stream:
        for _ in range(size_bytes // 1_000_000):
            block = os.urandom(1_000_000)
            stream.write(block)
            digest.update(block)
    file = StoredFile(
        PATH,
        "https://bench.example.org/big.bin",
        size_bytes,
        digest.hexdigest(),
        now(),
    )
    item = Item("weights", "big", (file,))
    store.enter(item)
    return root


@contextlib.contextmanager
def nginx(root: Path, folder: Path) -> Iterator[int]:
    """Run nginx on the mirror's folder as it stands."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = [f"{kind}_temp_path {folder}/{kind};" for kind in kinds]
    text = NGINX.format(
        folder=folder,
        port=port,
        root=root,
        temporary=" ".join(places),
    )
    config = folder / "nginx.conf"
    config.write_text(text)
    folder.chmod(0o755)  # the workers are another user

    command = ["nginx", "-c", str(config), "-p", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def zoo(root: Path) -> Iterator[tuple[int, int]]:
    """Run the bundled server as a user would; yield its port and process."""
    serve = [sys.executable, "-m", "zoo", "mirror", "serve", str(root)]
    command = [*serve, "--port", "0", "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None  # noqa: S101 - asked for
        line = process.stdout.readline()
        parts = urlsplit(line.strip())
        yield parts.port or 0, process.pid
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    """Wait until a server accepts connections."""
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(port)


def memory_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    file = Path(f"/proc/{pid}/statm")
    _, resident, *_ = file.read_text().split()
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    return int(resident) * page_bytes


def report(
    cells: list[Cell],
    before: int,
    grown: int,
    options: argparse.Namespace,
) -> int:
    """Print the table, write the raw values, and return the exit code."""
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"{options.size_mb} MB file"
    )
    print("connections  zoo MB/s  nginx MB/s  ratio  goal")
    for cell in cells:
        ours = statistics.median(cell.zoo_mb_per_s)
        theirs = statistics.median(cell.nginx_mb_per_s)
        print(
            f"{cell.connections:11}  {ours:8.0f}  {theirs:10.0f}  {cell.ratio:5.2f}  "
            f"{GOALS[cell.connections]}"
        )
    print(
        f"memory of the server: {before / 1e6:.0f} MB at the start, "
        f"{grown / 1e6:+.0f} MB at the end"
    )
    if options.json:
        raw = list(map(asdict, cells))
        text = json.dumps(raw, indent=1)
        options.json.write_text(text)
    is_met = (
        all(cell.ratio >= GOALS[cell.connections] for cell in cells) and grown < MEMORY_GROWTH_BYTES
    )
    if is_met:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
