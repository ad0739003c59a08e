"""The targets of the Makefile, run with the interpreter of the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SETTING_UP = (".venv/.made", ".venv/.installed", ".venv/.installed-dev", "packages")
"""What every target needs first; here it is there already."""


def make(folder: Path, target: str, arguments: str) -> subprocess.CompletedProcess[str]:
    """Make a target in a checkout with some ``ARGS``."""
    programs = Path(sys.executable).parent
    command = ["make", f"BIN={programs}", f"ARGS={arguments}", target]
    for prerequisite in SETTING_UP:
        command += ["--assume-old", prerequisite]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
