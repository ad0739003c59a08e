"""Run ``zoo`` where files cannot grow.

The same errors as on a full disk, without a disk of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
_LIMIT = """
import resource, signal, sys
# A write beyond the limit then fails, as on a full disk.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))
"""
LIMITED = (
    _LIMIT
    + """
from zoo.cli.main import main
sys.argv = ["zoo", *{arguments!r}]
main()
"""
)
_SEVERAL = (
    _LIMIT
    + """
from zoo.cli.main import run
codes = [run([*command]) for command in {commands!r}]
sys.stderr.write(f"exit codes {{codes}}")
"""
)


def run_limited(limit_bytes: int, *commands: tuple[str, ...]) -> str:
    """Run commands of ``zoo`` in a process whose files cannot grow beyond a length.

    Returns:
        What they wrote to stderr, and their exit codes.
    """
    code = _SEVERAL.format(limit_bytes=limit_bytes, commands=commands)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
        check=True,
    )
    return done.stderr
