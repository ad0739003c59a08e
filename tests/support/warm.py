"""Processes of their own that begin where torch and aiohttp have been imported already.

They are forks of one process, which imports once what each would import for seconds. For what a
process of its own is needed: signals, exit codes, limits, terminals; not for how a command starts.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from multiprocessing import reduction
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.context import ForkServerContext
    from multiprocessing.process import BaseProcess

ZOO = "from zoo.cli.main import main; main()"
"""The program ``zoo``."""
LOADED = (
    "accelerate",
    "matplotlib.font_manager",
    "torchvision.transforms.v2",
    "aiohttp.web",
    "cryptography.x509",
    "cryptography.hazmat.primitives.serialization",
    "obstore.store",
    "prometheus_client",
    "zoo.cli.evaluate",
    "zoo.cli.main",
    "zoo.cli.mirror",
    "zoo.cli.mirror_serving",
    "zoo.cli.predict",
    "zoo.cli.train",
    "zoo.evaluator.evaluation",
    "zoo.mirror.catalog",
    "zoo.mirror.serve.service",
    "zoo.trainer.starting",
)
LIMIT_S = 240


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*LOADED])
    return context


@dataclass(frozen=True)
class _Stream:
    """An open file that goes along to another process."""

    number: int

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the other process open it under a number of its own."""
        return _received, (reduction.DupFd(self.number),)


def _received(sent: Any) -> int:
    number: int = sent.detach()
    return number


def with_checkout(folder: Path, program: str = ZOO) -> str:
    """Make a program that finds zoo in another folder, and nothing of the one that was imported."""
    return f"""
import sys
for name in [name for name in sys.modules if name.partition(".")[0] == "zoo"]:
    del sys.modules[name]
sys.path.insert(0, {str(folder)!r})
{program}"""


def start(
    program: str,
    *arguments: str,
    stdout: int,
    stderr: int,
    environment: Mapping[str, str] | None = None,
) -> BaseProcess:
    """Start a program as ``python -c`` does, in this folder and environment.

    Args:
        program: Its text.
        arguments: What follows the name in ``sys.argv``.
        stdout: An open file.
        stderr: Likewise.
        environment: All variables, where they are not those of this process.
    """
    streams = (_Stream(stdout), _Stream(stderr))
    place = (str(Path.cwd()), dict(os.environ if environment is None else environment))
    process = _context().Process(target=_run, args=(program, arguments, streams, place))
    process.start()
    return process


def _run(
    program: str,
    arguments: tuple[str, ...],
    streams: tuple[int, int],
    place: tuple[str, dict[str, str]],
) -> None:
    """Become the program."""
    gc.freeze()  # what was imported before the fork is no garbage, and shared with the others
    for number, stream in enumerate(streams, start=1):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)

    folder, environment = place
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["zoo", *arguments]
    exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})  # noqa: S102 - the test's


def run(
    program: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
) -> CompletedProcess[str]:
    """Run a program to its end; see `start`."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = start(
                program,
                *arguments,
                stdout=stdout.fileno(),
                stderr=stderr.fileno(),
                environment=environment,
            )
            code = wait(process)
        return CompletedProcess(arguments, code, out.read_text(), err.read_text())


def send(process: BaseProcess, number: int) -> None:
    """Send a signal."""
    assert process.pid is not None
    os.kill(process.pid, number)


def wait(process: BaseProcess, limit_s: float = LIMIT_S) -> int:
    """Wait for the end, or bring it about; return the exit code, below zero for a signal."""
    process.join(limit_s)
    if process.exitcode is None:
        process.kill()
        process.join()
    code = process.exitcode
    process.close()
    assert code is not None
    return code
