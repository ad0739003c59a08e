"""Download one large file with several clients, side by side, SHA-256 included for everyone.

Three servers on loopback: nginx without a limit; nginx with ``limit_rate``, which holds back every
*request* and lets its first second's worth through at once; and a small server whose *connections*
are held back by the kernel (``SO_MAX_PACING_RATE``), as a busy server or a long line would. Rounds
are interleaved, so that a slow moment of the machine hits everyone. Time is that of the whole
program for curl and aria2c, and from call to verified file (imports done) for Python functions;
zoo's contains fsync, which nobody else does. Needs Debian's nginx, curl and aria2.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import platform
import re
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
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Results = dict[str, dict[str, list[dict[str, float]]]]
"""Scene -> client -> runs -> what each took."""
LIMIT_MB_S = 20
BLOCK_BYTES = 1 << 20
NAME = "large.bin"
SO_MAX_PACING_RATE = 47
NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port};
    location /free/ {{ alias {folder}/served/; }}
    location /limited/ {{ alias {folder}/served/; limit_rate {limit}m; }}
  }}
}}
"""


@dataclass(frozen=True)
class Task:
    """What a client is asked to do."""

    url: str
    folder: str
    sha256: str
    size_bytes: int


# -- clients
# --------------------------------------------------------------------------------------------------


def fetch_with_zoo(task: Task) -> Callable[[], object]:
    """Return a call of zoo, with its default options."""
    import requests  # noqa: F401  (imports are done before the clock starts, for all clients)

    from zoo.catalog.records import WeightsFile
    from zoo.download import fetcher
    from zoo.download.options import FetchOptions

    file = WeightsFile(
        file_name=NAME,
        url=task.url,
        size_bytes=task.size_bytes,
        sha256=task.sha256,
    )
    folder = Path(task.folder)
    options = FetchOptions(folder=folder, allow_private_addresses=True)
    return lambda: fetcher.fetch(file, options=options)


def fetch_with_torch_hub(task: Task) -> Callable[[], object]:
    """Return a call of torch.hub, which hashes while it downloads."""
    from torch import hub

    place = f"{task.folder}/{NAME}"
    return lambda: hub.download_url_to_file(
        task.url,
        place,
        task.sha256,
        progress=False,
    )


def fetch_with_huggingface_hub(task: Task) -> Callable[[], object]:
    """Return a call of what hf_hub_download uses over HTTP, and a digest afterwards.

    It checks none itself.
    """
    from huggingface_hub.file_download import http_get

    def fetch() -> None:
        path = Path(task.folder) / NAME
        with path.open("wb") as stream:
            http_get(task.url, stream, expected_size=task.size_bytes)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256")
        check(digest.hexdigest() == task.sha256)

    return fetch


FUNCTIONS = {
    "zoo": fetch_with_zoo,
    "torch.hub": fetch_with_torch_hub,
    "huggingface_hub": fetch_with_huggingface_hub,
}
CURL = "curl -sf -o {folder}/{name} {url} && "
ARIA2 = "aria2c -q --no-conf --file-allocation=none -x8 -s8 -k1M -d {folder} -o {name} {url}"
CHECK = "echo '{sha256}  {folder}/{name}' | sha256sum --quiet -c -"
COMMANDS = {
    "curl + sha256sum": CURL + CHECK,
    "curl + openssl dgst": CURL + "openssl dgst -sha256 -r {folder}/{name} | grep -q ^{sha256}",
    "aria2c -x8 + sha256sum": ARIA2 + " && " + CHECK,
    "aria2c -x8 --checksum": ARIA2 + " --checksum=sha-256={sha256}",
}


def run_child(client: str, task: Task) -> None:
    """Run one Python client in this process and print what it took."""
    call = FUNCTIONS[client](task)
    cpu = time.process_time()
    wall = time.perf_counter()
    call()
    taken = {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
    }
    print(json.dumps(taken))


def measure(client: str, task: Task) -> dict[str, float]:
    """Run one client in a fresh process and an empty folder.

    Return seconds, CPU seconds and peak memory.
    """
    folder = Path(task.folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()

    facts = asdict(task)
    if client in FUNCTIONS:
        words = json.dumps(facts)
        command = [sys.executable, __file__, "--child", client, words]
    else:
        line = COMMANDS[client].format(name=NAME, **facts)
        command = ["bash", "-c", line]
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": f"{task.folder}-cache",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }

    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        output = b""
        if process.stdout:
            output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start

    is_done = process.returncode == 0
    check(is_done, f"{client} failed on {task.url}")
    fetched = folder / NAME
    check(fetched.stat().st_size == task.size_bytes)
    seconds = {
        "wall_s": wall,
        "cpu_s": usage.ru_utime + usage.ru_stime,
    }
    if output:
        seconds = json.loads(output)
    return {**seconds, "peak_mib": usage.ru_maxrss / 1024}


def check(is_right: bool, fault: str = "the file is wrong") -> None:
    """End the run if something is not as it should be."""
    if not is_right:
        sys.exit(fault)


# -- servers
# --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """Run nginx over a folder; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "nginx.conf"
    text = NGINX.format(folder=folder, port=port, limit=LIMIT_MB_S)
    config.write_text(text)

    command = ["nginx", "-p", str(folder), "-c", str(config)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_server(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait_for_server(port: int) -> None:
    """Try to connect until somebody answers, for a few seconds."""
    for _ in range(100):
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=1),
        ):
            return
        time.sleep(0.05)


@contextlib.contextmanager
def paced_server(path: Path) -> Iterator[str]:
    """Serve one file with ranges; the kernel sends at most LIMIT_MB_S on each connection."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.setsockopt(
                    socket.SOL_SOCKET,
                    SO_MAX_PACING_RATE,
                    LIMIT_MB_S * 1_000_000,
                )
                talker = threading.Thread(
                    target=talk_paced,
                    args=(connection, path),
                    daemon=True,
                )
                talker.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    _, port = listener.getsockname()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def talk_paced(connection: socket.socket, path: Path) -> None:
    """Answer the requests of one connection."""
    size = path.stat().st_size
    with (
        contextlib.suppress(OSError),
        connection,
        connection.makefile("rb") as lines,
        path.open("rb") as stream,
    ):
        while head := read_head(lines):
            status = "200 OK"
            start = 0
            last = size - 1
            match = re.search(rb"\r\nRange: bytes=(\d+)-(\d*)", head, re.IGNORECASE)
            if match:
                start = int(match[1])
                wanted = int(match[2] or last)
                last = min(wanted, last)
                status = f"206 Partial\r\nContent-Range: bytes {start}-{last}/{size}"

            count = last - start + 1
            headers = f'Content-Length: {count}\r\nETag: "1"\r\nAccept-Ranges: bytes'
            answer = f"HTTP/1.1 {status}\r\n{headers}\r\n\r\n"
            connection.sendall(answer.encode())
            while start <= last:
                left = last - start + 1
                sent = os.sendfile(connection.fileno(), stream.fileno(), start, left)
                start += sent


def read_head(lines: BinaryIO) -> bytes:
    """Read up to the empty line that ends the headers; nothing at the end of the connection."""
    head = b""
    while (line := lines.readline()) not in (b"\r\n", b""):
        head += line
    return head


# -- the run
# --------------------------------------------------------------------------------------------------


def make_file(path: Path, size_bytes: int) -> str:
    """Write random bytes; return their SHA-256."""
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True)
    with path.open("wb") as stream:
        for start in range(0, size_bytes, BLOCK_BYTES):
            left = size_bytes - start
            block = os.urandom(min(BLOCK_BYTES, left))
            digest.update(block)
            stream.write(block)
    return digest.hexdigest()


def run(
    folder: Path,
    size_bytes: int,
    rounds: int,
) -> Results:
    """Measure every client on every server, in interleaved rounds."""
    served = folder / "served" / NAME
    sha256 = make_file(served, size_bytes)
    all_clients = [*FUNCTIONS, *COMMANDS]
    several = ["zoo", "aria2c -x8 + sha256sum", "aria2c -x8 --checksum"]
    results: Results = {}
    with nginx(folder) as web, paced_server(served) as paced:
        limit = f"{LIMIT_MB_S} MB/s"
        free = f"{web}/free/{NAME}"
        limited = f"{web}/limited/{NAME}"
        scenes = {
            "unlimited (nginx)": (free, all_clients),
            f"{limit} a request (nginx limit_rate)": (limited, several),
            f"{limit} a connection (kernel pacing)": (f"{paced}/{NAME}", several),
        }
        for number in range(rounds):
            for scene, (url, clients) in scenes.items():
                out = str(folder / "out")
                task = Task(url, out, sha256, size_bytes)
                by_client = results.setdefault(scene, {})
                turn = number % len(clients)
                in_turn = clients[turn:] + clients[:turn]
                for client in in_turn:
                    taken = measure(client, task)
                    runs = by_client.setdefault(client, [])
                    runs.append(taken)
                    wall_s = taken["wall_s"]
                    what = f"round {number + 1}: {scene}: {client}"
                    print(f"{what}: {wall_s:.2f} s", file=sys.stderr)
    return results


def report(results: Results) -> str:
    """Write the results as markdown, and how zoo stands against the fastest other client."""
    lines = []
    for scene, clients in results.items():
        lines += [
            f"\n**{scene}**\n",
            "| client | seconds: median (least to most) | CPU s | peak MiB |",
            "|---|---|---|---|",
        ]
        medians = {}
        for client, runs in clients.items():
            medians[client] = _median(runs, "wall_s")
        fastest_first = sorted(medians, key=medians.__getitem__)
        for client in fastest_first:
            runs = clients[client]
            walls = [run["wall_s"] for run in runs]
            peaks = [run["peak_mib"] for run in runs]
            cpu = _median(runs, "cpu_s")
            middle = medians[client]
            least = min(walls)
            most = max(walls)
            peak = max(peaks)
            extremes = f"{least:.2f} to {most:.2f}"
            spread = f"{middle:.2f} ({extremes})"
            costs = f"{cpu:.2f} | {peak:.0f}"
            lines.append(f"| {client} | {spread} | {costs} |")

        rival, *_ = [client for client in fastest_first if client != "zoo"]
        ratio = medians[rival] / medians["zoo"]
        lines.append(f"\nzoo is {ratio:.2f} times as fast as {rival}.")

    return "\n".join(lines)


def _median(runs: list[dict[str, float]], key: str) -> float:
    values = [run[key] for run in runs]
    return statistics.median(values)


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size-mb", type=int, default=500)
    parser.add_argument(
        "--folder", help="where to put the files (about 1 GB); the temporary folder by default"
    )
    parser.add_argument("--json", type=Path, help="write every raw value to this file")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        client, words = options.child
        facts = json.loads(words)
        run_child(client, Task(**facts))
        return

    for program in ("nginx", "curl", "aria2c", "openssl", "sha256sum"):
        is_there = shutil.which(program) is not None
        advice = "run apt-get install nginx curl aria2 openssl"
        check(is_there, f"{program} is missing: {advice}")

    with tempfile.TemporaryDirectory(prefix="zoo-bench-", dir=options.folder) as folder:
        Path(folder).chmod(0o755)  # nginx's workers run as another user
        size_bytes = options.size_mb * 1_000_000
        results = run(Path(folder), size_bytes, options.rounds)
    machine: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "folder": options.folder or tempfile.gettempdir(),
        "size_mb": options.size_mb,
        "rounds": options.rounds,
    }
    if options.json:
        content = {"facts": machine, "results": results}
        text = json.dumps(content, indent=1)
        options.json.write_text(text)

    words = [f"{name} {value}" for name, value in machine.items()]
    print(", ".join(words))
    print(report(results))


if __name__ == "__main__":
    main()
