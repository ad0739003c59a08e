"""Progress bars of a download, drawn with rich on stderr; without rich, nothing is drawn."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from zoo.download import events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.progress import Progress, TaskID


@contextmanager
def progress_bars(*, is_quiet: bool = False) -> Iterator[events.Listener]:
    """Draw one bar a file, with rate and time left, until the block ends.

    Warnings stay on the screen.

    Bars appear with the first byte that has to be fetched, so a file that is there draws nothing.

    Args:
        is_quiet: Show warnings only.
    """
    shown: list[events.Listener] = []
    with ExitStack() as stack:

        def show(event: events.Event) -> None:
            if not shown:
                if not isinstance(event, events.Started | events.Warned | events.Waiting):
                    # Nothing to draw yet, and rich takes longer to import than a model to load.
                    return
                shown.append(stack.enter_context(_drawn(is_quiet=is_quiet)))
            shown[0](event)

        yield show


@contextmanager
def _drawn(*, is_quiet: bool) -> Iterator[events.Listener]:
    """Draw with rich, or print warnings where there is none."""
    try:
        from rich.console import Console
    except ImportError:  # torch.hub.load works where only torch is installed
        yield _print_warnings
        return
    console = Console(stderr=True)
    bars = download_bars(console, is_shown=console.is_terminal and not is_quiet)
    tasks: dict[str, TaskID] = {}

    def show(event: events.Event) -> None:
        if isinstance(event, events.Warned | events.Waiting):
            text = f"{event.file_name}: {event.message}"
            console.print(text, style="yellow", markup=False, highlight=False)
        elif isinstance(event, events.Started):
            if not tasks:
                bars.start()
            if event.file_name not in tasks:
                tasks[event.file_name] = bars.add_task(event.file_name, total=event.size_bytes)
            bars.update(tasks[event.file_name], completed=event.done_bytes)
        elif isinstance(event, events.Advanced) and event.file_name in tasks:
            bars.update(tasks[event.file_name], completed=event.done_bytes, total=event.size_bytes)
        elif isinstance(event, events.Finished) and event.file_name in tasks:
            bars.update(tasks[event.file_name], completed=event.size_bytes, total=event.size_bytes)

    try:
        yield show
    finally:
        if tasks:
            bars.stop()


def download_bars(
    console: Console,
    *,
    is_shown: bool = True,
) -> Progress:
    """Make bars with name, bytes, rate and time left, not started yet."""
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=console,
        disable=not is_shown,
    )


def _print_warnings(event: events.Event) -> None:
    if isinstance(event, events.Warned | events.Waiting):
        print(f"{event.file_name}: {event.message}", file=sys.stderr)  # noqa: T201 - there is no rich to print with
