"""docs/guides/mirror.md, from an empty machine to a cluster: every block runs as it stands.

The blocks run in order, from the top to the bottom. What stands in for the world: servers on
loopback for GitHub, the Hub and download.pytorch.org, which the ``zoo`` of the test names as
upstreams, and a real S3 server, which the environment names as Amazon's. The registry is the real
one of two models with small files.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import MODEL_COMMIT, TAGGED
from tests.support import resnet18_file
from tests.support.bucket_server import ENVIRONMENT, serving_buckets
from tests.support.code_blocks import Block, blocks_to_type
from tests.support.hub_upstream import HubUpstream, Model, Repository, hub_archive

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"
NOT_RUN = {
    "guides/mirror.md": [],
    "deploy/index.md": [
        "it makes a user of the system and needs a running systemd",
        "it needs a container engine and root; last built and run by hand on 29 November 2026",
    ],
}
"""What no test runs, and why."""
KEYS = "AWS_ACCESS_KEY_ID={AWS_ACCESS_KEY_ID} AWS_SECRET_ACCESS_KEY={AWS_SECRET_ACCESS_KEY}"
TRAIN = """
import json, torch
from huggingface_hub import snapshot_download
from pathlib import Path

address = "https://download.pytorch.org/models/{name}"
state = torch.hub.load_state_dict_from_url(address, progress=False, check_hash=True)
answer = torch.hub.load("pytorch/vision:v0.20.0", "answer", trust_repo=True, verbose=False)
tree = Path(snapshot_download("timm/resnet18.a1_in1k"))
found = [state["fc.bias"][0].item(), answer, sorted(path.name for path in tree.iterdir())]
Path("trained.json").write_text(json.dumps(found))
"""
TRAINED = [resnet18_file.FILL, 2, ["config.json", "model.safetensors"]]
TIMEOUT_S = 120


@dataclass(frozen=True)
class Machine:
    """A machine that has nothing yet, and how the words of a page are read on it."""

    folder: Path
    variables: dict[str, str]
    words: dict[str, str]

    def on_it(self, body: str) -> str:
        """Put the machine's own places and ports in the place of the page's."""
        for word, own in self.words.items():
            body = body.replace(word, own)
        return body

    def home(self, number: int) -> Path:
        """Return the home of a block: whoever types it has nothing of the others' caches."""
        place = self.folder / f"home-{number}"
        place.mkdir(exist_ok=True)
        (place / "train.py").write_text(TRAIN.format(name=resnet18_file.FILE_NAME))
        return place

    def start(
        self,
        block: Block,
        number: int,
    ) -> subprocess.Popen[str]:
        """Type a block into a shell of its own, in an empty home."""
        home = self.home(number)
        variables = {**self.variables, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", self.on_it(block.body)],
            cwd=home,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self,
        block: Block,
        number: int,
    ) -> None:
        """Type a block and wait for its end, which must be a good one."""
        process = self.start(block, number)
        try:
            said, errors = process.communicate(timeout=TIMEOUT_S)
        finally:
            _end(process)
        assert process.returncode == 0, f"{block.body}\n{said}\n{errors}"

    @contextmanager
    def serving(
        self,
        block: Block,
        number: int,
    ) -> Iterator[None]:
        """Type a block that ends with a server, and wait until that accepts connections."""
        process = self.start(block, number)
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            first = process.stdout.readline()
            assert first.startswith("http://"), f"{block.body}\n{first}\n{process.stderr.read()}"
            yield
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End all that a block has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=30)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _publish(upstream: HubUpstream) -> dict[str, bytes]:
    """Play what the page asks for; return the files of the registry's models."""
    small = hashlib.shake_256(b"mobilenet").digest(5000)
    digits = hashlib.sha256(small).hexdigest()[:8]
    files = {
        resnet18_file.FILE_NAME: resnet18_file.build(),
        f"mobilenet_v3_small-{digits}.pth": small,
    }
    upstream.weights |= {f"/models/{name}": data for name, data in files.items()}
    name = "pytorch/vision"
    archives = {TAGGED: hub_archive(name, TAGGED, 2)}
    upstream.repositories[name] = Repository({"main": TAGGED}, {"v0.20.0": TAGGED}, archives)
    held = {"config.json": b"{}\n", "model.safetensors": hashlib.shake_256(b"m").digest(40_000)}
    upstream.models["timm/resnet18.a1_in1k"] = Model({MODEL_COMMIT: held}, {"main": MODEL_COMMIT})
    return files


def _write_registry(
    folder: Path,
    files: dict[str, bytes],
) -> None:
    """Lay out the package beside a registry of the models whose files these are."""
    for name in ("zoo", "registry", "hubconf.py"):
        (folder / name).symlink_to(DOCS.parent / name)
    content = json.loads((DOCS.parent / "registry.json").read_text())
    architectures = {}
    for name, data in files.items():
        model, _, _ = name.rpartition("-")
        architecture = content["architectures"][model]
        tag = architecture["default_weights"]
        file = {
            "file_name": name,
            "url": f"https://download.pytorch.org/models/{name}",
            "size_bytes": len(data),
            "sha256_prefix": hashlib.sha256(data).hexdigest()[:8],
        }
        weights = {**architecture["weights"][tag], "files": [file]}
        architectures[model] = {**architecture, "weights": {tag: weights}}
    content["architectures"] = architectures
    (folder / "registry.json").write_text(json.dumps(content))


def _write_program(
    folder: Path,
    upstream: HubUpstream,
) -> None:
    """Write a ``zoo`` whose upstreams are on loopback."""
    kinds = ("github", "github-api", "pytorch", "huggingface")
    named = " ".join(f"--upstream {kind}={upstream.base}" for kind in kinds)
    program = folder / "zoo"
    program.write_text(
        "#!/bin/sh\n"
        f'case "$1 $2" in "mirror init" | "bundle create") set -- "$@" {named} ;; esac\n'
        f'exec {sys.executable} -m zoo "$@"\n'
    )
    program.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, upstream: HubUpstream) -> Iterator[Machine]:
    """Have an empty machine, and beside it what stands for the world."""
    package, programs = tmp_path / "package", tmp_path / "bin"
    package.mkdir()
    programs.mkdir()
    _write_registry(package, _publish(upstream))
    _write_program(programs, upstream)
    own = Path(sys.executable).parent
    words = {
        "/srv/mirror": str(tmp_path / "srv-mirror"),
        "mirror.example.org": "127.0.0.1",
        "0.0.0.0": "127.0.0.1",  # noqa: S104 - the page's; nobody listens there
        "AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...": KEYS.format(**ENVIRONMENT),
        "8080": str(_free_port()),
        "8082": str(_free_port()),
    }
    with serving_buckets() as buckets:
        variables = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{own}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(package),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "AWS_ENDPOINT_URL": buckets.endpoint,
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        buckets.make("models")
        yield Machine(tmp_path, variables, words)


@pytest.mark.parametrize("page", NOT_RUN)
def test_page_says_why_a_block_is_not_run(page: str) -> None:
    """The list above is what the page itself says; all other blocks are run below."""
    blocks = blocks_to_type((DOCS / page).read_text())
    assert [block.reason for block in blocks if block.reason] == NOT_RUN[page]


def test_newcomer_follows_the_guide_to_a_cluster_that_works(
    machine: Machine, upstream: HubUpstream
) -> None:
    """Filled, in a bucket too, served to unmodified clients, with tokens, and carried offline."""
    blocks = blocks_to_type((DOCS / "guides" / "mirror.md").read_text())
    trained = 0
    with ExitStack() as servers:
        for number, block in enumerate(blocks):
            upstream.is_dead = "train.py" in block.body  # clients get all from the mirror
            if re.search("^zoo mirror serve", block.body, re.MULTILINE):
                servers.enter_context(machine.serving(block, number))
                continue
            machine.run(block, number)
            if "train.py" in block.body:
                got = json.loads((machine.home(number) / "trained.json").read_text())
                assert got == TRAINED
                trained += 1

        bucket = f"http://127.0.0.1:{machine.words['8082']}"
        path = "timm/resnet18.a1_in1k/resolve/main/config.json"
        with urllib.request.urlopen(f"{bucket}/{path}", timeout=20) as answer:  # noqa: S310
            assert answer.read() == b"{}\n"
            assert answer.url.startswith(machine.variables["AWS_ENDPOINT_URL"])  # it was led there
    assert (len(blocks), trained) == (7, 3)


def test_company_sets_a_policy(machine: Machine) -> None:
    """The block of docs/deploy that needs nothing but a mirror."""
    made = Block("zoo mirror init /srv/mirror\n", None)
    machine.run(made, 0)
    blocks = [
        block
        for block in blocks_to_type((DOCS / "deploy" / "index.md").read_text())
        if block.reason is None
    ]
    for number, block in enumerate(blocks, 1):
        machine.run(block, number)
    settings = json.loads((machine.folder / "srv-mirror" / "mirror.json").read_text())
    assert settings["policy"]["only_safetensors"] is True
    assert len(blocks) == 1
