"""Progress bars on stderr: downloads with rate and time left, and counted steps."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from zoo.catalog import quantities
from zoo.cli import output
from zoo.weights import events
from zoo.weights.progress import download_bars

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID


class FetchProgress:
    """Show what a fetch tells: a bar for each file on a terminal, a line for each finished file elsewhere."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        """Show warnings only if ``is_quiet``."""
        self._is_quiet = is_quiet
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Begin to draw."""
        if not self._is_quiet and output.is_terminal(sys.stderr):
            self._bars = download_bars(output.progress_console())
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the bars as they are."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def __call__(self, event: events.Event, /) -> None:
        """Take one event."""
        if isinstance(event, events.Warned):
            self._say(f"{event.file_name}: {event.message}", is_warning=True)
        elif isinstance(event, events.Waiting):
            self._say(f"{event.file_name}: another process is fetching it, waiting")
        elif isinstance(event, events.Finished):
            self._finish(event)
        elif self._bars is not None:
            self._bars.update(self._task(event.file_name), completed=event.done_bytes, total=event.size_bytes)

    def _task(self, name: str) -> TaskID:
        """Return a file's bar, and make it first if need be."""
        if self._bars is None:
            raise RuntimeError("no bars are drawn")
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(output.safe(name), total=None)
        return self._tasks[name]

    def _finish(self, event: events.Finished) -> None:
        if event.was_cached:
            self._say(f"{event.file_name}: in the cache")
        elif self._bars is not None:
            self._bars.update(self._task(event.file_name), completed=event.size_bytes, total=event.size_bytes)
        else:
            self._say(f"{event.file_name}: fetched {quantities.size(event.size_bytes)}, verified")

    def _say(self, text: str, *, is_warning: bool = False) -> None:
        if is_warning and self._bars is None:
            output.warn(text)
        elif self._bars is None:
            output.talk(text, is_quiet=self._is_quiet)
        else:
            mark = "[yellow]warning:[/yellow] " if is_warning else ""
            from rich.markup import escape

            self._bars.console.print(f"{mark}{escape(output.safe(text))}", highlight=False)


class StepProgress:
    """Show how many of some steps are done; the callback of functions that take ``(name, done, all)``."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        """Show nothing if ``is_quiet`` or if nobody looks."""
        self._is_shown = not is_quiet and output.is_terminal(sys.stderr)
        self._bars: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._is_shown:
            from rich import progress

            self._bars = progress.Progress(
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TimeRemainingColumn(),
                progress.TextColumn("{task.description}", markup=False),
                console=output.progress_console(),
                transient=True,
            )
            self._task = self._bars.add_task("")
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, name: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` steps are done and ``name`` is next."""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, description=output.safe(name), completed=done, total=total)
