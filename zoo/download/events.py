"""What a fetch tells its listener while it works, for progress bars and warnings."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

_LOG = logging.getLogger("zoo.download")


@dataclass(frozen=True, slots=True)
class Started:
    """The download of a file begins or goes on."""

    file_name: str
    size_bytes: int | None
    """Length where it is known."""
    done_bytes: int
    """What an earlier run has already fetched."""
    source: str
    """Where from, without passwords."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """Bytes have arrived, or a restart has taken some away."""

    file_name: str
    done_bytes: int
    """All bytes that are on disk now; falls when a download starts again from zero."""
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The file lies whole under its final name."""

    file_name: str
    size_bytes: int
    was_cached: bool
    is_checked: bool = True
    """Whether a digest was known beforehand, so that its bytes are verified."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Another process fetches the same file; this one waits for it."""

    file_name: str
    patience_s: float
    """How long at most, if the other makes no progress."""

    @property
    def message(self) -> str:
        """Say so, for people."""
        limit = f"at most {self.patience_s:.0f} seconds if it makes no progress"
        return f"another process is fetching it; waiting, {limit}"


@dataclass(frozen=True, slots=True)
class Warned:
    """Something went wrong that did not stop the fetch.

    A source dropped, a damaged file replaced.
    """

    file_name: str
    message: str


Event = Started | Advanced | Finished | Waiting | Warned


class Listener(Protocol):
    """Receive events; never two at once, from whichever thread fetches."""

    def __call__(self, event: Event, /) -> None:
        """Take one event."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of a fetch.

    The text is one line of advice, for whoever catches it and exits with 130.
    """


def ignore(event: Event, /) -> None:
    """Listen to nothing."""


def log(event: Event, /) -> None:
    """Write waiting and warnings to the log ``zoo.download``.

    For programs that draw no progress.
    """
    if isinstance(event, Waiting | Warned):
        _LOG.warning("%s: %s", event.file_name, event.message)
