"""A real S3 server on loopback (moto's), with a fresh bucket for whoever asks."""

from __future__ import annotations

import http.client
import logging
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCESS_KEY = "AKIAZOOTESTEXAMPLE"
SECRET_KEY = "zoo/test+secret/that/nobody/may/see"  # noqa: S105 - of a server that exists in the test only
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class BucketServer:
    """A running server."""

    host: str
    port: int
    scheme: str = "s3"

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://{self.host}:{self.port}"

    def new_bucket(self) -> str:
        """Make a bucket and return its address."""
        name = f"zoo-{secrets.token_hex(6)}"
        self.make(name)
        return f"{self.scheme}://{name}/mirror"

    def make(self, name: str) -> None:
        """Make a bucket of this name."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        connection.request("PUT", f"/{name}")
        assert connection.getresponse().status == 200
        connection.close()

    def full(self, address: str) -> str:
        """Return an address with the endpoint in it."""
        return f"{address}?endpoint={self.endpoint}"


@contextmanager
def serving_buckets() -> Iterator[BucketServer]:
    """Run the server until the block ends.

    It has S3 and nothing else: moto's own server looks through the folders of all its services,
    twice for every request.
    """
    from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server(
        "127.0.0.1",
        0,
        create_backend_app("s3"),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield BucketServer(server.host, server.port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
