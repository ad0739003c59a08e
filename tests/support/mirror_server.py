"""The real ``zoo mirror serve`` in a process, and a client that sends the bytes it is told to."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support import warm
from tests.support.full_disk import limited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess

    from zoo.mirror.store import Store

READY_S = 120


class ServerProcess:
    """The process of a server."""

    def __init__(self, process: BaseProcess) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self._process = process

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self._process.is_alive():
            warm.send(self._process, number)

    def wait(self, timeout: float) -> int | None:
        """Wait for the end; return the exit code, or nothing if it goes on for too long."""
        self._process.join(timeout)
        return self._process.exitcode

    def end(self) -> None:
        """Bring the end about."""
        self.send_signal(signal.SIGTERM)
        warm.wait(self._process, 60)


@dataclass
class RunningMirror:
    """A server that accepts connections."""

    base: str
    process: ServerProcess
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
    def open_files(self) -> list[str]:
        """What the server's descriptors lead to."""
        names = []
        for handle in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed while we look
                names.append(str(handle.readlink()))
        return names

    @property
    def memory_bytes(self) -> int:
        """Resident memory of the server's process."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def serving(
    mirror: Store | Path,
    *options: str,
    limit_bytes: int | None = None,
) -> Iterator[RunningMirror]:
    """Run the server until the block ends.

    It is a process of its own, which begins where its modules have been imported already.

    Args:
        mirror: The mirror, or its folder.
        options: More of ``zoo mirror serve``.
        limit_bytes: No file can grow beyond it: for the server, its disk is full then.
    """
    address = str(mirror) if isinstance(mirror, Path) else mirror.address
    arguments = ("mirror", "serve", address, "--port", "0", *options)
    program = warm.ZOO if limit_bytes is None else limited(limit_bytes)

    log_path = _log_path(address)
    reading, writing = os.pipe()
    with os.fdopen(reading) as announced, log_path.open("w") as log:
        try:
            started = warm.start(program, *arguments, stdout=writing, stderr=log.fileno())
        finally:
            os.close(writing)
        process = ServerProcess(started)
        try:
            ready, _, _ = select.select([announced], [], [], READY_S)
            base = announced.readline().strip() if ready else ""
            assert base.startswith("http"), log_path.read_text()
            yield RunningMirror(base, process, log_path)
        finally:
            process.end()


def _log_path(address: str) -> Path:
    """Name a new log: beside a folder, or among the test's own files for a bucket."""
    own = os.urandom(3).hex()
    if "://" not in address:
        root = Path(address)
        return root.with_name(f"{root.name}.{own}.log")

    folder = Path(os.environ["XDG_CACHE_HOME"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"bucket.{own}.log"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    is_whole: bool = True
    """Whether all came that was promised."""


def send(
    mirror: RunningMirror,
    data: bytes,
    timeout_s: float = 60,
) -> bytes:
    """Send raw bytes on a new connection; return what comes until it is closed or silent."""
    received = bytearray()
    with socket.create_connection(mirror.address, timeout=timeout_s) as connection:
        try:
            connection.sendall(data)
            while block := connection.recv(1 << 16):
                received += block
        except (ConnectionError, TimeoutError):
            pass
    return bytes(received)


def ask(
    mirror: RunningMirror,
    target: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send one request, its target as it is, and return the answer."""
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: mirror",
        "Connection: close",
    ]
    for name, value in (headers or {}).items():
        lines.append(f"{name}: {value}")
    lines += ["", ""]

    request = "\r\n".join(lines)
    received = send(mirror, request.encode("latin-1"))
    return read_answer(received, method)


def ask_until(
    mirror: RunningMirror,
    target: str,
    status: int,
) -> Answer:
    """Ask until a server has seen what was changed: one of a bucket looks every two seconds."""
    patience = threading.Event()
    for _ in range(200):
        answer = ask(mirror, target)
        if answer.status == status:
            return answer
        patience.wait(0.1)
    raise AssertionError(f"the server never saw it: {answer}")


def read_answer(received: bytes, method: str = "GET") -> Answer:
    """Read all that came back on a connection as one answer."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in rest:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()

    is_whole = True
    if headers.get("transfer-encoding") == "chunked":
        body, is_whole = _join_chunks(body)
    elif method != "HEAD":
        stated = headers.get("content-length", len(body))
        is_whole = len(body) == int(stated)

    _, status, *_ = first.split()
    return Answer(
        int(status),
        headers,
        body,
        is_whole,
    )


def _join_chunks(data: bytes) -> tuple[bytes, bool]:
    """Take the chunks of a body together; tell whether the last one was there."""
    body = bytearray()
    at = 0
    while at < len(data):
        end = data.find(b"\r\n", at)
        length, start = (data[at:end], end + 2) if end >= 0 else (data[at:], len(data))
        count = int(length, 16)
        if count == 0:
            return bytes(body), True
        body += data[start : start + count]
        at = start + count + 2
    return bytes(body), False
