"""What the responses of a source are trusted with: ranges, packing, lying beside other bytes.

Trust is spent in this order: parts in parallel; if the digest is then wrong, once more from zero in
one piece from the same source; if it is wrong again, that source lies and the next one is asked, in
one piece as well.

Without a digest nothing could tell a mixture from the file: then bytes are joined only if they come
from one address in one run, or a strong ETag proves that the address still serves what it served
before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.download import policy
from zoo.errors import SourceError

if TYPE_CHECKING:
    from zoo.cache.digests import Expected
    from zoo.download.headers import Head
    from zoo.download.jobs import Job
    from zoo.download.partial import Partial, Validator

MOST_RESTARTS = 2
"""How often a source may change its file under us before it is asked for one piece only."""


class NoUsableRangeError(Exception):
    """The server does not answer a request for a range with that range."""


class Trust:
    """What the source in use is trusted with. Its owner's lock guards it."""

    def __init__(self, expected: Expected) -> None:
        self.uses_ranges = True
        """Whether parts of the file are asked for."""
        self.has_seen_ranges = False
        """Whether the source in use has answered with a range."""
        self.is_distrusted = False
        """Whether a whole file has had the wrong digest."""
        self._expected = expected
        self._was_packed = False
        self._keeps_packing = False
        self._origin_url: str | None = None
        self._restarts = 0

    def begin_source(self) -> None:
        """Give another source the trust that the last one has lost; what is distrusted stays so."""
        self.uses_ranges = not self.is_distrusted
        self.has_seen_ranges = False
        self._restarts = 0

    def begin_file(self) -> None:
        """Forget where bytes came from that are no more."""
        self._origin_url = None

    def lose(self) -> None:
        """Ask for one piece, after a whole file with the wrong digest."""
        self.is_distrusted = True
        self.uses_ranges = False
        # Perhaps the file itself is published packed: then it was right before it was unpacked.
        self._keeps_packing = self._was_packed and not self._keeps_packing

    def length_of(
        self,
        job: Job,
        head: Head,
    ) -> int | None:
        """Return the length of the whole file as a response states it, ``None`` if it does not.

        Raises:
            NoUsableRangeError: It is not the range that was asked for.
            SourceError: It cannot be the file.
        """
        if head.status in policy.WHOLE:
            span = (job.start, job.end or 0)
            if job.is_ranged and policy.is_mere_part(head, span, self._expected):
                raise NoUsableRangeError
            length = None if self._unpacks(head) else head.length_bytes
        elif job.is_ranged:
            length = policy.length_of_range(head, (job.start, job.end or 0), self._expected)
            if length is None:
                raise NoUsableRangeError
        elif policy.is_whole(head) and head.content_range is not None:
            length = None if self._unpacks(head) else head.content_range.total_bytes
        else:
            fault = f"expected the whole file, got HTTP status {head.status}"
            raise SourceError(job.source.shown, fault)

        length_fault = policy.length_fault(length, head, self._expected)
        if length_fault is not None:
            raise SourceError(job.source.shown, length_fault)
        return length

    def shape(
        self,
        job: Job,
        head: Head,
        length: int | None,
    ) -> None:
        """Make a job what its response is: the whole file from its start, or a part of it."""
        if job.is_ranged and head.status == policy.PARTIAL:
            self.has_seen_ranges = True
            return
        self.uses_ranges = False
        job.is_ranged = False
        job.start = 0
        job.position = 0
        job.end = length
        job.unpacks = self._unpacks(head)
        self._was_packed = job.unpacks

    def must_start_again(
        self,
        job: Job,
        length: int | None,
        validator: Validator,
        partial: Partial,
    ) -> bool:
        """Tell whether what is there may not lie beside what this response brings.

        Args:
            job: Its response was shaped already.
            length: Of the whole file, as the response states it.
            validator: Of the response.
            partial: What is there.
        """
        known = partial.validator(job.source.url)
        has_bytes = bool(partial.finished.parts)
        lengths = {length, partial.length_bytes} - {None}
        is_changed = len(lengths) > 1 or (known is not None and known.contradicts(validator))
        if is_changed and job.is_ranged:
            self._restarts += 1
            # It changes all the time: only one piece can be of one version.
            self.uses_ranges = self._restarts <= MOST_RESTARTS
        if is_changed:
            return True
        if not has_bytes:
            return False
        return not job.is_ranged or not self._may_join(job.source.url, known, validator)

    def note_origin(self, url: str) -> None:
        """Remember where the bytes of this run come from."""
        self._origin_url = url

    def _may_join(
        self,
        url: str,
        known: Validator | None,
        validator: Validator,
    ) -> bool:
        """Tell whether bytes of this response may lie beside those that are there."""
        if self._expected.sha256 is not None or url == self._origin_url:
            return True
        # Another run, or another address: only proof will do, since no digest would show a mixture.
        is_resumed = self._origin_url is None
        return is_resumed and known is not None and known.proves_equal(validator)

    def _unpacks(self, head: Head) -> bool:
        """Tell whether a body is unpacked before it is written."""
        length = head.length_bytes
        may_be_right = length is None or self._expected.allows_size(length)
        is_kept = self._keeps_packing and may_be_right
        return policy.is_packed(head, self._expected) and not is_kept
