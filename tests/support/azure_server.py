"""Azurite, Microsoft's own emulator of Azure's blob storage, on loopback.

It is a package of npm, and is not installed with the others: ``ZOO_TEST_AZURITE`` names its program
``azurite-blob``. Then the tests of buckets run on it in place of S3.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING

from tests.support.bucket_server import BucketServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's own, the same everywhere."""
ENVIRONMENT = {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY}
VERSION = "2021-08-06"
START_S = 30


@dataclass(frozen=True)
class AzureServer(BucketServer):
    """A running emulator."""

    scheme: str = "az"

    @property
    def endpoint(self) -> str:
        """Its address, with the account that it has."""
        return f"{super().endpoint}/{ACCOUNT}"

    def make(self, name: str) -> None:
        """Make a container of this name."""
        path = f"/{ACCOUNT}/{name}"
        headers = {
            "x-ms-date": formatdate(usegmt=True),
            "x-ms-version": VERSION,
        }
        headers["Authorization"] = _authorization(path, headers)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        connection.request(
            "PUT",
            f"{path}?restype=container",
            headers=headers,
        )
        assert connection.getresponse().status == 201
        connection.close()


def _authorization(
    path: str,
    headers: dict[str, str],
) -> str:
    """Sign the wish for a container."""
    lines = ["PUT"]
    lines += [""] * 11
    for name, value in headers.items():
        lines.append(f"{name}:{value}")
    lines.append(f"/{ACCOUNT}{path}")
    lines.append("restype:container")

    key = base64.b64decode(KEY)
    text = "\n".join(lines)
    mac = hmac.new(key, text.encode(), hashlib.sha256)
    signature = base64.b64encode(mac.digest())
    return f"SharedKey {ACCOUNT}:{signature.decode()}"


@contextmanager
def serving_containers(program: str) -> Iterator[AzureServer]:
    """Run the emulator until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    command = [
        program,
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        str(port),
        "--inMemoryPersistence",
        "--disableTelemetry",
        "--skipApiVersionCheck",
        "--silent",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield AzureServer("127.0.0.1", port)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(port: int) -> None:
    deadline_s = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline_s, "azurite does not start"
            time.sleep(0.1)
        else:
            return
