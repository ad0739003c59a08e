"""Progress bars on stderr: downloads with rate and time left, and counted steps."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from zoo.catalog import quantities
from zoo.cli.terminal import output, stopping
from zoo.download import events
from zoo.download.progress import download_bars

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID

    from zoo.trainer.training import Step


class FetchProgress:
    """Show what a fetch tells.

    On a terminal that is a bar for each file, elsewhere a line for each finished file.
    """

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
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
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
            self._say(f"{event.file_name}: {event.message}")
        elif isinstance(event, events.Finished):
            self._finish(event)
        elif self._bars is not None:
            self._bars.update(
                self._task(event.file_name), completed=event.done_bytes, total=event.size_bytes
            )

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
            self._bars.update(
                self._task(event.file_name), completed=event.size_bytes, total=event.size_bytes
            )
        else:
            checked = "verified" if event.is_checked else "no digest is known to check it against"
            size = quantities.size(event.size_bytes)
            self._say(f"{event.file_name}: fetched {size}, {checked}")

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
    """Show how many steps are done; the callback of functions that take ``(name, done, all)``.

    Who is interrupted is told how far it came, and what is kept of that.
    """

    def __init__(
        self,
        *,
        is_quiet: bool = False,
        steps: str = "images",
        kept: str = "nothing of it is kept",
        advice: str = "start again with",
    ) -> None:
        """Show nothing if ``is_quiet`` or if nobody looks.

        Args:
            is_quiet: Whether to show nothing.
            steps: What the steps are.
            kept: What is kept when it is interrupted.
            advice: What the same command does then.
        """
        self._is_shown = not is_quiet and output.is_terminal(sys.stderr)
        self._steps = steps
        self._rest = f"{kept}, {advice}: {stopping.command_line()}"
        self._done = 0
        self._total = 0
        self._bars: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._is_shown:
            from rich import progress, table

            # A long path gives way to the count, not the count to the path.
            rest = table.Column(ratio=1, no_wrap=True, overflow="ellipsis")
            name = progress.TextColumn("{task.description}", markup=False, table_column=rest)
            self._bars = progress.Progress(
                progress.BarColumn(bar_width=None, table_column=table.Column(width=20)),
                progress.MofNCompleteColumn(table_column=table.Column(no_wrap=True)),
                progress.TimeRemainingColumn(table_column=table.Column(no_wrap=True)),
                name,
                console=output.progress_console(),
                transient=True,
                expand=True,
            )
            self._task = self._bars.add_task("")
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._bars is not None:
            self._bars.stop()
        if isinstance(error, KeyboardInterrupt) and not error.args:
            raise KeyboardInterrupt(self._how_far()) from None

    def _how_far(self) -> str:
        """Say what came of it until now."""
        if not self._total:
            return f"interrupted before the first of the {self._steps}; {self._rest}"
        return f"interrupted after {self._done} of {self._total} {self._steps}; {self._rest}"

    def __call__(self, name: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` steps are done and ``name`` is next."""
        self._done, self._total = done, total
        if self._bars is not None and self._task is not None:
            self._bars.update(
                self._task, description=output.safe(name), completed=done, total=total
            )


class EpochProgress:
    """Show where an epoch is: loss, images a second, time left; nothing where nobody looks."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        """Show nothing if ``is_quiet``."""
        self._is_quiet = is_quiet
        self._is_shown = not is_quiet and output.is_terminal(sys.stderr)
        self._bars: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._is_shown:
            from rich import progress

            self._bars = progress.Progress(
                progress.TextColumn("{task.description}", markup=False),
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TimeRemainingColumn(),
                console=output.progress_console(),
                transient=True,
            )
            self._task = self._bars.add_task("the first images", total=None)
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._bars is not None:
            self._bars.stop()

    def step(self, step: Step) -> None:
        """Show one step."""
        if self._bars is None or self._task is None:
            return

        images_per_second = step.done_images / max(step.seconds, 1e-9)
        speed = f"{images_per_second:.0f} images/s"
        text = f"epoch {step.epoch}, loss {step.loss:.4f}, {speed}"
        self._bars.update(
            self._task, description=text, completed=step.done_images, total=step.images
        )

    def finish(self, line: str) -> None:
        """Write the line of an epoch above the bar."""
        if self._bars is not None:
            self._bars.console.print(output.safe(line), highlight=False, markup=False)
        else:
            output.talk(line, is_quiet=self._is_quiet)
