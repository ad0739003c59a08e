"""An upstream on loopback that plays every host, for programs behind the recording proxy."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import torch

from tests.support.hub_upstream import HubUpstream, Model, Repository, hub_archive
from zoo.recorder.running import RunOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.faulty_server import Exchange

MAIN = "1" * 40
TAGGED = "2" * 40
MOVED = "3" * 40
MODEL_COMMIT = "a" * 40
HOSTS = (
    "github.com",
    "api.github.com",
    "codeload.github.com",
    "download.pytorch.org",
    "huggingface.co",
    "files.example.org",
    "cdn.example.org",
)
LABELS = b"cat\ndog\n"


def state_dict_bytes() -> bytes:
    """Save a small state dict."""
    buffer = io.BytesIO()
    torch.save({"x": torch.arange(3)}, buffer)
    return buffer.getvalue()


SMALL = state_dict_bytes()
SMALL_NAME = f"small-{hashlib.sha256(SMALL).hexdigest()[:8]}.pth"
MODEL_FILES = {
    "config.json": b'{"architecture": "tiny"}\n',
    "model.safetensors": hashlib.shake_256(b"model").digest(300_000),
    "sub folder/notes.txt": b"a name with a space\n",
}


@dataclass
class World:
    """What is published, and how programs reach it."""

    upstream: HubUpstream
    upstreams: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Let the one server stand for all hosts."""
        self.upstreams = dict.fromkeys(HOSTS, self.upstream.base)

    def options(self, *, is_fresh: bool = False) -> RunOptions:
        """Return options that lead to this world."""
        return RunOptions(is_fresh, self.upstreams)

    def move_main(self) -> None:
        """Let the branch main of the repository lead to another commit."""
        repository = self.upstream.repositories["someone/nets"]
        repository.branches["main"] = MOVED
        repository.archives[MOVED] = hub_archive("someone/nets", MOVED, 3)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Publish a repository, weights, a model and a plain file."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.chdir(tmp_path)
    with HubUpstream() as upstream:
        archives = {
            MAIN: hub_archive("someone/nets", MAIN, 1),
            TAGGED: hub_archive("someone/nets", TAGGED, 2),
        }
        upstream.repositories["someone/nets"] = Repository({"main": MAIN}, {"v1": TAGGED}, archives)
        upstream.weights[f"/models/{SMALL_NAME}"] = SMALL
        upstream.weights["/labels.txt"] = LABELS
        upstream.models["org/tiny"] = Model({MODEL_COMMIT: MODEL_FILES}, {"main": MODEL_COMMIT})
        for revision in ("main", MODEL_COMMIT):
            path = f"/org/tiny/resolve/{revision}/model.safetensors"
            upstream.faults[path] = lead_to_store
        upstream.weights["/store/model"] = MODEL_FILES["model.safetensors"]
        yield World(upstream)


def lead_to_store(exchange: Exchange) -> None:
    """Answer as Hugging Face does for its large files: facts here, bytes on another host."""
    data = MODEL_FILES["model.safetensors"]
    digest = hashlib.sha256(data).hexdigest()
    # zoo itself asks no proxy, and finds the other host nowhere.
    is_zoo = exchange.headers.get("user-agent", "").startswith("zoo")
    host = "" if is_zoo else "https://cdn.example.org"
    exchange.answer(
        302,
        Location=f"{host}/store/model?token=secret",
        X_Repo_Commit=MODEL_COMMIT,
        X_Linked_Etag=f'"{digest}"',
        X_Linked_Size=str(len(data)),
        X_Xet_Hash="0" * 64,
    )


def python(script: str, interpreter: str | Path = sys.executable) -> list[str]:
    """Write the command that runs a script."""
    return [str(interpreter), "-c", script]
