"""The real ``zoo mirror serve`` in a process of its own, and a client that sends exactly the bytes it is told to."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

READY_S = 30


@dataclass
class RunningMirror:
    """A server that accepts connections."""

    base: str
    process: subprocess.Popen[str]
    log_path: Path

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.base)
        return parts.hostname or "", parts.port or 0

    @property
    def log(self) -> str:
        """What the server has said on stderr so far."""
        return self.log_path.read_text()

    @property
    def memory_bytes(self) -> int:
        """Resident memory of the server's process."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def serving(root: Path, *options: str, environment: dict[str, str] | None = None) -> Iterator[RunningMirror]:
    """Run the server until the block ends."""
    log_path = root.parent / f"{root.name}.{os.urandom(3).hex()}.log"
    command = [sys.executable, "-m", "zoo", "mirror", "serve", str(root), "--port", "0", *options]
    with log_path.open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **(environment or {})}
        )
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], READY_S)
        base = process.stdout.readline().strip() if ready else ""
        assert base.startswith("http"), log_path.read_text()
        yield RunningMirror(base, process, log_path)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


def send(mirror: RunningMirror, data: bytes, timeout_s: float = 20) -> bytes:
    """Send raw bytes on a new connection and return all that comes back until it is closed, or nothing comes."""
    received = b""
    with socket.create_connection(mirror.address, timeout=timeout_s) as connection:
        try:
            connection.sendall(data)
            while block := connection.recv(1 << 16):
                received += block
        except (ConnectionError, TimeoutError):
            pass
    return received


def ask(mirror: RunningMirror, target: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
    """Send one request, its target as it is, and return the answer."""
    lines = [f"{method} {target} HTTP/1.1", "Host: mirror", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    received = send(mirror, "\r\n".join([*lines, "", ""]).encode("latin-1"))
    head, _, body = received.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    named = (line.partition(":") for line in rest)
    return Answer(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in named}, body)
