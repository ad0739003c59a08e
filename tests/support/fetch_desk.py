"""Where the tests of fetching fetch from and to.

Known data, its record, an empty cache, a fetch that does not wait.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from zoo.catalog.records import WeightsFile
from zoo.download import events, fetcher
from zoo.download.options import FetchOptions, Timeouts

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.download.fetcher import FetchedFile

KIB = 1 << 10
PART_BYTES = 64 * KIB
DATA = random.Random(4).randbytes(10 * PART_BYTES + 12345)  # noqa: S311  (test data, the same in every run)
OTHER_DATA = random.Random(5).randbytes(len(DATA))  # noqa: S311  (as above)
SHA256 = hashlib.sha256(DATA).hexdigest()
NAME = f"net-{SHA256[:8]}.pth"


def record_of(
    url: str | None,
    data: bytes = DATA,
    name: str = NAME,
) -> WeightsFile:
    """Return the record of a file whose publisher states its length and 8 digits of its digest."""
    return WeightsFile(name, url, len(data), sha256_prefix=hashlib.sha256(data).hexdigest()[:8])


@dataclass
class Desk:
    """Where a test fetches from and to, and what it saw."""

    folder: Path
    options: FetchOptions
    pauses_s: list[float] = field(default_factory=list)
    """How long the fetcher wanted to wait between tries."""
    events: list[events.Event] = field(default_factory=list)

    @property
    def target(self) -> Path:
        """The final name of the usual file."""
        return self.folder / NAME

    @property
    def warnings(self) -> list[str]:
        """The texts of all warnings."""
        return [event.message for event in self.events if isinstance(event, events.Warned)]

    def fetch(self, *urls: str, data: bytes = DATA, **changes: object) -> FetchedFile:
        """Fetch the usual file; of several addresses all but the last are mirrors."""
        changed = replace(self.options, mirrors=tuple(urls[:-1]), **changes)  # type: ignore[arg-type]  # fields of FetchOptions by name
        return fetcher.fetch(
            record_of(urls[-1] if urls else None, data),
            options=changed,
            listener=self.events.append,
        )

    def holds_only(self, *names: str) -> bool:
        """Tell whether the cache holds these files and no others.

        Locks and the quarantine do not count.
        """
        apart = {".zoo-locks", "quarantine"}
        return {path.name for path in self.folder.iterdir()} - apart == set(names)

    def partials(self) -> list[Path]:
        """List unfinished downloads."""
        return sorted(self.folder.glob("*.zoo-partial"))

    def limit(self, **limits: float) -> None:
        """Change timeouts."""
        self.options = replace(self.options, timeouts=replace(self.options.timeouts, **limits))  # type: ignore[arg-type]  # all are numbers


def make_desk(folder: Path) -> Desk:
    """Make a desk with an empty cache."""
    folder.mkdir()
    desk = Desk(folder, FetchOptions())
    desk.options = FetchOptions(
        folder=folder,
        allow_private_addresses=True,
        connections=4,
        part_bytes=PART_BYTES,
        retries=3,
        sleep=desk.pauses_s.append,
        timeouts=Timeouts(),
    )
    return desk
