"""Which source is in use, who is asked beside it when it is silent, and who has failed.

A source that brings nothing for a few seconds is not given up: the next one is asked as well, and
whoever answers first goes on. So a dead mirror and a silent one before a good one cost seconds, not
minutes of time limits. Nothing here locks, waits or reads a clock: the scheduler does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.download.sources import Source
    from zoo.errors import SourceError

MANY_TRIES = 2
"""After so many failures in a row a source that has delivered before counts as troubled."""


class SourceOrder:
    """The sources of one transfer, best first. Its owner's lock guards it."""

    def __init__(
        self,
        sources: list[Source],
        overlap_s: float,
        sign_bytes: int,
        now_s: float,
    ) -> None:
        """Take the sources in the order of preference.

        Args:
            sources: At least one.
            overlap_s: How long a source may be silent before the next one is asked as well.
            sign_bytes: So many bytes are a sign of life; fewer are not.
            now_s: The time, on any clock that goes forward.
        """
        self.failures: list[SourceError] = []
        """What happened at each source that was given up, in order."""
        self.silent: set[str] = set()
        """Addresses that were silent, or could not be reached."""
        self._sources = list(sources)
        self._overlap_s = overlap_s
        self._sign_bytes = sign_bytes
        self._asked = {sources[0].url}
        self._sign_s = now_s
        self._challenge_s = now_s
        self._bytes_since_sign = 0
        self._has_delivered = False
        self._is_troubled = False

    @property
    def current(self) -> Source:
        """The source in use, or the one that was used last."""
        return self._sources[0]

    @property
    def is_last(self) -> bool:
        """Whether no other source is left."""
        return len(self._sources) == 1

    def was_overtaken(self, source: Source) -> bool:
        """Tell whether a source was silent before, so that it need not be waited for long."""
        return source.url in self.silent and not self.is_last

    def note_answer(self, now_s: float) -> None:
        """Take the headers of a response as a sign of life."""
        self._sign(now_s)

    def note_bytes(
        self,
        count: int,
        now_s: float,
    ) -> None:
        """Take bytes as a sign of life, if there are enough of them."""
        self._bytes_since_sign += count
        if self._bytes_since_sign >= self._sign_bytes:
            self._has_delivered = True
            self._sign(now_s)

    def note_failure(
        self,
        source: Source,
        tries: int,
    ) -> None:
        """Remember a failure that may pass; where it looks lasting, others are asked at once."""
        if source is self.current and (not self._has_delivered or tries >= MANY_TRIES):
            self._is_troubled = True

    def has_shown_life_since(self, moment_s: float) -> bool:
        """Tell whether the current source has given a sign since a moment."""
        return self._sign_s > moment_s

    def challenger(self, now_s: float) -> Source | None:
        """Return whom to ask beside the current source now.

        ``None`` while it is well or nobody is left to ask.
        """
        silent_s = now_s - max(self._sign_s, self._challenge_s)
        if not self._is_troubled and silent_s < self._overlap_s:
            return None
        for source in self._sources:
            if source.url not in self._asked:
                self._asked.add(source.url)
                self._challenge_s = now_s
                self._is_troubled = False
                return source
        return None

    def may_ask_again(self, source: Source) -> None:
        """Let a source be asked beside the current one once more.

        Last time it was not needed after all.
        """
        self._asked.discard(source.url)

    def prefer(
        self,
        source: Source,
        now_s: float,
    ) -> None:
        """Go on with a source that has answered while the current one was silent."""
        passed_over = [
            other for other in self._sources if other.url in self._asked and other is not source
        ]
        fresh = [other for other in self._sources if other.url not in self._asked]
        self.silent.update(other.url for other in passed_over)
        self._sources = [source, *fresh, *passed_over]
        self._begin(now_s)

    def drop(
        self,
        failure: SourceError,
        now_s: float,
    ) -> bool:
        """Give the current source up; false if there is no other."""
        self.failures.append(failure)
        if failure.is_retryable:
            self.silent.add(self.current.url)
        if self.is_last:
            return False
        self._sources.pop(0)
        self._asked.add(self.current.url)
        self._begin(now_s)
        return True

    def remove(
        self,
        source: Source,
        failure: SourceError,
    ) -> None:
        """Give up a source that is not in use."""
        if source in self._sources[1:]:
            self._sources.remove(source)
            self.failures.append(failure)

    def _begin(self, now_s: float) -> None:
        """Start counting anew for another source."""
        self._has_delivered = False
        self._challenge_s = now_s
        self._sign(now_s)

    def _sign(self, now_s: float) -> None:
        """Note a sign of life."""
        self._sign_s = now_s
        self._bytes_since_sign = 0
        self._is_troubled = False
