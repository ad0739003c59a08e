"""The server that shows a site to this machine."""

from __future__ import annotations

import gzip
import http.client
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.site.conftest import serving
from zoo.errors import UsageError
from zoo.site.server import SiteServer

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = {"index.html": b"<p>start</p>", "assets/a.js": b"export const a = 1;\n"}


@pytest.fixture
def address() -> Iterator[str]:
    """Address of a site of two files."""
    with serving(FILES) as url:
        yield urlsplit(url).netloc


def ask(
    address: str, path: str, method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    """Ask for a path."""
    connection = http.client.HTTPConnection(address, timeout=60)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=named)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_start_page_is_served_at_the_root(address: str) -> None:
    """As every web server does."""
    response, body = ask(address, "/")
    assert (response.status, body) == (200, FILES["index.html"])
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


def test_modules_have_the_type_that_browsers_ask_for(address: str) -> None:
    """Browsers refuse a module of another type."""
    response, body = ask(address, "/assets/a.js?v=1")
    assert (response.status, body) == (200, FILES["assets/a.js"])
    assert response.headers["Content-Type"].startswith("text/javascript")


def test_every_answer_has_the_policy(address: str) -> None:
    """Also against being framed, which a page cannot say of itself."""
    response, _ = ask(address, "/")
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_compressed_and_unchanged_files_are_sent_as_such(address: str) -> None:
    """The second visit costs a few bytes."""
    response, body = ask(address, "/", Accept_Encoding="gzip")
    assert gzip.decompress(body) == FILES["index.html"]
    again, nothing = ask(address, "/", If_None_Match=response.headers["ETag"])
    assert (again.status, nothing) == (304, b"")


def test_head_sends_no_body(address: str) -> None:
    """Length and type are those of the body that GET sends."""
    response, body = ask(address, "/", "HEAD")
    assert body == b""
    assert response.headers["Content-Length"] == str(len(FILES["index.html"]))


@pytest.mark.parametrize(
    "path", ["/nothing", "/../pyproject.toml", "/assets/", "//etc/passwd", "/%2e%2e/x", "/..%2fx"]
)
def test_other_paths_are_not_found(address: str, path: str) -> None:
    """Names are looked up, not opened."""
    assert ask(address, path)[0].status == 404


def test_taken_port_is_said_in_a_sentence(address: str) -> None:
    """With what to do."""
    port = int(address.rpartition(":")[2])
    with pytest.raises(UsageError, match="name another --host or --port"):
        SiteServer(FILES, port=port)
