"""Run ``zoo`` where files cannot grow.

The same errors as on a full disk, without a disk of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
LIMITED = """
import resource, signal, sys
# A write beyond the limit then fails, as on a full disk.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))
from zoo.cli.main import main
sys.argv = ["zoo", *{arguments!r}]
main()
"""


def run_limited(limit_bytes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``zoo`` in a process whose files cannot grow beyond a length."""
    code = LIMITED.format(limit_bytes=limit_bytes, arguments=arguments)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
        check=False,
    )
