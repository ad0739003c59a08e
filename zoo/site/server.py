"""Show a site to this machine: an HTTP server that knows its files by name and nothing else.

It looks names up in a mapping, so no request can reach a file of the disk.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote, urlsplit

from zoo.errors import UsageError
from zoo.mirror.catalog import MEDIA_TYPES
from zoo.site.build import compress
from zoo.site.pages import POLICY

if TYPE_CHECKING:
    from collections.abc import Mapping

_START = "index.html"


@dataclass(frozen=True, slots=True)
class ServedFile:
    """One file as it is sent."""

    content: bytes
    compressed: bytes
    media_type: str
    tag: str

    @classmethod
    def of(cls, name: str, content: bytes) -> ServedFile:
        """Prepare a file."""
        ending = name[name.rfind(".") :]
        media_type = MEDIA_TYPES.get(ending) or mimetypes.guess_type(name)[0]
        digest = hashlib.sha256(content).hexdigest()[:32]
        fallback = "application/octet-stream"
        return cls(content, compress(content), media_type or fallback, f'"{digest}"')


class SiteServer(ThreadingHTTPServer):
    """Serve the files of a site.

    Args:
        files: From :func:`zoo.site.build.render_site`.
        host: Address to listen on.
        port: 0 takes a free one.

    Raises:
        UsageError: The address cannot be had.
    """

    daemon_threads = True

    def __init__(self, files: Mapping[str, bytes], host: str = "127.0.0.1", port: int = 0) -> None:
        served = {name: ServedFile.of(name, content) for name, content in files.items()}
        try:
            super().__init__((host, port), partial(_Handler, served))
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"cannot listen on {host}:{port} ({error}); name another --host or --port"
            ) from error

    @property
    def url(self) -> str:
        """Address of the start page."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    headers_always: ClassVar = {
        "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        # Ask each time, so that a new build shows at once; the tag makes that cheap.
        "Cache-Control": "no-cache",
    }

    def __init__(self, served: Mapping[str, ServedFile], *arguments: Any) -> None:
        self.served = served
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Send a file."""
        self._respond(has_body=True)

    def do_HEAD(self) -> None:
        """Send what is known about a file."""
        self._respond(has_body=False)

    def _respond(self, *, has_body: bool) -> None:
        name = unquote(urlsplit(self.path).path).lstrip("/")
        file = self.served.get(name or _START)
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return

        is_known = self.headers.get("If-None-Match") == file.tag
        self.send_response(HTTPStatus.NOT_MODIFIED if is_known else HTTPStatus.OK)
        takes_gzip = "gzip" in self.headers.get("Accept-Encoding", "")
        content = file.compressed if takes_gzip else file.content
        for header, value in self.headers_always.items():
            self.send_header(header, value)
        self.send_header("ETag", file.tag)
        self.send_header("Vary", "Accept-Encoding")

        if not is_known:
            self.send_header("Content-Type", file.media_type)
            self.send_header("Content-Length", str(len(content)))
            if takes_gzip:
                self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if has_body and not is_known:
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name in http.server
        """Say nothing: the address was printed, a log of one's own clicks helps nobody."""
