"""Run unmodified clients, each in a process, some in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import filelock
import pytest

from tests.support import warm

if TYPE_CHECKING:
    from pathlib import Path

CLIENT_TIMEOUT_S = 180
INSTALL_TIMEOUT_S = 300
BEHIND_MIRROR = """
import os, sys
from zoo.mirror.serve.client_environment import environment
_, mirror, kind, script = sys.argv
os.environ.update(environment(mirror, kind, os.environ))
exec(script)
"""
DEAD = "http://127.0.0.1:1"
"""Nobody listens there."""


def make_environment(folder: Path, requirement: str) -> Path:
    """Make an environment that holds one requirement, unless an earlier run has; return its Python.

    The test is skipped, with pip's words, where it cannot be installed.
    """
    place = folder / requirement.replace("==", "-")
    python = place / "bin" / "python"
    finished = place / "finished"
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / f"{place.name}.lock", timeout=INSTALL_TIMEOUT_S):
        if not finished.exists():
            subprocess.run(
                [sys.executable, "-m", "venv", "--clear", "--without-pip", str(place)], check=True
            )
            command = [
                sys.executable,
                "-m",
                "pip",
                "--python",
                str(python),
                "install",
                "-q",
                "--no-compile",
                requirement,
            ]
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=INSTALL_TIMEOUT_S,
                check=False,
            )
            if done.returncode:
                pytest.skip(f"{requirement} cannot be installed: {done.stderr[-300:]}")
            finished.touch()
    return python


def run_client(
    script: str,
    *,
    mirror: str | None,
    kind: str = "all",
    python: str | Path = sys.executable,
    environment: dict[str, str] | None = None,
) -> Any:
    """Run a script through ``zoo mirror exec``, or without it.

    Return the JSON on the last line of its output.

    Args:
        script: What the client does.
        mirror: The mirror's address; ``None`` to run with no mirror.
        kind: ``torch``, ``hf`` or ``all``.
        python: Which Python runs it.
        environment: More variables; an empty value removes one.
    """
    command = [str(python), "-c", script]
    variables = _variables(environment)
    if mirror is None:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=CLIENT_TIMEOUT_S,
            check=False,
            env=variables,
            stdin=subprocess.DEVNULL,
        )
    else:
        through = ("mirror", "exec", "--mirror", mirror, "--client", kind, "--")
        done = warm.run(warm.ZOO, *through, *command, environment=variables)
    return _said(done)


def run_torch_hub(
    script: str,
    *,
    mirror: str | None,
    kind: str = "torch",
    environment: dict[str, str] | None = None,
) -> Any:
    """Run a script of torch.hub with the variables that ``zoo mirror exec`` sets, or without them.

    torch and torchvision have been imported before, and read them when they are used. Otherwise
    as `run_client`.
    """
    variables = _variables(environment)
    if mirror is None:
        return _said(warm.run(script, environment=variables))
    return _said(warm.run(BEHIND_MIRROR, mirror, kind, script, environment=variables))


def _variables(more: dict[str, str] | None) -> dict[str, str]:
    """Return the environment of a client."""
    variables = {
        **os.environ,
        "PYTHONWARNINGS": "ignore",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **(more or {}),
    }
    return {name: value for name, value in variables.items() if value}


def _said(done: subprocess.CompletedProcess[str]) -> Any:
    """Return what a client that has ended well wrote on its last line."""
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout.splitlines()[-1])
