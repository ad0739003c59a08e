"""Run ``zoo`` where files cannot grow.

The same errors as on a full disk, without a disk of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support import warm

REPOSITORY = Path(__file__).parents[2]
_LIMIT = """
import resource, signal, sys
# Python would keep what it has compiled, cut at the limit, and trip over that the next time.
sys.dont_write_bytecode = True
# A write beyond the limit then fails, as on a full disk.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))
"""
_SEVERAL = """
import json
from zoo.cli.main import run
codes = [run(words) for words in json.loads(sys.argv[1])]
sys.stderr.write(f"exit codes {codes}")
"""


def limited(limit_bytes: int, program: str = warm.ZOO) -> str:
    """Make a program whose files cannot grow beyond a length; its arguments are the program's."""
    return _LIMIT.format(limit_bytes=limit_bytes) + program


def run_limited(limit_bytes: int, *commands: tuple[str, ...]) -> str:
    """Run commands of ``zoo`` in a process whose files cannot grow beyond a length.

    Returns:
        What they wrote to stderr, and their exit codes.
    """
    program = limited(limit_bytes, _SEVERAL)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(commands)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
        check=True,
    )
    return done.stderr
