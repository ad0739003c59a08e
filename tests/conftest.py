"""Fixtures for every test: a cache and a configuration of its own, and the shared data where it is present."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests run side by side; threads of one would slow the other

REPOSITORY = Path(__file__).parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test an empty torch cache and no configuration, so that it neither reads nor leaves anything outside."""
    for name in ("ZOO_MIRROR", "ZOO_LOCK", "HF_HUB_CACHE", "GITHUB_TOKEN", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch"


@pytest.fixture
def repository() -> Path:
    """Top of this repository."""
    return REPOSITORY


@pytest.fixture
def shared_data() -> Path:
    """Real pictures and weights beside the repository; the test is skipped where they are absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real pictures and weights (shared/data beside the repository) are absent")
    return SHARED_DATA
