"""A signed mirror: clients believe what it has signed, and nothing else of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import fill
from tests.support.faulty_server import FaultyServer
from tests.support.mirror_places import holds, overwrite, read
from tests.support.mirror_places import keys as keys_of
from zoo import atomic
from zoo.catalog.records import WeightsFile
from zoo.errors import MirrorError, TrustError
from zoo.mirror import signing
from zoo.trust import keys, mirrors, publishing
from zoo.trust.publishing import RoleKeys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from securesystemslib.signer import Signer

    from tests.support.faulty_server import Exchange
    from tests.support.mirror_places import Places
    from zoo.mirror.store import Store

PASSPHRASE = "correct horse"  # noqa: S105 - of keys that live as long as a test
NAME = "/models/tiny-0011.pth"
URL = f"https://download.pytorch.org{NAME}"
BODY = b"weights of a tiny network"
TIMESTAMP = "trust/metadata/timestamp.json"
DIGEST = hashlib.sha256(BODY).hexdigest()


@dataclass
class SignedMirror:
    """A mirror, its keys, and a plain web server that shows what lies in it."""

    store: Store
    trust: Path
    signer: Signer
    server: FaultyServer

    def sign(self, listing: bytes | None = None) -> None:
        """Sign what the mirror holds, or another list."""
        path = self.trust.parent / signing.LIST
        path.write_bytes(listing or signing.list_files(self.store.index()))
        publishing.publish(self.trust, {signing.LIST: path}, [self.signer], zoo_version="99.0")
        signing.put(self.store, self.trust / "public")

    @property
    def root(self) -> Path:
        """What a client is given by another way."""
        return self.trust / "public" / "metadata" / "1.root.json"


@pytest.fixture
def mirror(places: Places, tmp_path: Path) -> Iterator[SignedMirror]:
    """Make a mirror with one file and sign it."""
    store = fill(places.new(), {NAME: BODY})
    pair = keys.create(tmp_path / "admin", PASSPHRASE)
    signer = keys.load_private(pair.private, PASSPHRASE)
    one = RoleKeys((keys.load_public(pair.public),))
    publishing.init(tmp_path / "trust", dict.fromkeys(publishing.ROLES, one))
    publishing.sign(tmp_path / "trust", [signer])

    def serve(exchange: Exchange) -> None:
        key = exchange.target.lstrip("/")
        if holds(store, key):
            exchange.answer(200, read(store, key))
        else:
            exchange.answer(404)

    with FaultyServer() as server:
        server.behave = serve
        made = SignedMirror(store, tmp_path / "trust", signer, server)
        made.sign()
        yield made


def wanted(sha256: str | None = None) -> WeightsFile:
    """Describe the file as a registry does that may know no digest."""
    return WeightsFile("tiny-0011.pth", URL, size_bytes=None, sha256=sha256)


def test_what_is_signed_fills_in_what_the_registry_does_not_know(mirror: SignedMirror) -> None:
    """Length and digest, from a plain web server; the root is named once."""
    base = mirror.server.base
    assert not mirrors.must_be_signed(base)
    signed = mirrors.signed_files(base, mirror.root)
    assert mirrors.must_be_signed(base)
    assert mirrors.signed_files(base) == signed

    (confirmed,) = mirrors.confirm([wanted()], base, signed)
    assert (confirmed.sha256, confirmed.size_bytes) == (DIGEST, len(BODY))
    assert mirrors.confirm([wanted(DIGEST)], base, signed) == [confirmed]


def test_what_is_not_signed_or_differs_from_the_registry_is_refused(mirror: SignedMirror) -> None:
    """Before a byte is fetched."""
    base = mirror.server.base
    signed = mirrors.signed_files(base, mirror.root)
    other = WeightsFile("x.pth", URL.replace("tiny", "other"), size_bytes=1)
    with pytest.raises(TrustError, match=r"has not signed weights/.*zoo mirror sign"):
        mirrors.confirm([other], base, signed)
    with pytest.raises(TrustError, match="the registry says 000000000000"):
        mirrors.confirm([wanted("0" * 64)], base, signed)


def test_a_mirror_that_is_no_longer_signed_is_refused(mirror: SignedMirror) -> None:
    """It was once, so its host does not get away with taking the signatures down."""
    base = mirror.server.base
    mirrors.signed_files(base, mirror.root)
    mirror.server.behave = lambda exchange: exchange.answer(404)
    with pytest.raises(TrustError, match="a file is missing there") as caught:
        mirrors.signed_files(base)
    assert caught.value.kind == "missing"


def test_a_mirror_that_was_rolled_back_is_refused(mirror: SignedMirror) -> None:
    """The older list is signed well, it is only old."""
    base = mirror.server.base
    older = read(mirror.store, TIMESTAMP)
    mirror.sign()
    mirrors.signed_files(base, mirror.root)
    overwrite(mirror.store, TIMESTAMP, older)
    with pytest.raises(TrustError, match="rolled back"):
        mirrors.signed_files(base)
    # A script that names the same root every time is no less protected.
    with pytest.raises(TrustError, match="rolled back"):
        mirrors.signed_files(base, mirror.root)


@pytest.mark.parametrize("written", range(4))
def test_a_crash_while_it_is_remembered_forgets_nothing(
    mirror: SignedMirror, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """Whatever of the new metadata stands already: the oldest list is refused, the newest taken."""
    base = mirror.server.base
    oldest = read(mirror.store, TIMESTAMP)
    mirror.sign()
    mirrors.signed_files(base, mirror.root)
    mirror.sign()
    newest = read(mirror.store, TIMESTAMP)
    real, left = atomic.write_bytes, iter(range(written))

    def write(path: Path, content: bytes) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        real(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(atomic, "write_bytes", write)
        with pytest.raises(KeyboardInterrupt):
            mirrors.signed_files(base)

    overwrite(mirror.store, TIMESTAMP, oldest)
    with pytest.raises(TrustError, match="rolled back"):
        mirrors.signed_files(base)
    overwrite(mirror.store, TIMESTAMP, newest)
    assert set(mirrors.signed_files(base)) == {f"weights/download.pytorch.org{NAME}"}


def test_a_list_that_cannot_be_read_is_refused_although_it_is_signed(mirror: SignedMirror) -> None:
    """And what was known of the mirror before stays."""
    base = mirror.server.base
    mirrors.signed_files(base, mirror.root)
    mirror.sign(b'{"schema_version": 1, "files": {"x": 1}}')
    with pytest.raises(MirrorError, match="list of files cannot be read"):
        mirrors.signed_files(base)


def test_a_mirror_keeps_the_lists_of_two_states(mirror: SignedMirror) -> None:
    """One for clients that are reading; older ones are removed."""
    for number in range(4):
        mirror.sign(b'{"schema_version": 1, "files": {}}' + b" " * number)
    lists = [key for key in keys_of(mirror.store, "trust/targets/") if key.endswith(signing.LIST)]
    assert len(lists) == 2
