"""Three versions of huggingface_hub, unmodified, each in an environment of its own, against the real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.mirror.conftest import MODEL_COMMIT, fill
from tests.support.clients import DEAD, make_environment, run_client
from tests.support.mirror_server import RunningMirror, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.mirror_places import Places

VERSIONS = ("2.4.0", "1.5.0", "0.36.2")
DOWNLOAD = """
import json, os, pathlib
from huggingface_hub import hf_hub_download, snapshot_download
import huggingface_hub
one = hf_hub_download("org/tiny", "config.json")
tree = snapshot_download("org/tiny")
found = {p.relative_to(tree).as_posix(): p.stat().st_size for p in pathlib.Path(tree).rglob("*") if p.is_file()}
print(json.dumps({"version": huggingface_hub.__version__, "config": open(one).read(), "folder": tree, "files": found}))
"""
ERRORS = """
import json
from huggingface_hub import hf_hub_download
def kind(*arguments, **options):
    try:
        hf_hub_download(*arguments, **options)
    except Exception as error:
        return type(error).__name__
print(json.dumps([kind("org/tiny", "nothing"), kind("org/tiny", "x", revision="v9"), kind("org/unknown", "x")]))
"""
FILES = {
    "config.json": len(b'{"architecture": "tiny"}\n'),
    ".gitattributes": len(b"*.safetensors filter=lfs\n"),
    "model.safetensors": 300_000,
    "sub folder/notes.txt": len(b"a name with a space\n"),
    "README.md": len(b"# tiny\n"),
}


@pytest.fixture(scope="module")
def mirror(places: Places) -> Iterator[RunningMirror]:
    """Serve a mirror of one model."""
    with serving(fill(places.new(), {}, "hf:org/tiny")) as running:
        yield running


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> Path:
    """Offer a Python with one version of huggingface_hub and nothing else."""
    folder = request.config.cache.mkdir("client-environments")
    return make_environment(folder, f"huggingface_hub=={request.param}")


def _is_complete(answer: dict[str, Any]) -> bool:
    return bool(answer["files"] == FILES and answer["folder"].endswith(f"snapshots/{MODEL_COMMIT}"))


def test_downloads_second_run_and_offline(
    mirror: RunningMirror, python: Path, tmp_path: Path
) -> None:
    """One file and a whole model; then from the cache; then offline."""
    first = run_client(DOWNLOAD, mirror=mirror.base, kind="hf", python=python)
    assert _is_complete(first)
    assert first["config"] == '{"architecture": "tiny"}\n'
    before = mirror.log.count(" 200 ")
    assert _is_complete(run_client(DOWNLOAD, mirror=mirror.base, kind="hf", python=python))
    log = mirror.log.split(" 200 ")[before:]
    assert not [line for line in log if "GET /org/tiny/resolve" in line], (
        "the second run fetched files again"
    )
    offline = {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": DEAD}
    assert _is_complete(run_client(DOWNLOAD, mirror=None, python=python, environment=offline))
    assert "xet" not in mirror.log


def test_through_the_proxy(mirror: RunningMirror, python: Path) -> None:
    """With no endpoint set, huggingface.co itself is answered by the mirror."""
    assert _is_complete(run_client(DOWNLOAD, mirror=mirror.base, kind="torch", python=python))
    assert "huggingface.co/org/tiny/resolve" in mirror.log


def test_errors_are_the_clients_own(mirror: RunningMirror, python: Path) -> None:
    """Each kind of missing thing is told apart, none as a broken connection."""
    kinds = run_client(ERRORS, mirror=mirror.base, kind="hf", python=python)
    assert kinds[0] in ("EntryNotFoundError", "RemoteEntryNotFoundError")
    assert kinds[1:] == ["RevisionNotFoundError", "RepositoryNotFoundError"]
