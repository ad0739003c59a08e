"""Start workers, wait for their answers, and tell how one ended that gave none.

A fresh worker answers one task. A warm one answers many: it has loaded its libraries and opened its
device, so that a task costs what it measures.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

WORKER = "zoo.bench.worker"
"""The process of a run."""
_TAIL_CHARACTERS = 300
_END_TIMEOUT_S = 10.0


def ask(
    task: Mapping[str, Any],
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Give a task to a fresh process.

    The process has a session of its own: Ctrl-C reaches this process only, which then ends that one
    and whatever it has started.

    Args:
        task: What ``zoo.bench.worker.answer`` takes.
        timeout_s: The process is ended after this time.
        environment: Variables to add to this process's own.

    Returns:
        The answer; ``{"failure": ...}`` also where the process crashed or took too long.
    """
    process = _start(environment, stderr=subprocess.PIPE)
    with process:
        try:
            given = json.dumps({**task, "started_ns": time.monotonic_ns()})
            written, said = process.communicate(given, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return _timed_out(timeout_s)
        finally:
            _end(process)
    try:
        answer: dict[str, Any] = json.loads(written)
    except json.JSONDecodeError:
        return _failure("crashed", describe_end(process.returncode, said))
    return answer


class WarmWorker:
    """A worker that stays; it is started at the first task, and anew after each failure.

    Args:
        environment: Variables to add to this process's own when a worker starts.
        module: What is started: it answers a line of JSON with a line of JSON.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        module: str = WORKER,
    ) -> None:
        self._module = module
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[str] | None = None
        self._said: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the worker."""
        self.close()

    def ask(
        self,
        task: Mapping[str, Any],
        timeout_s: float,
    ) -> dict[str, Any]:
        """Give it a task; see :func:`ask`."""
        try:
            answer = self._ask(task, timeout_s)
        except BaseException:
            self.close()
            raise
        if "failure" in answer:
            # What a failed task has left of memory or of a broken device is no other task's matter.
            self.close()
        return answer

    def close(self) -> None:
        """End the worker and all that it started."""
        process, self._process = self._process, None
        if process is not None:
            with process:
                _end(process)
        if self._said is not None:
            self._said.close()
            self._said = None

    def _ask(
        self,
        task: Mapping[str, Any],
        timeout_s: float,
    ) -> dict[str, Any]:
        process = self._running()
        if process.stdin is None or process.stdout is None:
            return _failure("crashed", "the worker has no pipes")
        line = json.dumps({**task, "started_ns": time.monotonic_ns()})
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{line}\n")
            process.stdin.flush()

        readable, _, _ = select.select([process.stdout], [], [], timeout_s)
        if not readable:
            return _timed_out(timeout_s)
        written = process.stdout.readline()
        try:
            answer: dict[str, Any] = json.loads(written)
        except json.JSONDecodeError:
            return _failure("crashed", self._describe_end(process))
        return answer

    def _running(self) -> subprocess.Popen[str]:
        """Return the worker, started if there is none."""
        if self._process is None:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
            self._process = _start(self._environment, stderr=self._said, module=self._module)
        return self._process

    def _describe_end(self, process: subprocess.Popen[str]) -> str:
        """Say how the worker ended; it has closed its output, so it ends soon."""
        said = ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_TIMEOUT_S)
        if self._said is not None:
            self._said.seek(0)
            said = self._said.read().decode("utf-8", errors="replace")
        return describe_end(process.poll() or 0, said)


def _start(
    environment: Mapping[str, str] | None,
    *,
    stderr: Any,
    module: str = WORKER,
) -> subprocess.Popen[str]:
    """Start a worker."""
    command = [sys.executable, "-m", module]
    variables = {**os.environ, **(environment or {})}
    return subprocess.Popen(  # noqa: S603 - our own module
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=variables,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and all that it started; nothing happens to those that have ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def describe_end(
    code: int,
    said: str,
) -> str:
    """Say how a process ended without an answer.

    >>> describe_end(-9, "")
    'the process was ended by SIGKILL, most likely because memory ran out'
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last_line = lines[-1] if lines else ""
    printable = filter(str.isprintable, last_line)
    last = "".join(printable)[:_TAIL_CHARACTERS]

    words = ""
    if last:
        words = f"; its last words: {last}"

    if code >= 0:
        return f"the process ended with exit code {code} and no result{words}"

    ended_by = signal.Signals(-code).name
    guess = ""
    if ended_by == "SIGKILL":
        guess = ", most likely because memory ran out"
    return f"the process was ended by {ended_by}{guess}{words}"


def _timed_out(timeout_s: float) -> dict[str, Any]:
    fault = f"no result after {timeout_s:g} s; give it longer with --timeout"
    return _failure("timed-out", fault)


def _failure(
    kind: str,
    message: str,
) -> dict[str, Any]:
    return {"failure": {"kind": kind, "message": message}}
