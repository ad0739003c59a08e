"""The journal of a search: a line for each thing that happened, on the disk before the next one.

A search that ends at any moment, by ``kill -9`` or by the power, has every line but perhaps a torn
last one, which is dropped. The journal is all the state there is: to go on, its lines are replayed.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from zoo.atomic import sync_folder
from zoo.documents import decode, parse_json, read_regular_file
from zoo.errors import DocumentError, SearchError, UsageError, WriteError
from zoo.models.genotype import Genotype
from zoo.searcher.setup import Setup  # noqa: TC001 - the strict decoder reads these annotations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCHEMA_VERSION = 1
NAME = "journal.jsonl"
LARGEST_BYTES = 1 << 30
WHOLE_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Begun:
    """The first line."""

    schema_version: int
    setup: Setup


@dataclass(frozen=True, slots=True)
class Asked:
    """A genotype was proposed, and its trial began."""

    trial: int
    """From 1."""
    genotype: str
    """As one line of JSON."""
    parameters: int
    multiply_adds: int
    at_s: float
    """Time spent on the search so far, over all its runs."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A trial reached a rung."""

    trial: int
    epochs: int
    error_percent: float
    loss: float
    seconds: float
    """For the epochs since the last rung."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial ended: trained whole, stopped, or failed."""

    trial: int
    error_percent: float
    """What the strategy is told."""
    failure: str
    """Why there is no error, or nothing."""
    at_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A latency was measured; it decides again when the search goes on."""

    name: str
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Unfit:
    """The best trial could not be trained as the winner; the next best takes its place."""

    trial: int
    failure: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Judged:
    """The winner was trained, and judged by images that nothing before had seen."""

    trial: int
    epoch: int
    validation_error_percent: float
    errors: int
    images: int
    seconds: float
    at_s: float


Event = Begun | Asked | Reached | Ended | Measured | Unfit | Judged
_KINDS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind for kind in (Begun, Asked, Reached, Ended, Measured, Unfit, Judged)
}


class Journal:
    """Appends lines, each on the disk when :meth:`append` returns.

    Args:
        folder: Of the search; it exists.

    Raises:
        WriteError: The file system refuses.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self._handle = os.open(self.path, flags, 0o666)
            whole = _whole_bytes(self.path)
            # A torn last line would spoil the one that follows.
            os.ftruncate(self._handle, whole)
            sync_folder(folder)
        except OSError as error:
            raise WriteError(str(self.path), error.strerror or str(error)) from error

    def __enter__(self) -> Self:
        """The file is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        os.close(self._handle)

    def append(self, event: Event) -> None:
        """Write one line, and bring it to the disk.

        Raises:
            WriteError: The file system refuses; a part of the line may stand there.
        """
        kind = type(event).__name__.lower()
        content = {"event": kind, **asdict(event)}
        text = json.dumps(content, separators=(",", ":"))
        line = f"{text}\n".encode()
        try:
            written = os.write(self._handle, line)
            if written < len(line):
                raise WriteError(str(self.path), "the disk is full")
            os.fsync(self._handle)
        except OSError as error:
            raise WriteError(str(self.path), error.strerror or str(error)) from error


def _whole_bytes(path: Path) -> int:
    """Tell where the last whole line ends."""
    data = read_regular_file(path, LARGEST_BYTES)
    return data.rfind(b"\n") + 1


def read_events(folder: Path) -> Sequence[Event]:
    """Read a journal; a torn last line is left out.

    Raises:
        SearchError: There is none, or a line of it is none of ours.
    """
    path = folder / NAME
    try:
        data = read_regular_file(path, LARGEST_BYTES)
    except OSError as error:
        advice = 'begin one with "zoo search run DATASET --output"'
        fault = f"it holds no search ({error.strerror})"
        raise SearchError(str(folder), fault, advice) from error

    *lines, _torn = data.split(b"\n")
    events: list[Event] = []
    trials = 0
    for number, line in enumerate(lines, start=1):
        try:
            event = _event(line)
            trials += isinstance(event, Asked)
            _check_trial(event, trials)
            _check_errors(event)
        except (DocumentError, UsageError) as error:
            advice = "put back a copy that is whole, or begin anew in another folder"
            raise SearchError(f"{path}, line {number}", str(error), advice) from error
        events.append(event)

    if not events or not isinstance(events[0], Begun):
        advice = "delete the folder and begin again"
        raise SearchError(str(path), "it does not say what is searched", advice)
    return events


def has_trials(folder: Path) -> bool:
    """Tell whether a folder holds a search of which something would be lost.

    Raises:
        SearchError: What has the journal's name is none.
    """
    path = folder / NAME
    if not path.exists():
        return False
    is_torn = path.is_file() and b"\n" not in path.read_bytes()
    if is_torn:
        return False

    # What is a folder, a pipe or a device is refused here.
    kinds = map(type, read_events(folder))
    return Asked in kinds


def _event(line: bytes) -> Event:
    """Read one line.

    Raises:
        DocumentError: It is no event.
    """
    content = parse_json(line)
    name = content.pop("event", None) if isinstance(content, dict) else None
    if not isinstance(name, str) or name not in _KINDS:
        kinds = ", ".join(_KINDS)
        raise DocumentError("$.event", f"expected one of {kinds}")
    kind = _KINDS[name]
    event: Event = decode(kind, content)
    if isinstance(event, Begun) and event.schema_version != SCHEMA_VERSION:
        fault = f"expected schema version {SCHEMA_VERSION}, got {event.schema_version}"
        raise DocumentError("$.schema_version", fault)
    if isinstance(event, Asked):
        read_genotype(event.genotype)
    return event


def _check_trial(
    event: Event,
    trials: int,
) -> None:
    """Refuse a line about a trial that has not begun.

    Raises:
        DocumentError: It is one.
    """
    if isinstance(event, Begun | Measured):
        return
    expected = range(1, trials + 1)
    if isinstance(event, Asked):
        expected = range(trials, trials + 1)
    if event.trial not in expected:
        raise DocumentError("$.trial", f"no trial {event.trial} has begun, only {trials}")


def _check_errors(event: Event) -> None:
    """Refuse more errors than there are images.

    Raises:
        DocumentError: There are.
    """
    if isinstance(event, Reached | Ended):
        error_percent = event.error_percent
        if error_percent > WHOLE_PERCENT:
            fault = f"expected at most {WHOLE_PERCENT}, got {error_percent}"
            raise DocumentError("$.error_percent", fault)

    if isinstance(event, Judged):
        errors = event.errors
        images = event.images
        if images == 0 or errors > images:
            fault = f"expected at most as many as images, got {errors} of {images}"
            raise DocumentError("$.errors", fault)


def read_genotype(text: str) -> Genotype:
    """Read a genotype of a journal.

    Raises:
        DocumentError: It is none.
    """
    try:
        return Genotype.from_json(text)
    except (ValueError, TypeError) as error:
        raise DocumentError("$.genotype", str(error)) from error
