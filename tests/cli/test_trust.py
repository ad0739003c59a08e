"""``zoo trust`` and ``zoo registry update`` from the command line, from a key to a client."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import fill
from tests.support.faulty_server import FaultyServer
from tests.support.mirror_server import serving
from tests.support.small_registry import file_of, registry_of
from zoo.catalog.places import find_registry, packaged_registry
from zoo.curator.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Run
    from tests.support.faulty_server import Exchange


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with a passphrase."""
    place = tmp_path / "publisher"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("ZOO_TRUST_PASSPHRASE", "correct horse")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return place


def test_from_a_key_to_a_client(zoo: Run, folder: Path) -> None:
    """Keys, a root that two sign, a state, an update, its status, and back."""
    for name in ("a", "b", "online"):
        assert zoo("trust", "key", name).out == f"{name}.pub\n"
    roots = ["--root-key", "a.pub", "--root-key", "b.pub", "--threshold", "2"]
    assert zoo("trust", "init", "site", *roots, "--online-key", "online.pub").exit_code == 0
    assert "1 signatures, more are needed" in zoo("trust", "sign", "site", "--key", "a.key").err
    assert "2 signatures, it is in place" in zoo("trust", "sign", "site", "--key", "b.key").err

    content = json.loads(packaged_registry().read_text())
    content["architectures"] = {"lenet5": content["architectures"]["lenet5"]}
    (folder / "registry.json").write_text(json.dumps(content))
    signed = ["--key", "a.key", "--key", "online.key", "--files", "."]
    published = zoo("trust", "publish", "site", *signed)
    assert published.err == "state 1: 1 files\n"
    shutil.copy("site/public/metadata/1.root.json", "root.json")

    def serve(exchange: Exchange) -> None:
        path = folder / "site" / "public" / exchange.target.lstrip("/")
        if path.is_file():
            exchange.answer(200, path.read_bytes())
        else:
            exchange.answer(404)

    assert "zoo's own" in zoo("registry", "status").err
    with FaultyServer() as host:
        host.behave = serve
        updated = zoo("registry", "update", "--from", host.base, "--root", "root.json")
        assert updated.err == "state 1 is installed\n"
        assert zoo("registry", "update").err == "state 1 is up to date\n"
    assert find_registry() != packaged_registry()
    status = zoo("registry", "status", "--json").json
    assert (status["number"], status["source"]) == (1, host.base)
    assert zoo("registry", "hold").err == "state 1: updates leave it alone\n"
    assert zoo("registry", "hold", "--json").json["is_pinned"] is True
    assert zoo("registry", "update").exit_code == 1
    assert zoo("registry", "rollback").exit_code == 1
    assert zoo("registry", "rollback", "--all").err == "zoo uses its own registry\n"
    assert find_registry() == packaged_registry()


def test_a_download_from_a_signed_mirror_demands_its_signatures(
    zoo: Run,
    zoo_with: Callable[[str], Run],
    folder: Path,
    torch_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the first time that its root was named; another file of the same name is refused."""
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    data = b"weights" * 1000
    file = file_of("squeezenet1_1", data)
    small_zoo = zoo_with(json.dumps(plain(registry_of({"squeezenet1_1": file}))))
    mirror = fill(folder / "mirror", {f"/models/{file.file_name}": data}).root

    zoo("trust", "key", "a")
    zoo("trust", "init", "site", "--root-key", "a.pub", "--online-key", "a.pub")
    zoo("trust", "sign", "site", "--key", "a.key")
    sign = ["mirror", "sign", "--dir", str(mirror), "--trust", "site", "--key", "a.key"]
    assert zoo(*sign, "--json").json == {"state": 1, "files": 1}

    with serving(mirror) as running:
        download = ["download", "squeezenet1_1", "--mirror", running.base]
        root = str(folder / "site" / "public" / "metadata" / "1.root.json")
        fetched = small_zoo(*download, "--mirror-root", root, "--json")
        assert fetched.exit_code == 0, fetched.err
        assert fetched.json[0]["source_url"].startswith(running.base)

        shutil.rmtree(torch_home)
        shutil.rmtree(mirror / "trust")
        refused = small_zoo(*download)
        assert refused.exit_code == 1
        assert "a file is missing there" in refused.err
        assert not [*torch_home.rglob("*.pth")]

    without = zoo("download", "squeezenet1_1", "--mirror-root", root)
    assert without.exit_code == 2
    assert "name it with --mirror URL" in without.err


def test_a_passphrase_is_asked_for_only_where_somebody_can_type(
    zoo: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a script it has to be set."""
    monkeypatch.delenv("ZOO_TRUST_PASSPHRASE")
    outcome = zoo("trust", "key", "a")
    assert outcome.exit_code == 2
    assert "set $ZOO_TRUST_PASSPHRASE" in outcome.err


def test_roles_have_names(zoo: Run, folder: Path) -> None:
    """Those of TUF."""
    outcome = zoo("trust", "rotate", "site", "boss", "--new-key", "a.pub")
    assert outcome.exit_code == 2
    assert "a role is one of root, targets, snapshot, timestamp" in outcome.err


def test_a_weights_file_and_a_packaged_model_are_signed_and_verified(
    zoo: Run, folder: Path
) -> None:
    """Beside the file, or in this folder; other bytes are refused."""
    zoo("trust", "key", "me")
    (folder / "mine.safetensors").write_bytes(b"weights")
    for subject, target in (
        ("mine.safetensors", "mine.safetensors.sig.json"),
        ("lenet5", "lenet5-digits-72c7dedd.safetensors.sig.json"),
    ):
        assert zoo("sign", subject, "--key", "me.key").out == f"{target}\n"
        verified = zoo("verify", subject, "--key", "me.pub")
        assert verified.exit_code == 0
        assert ": signed by the key " in verified.out
    (folder / "mine.safetensors").write_bytes(b"Weights")
    outcome = zoo("verify", "mine.safetensors", "--key", "me.pub")
    assert outcome.exit_code == 1
    assert "is signed, it has" in outcome.err
    assert 'run "zoo download resnet18"' in zoo("verify", "resnet18", "--key", "me.pub").err


def test_every_step_can_be_read_by_machines(zoo: Run, folder: Path) -> None:
    """JSON on stdout, talk on stderr."""
    made = zoo("trust", "key", "a", "--json").json
    assert made["public"] == "a.pub"
    keys = ["--root-key", "a.pub", "--online-key", "a.pub"]
    assert zoo("trust", "init", "site", *keys, "--json").json["path"].endswith("1.root.json")
    signed = zoo("trust", "sign", "site", "--key", "a.key", "--json").json
    assert signed == {"signatures": 1, "is_in_place": True}
    published = zoo("trust", "publish", "site", "--key", "a.key", "--json").json
    assert published == {"path": "site/public"}
    rotated = zoo("trust", "rotate", "site", "targets", "--new-key", "a.pub", "--json").json
    assert rotated["path"].endswith("2.root.json")
    (folder / "mine.bin").write_bytes(b"weights")
    assert zoo("sign", "mine.bin", "--key", "a.key", "--json").json["key_id"] == made["key_id"]
    verified = zoo("verify", "mine.bin", "--key", "a.pub", "--json").json
    assert verified["key_id"] == made["key_id"]
