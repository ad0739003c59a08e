"""A progress bar of bytes that are read: on a terminal's stderr, and nowhere else."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zoo.cli.terminal import output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def reading_bar(what: str, total_bytes: int, *, is_quiet: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that moves the bar by a number of bytes.

    Args:
        what: What is being done: ``"verifying"``.
        total_bytes: Length of everything that will be read.
        is_quiet: Draw nothing.
    """
    if is_quiet or not output.is_terminal(sys.stderr):
        yield lambda _count: None
        return
    from rich import progress

    bars = progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=output.progress_console(),
        transient=True,
    )
    task = bars.add_task(output.safe(what), total=total_bytes)
    with bars:
        yield lambda count: bars.advance(task, count)
