"""A repository with its keys, served on loopback by a host that may lie."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.support.faulty_server import FaultyServer
from zoo.catalog.places import packaged_registry
from zoo.trust import keys, publishing
from zoo.trust.publishing import RoleKeys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from securesystemslib.signer import Signer

    from tests.support.faulty_server import Behaviour, Exchange

PASSPHRASE = "correct horse"  # noqa: S105 - of keys that live as long as a test


@dataclass
class Publisher:
    """Whoever runs a repository."""

    folder: Path
    keys: Path
    files: Path
    signers: dict[str, Signer] = field(default_factory=dict)

    @property
    def public(self) -> Path:
        """What the host serves."""
        return self.folder / "public"

    def make_key(self, name: str) -> Signer:
        """Make a key and load it."""
        pair = keys.create(self.keys / name, PASSPHRASE)
        self.signers[name] = keys.load_private(pair.private, PASSPHRASE)
        return self.signers[name]

    def public_keys(self, *names: str, threshold: int = 1) -> RoleKeys:
        """Name the keys of a role."""
        found = tuple(keys.load_public(self.keys / f"{name}.pub") for name in names)
        return RoleKeys(found, threshold)

    def begin(self) -> None:
        """Make a repository: two of three root keys, one for files, one online."""
        for name in ("a", "b", "c", "targets", "online"):
            self.make_key(name)
        roles = {
            "root": self.public_keys("a", "b", "c", threshold=2),
            "targets": self.public_keys("targets"),
            "snapshot": self.public_keys("online"),
            "timestamp": self.public_keys("online"),
        }
        publishing.init(self.folder, roles)
        publishing.sign(self.folder, [self.signers["a"], self.signers["b"]])

    def publish(self, note: str = "") -> int:
        """Publish the registry, with a note in it that makes it another one."""
        content = json.loads(packaged_registry().read_text())
        content["generated_by"]["note"] = note
        content["architectures"] = {"lenet5": content["architectures"]["lenet5"]}
        path = self.files / "registry.json"
        path.write_text(json.dumps(content))
        files = {"registry.json": path, "registry/extra.json": self.files / "extra.json"}
        (self.files / "extra.json").write_text("{}")
        signers = [self.signers["targets"], self.signers["online"]]
        return publishing.publish(self.folder, files, signers, zoo_version="99.0")

    def root(self) -> Path:
        """Copy the first root, as a user would get it by another way."""
        copy = self.files / "trusted-root.json"
        shutil.copy(self.public / "metadata" / "1.root.json", copy)
        return copy


class Host(FaultyServer):
    """Serve a folder, but for the paths where it lies."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.lies: dict[str, bytes | Behaviour] = {}
        """Path -> other bytes, or other behaviour."""
        self.behave = self._answer

    def _answer(self, exchange: Exchange) -> None:
        path = exchange.target.lstrip("/")
        lie = self.lies.get(path)
        file = self.folder / path
        if callable(lie):
            lie(exchange)
        elif lie is not None:
            exchange.answer(200, lie)
        elif file.is_file():
            exchange.answer(200, file.read_bytes())
        else:
            exchange.answer(404, b"")


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """Make a publisher with a first state."""
    keys_folder = tmp_path / "keys"
    files = tmp_path / "files"
    keys_folder.mkdir()
    files.mkdir()
    made = Publisher(tmp_path / "site", keys_folder, files)
    made.begin()
    made.publish("first")
    return made


@pytest.fixture
def host(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Serve what the publisher publishes."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Host(publisher.public) as running:
        yield running
