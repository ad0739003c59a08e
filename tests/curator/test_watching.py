"""A watch over addresses: upstreams on loopback that die, move and change."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.hub_upstream import HubUpstream, Model, Repository
from tests.support.tls_server import tls_server
from zoo.catalog.resolver import resolve
from zoo.curator.watching import (
    Pace,
    addresses_of,
    certificates_of,
    files_of,
    hub_address,
    packages_of,
    parse_age,
    read_seen,
    repositories_of,
    watch,
)
from zoo.download.options import Timeouts
from zoo.download.policy import Tries
from zoo.download.transport import Transport
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.faulty_server import Exchange

FIRST, SECOND = "1" * 40, "2" * 40
REPOSITORY = "org/tiny"


class Clock:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Tell the time."""
        return self.time

    def pace(self, youngest_s: float = 0.0) -> Pace:
        """A pace by this clock."""
        return Pace(4.0, youngest_s, self.slept.append, self.now)


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubUpstream]:
    """A server with two files and a repository."""
    with HubUpstream() as running:
        running.weights["/a.pth"] = b"a" * 100
        running.weights["/b.pth"] = b"b" * 100
        commits = {FIRST: {"model.safetensors": b"1"}, SECOND: {"model.safetensors": b"2"}}
        running.models[REPOSITORY] = Model(commits, {"main": FIRST})
        monkeypatch.setenv("HF_ENDPOINT", running.base)
        yield running


@pytest.fixture
def transport() -> Iterator[Transport]:
    """A client that asks once."""
    client = Transport(Timeouts(), tries=Tries(most=1))
    yield client
    client.close()


def addresses(upstream: HubUpstream) -> list[str]:
    """Two files and the repository."""
    return [f"{upstream.base}/a.pth", f"{upstream.base}/b.pth", hub_address(REPOSITORY)]


def test_what_stays_is_alive_since_the_first_time(
    upstream: HubUpstream, transport: Transport, tmp_path: Path
) -> None:
    """The time since when does not move with the time of the last look."""
    clock, path = Clock(), tmp_path / "watch.json"
    first = watch(addresses(upstream), transport, path, pace=clock.pace())
    clock.time += timedelta(days=1)
    second = watch(addresses(upstream), transport, path, pace=clock.pace())
    assert [one.state for one in second] == ["alive"] * 3
    assert [one.since for one in second] == [one.checked for one in first]
    assert second[0].size_bytes == 100
    assert second[2].commit == FIRST
    assert clock.slept == [0.25] * 4  # between requests, not before the first


def test_what_changes_dies_and_moves_is_told(
    upstream: HubUpstream, transport: Transport, tmp_path: Path
) -> None:
    """Another length, no such file, another commit; then a server that is down."""
    clock, path = Clock(), tmp_path / "watch.json"
    watch(addresses(upstream), transport, path, pace=clock.pace())
    upstream.weights["/a.pth"] = b"a" * 101
    del upstream.weights["/b.pth"]
    upstream.models[REPOSITORY].refs["main"] = SECOND
    clock.time += timedelta(days=1)
    found = watch(addresses(upstream), transport, path, pace=clock.pace())
    assert [one.state for one in found] == ["changed", "gone", "changed"]
    assert {one.since for one in found} == {clock.time.isoformat(timespec="seconds")}

    upstream.weights["/b.pth"] = b"b" * 99
    back = watch(addresses(upstream)[1:2], transport, path, pace=clock.pace())
    assert [one.state for one in back] == ["changed"]  # not what it was before it was gone

    upstream.is_dead = True
    found = watch(addresses(upstream), transport, path, pace=clock.pace())
    assert {one.state for one in found} == {"unreachable"}
    assert found[0].size_bytes == 101  # what was known stays known


def test_a_file_of_another_length_than_recorded_has_changed(
    upstream: HubUpstream, transport: Transport, tmp_path: Path
) -> None:
    """At the first watch already, and until the registry or the file is put right."""
    architecture, weights = resolve("resnet18")
    (file,) = weights.files
    (address, *_) = addresses(upstream)
    for size_bytes, tolerance_bytes, state in (
        (100, 0, "alive"),
        (98, 2, "alive"),
        (98, 1, "changed"),
    ):
        changed = replace(
            file, url=address, size_bytes=size_bytes, size_tolerance_bytes=tolerance_bytes
        )
        recorded = files_of([(architecture, replace(weights, files=(changed,)))])
        for _ in range(2):
            path = tmp_path / f"{size_bytes}-{tolerance_bytes}.json"
            (seen,) = watch([address], transport, path, pace=Clock().pace(), expected=recorded)
            assert seen.state == state
    assert seen.fault == "it has 100 bytes, the registry records 98"


def test_young_answers_are_believed(
    upstream: HubUpstream, transport: Transport, tmp_path: Path
) -> None:
    """So that an interrupted watch goes on where it was."""
    clock, path = Clock(), tmp_path / "watch.json"
    watch(addresses(upstream)[:1], transport, path, pace=clock.pace())
    asked = len(upstream.requests)
    clock.time += timedelta(hours=1)
    found = watch(addresses(upstream), transport, path, pace=clock.pace(youngest_s=7200))
    assert len(found) == 3
    assert f"{upstream.base}/a.pth" in read_seen(path)
    assert [path for path in upstream.paths[asked:] if path == "/a.pth"] == []


def test_addresses_are_those_of_files_and_repositories() -> None:
    """Weights on the Hub are watched by their repository, once."""
    pairs = [resolve("resnet18"), resolve("timm/test_resnet"), resolve("timm/test_resnet")]
    found = addresses_of(pairs)
    assert len(found) == 2
    assert found[0].startswith("https://download.pytorch.org/")
    assert found[1].endswith("/api/models/timm/test_resnet.r160_in1k/revision/main")


@pytest.mark.parametrize("text", ["", "12", "h", "-1h", "1w"])
def test_other_ages_are_refused(text: str) -> None:
    """The message says what is taken."""
    with pytest.raises(UsageError, match="--max-age takes"):
        parse_age(text)


def test_a_malformed_file_is_refused_and_kept(transport: Transport, tmp_path: Path) -> None:
    """A watch never writes over what is not its own."""
    path = tmp_path / "watch.json"
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(UsageError, match="no file of a watch"):
        watch([], transport, path)
    assert path.read_text(encoding="utf-8") == "[]"


def test_newer_packages_and_commits_than_the_recorded_ones_are_told(
    upstream: HubUpstream, transport: Transport, tmp_path: Path
) -> None:
    """An index and GitHub on loopback: what the registry was made from is no longer the newest."""
    clock, path = Clock(), tmp_path / "watch.json"
    packages = packages_of(f"{upstream.base}/index/")
    assert [address.rpartition("/index/")[2] for address in packages] == [
        "torch/json",
        "torchvision/json",
        "timm/json",
    ]
    for address, version in packages.items():
        content = json.dumps({"info": {"version": version}}).encode()
        upstream.weights[address.removeprefix(upstream.base)] = content
    repositories = repositories_of(upstream.base)
    assert len(repositories) == 19
    midas = f"{upstream.base}/repos/isl-org/MiDaS/commits/HEAD"
    upstream.repositories["isl-org/MiDaS"] = Repository(
        {"HEAD": repositories[midas]}, archives={repositories[midas]: b""}
    )
    expected = {**packages, midas: repositories[midas]}
    found = watch(expected, transport, path, pace=clock.pace(), expected=expected)
    assert [one.state for one in found] == ["alive"] * 4

    newest = json.dumps({"info": {"version": "99.0"}}).encode()
    upstream.weights["/index/timm/json"] = newest
    upstream.weights["/index/torch/json"] = b"[]"
    upstream.repositories["isl-org/MiDaS"].branches["HEAD"] = SECOND
    found = watch(expected, transport, path, pace=clock.pace(), expected=expected)
    assert [one.state for one in found] == ["unreachable", "alive", "changed", "changed"]
    assert (found[2].version, found[3].commit) == ("99.0", SECOND)
    assert "the registry records" in str(found[2].fault)


def test_a_file_that_another_host_sends_has_changed(
    upstream: HubUpstream, transport: Transport, tmp_path: Path
) -> None:
    """A redirect to another domain is told, with the same bytes or not."""
    path, address = tmp_path / "watch.json", f"{upstream.base}/a.pth"
    (before,) = watch([address], transport, path)
    with HubUpstream("127.0.0.2") as other:
        other.weights["/a.pth"] = upstream.weights["/a.pth"]
        upstream.faults["/a.pth"] = lambda exchange: exchange.answer(
            302, Location=f"{other.base}/a.pth"
        )
        (now,) = watch([address], transport, path)
    assert (before.host, now.host) == ("127.0.0.1", "127.0.0.2")
    assert (before.state, now.state) == ("alive", "changed")


def test_what_has_not_changed_is_not_sent_again(
    upstream: HubUpstream, transport: Transport, tmp_path: Path
) -> None:
    """Conditional requests, also by weak ETags as GitHub has them; what was seen stays known."""
    path = tmp_path / "watch.json"
    sent: list[int] = []
    package = {"tag": 'W/"1"', "version": "1.0"}

    def answer(exchange: Exchange) -> None:
        is_known = exchange.headers.get("if-none-match") == package["tag"]
        body = json.dumps({"info": {"version": package["version"]}}).encode()
        sent.append(0 if is_known else len(body))
        exchange.answer(304 if is_known else 200, b"" if is_known else body, ETag=package["tag"])

    upstream.faults["/index/torch/json"] = answer
    expected = {f"{upstream.base}/a.pth": "", f"{upstream.base}/index/torch/json": "1.0"}
    first = watch(expected, transport, path, pace=Clock().pace(), expected=expected)
    second = watch(expected, transport, path, pace=Clock().pace(), expected=expected)
    assert second == first
    assert [one.state for one in first] == ["alive", "alive"]
    assert sent[1:] == [0]

    package |= {"tag": 'W/"2"', "version": "2.0"}
    for _ in range(2):  # told again when it is not sent again
        (_, newer) = watch(expected, transport, path, pace=Clock().pace(), expected=expected)
        assert (newer.state, newer.version) == ("changed", "2.0")
    assert sent[3:] == [0]

    upstream.is_dead = True
    watch(expected, transport, path, pace=Clock().pace(), expected=expected)
    upstream.is_dead = False
    (file, package_again) = watch(expected, transport, path, pace=Clock().pace(), expected=expected)
    assert (file.state, file.size_bytes) == ("alive", 100)
    assert package_again.version == "2.0"
    assert sent[4:] == [sent[0]]  # after a failure nothing is taken for known


def test_certificates_are_watched_to_their_end(
    transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long valid, about to end, not trusted, and nobody there: a TLS server on loopback."""
    assert certificates_of(["https://a.example/x", "https://a.example/y", "http://b.example/"]) == [
        "certificate:a.example:443"
    ]
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    states = {}
    for days in (90, 10):
        folder = tmp_path / str(days)
        folder.mkdir()
        with tls_server(folder, days) as (port, authority):
            monkeypatch.setenv("SSL_CERT_FILE", str(authority))
            address = f"certificate:localhost:{port}"
            (found,) = watch([address], transport, folder / "watch.json")
            states[days] = found
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "90" / "authority.pem"))
            (again,) = watch([address], transport, folder / "again.json")
            if days == 10:
                assert again.state == "changed"
                assert "refused" in str(again.fault)
        (gone,) = watch([address], transport, folder / "gone.json")
        assert gone.state == "unreachable"
    assert (states[90].state, states[10].state) == ("alive", "expiring")
    assert states[90].expires is not None
    assert str(states[10].fault) in {"it ends in 9 days", "it ends in 10 days"}
