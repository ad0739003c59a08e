"""Weights of the Hugging Face Hub, from a server that plays it, kept where its library looks."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import pytest

from tests.support import hub_cache
from tests.support.hub_upstream import HubUpstream, Model
from zoo.cache import hub_files, lockfile, paths, quarantine
from zoo.catalog.records import HubFile, WeightsFile
from zoo.download.fetcher import fetch
from zoo.errors import CacheError, FetchError

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = "timm/tiny.a1_in1k"
PATH = "model.safetensors"
FIRST, SECOND = "1" * 40, "2" * 40
DATA = random.Random(0).randbytes(300_000)  # noqa: S311 - no secret
NEWER = random.Random(1).randbytes(200_000)  # noqa: S311 - no secret


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubUpstream]:
    """A Hub with one model in two commits; ``main`` is the first."""
    with HubUpstream() as running:
        commits = {FIRST: {PATH: DATA, "config.json": b"{}"}, SECOND: {PATH: NEWER}}
        running.models[REPOSITORY] = Model(commits, {"main": FIRST})
        monkeypatch.setenv("HF_ENDPOINT", running.base)
        yield running


def record(revision: str | None = None) -> WeightsFile:
    """The record of the file, as timm's are."""
    url = f"https://huggingface.co/{REPOSITORY}/resolve/main/{PATH}"
    hub = HubFile(REPOSITORY, PATH, revision)
    return WeightsFile("tiny.a1_in1k.safetensors", url, None, hub=hub)


def test_a_file_lies_where_the_hubs_own_library_finds_it(upstream: HubUpstream) -> None:
    """A link in a snapshot of its commit to the bytes under their digest; ``main`` is known."""
    huggingface_hub = pytest.importorskip("huggingface_hub")
    fetched = fetch(record())
    assert fetched.path.read_bytes() == DATA
    assert fetched.sha256 == hashlib.sha256(DATA).hexdigest()
    found = huggingface_hub.try_to_load_from_cache(
        REPOSITORY, PATH, cache_dir=str(hub_files.default_folder())
    )
    assert found == str(fetched.path)
    info = huggingface_hub.scan_cache_dir(str(hub_files.default_folder()))
    assert not info.warnings
    assert upstream.requests


def test_what_is_there_is_not_asked_for_again(upstream: HubUpstream) -> None:
    """Also without a network: the cache knows what ``main`` meant."""
    fetch(record())
    upstream.is_dead = True
    asked = len(upstream.requests)
    again = fetch(record())
    assert again.was_cached
    assert len(upstream.requests) == asked


def test_what_the_hubs_library_has_fetched_is_taken() -> None:
    """Nobody is asked."""
    place = hub_cache.put(REPOSITORY, PATH, DATA)
    fetched = fetch(record())
    assert (fetched.path, fetched.was_cached) == (place, True)


def test_the_first_download_is_written_down_and_holds(upstream: HubUpstream) -> None:
    """A Hub that has other bytes tomorrow is refused, and the lock says which were meant."""
    fetch(record())
    lock = lockfile.default_path(paths.checkpoints_folder())
    locked = lockfile.read(lock)["tiny.a1_in1k.safetensors"]
    assert locked.sha256 == hashlib.sha256(DATA).hexdigest()

    folder = hub_files.model_folder(REPOSITORY)
    (folder / "refs" / "main").unlink()
    upstream.models[REPOSITORY].refs["main"] = SECOND
    with pytest.raises(CacheError, match="demands sha256"):
        fetch(record())


def test_a_pinned_revision_is_what_is_fetched(upstream: HubUpstream) -> None:
    """``main`` is neither asked for nor changed."""
    fetched = fetch(record(SECOND))
    assert fetched.path.read_bytes() == NEWER
    assert hub_files.commit_of(REPOSITORY, None) is None
    assert not any(path.endswith("/revision/main") for path in upstream.paths)


def test_a_damaged_file_is_fetched_again_and_kept_aside(upstream: HubUpstream) -> None:
    """Its name says what it should be; the damaged one is never destroyed."""
    first = fetch(record())
    blob = first.path.resolve()
    blob.write_bytes(DATA[:-1] + b"x")
    again = fetch(record())
    assert again.path.read_bytes() == DATA
    assert not again.was_cached
    assert upstream.requests
    aside = [path for path in (blob.parent / quarantine.FOLDER).iterdir() if path.is_file()]
    assert [path.read_bytes() for path in aside] == [DATA[:-1] + b"x"]


def test_bytes_that_are_not_what_the_hub_states_are_refused(upstream: HubUpstream) -> None:
    """The content network lies; nothing is linked."""
    address = f"/cdn/{hashlib.sha256(DATA).hexdigest()}"
    upstream.faults[address] = lambda exchange: exchange.serve(DATA[:-1] + b"x", etag=None)
    with pytest.raises(FetchError):
        fetch(record())
    assert hub_files.find_path(REPOSITORY, PATH, FIRST) is None


def test_no_answer_names_the_endpoint(upstream: HubUpstream) -> None:
    """A model that is not there, on a server that is."""
    upstream.models.clear()
    with pytest.raises(FetchError, match=r"127\.0\.0\.1"):
        fetch(record())
