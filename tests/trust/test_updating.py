"""A client against a host that tampers, rolls back, freezes, mixes, stalls and never ends."""

from __future__ import annotations

import contextlib
import json
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import trustme
from tuf.api.metadata import Metadata

from tests.support.faulty_server import FaultyServer
from zoo.catalog import installed as pointer
from zoo.catalog.places import find_registry, packaged_registry
from zoo.catalog.registry import load_registry
from zoo.errors import RegistryError, TrustError
from zoo.trust import installed, publishing, updating
from zoo.trust.fetching import Fetcher, Limits

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.faulty_server import Exchange
    from tests.trust.conftest import Host, Publisher

PATIENT = Limits(roots=5)
QUICK = Limits(connect_s=2, block_s=0.3, file_s=0.6)
"""For hosts that are slow: any other may take longer than that where the machine is busy."""


def note() -> str | None:
    """Read the note in the registry that zoo uses now."""
    return load_registry(find_registry()).generated_by.get("note")


def snapshot_of_client() -> dict[str, bytes]:
    """Take down every byte that a client has installed."""
    files = [path for path in pointer.folder().rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in files}


@pytest.fixture
def client(host: Host, publisher: Publisher) -> Host:
    """Install the first state, and publish a second."""
    assert updating.update(host.base, publisher.root()).is_new
    publisher.publish("second")
    return host


def refused(host: Host, kind: str, limits: Limits = PATIENT) -> str:
    """Update, expect a refusal of a kind with nothing changed, and return its sentence."""
    before = snapshot_of_client()
    with pytest.raises(TrustError) as caught:
        updating.update(limits=limits)
    assert caught.value.kind == kind
    assert snapshot_of_client() == before
    assert note() == "first"
    assert "nothing was changed; the registry of 20" in str(caught.value)
    assert str(caught.value).startswith(host.base)
    return str(caught.value)


def test_a_registry_is_installed_and_used_before_the_wheels(
    host: Host, publisher: Publisher
) -> None:
    """With the files that belong to it; a second time nothing is new."""
    assert find_registry() == packaged_registry()
    updated = updating.update(host.base, publisher.root())
    assert (updated.is_new, updated.current.number, note()) == (True, 1, "first")
    assert (find_registry().parent / "registry" / "extra.json").read_text() == "{}"
    assert not updating.update().is_new
    publisher.publish("second")
    assert updating.update().is_new
    assert note() == "second"


def test_the_first_update_needs_an_address_and_a_root(host: Host, publisher: Publisher) -> None:
    """Trust begins with something that came another way."""
    with pytest.raises(TrustError, match="no address is known"):
        updating.update(None, publisher.root())
    with pytest.raises(TrustError, match="no root to trust"):
        updating.update(host.base)
    assert snapshot_of_client() == {}


def test_tampered_files_are_refused(client: Host, publisher: Publisher) -> None:
    """Of the registry, and of metadata."""
    files = (publisher.public / "targets").glob("*.registry.json")
    (registry,) = [path for path in files if b'"second"' in path.read_bytes()]
    data = registry.read_bytes()
    client.lies[f"targets/{registry.name}"] = data.replace(b"lenet5", b"lenet6")
    assert "tampered with" in refused(client, "tampered")
    client.lies = {"metadata/timestamp.json": b"<html>"}
    refused(client, "tampered")


def test_a_changed_letter_in_signed_metadata_is_a_wrong_key(
    client: Host, publisher: Publisher
) -> None:
    """The signature fits the bytes, or it is none."""
    data = (publisher.public / "metadata" / "2.targets.json").read_bytes()
    client.lies["metadata/2.targets.json"] = data.replace(b'"length":', b'"length":1')
    refused(client, "wrong key")


def test_an_older_state_is_refused(client: Host, publisher: Publisher) -> None:
    """Its signatures are good, it is only old; also where the host kept every old file."""
    timestamp = publisher.public / "metadata" / "timestamp.json"
    old = timestamp.read_bytes()
    publisher.publish("third")
    updating.update()
    client.lies["metadata/timestamp.json"] = old
    before = snapshot_of_client()
    with pytest.raises(TrustError, match="rolled back") as caught:
        updating.update()
    assert caught.value.kind == "rolled back"
    assert (snapshot_of_client(), note()) == (before, "third")


def test_a_frozen_state_is_refused(client: Host, publisher: Publisher) -> None:
    """A host that shows the same for ever; the client goes on with what it has, and says so."""
    metadata = Metadata.from_file(str(publisher.public / "metadata" / "timestamp.json"))
    metadata.signed.expires = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    metadata.sign(publisher.signers["online"])
    client.lies["metadata/timestamp.json"] = metadata.to_bytes()
    assert "frozen" in refused(client, "frozen")


def test_files_of_different_states_are_refused(client: Host, publisher: Publisher) -> None:
    """Each is signed, they do not belong together."""
    metadata = publisher.public / "metadata"
    client.lies["metadata/2.targets.json"] = (metadata / "1.targets.json").read_bytes()
    assert "mixes files of different states" in refused(client, "mixed")
    client.lies = {"metadata/2.snapshot.json": (metadata / "1.snapshot.json").read_bytes()}
    refused(client, "mixed")


def test_another_key_is_refused(client: Host, publisher: Publisher) -> None:
    """Also one of the publisher's own that may not sign this."""
    publisher.make_key("stranger")
    path = publisher.public / "metadata" / "2.targets.json"
    for name in ("stranger", "online"):
        metadata = Metadata.from_file(str(path))
        metadata.sign(publisher.signers[name])
        client.lies["metadata/2.targets.json"] = metadata.to_bytes()
        assert "a wrong key" in refused(client, "wrong key")


def test_too_few_signatures_on_a_root_are_refused(client: Host, publisher: Publisher) -> None:
    """One of two: whoever stole one key has not enough."""
    draft = publishing.rotate(publisher.folder, "targets", publisher.public_keys("a"))
    metadata = Metadata.from_file(str(draft))
    metadata.sign(publisher.signers["a"])
    client.lies["metadata/2.root.json"] = metadata.to_bytes()
    assert "root has 1 of the 2 signatures" in refused(client, "threshold")


def test_endless_files_are_refused(client: Host) -> None:
    """Metadata and the registry: no more is read than may be."""
    client.lies["metadata/timestamp.json"] = b" " * (1 << 20)
    refused(client, "oversize")


def test_a_registry_that_is_longer_than_signed_is_refused(
    client: Host, publisher: Publisher
) -> None:
    """Byte by byte as signed, and more behind it."""
    for path in (publisher.public / "targets").glob("*.registry.json"):
        client.lies[f"targets/{path.name}"] = path.read_bytes() + b" "
    refused(client, "oversize")


def test_a_slow_host_is_refused(client: Host) -> None:
    """Silence, and a byte now and then for ever."""

    def trickle(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": "100000"})
        for _ in range(100):
            exchange.send(b" ")
            exchange.server.closing.wait(0.05)

    client.lies["metadata/timestamp.json"] = lambda exchange: exchange.stop("stall")
    refused(client, "slow", QUICK)
    client.lies["metadata/timestamp.json"] = trickle
    refused(client, "slow", QUICK)


def test_an_endless_chain_of_roots_is_refused(client: Host, publisher: Publisher) -> None:
    """Each one is signed well."""
    for _ in range(8):
        role_keys = publisher.public_keys("targets")
        publishing.rotate(publisher.folder, "targets", role_keys)
        publishing.sign(publisher.folder, [publisher.signers["a"], publisher.signers["b"]])
    assert "one root after another" in refused(client, "endless")


def test_rotated_keys_are_followed(client: Host, publisher: Publisher) -> None:
    """New root keys, signed by the old and the new; then a new key for files."""
    publisher.make_key("d")
    publisher.make_key("e")
    new = publisher.public_keys("d", "e", threshold=2)
    publishing.rotate(publisher.folder, "root", new)
    old = [publisher.signers[name] for name in ("a", "b")]
    assert publishing.sign(publisher.folder, old) == (2, False)
    fresh = [publisher.signers[name] for name in ("d", "e")]
    assert publishing.sign(publisher.folder, fresh) == (4, True)

    publisher.make_key("files")
    publishing.rotate(publisher.folder, "targets", publisher.public_keys("files"))
    publishing.sign(publisher.folder, fresh)
    publisher.signers["targets"] = publisher.signers["files"]
    publisher.publish("rotated")
    assert updating.update().is_new
    assert note() == "rotated"
    assert not updating.update().is_new


def test_a_host_that_is_gone_leaves_the_registry_in_use(client: Host) -> None:
    """Offline use goes on with what is there."""
    client.lies["metadata/timestamp.json"] = lambda exchange: exchange.stop("reset")
    refused(client, "unreachable")


def test_what_is_signed_but_no_registry_is_refused(client: Host, publisher: Publisher) -> None:
    """A publisher's mistake must not leave clients without a registry."""
    path = publisher.files / "registry.json"
    path.write_text('{"schema_version": 999}')
    signers = [publisher.signers["targets"], publisher.signers["online"]]
    publishing.publish(publisher.folder, {"registry.json": path}, signers, zoo_version="99.0")
    before = snapshot_of_client()
    with pytest.raises(TrustError, match="no registry that this zoo can read"):
        updating.update()
    assert snapshot_of_client() == before


@pytest.mark.parametrize("name", ["../x.json", "/x.json", "a/../../x.json", "a\\x.json"])
def test_signed_names_that_lead_elsewhere_are_refused(
    client: Host, publisher: Publisher, name: str
) -> None:
    """Signed is not the same as harmless."""
    listing = {
        "files": ["registry.json", name],
        "zoo_version": "99.0",
        "published_at": "2026-11-29T00:00:00Z",
    }
    path = publisher.files / "list.json"
    path.write_text(json.dumps(listing))
    with pytest.raises(TrustError, match="its list of files cannot be read"):
        updating._read_list(client.base, path)


def test_a_damaged_installed_file_is_refused_when_it_is_read(client: Host) -> None:
    """By its digest, with what to do; then an update fixes nothing silently."""
    path = find_registry()
    path.write_text(path.read_text().replace("first", "worst"))
    with pytest.raises(RegistryError, match="zoo registry update"):
        find_registry()


def test_status_rollback_and_pin(client: Host) -> None:
    """Back to the state before, which updates then leave alone until they may again."""
    updating.update()
    found = installed.status()
    assert found is not None
    assert (found.current.number, found.is_used, found.is_expired) == (2, True, False)
    assert installed.rollback().number == 1
    assert note() == "first"
    with pytest.raises(TrustError, match="held at state 1"):
        updating.update()
    installed.pin(is_pinned=False)
    assert updating.update().current.number == 2
    installed.remove()
    assert find_registry() == packaged_registry()
    with pytest.raises(TrustError, match="none is installed"):
        installed.rollback()


def test_an_older_registry_than_the_wheels_is_not_used(client: Host) -> None:
    """After an update of zoo itself its own is newer."""
    current = pointer.read_current()
    assert current is not None
    assert not pointer.is_older_than_wheel(current)
    path = pointer.folder() / pointer.POINTER
    path.write_text(path.read_text().replace('"99.0"', '"0.0.1"'))
    assert find_registry() == packaged_registry()
    found = installed.status()
    assert found is not None
    assert not found.is_used


def test_only_a_few_old_states_are_kept(client: Host, publisher: Publisher) -> None:
    """The one in use, and those that rollbacks lead to."""
    for number in range(5):
        publisher.publish(f"more {number}")
        updating.update()
    states = list((pointer.folder() / "states").iterdir())
    assert len(states) == updating.KEPT_STATES
    assert installed.rollback().number == 6


VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.mark.parametrize("variable", VARIABLES)
def test_own_authority_of_the_environment_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A company's CA, by whichever variable names it, as for every other request."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "own.pem")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "own.pem"))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with FaultyServer(tls=context) as server, contextlib.closing(Fetcher()) as fetcher:
        server.behave = lambda exchange: exchange.answer(200, b"signed")
        assert b"".join(fetcher.fetch(f"{server.base}/root.json")) == b"signed"
