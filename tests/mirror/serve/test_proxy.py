"""The forward proxy: what it stands for, what it leads to, and what its authority may vouch for."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography import x509

from tests.mirror.conftest import MAIN, fill
from tests.support.clients import run_torch_hub
from tests.support.faulty_server import FaultyServer
from tests.support.mirror_places import keys, read
from tests.support.mirror_server import RunningMirror, ask, read_answer, send, serving
from zoo.cli.main import run as zoo
from zoo.errors import MirrorError
from zoo.mirror import layout
from zoo.mirror.serve import ca
from zoo.mirror.settings import Settings
from zoo.mirror.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.mirror_places import Places

LOAD = """
import json, torch
print(json.dumps(torch.hub.load("someone/nets", "answer", trust_repo=True, verbose=False)))
"""


@pytest.fixture(scope="module")
def filled(places: Places) -> Store:
    """Make a mirror with one repository and one file of weights."""
    return fill(places.new(), {"/models/plain.pth": b"weights"}, "someone/nets")


@pytest.fixture(scope="module")
def mirror(filled: Store) -> Iterator[RunningMirror]:
    """Serve it; its proxy leads nowhere else."""
    with serving(filled) as running:
        yield running


def _trusting(mirror: RunningMirror) -> ssl.SSLContext:
    certificate = ask(mirror, f"/{layout.CERTIFICATE}").body
    return ssl.create_default_context(cadata=certificate.decode())


def _get(mirror: RunningMirror, host: str, path: str) -> tuple[int, bytes]:
    """Ask a host through the proxy, as any client does."""
    connection = http.client.HTTPSConnection(*mirror.address, context=_trusting(mirror), timeout=60)
    connection.set_tunnel(host, 443)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_proxy_answers_for_its_hosts(mirror: RunningMirror) -> None:
    """Each host has its own dialect, by its own certificate."""
    assert _get(mirror, "download.pytorch.org", "/models/plain.pth") == (200, b"weights")
    assert _get(mirror, "github.com", f"/someone/nets/zipball/{MAIN}")[0] == 200
    assert _get(mirror, "codeload.github.com", "/someone/nets/legacy.zip/refs/heads/main")[0] == 200
    assert _get(mirror, "api.github.com", "/repos/someone/nets/tags?page=1") == (200, b"[]")
    assert _get(mirror, "huggingface.co", "/org/none/resolve/main/x")[0] == 404
    assert _get(mirror, "dl.fbaipublicfiles.com", "/x.pth")[0] == 404
    assert _get(mirror, "download.pytorch.org", "/index.json")[0] == 404


def test_plain_http_proxy_request_is_for_its_hosts_only(mirror: RunningMirror) -> None:
    """A client with http_proxy asks by whole addresses."""
    head = b"\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert b"200 OK" in send(
        mirror, b"GET http://download.pytorch.org/models/plain.pth HTTP/1.1" + head
    )
    assert b"403 Forbidden" in send(mirror, b"GET http://example.org/ HTTP/1.1" + head)


def test_other_hosts_are_refused_unless_that_is_allowed(
    mirror: RunningMirror, filled: Store
) -> None:
    """Bytes pass unread, to ports that were allowed; every refusal is a line in the log."""
    with FaultyServer() as other:
        other.behave = lambda exchange: exchange.answer(200, b"from afar")
        request = f"CONNECT 127.0.0.1:{other.port} HTTP/1.1\r\n\r\n".encode()
        with serving(filled, "--allow-connect", "--tunnel-port", str(other.port)) as leading:
            with socket.create_connection(leading.address, timeout=60) as connection:
                connection.sendall(request)
                assert connection.recv(1000).startswith(b"HTTP/1.1 200")
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                received = b""
                while not received.endswith(b"from afar"):
                    received += connection.recv(1000)
            assert b"403" in send(leading, b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n")
        assert b"403 Forbidden" in send(mirror, request)
        refusal = f"this proxy does not lead to 127.0.0.1:{other.port}"
        assert f"127.0.0.1 CONNECT 403 refused: {refusal}" in mirror.log
        assert len(other.requests) == 1


def test_plain_requests_to_other_hosts_are_refused_unless_that_is_allowed(
    mirror: RunningMirror, filled: Store
) -> None:
    """As for CONNECT; on one connection, for which clients take a proxy of plain HTTP."""
    with FaultyServer() as other:
        other.behave = lambda exchange: exchange.answer(
            200, b"from afar", Connection="x-own, close"
        )
        place = f"http://127.0.0.1:{other.port}/a%2Fb?c=d"
        away = f"GET {place} HTTP/1.1\r\nHost: h\r\nProxy-Authorization: x\r\nX-Mine: 1\r\n\r\n"
        home = "GET http://download.pytorch.org/models/plain.pth HTTP/1.1\r\nHost: h\r\n"
        ending = "Connection: close\r\n\r\n"
        both = (away + home + ending).encode()
        ports = ("--tunnel-port", str(other.port), "--tunnel-port", "1")
        with serving(filled, "--allow-connect", *ports) as leading:
            received = send(leading, both)
            assert received.index(b"from afar") < received.index(b"weights")
            dead = f"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: h\r\n{ending}".encode()
            assert b"502 Bad Gateway" in send(leading, dead)
            assert b"403 Forbidden" in send(leading, dead.replace(b":1/", b":2/"))
        received = send(mirror, both)
        assert f"this proxy does not lead to 127.0.0.1:{other.port}".encode() in received
        assert received.endswith(b"weights")
        assert "does not lead to" in mirror.log
        (seen,) = other.requests
    assert seen.target == "/a%2Fb?c=d"
    assert seen.headers["x-mine"] == "1"
    assert "proxy-authorization" not in seen.headers


def test_an_answer_from_afar_that_breaks_off_is_an_error(filled: Store) -> None:
    """No client takes the begin of a body for the whole."""
    with FaultyServer() as other:
        other.behave = lambda exchange: exchange.serve(b"half and half", cut_at=4)
        request = f"GET http://127.0.0.1:{other.port}/ HTTP/1.1\r\nHost: h\r\n\r\n".encode()
        with serving(filled, "--allow-connect", "--tunnel-port", str(other.port)) as leading:
            assert not read_answer(send(leading, request)).is_whole
            assert "broken off" in leading.log


@pytest.mark.parametrize(
    "request_line",
    [
        b"CONNECT x HTTP/1.1",
        b"CONNECT x:y HTTP/1.1",
        b"CONNECT :443 HTTP/1.1",
        b"CONNECT a:443 b c",
    ],
)
def test_crooked_connect_is_refused(mirror: RunningMirror, request_line: bytes) -> None:
    """400, and closed."""
    assert send(mirror, request_line + b"\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_nothing_may_follow_connect_before_its_answer(mirror: RunningMirror) -> None:
    """Bytes that were smuggled in behind it are refused."""
    received = send(mirror, b"CONNECT github.com:443 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 400")


def test_client_that_does_not_trust_the_authority_is_told_so_in_the_log(
    mirror: RunningMirror,
) -> None:
    """The handshake fails at the client, the server goes on."""
    context = ssl.create_default_context()
    with socket.create_connection(mirror.address, timeout=60) as connection:
        connection.sendall(b"CONNECT github.com:443 HTTP/1.1\r\n\r\n")
        connection.recv(1000)
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(connection, server_hostname="github.com")
    assert _get(mirror, "download.pytorch.org", "/models/plain.pth")[0] == 200
    assert "does it trust ca.pem?" in mirror.log


def test_authority_cannot_vouch_for_other_hosts(store: Store) -> None:
    """Name constraints: its certificates for any other host are not believed."""
    made = ca.CertificateAuthority(store)
    certificate_file = ca.certificate_path(store)
    certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert {name.value for name in constraints.value.permitted_subtrees or []} == set(ca.HOSTS)
    client = ssl.create_default_context(cafile=str(certificate_file))
    assert _shakes_hands(made.context("github.com"), client, "github.com")
    assert not _shakes_hands(made.context("bank.example.org"), client, "bank.example.org")


def _shakes_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bool:
    """Let two ends talk through memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (near, far):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return True


def test_key_of_the_authority_is_private_and_lies_outside_of_the_mirror(
    places: Places, tmp_path: Path
) -> None:
    """Only its owner may read it; no web server that is pointed at the mirror can publish it."""
    store = Store.create(places.new(), Settings())
    place = ca.create(store)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert not [key for key in keys(store) if b"PRIVATE KEY" in read(store, key)]
    if store.is_local:
        with pytest.raises(MirrorError, match="expected a place outside of the mirror"):
            ca.create(store, store.root / "ca.key")
    elsewhere = tmp_path / "keys" / "own.key"
    assert ca.create(store, elsewhere) == elsewhere
    assert ca.CertificateAuthority(store, elsewhere).context("github.com")
    elsewhere.unlink()
    with pytest.raises(MirrorError, match="name it with --ca-key"):
        ca.CertificateAuthority(store, elsewhere)


def test_key_is_never_put_in_the_place_of_a_file(tmp_path: Path) -> None:
    """Neither by init, which then makes no mirror, nor where the mirror would lie around it."""
    mine = tmp_path / "mine.key"
    mine.write_text("mine")
    for place in (mine, tmp_path / "mirror" / "own.key"):
        assert zoo(["mirror", "init", str(tmp_path / "mirror"), "--ca-key", str(place)]) == 1
    assert mine.read_text() == "mine"
    assert not (tmp_path / "mirror").exists()
    assert zoo(["mirror", "init", str(tmp_path / "mirror"), "--quiet"]) == 0


def test_server_speaks_https_itself(places: Places, tmp_path: Path) -> None:
    """--tls-cert and --tls-key: here with a certificate of the mirror's own CA."""
    store = fill(places.new(), {"/models/plain.pth": b"weights"})
    own = ca.certificate_path(store)
    certificate, key = _certificate_files(own.read_bytes(), tmp_path)
    with serving(store, "--tls-cert", str(certificate), "--tls-key", str(key)) as mirror:
        assert mirror.base.startswith("https://")
        context = ssl.create_default_context(cafile=str(own))
        with (
            socket.create_connection(mirror.address, timeout=60) as connection,
            context.wrap_socket(connection, server_hostname="github.com") as secured,
        ):
            secured.sendall(
                b"GET /models/plain.pth HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            received = b""
            while block := secured.recv(1000):
                received += block
    assert received.endswith(b"weights")


def test_torch_hub_reaches_a_mirror_that_speaks_tls(filled: Store, tmp_path: Path) -> None:
    """Urllib can use no proxy over TLS: --proxy-port opens a port for it, which ``exec`` finds."""
    own, chain = tmp_path / "own.pem", tmp_path / "chain.pem"
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(own)
    issuer.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(chain)
    tls = ("--tls-cert", str(chain), "--tls-key", str(chain))
    trusting = {"SSL_CERT_FILE": str(own), "REQUESTS_CA_BUNDLE": str(own)}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(filled, *tls, "--proxy-port", str(port)) as mirror:
        loaded = run_torch_hub(LOAD, mirror=mirror.base, environment=trusting)
        assert loaded == 1
        assert "github.com/someone/nets/zipball/main 200" in mirror.log
    with serving(filled, *tls) as mirror:
        command = [sys.executable, "-m", "zoo", "mirror", "env", "--mirror", mirror.base]
        # One of the variables is enough, as for every other request of zoo.
        done = subprocess.run(
            command,
            env={**os.environ, "SSL_CERT_FILE": str(own)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, "start it with --proxy-port" in done.stderr) == (1, True)


def _certificate_files(authority: bytes, folder: Path) -> tuple[Path, Path]:
    """Write a certificate of an authority and its key as an administrator would."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    issuer = x509.load_pem_x509_certificate(authority)
    key_path = ca.default_key_path(authority)
    signer = serialization.load_pem_private_key(key_path.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("github.com")]), critical=True)
        .sign(signer, hashes.SHA256())
    )
    certificate_file, key_file = folder / "tls.pem", folder / "tls.key"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file
