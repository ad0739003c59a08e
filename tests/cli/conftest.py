"""Ways to run ``zoo``: in this process, in a fresh one, in a fresh one with another registry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.bench_results import make_result
from tests.support.hub_upstream import HubUpstream, Model
from tests.support.mirror_server import serving
from tests.support.own_file import write_own_file
from tests.support.table_search import make_setup, run_table_search
from zoo.bench.files import Store as Results
from zoo.cache import lockfile
from zoo.catalog.local import add_local
from zoo.cli.main import run
from zoo.inspector.own_models import describe_own
from zoo.loader import load_model
from zoo.mirror import bundle
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.ecosystems.known import parse_upstreams
from zoo.mirror.serve import ca, readers
from zoo.mirror.settings import Settings
from zoo.mirror.store import Store
from zoo.mirror.sync import Sync, wanted_of

REPOSITORY = Path(__file__).parents[2]
COMMIT = "a" * 40


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it wrote."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What stdout holds, as JSON."""
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture
def zoo(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process, as the console script does."""

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        exit_code = run(list(arguments))
        captured = capsys.readouterr()
        return Outcome(exit_code, captured.out, captured.err)

    return call


def start(*arguments: str, folder: Path | None = None, **variables: str) -> Outcome:
    """Run a command line in a fresh process; ``folder`` is looked in first for the package."""
    environment = {**os.environ, **variables, "PYTHONPATH": str(folder or REPOSITORY)}
    command = [sys.executable, "-m", "zoo", *arguments]
    done = subprocess.run(
        command, capture_output=True, env=environment, timeout=600, check=False, cwd=folder
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def fresh_zoo() -> Run:
    """Run a command line in a fresh process."""
    return start


@pytest.fixture
def zoo_with(tmp_path: Path) -> Callable[[str], Run]:
    """Run a command line in a fresh process of a checkout with another text as registry.json."""

    def with_registry(text: str) -> Run:
        checkout = tmp_path / "checkout"
        checkout.mkdir(exist_ok=True)
        if not (checkout / "zoo").exists():
            (checkout / "zoo").symlink_to(REPOSITORY / "zoo")
        (checkout / "registry.json").write_text(text, encoding="utf-8")
        return lambda *arguments, **variables: start(*arguments, folder=checkout, **variables)

    return with_registry


@pytest.fixture
def places(tmp_path: Path, torch_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with a weights file, images, results, and a stray file in the cache."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    torch.save(load_model("lenet5").state_dict(), "net.pth")
    for number in range(12):
        folder = tmp_path / "digits" / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        values = np.full((32, 32), 20 * number, dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{number}.png")
    (tmp_path / "project").mkdir()
    (tmp_path / "empty.lock").write_text(f"{lockfile.HEADER}\n", encoding="utf-8")
    Results(tmp_path / "results.json").put(make_result())
    run_table_search(make_setup("random"), tmp_path / "found", 3)
    own = write_own_file(tmp_path / "own.safetensors")
    add_local(describe_own(own, "theirs"))
    cache = torch_home / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    (cache / "stray.pth").write_bytes(b"x")
    return tmp_path


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fill a mirror, once."""
    folder = tmp_path_factory.mktemp("filled")
    with HubUpstream() as upstream:
        upstream.models["org/tiny"] = Model({COMMIT: {"config.json": b"{}"}}, {"main": COMMIT})
        settings = Settings(upstreams=parse_upstreams([f"mirror={upstream.base}"]))
        store = Store.create(folder / "m", settings)
        ca.create(store)
        store.change_settings(lambda old: old.with_wanted(["hf:org/tiny"]))
        with Sync(store) as sync:
            assert not sync.run(sync.resolve(wanted_of(store))).failures
        bundle.create(store, ecosystems.parse_all(["hf:org/tiny"]), folder / "bundle.zip")
    readers.add(Store.create(folder / "t", Settings()), "cluster")
    (folder / "config").mkdir()
    (folder / "config" / "config.json").write_bytes(b"{}")
    return folder


@pytest.fixture
def store(places: Path, filled: Path) -> dict[str, str]:
    """Copy the mirror; return the words that stand for what is not known before."""
    shutil.copytree(filled, places, dirs_exist_ok=True)
    return {"COMMIT": COMMIT}


@pytest.fixture
def mirror(places: Path, store: dict[str, str]) -> Iterator[dict[str, str]]:
    """Serve the copy, too."""
    with serving(places / "m") as running:
        yield {"SERVER": running.base, **store}
