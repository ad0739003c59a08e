"""Ctrl-C and SIGTERM: the first ends a command in good order, the second ends it at once.

After the first, a command says what is kept.

Slurm, Kubernetes and ``timeout`` send SIGTERM. It is turned into the same
:class:`KeyboardInterrupt` as Ctrl-C, so that everything which tidies up for one does so for the
other; only the exit code tells them apart: 130 and 143.
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_received: list[int] = []
_arguments: list[str] = []


def listen(arguments: Sequence[str] | None = None) -> None:
    """Take over both signals for the life of this process; other threads than the main one cannot.

    Args:
        arguments: What follows ``zoo`` on the command line, if that is not the process's own.
    """
    _received.clear()
    _arguments[:] = sys.argv[1:] if arguments is None else arguments
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        # A parent that ignores a signal (nohup, a shell's background job) means it.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def command_line() -> str:
    """Return what was typed."""
    import shlex  # late: few commands are stopped

    return shlex.join(["zoo", *_arguments])


def exit_code() -> int:
    """Return the code of a command that was stopped: 128 and the signal's number."""
    return 128 + (_received[0] if _received else signal.SIGINT)


def _stop(number: int, _frame: FrameType | None) -> None:
    """Raise what Ctrl-C raises, once."""
    _received.append(number)
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    raise KeyboardInterrupt
