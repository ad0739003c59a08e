"""A server on loopback that plays GitHub for an unmodified torch.hub.

torch.hub has GitHub's addresses built in, so it reaches this server the way it would reach a
company's mirror: through ``https_proxy``. The server answers ``CONNECT`` itself, speaks TLS with a
certificate of a throw-away authority that ``SSL_CERT_FILE`` names, and serves what GitHub serves::

    https://github.com/OWNER/REPO/tree/main/            200 if there is a branch main
    https://api.github.com/repos/OWNER/REPO/branches    JSON, paged; /tags likewise
    https://github.com/OWNER/REPO/zipball/REF           302 to codeload.github.com
    https://codeload.github.com/OWNER/REPO/legacy.zip/REF   the archive

Anything else is 404, as on GitHub.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import ssl
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTS = ("github.com", "api.github.com", "codeload.github.com")


@dataclass
class HubRepository:
    """What GitHub knows about one repository."""

    name: str
    """``owner/repo``."""
    branches: dict[str, str]
    """Branch -> commit, 40 hex digits."""
    tags: dict[str, str]
    archives: dict[str, bytes] = field(default_factory=dict)
    """Commit -> zip, whose first entry is the folder that holds everything."""

    def find(self, ref: str) -> str | None:
        """Return the commit of a branch, a tag or a commit prefix."""
        if ref in self.branches:
            return self.branches[ref]
        if ref in self.tags:
            return self.tags[ref]
        for commit in self.archives:
            if commit.startswith(ref):
                return commit
        return None


@dataclass
class GitHubServer:
    """A running server."""

    repository: HubRepository
    certificate: Path
    """The authority's certificate, for ``SSL_CERT_FILE``."""
    port: int
    requests: list[str] = field(default_factory=list)
    """URLs in the order in which they were asked for."""

    def environment(self) -> dict[str, str]:
        """Variables that lead a client here."""
        return {
            "https_proxy": f"http://127.0.0.1:{self.port}",
            "SSL_CERT_FILE": str(self.certificate),
            "no_proxy": "",
        }


def archive_working_tree(
    root: Path,
    folder: str,
    scratch: Path,
) -> bytes:
    """Zip the tracked and new files of a checkout as ``git archive`` would after a commit.

    Objects and index go to ``scratch``, so that the checkout stays as it is.
    """
    environment = {
        **os.environ,
        "GIT_INDEX_FILE": str(scratch / "index"),
        "GIT_OBJECT_DIRECTORY": str(scratch / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": _git(
            root, "rev-parse", "--path-format=absolute", "--git-path", "objects"
        ),
    }
    (scratch / "objects").mkdir(parents=True)
    _git(root, "add", "--all", environment=environment)
    tree = _git(root, "write-tree", environment=environment)
    archive = scratch / "archive.zip"
    options = ("--format=zip", f"--prefix={folder}/", f"--output={archive}")
    _git(root, "archive", *options, tree, environment=environment)
    return archive.read_bytes()


def _git(root: Path, *arguments: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    return done.stdout.strip()


@contextmanager
def serve_github(repository: HubRepository, scratch: Path) -> Iterator[GitHubServer]:
    """Serve one repository until the block ends.

    Args:
        repository: What to serve.
        scratch: Folder for the certificates.
    """
    authority, chain = _make_certificates(scratch)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    github = GitHubServer(repository, authority, port=0)

    class Bound(_Handler):
        """The handler of this very server."""

        server_context = context
        state = github

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    github.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield github
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answer one connection: CONNECT, then requests over TLS."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    server_context: ssl.SSLContext
    state: GitHubServer
    host = ""

    def do_CONNECT(self) -> None:
        """Play the host that the client wants to be connected to."""
        self.host = self.path.partition(":")[0]
        if self.host not in HOSTS:
            self.send_error(502, f"{self.host} is not played here")
            return
        self.send_response(200)
        self.end_headers()
        self.request = self.server_context.wrap_socket(self.request, server_side=True)
        self.setup()  # reader and writer of the TLS connection
        self.close_connection = False

    def finish(self) -> None:
        """Close the TLS connection, which the server does not know of."""
        super().finish()
        self.request.close()

    def do_GET(self) -> None:
        """Serve what GitHub serves."""
        self.state.requests.append(f"https://{self.host}{self.path}")
        url = urlsplit(self.path)
        prefix = f"/{self.state.repository.name}/"
        if self.host == "api.github.com":
            prefix = f"/repos{prefix}"
        if not url.path.startswith(prefix):
            self._send(404, "text/plain", b"Not Found")
            return

        below = url.path.removeprefix(prefix)
        what, _, rest = below.partition("/")
        query = parse_qs(url.query)
        page = query.get("page", ["1"])[0]
        self._answer(what, rest, int(page))

    def _answer(
        self,
        what: str,
        rest: str,
        page: int,
    ) -> None:
        repository = self.state.repository
        commit = repository.find(rest)
        branch = rest.rstrip("/")
        question = (self.host, what)

        if question in {("api.github.com", "branches"), ("api.github.com", "tags")}:
            refs = repository.branches if what == "branches" else repository.tags
            listed = []
            if page == 1:
                listed = [{"name": name, "commit": {"sha": sha}} for name, sha in refs.items()]
            body = json.dumps(listed)
            self._send(200, "application/json", body.encode())
        elif question == ("github.com", "tree") and branch in repository.branches:
            self._send(200, "text/html", b"<!doctype html><title>a branch</title>")
        elif question == ("github.com", "zipball") and commit:
            place = f"https://codeload.github.com/{repository.name}/legacy.zip/{rest}"
            self.send_response(302)
            self.send_header("Location", place)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif question == ("codeload.github.com", "legacy.zip") and commit in repository.archives:
            self._send(200, "application/zip", repository.archives[commit])
        else:
            self._send(404, "text/plain", b"Not Found")

    def _send(
        self,
        status: int,
        content_type: str,
        body: bytes,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the standard library's name
        """Stay silent: the test reads ``GitHubServer.requests``."""


def _make_certificates(scratch: Path) -> tuple[Path, Path]:
    """Make an authority, and a certificate with its key for the hosts.

    Return the paths of both files.
    """
    authority_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("zoo test authority")
    authority = (
        _certificate(authority_name, authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    hosts = x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS])
    leaf = (
        _certificate(_name(HOSTS[0]), authority_name, key)
        .add_extension(hosts, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    authority_file = scratch / "authority.pem"
    chain_file = scratch / "chain.pem"
    authority_file.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    chain_file.write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
    return authority_file, chain_file


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    """Begin a certificate that is valid from yesterday to tomorrow."""
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
    )
