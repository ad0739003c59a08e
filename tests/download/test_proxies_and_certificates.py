"""Proxies and certificate authorities of the environment: rows 27 and 28 of the fault catalogue."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.support.faulty_server import Exchange, FaultyServer
from tests.support.fetch_desk import DATA, NAME, Desk
from zoo.errors import ConfigError, FetchError

if TYPE_CHECKING:
    from pathlib import Path


def is_right(desk: Desk) -> bool:
    """Tell whether the right bytes lie under the final name, and nothing else in the cache."""
    return desk.target.read_bytes() == DATA and desk.holds_only(NAME)


def server_context(
    authority: trustme.CA, *names: str, **certificate: dt.datetime
) -> ssl.SSLContext:
    """Make the TLS settings of a server with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **certificate).configure_cert(context)  # type: ignore[arg-type]  # dates by name
    return context


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, str]:
    """Make a certificate authority of our own; return it and its certificate's path."""
    made = trustme.CA()
    path = tmp_path / "authority.pem"
    made.cert_pem.write_to_path(str(path))
    return made, str(path)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_proxy_of_the_environment_is_used(
    desk: Desk, server: FaultyServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Row 27: proxy from the environment: used with its credentials, for a host it alone knows."""
    monkeypatch.setenv(variable, server.base.replace("http://", "http://user:secret@"))
    desk.fetch("http://only-the-proxy-knows.invalid/models/x")
    assert is_right(desk)
    assert server.requests[0].target == "http://only-the-proxy-knows.invalid/models/x"
    assert (
        server.requests[0].headers["proxy-authorization"] == "Basic dXNlcjpzZWNyZXQ="
    )  # user:secret
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("exempt", ["127.0.0.1", "127.0.0.0/8", "*"])
def test_no_proxy_bypasses_the_proxy(
    desk: Desk, server: FaultyServer, monkeypatch: pytest.MonkeyPatch, exempt: str
) -> None:
    """Row 27: NO_PROXY: bypassed."""
    with FaultyServer() as proxy:
        monkeypatch.setenv("http_proxy", proxy.base)
        monkeypatch.setenv("NO_PROXY", exempt)
        desk.fetch(server.base)
        assert proxy.requests == []
    assert is_right(desk)


def test_proxy_that_wants_a_password_is_an_error(
    desk: Desk, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 27: proxy that answers 407: error at once that says what to do."""
    server.behave = lambda exchange: exchange.answer(407, Proxy_Authenticate="Basic")
    monkeypatch.setenv("http_proxy", server.base)
    with pytest.raises(FetchError, match="the proxy wants a user and password"):
        desk.fetch("http://host.example/x")
    assert len(server.requests) == 1


def tunnel(exchange: Exchange) -> None:
    """Do what a CONNECT proxy does: pass bytes both ways until one side ends."""
    host, _, port = exchange.target.rpartition(":")
    exchange.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    with socket.create_connection(("127.0.0.1", int(port))) as upstream:
        back = threading.Thread(target=pump, args=(upstream, exchange.connection), daemon=True)
        back.start()
        pump(exchange.connection, upstream)
        back.join(timeout=5)
    assert host
    exchange.stop()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy bytes from one socket to another until the first ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def test_https_goes_through_a_connect_proxy(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, authority: tuple[trustme.CA, str]
) -> None:
    """Row 27: https over a proxy: the tunnel ends at the server, whose certificate is checked."""
    certificates, path = authority
    monkeypatch.setenv("SSL_CERT_FILE", path)
    with (
        FaultyServer(tls=server_context(certificates, "tunnelled.invalid")) as server,
        FaultyServer() as proxy,
    ):
        server.behave = lambda exchange: exchange.serve(DATA)
        proxy.behave = tunnel
        monkeypatch.setenv("https_proxy", proxy.base)
        desk.fetch(f"https://tunnelled.invalid:{server.port}/x")
        assert {exchange.method for exchange in proxy.requests} == {"CONNECT"}
    assert is_right(desk)


def test_connect_proxy_that_wants_a_password_is_an_error(
    desk: Desk, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 27: the same answer 407 to a CONNECT."""
    server.behave = lambda exchange: exchange.answer(407, Proxy_Authenticate="Basic")
    monkeypatch.setenv("https_proxy", server.base)
    with pytest.raises(FetchError, match="the proxy wants a user and password"):
        desk.fetch("https://host.example/x")
    assert len(server.requests) == 1


def test_connect_proxy_that_drips_does_not_hang(
    desk: Desk, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 25 and 27: a proxy that answers a byte at a time is held to the same deadline."""

    def drip(exchange: Exchange) -> None:
        while not exchange.server.closing.wait(0.02):
            exchange.send(b"x")

    server.behave = drip
    desk.limit(answer_s=0.3)
    monkeypatch.setenv("https_proxy", server.base)
    with pytest.raises(FetchError, match="it took too long"):
        desk.fetch("https://host.example/x", retries=0)


def test_unknown_authority_is_an_error(desk: Desk, authority: tuple[trustme.CA, str]) -> None:
    """Row 28: TLS certificate that nobody vouches for: error at once that names the variable."""
    with FaultyServer(tls=server_context(authority[0], "127.0.0.1")) as server:
        with pytest.raises(FetchError, match=r"its certificate is not trusted.*SSL_CERT_FILE"):
            desk.fetch(server.base)
        assert server.requests == []
    assert desk.pauses_s == []


def test_certificate_of_another_name_is_an_error(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, authority: tuple[trustme.CA, str]
) -> None:
    """Row 28: TLS certificate wrong: error."""
    monkeypatch.setenv("SSL_CERT_FILE", authority[1])
    with FaultyServer(tls=server_context(authority[0], "another.example")) as server:
        with pytest.raises(FetchError, match="its certificate is not trusted"):
            desk.fetch(server.base)
        assert server.requests == []


def test_expired_certificate_is_an_error(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, authority: tuple[trustme.CA, str]
) -> None:
    """Row 28: expired: error."""
    monkeypatch.setenv("SSL_CERT_FILE", authority[1])
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    context = server_context(
        authority[0], "127.0.0.1", not_before=past, not_after=past + dt.timedelta(days=1)
    )
    with (
        FaultyServer(tls=context) as server,
        pytest.raises(FetchError, match="certificate has expired"),
    ):
        desk.fetch(server.base)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_own_authority_of_the_environment_is_trusted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, authority: tuple[trustme.CA, str], variable: str
) -> None:
    """Row 28: own CA in SSL_CERT_FILE or a variable of requests or curl: ok, in parts over TLS."""
    monkeypatch.setenv(variable, authority[1])
    with FaultyServer(tls=server_context(authority[0], "127.0.0.1")) as server:
        server.behave = lambda exchange: exchange.serve(DATA)
        desk.fetch(server.base)
        assert server.body_bytes == len(DATA)
    assert is_right(desk)


def test_certificate_file_that_is_none_is_an_error(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Row 28: a certificate file that is missing or holds something else: error that names it."""
    bundle = tmp_path / "bundle.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with pytest.raises(ConfigError, match=r"bundle\.pem cannot be used"):
        desk.fetch("https://127.0.0.1:1/x")
    bundle.write_text("no certificate")
    with pytest.raises(ConfigError, match=r"bundle\.pem cannot be used"):
        desk.fetch("https://127.0.0.1:1/x")
    assert desk.holds_only()


def test_redirect_from_https_to_http_is_an_error(
    desk: Desk,
    server: FaultyServer,
    monkeypatch: pytest.MonkeyPatch,
    authority: tuple[trustme.CA, str],
) -> None:
    """Row 24: https to http: error, and the http server is never asked."""
    monkeypatch.setenv("SSL_CERT_FILE", authority[1])
    with FaultyServer(tls=server_context(authority[0], "127.0.0.1")) as secure:
        secure.behave = lambda exchange: exchange.answer(302, Location=server.base)
        with pytest.raises(FetchError, match="redirects from https to http://127"):
            desk.fetch(secure.base)
    assert server.requests == []


def test_redirect_from_http_to_https_is_followed(
    desk: Desk,
    server: FaultyServer,
    monkeypatch: pytest.MonkeyPatch,
    authority: tuple[trustme.CA, str],
) -> None:
    """The other way round it is followed."""
    monkeypatch.setenv("SSL_CERT_FILE", authority[1])
    with FaultyServer(tls=server_context(authority[0], "127.0.0.1")) as secure:
        secure.behave = lambda exchange: exchange.serve(DATA)
        server.behave = lambda exchange: exchange.answer(308, Location=secure.base)
        desk.fetch(server.base)
    assert is_right(desk)


@pytest.mark.parametrize("end", ["close", "reset", "stall"])
def test_tls_body_that_breaks_is_resumed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, authority: tuple[trustme.CA, str], end: str
) -> None:
    """Rows 1, 4, 25 over TLS: ok."""
    monkeypatch.setenv("SSL_CERT_FILE", authority[1])
    desk.limit(stall_s=1.0)
    with FaultyServer(tls=server_context(authority[0], "127.0.0.1")) as server:
        server.behave = lambda exchange: exchange.serve(
            DATA, cut_at=100_000 if exchange.number < 3 else None, end=end
        )
        desk.fetch(server.base)
    assert is_right(desk)
