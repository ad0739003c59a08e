"""Three versions of huggingface_hub, unmodified and apart, against the real server."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.mirror.conftest import MODEL_COMMIT, fill
from tests.support.clients import DEAD, make_environment, run_client
from tests.support.mirror_server import RunningMirror, serving
from tests.support.thorough import few_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.mirror_places import Places

VERSIONS = ("2.4.0", "1.5.0", "0.36.2")
DOWNLOAD = """
import json, os, pathlib
from huggingface_hub import hf_hub_download, snapshot_download
import huggingface_hub
def download():
    one = hf_hub_download("org/tiny", "config.json")
    tree = snapshot_download("org/tiny")
    paths = [path for path in pathlib.Path(tree).rglob("*") if path.is_file()]
    return {
        "version": huggingface_hub.__version__,
        "config": open(one).read(),
        "folder": tree,
        "files": {path.relative_to(tree).as_posix(): path.stat().st_size for path in paths},
    }
"""
ONCE = "print(json.dumps(download()))"
EVERYTHING = """
def kind(*arguments, **options):
    try:
        hf_hub_download(*arguments, **options)
    except Exception as error:
        return type(error).__name__
kinds = [
    kind("org/tiny", "nothing"),
    kind("org/tiny", "x", revision="v9"),
    kind("org/unknown", "x"),
]
print(json.dumps([download(), download(), kinds]))
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


@pytest.fixture(params=few_of(VERSIONS, VERSIONS[0], VERSIONS[-1]))
def python(request: pytest.FixtureRequest) -> Path:
    """Offer a Python with one version of huggingface_hub: this one, or one with nothing else."""
    if request.param == version("huggingface_hub"):
        return Path(sys.executable)
    folder = request.config.cache.mkdir("client-environments")
    return make_environment(folder, f"huggingface_hub=={request.param}")


def _is_complete(answer: dict[str, Any]) -> bool:
    return bool(answer["files"] == FILES and answer["folder"].endswith(f"snapshots/{MODEL_COMMIT}"))


def test_downloads_second_run_errors_and_offline(mirror: RunningMirror, python: Path) -> None:
    """A file, a model, both from the cache, what is missing in its own words, and all offline."""
    before = len(mirror.log)
    script = DOWNLOAD + EVERYTHING
    first, second, kinds = run_client(script, mirror=mirror.base, kind="hf", python=python)
    assert _is_complete(first)
    assert _is_complete(second)
    assert first["config"] == '{"architecture": "tiny"}\n'
    log = mirror.log[before:]
    fetched = [line for line in log.splitlines() if "GET /org/tiny/resolve" in line]
    assert len([line for line in fetched if " 200 " in line]) == len(FILES)
    assert "xet" not in log

    assert kinds[0] in ("EntryNotFoundError", "RemoteEntryNotFoundError")
    assert kinds[1:] == ["RevisionNotFoundError", "RepositoryNotFoundError"]

    offline = {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": DEAD}
    script = DOWNLOAD + ONCE
    assert _is_complete(run_client(script, mirror=None, python=python, environment=offline))


def test_through_the_proxy(mirror: RunningMirror, python: Path) -> None:
    """With no endpoint set, huggingface.co itself is answered by the mirror."""
    script = DOWNLOAD + ONCE
    assert _is_complete(run_client(script, mirror=mirror.base, kind="torch", python=python))
    assert "huggingface.co/org/tiny/resolve" in mirror.log
