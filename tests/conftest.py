"""Fixtures for every test.

A cache and a configuration of its own, and the shared data where it is present.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from hypothesis import HealthCheck

from tests.support.faulty_server import FaultyServer
from tests.support.fetch_desk import DATA, Desk, make_desk
from zoo.garbage import NEW_OBJECTS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # the tests run side by side; threads of one would slow the other

# torch's compiler tries with programs of its own which registers the compiler of C++ can use here:
# six programs, as long as a network. The registers that the CPU names are the ones it would take.
os.environ.setdefault("TORCHINDUCTOR_VEC_ISA_OK", "1")

# Processes of the tests keep what they compile of zoo's sources for the next ones; so does this
# one, also of the tests, whose assertions pytest rewrites.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# As the command line does: what torch and the tests are made of is no garbage.
gc.set_threshold(NEW_OBJECTS)

# A shell starts what it puts in the background with Ctrl-C ignored, and children inherit that:
# tests that interrupt a command would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test depends on a time, and examples of one test may share its folder.
hypothesis.settings.register_profile(
    "zoo",
    hypothesis.settings.default,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("zoo")

REPOSITORY = Path(__file__).parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the collector of garbage what is imported: torch and the tests, all the way."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test an empty torch cache and no configuration.

    So it neither reads nor leaves anything outside.
    """
    for name in ("ZOO_MIRROR", "ZOO_LOCK", "HF_HUB_CACHE", "GITHUB_TOKEN", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch"


@pytest.fixture(scope="session", autouse=True)
def compiler_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give torch's compiler a cache that goes away with the tests.

    pytest's workers share it: the headers that every network includes are compiled once.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(root / "compiler"))
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """Top of this repository."""
    return REPOSITORY


@pytest.fixture
def shared_data() -> Path:
    """Real images and weights beside the repository; the test is skipped where they are absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real images and weights (shared/data beside the repository) are absent")
    return SHARED_DATA


SPEAKING = (
    "ZOO_MIRROR",
    "ZOO_LOCK",
    "NETRC",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""Variables that change how a fetch behaves."""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Offer an empty cache in an environment that says nothing."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in SPEAKING:
            monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        place = tmp_path / name.lower()
        place.mkdir()
        monkeypatch.setenv(name, str(place))
    monkeypatch.chdir(tmp_path)
    return make_desk(tmp_path / "checkpoints")


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    """Offer a server that serves the usual file until a test tells it otherwise."""
    with FaultyServer() as running:
        running.behave = lambda exchange: exchange.serve(DATA)
        yield running
