"""Ways to run ``zoo``: in this process, in a fresh one, and in a fresh one with another registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from zoo.cli.main import run

REPOSITORY = Path(__file__).parents[2]


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
    done = subprocess.run(command, capture_output=True, env=environment, timeout=600, check=False, cwd=folder)
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def fresh_zoo() -> Run:
    """Run a command line in a fresh process."""
    return start


@pytest.fixture
def zoo_with(tmp_path: Path) -> Callable[[str], Run]:
    """Run a command line in a fresh process of a checkout whose registry.json holds another text."""

    def with_registry(text: str) -> Run:
        checkout = tmp_path / "checkout"
        checkout.mkdir(exist_ok=True)
        if not (checkout / "zoo").exists():
            (checkout / "zoo").symlink_to(REPOSITORY / "zoo")
        (checkout / "registry.json").write_text(text, encoding="utf-8")
        return lambda *arguments, **variables: start(*arguments, folder=checkout, **variables)

    return with_registry
