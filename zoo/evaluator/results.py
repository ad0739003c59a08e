"""The result of an evaluation, its file, and the interval of an error rate; knows no torch."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from zoo import atomic
from zoo.documents import without_odd_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo.catalog.records import Scalar, WeightsError

SCHEMA_VERSION = 1
_NORMAL_95 = 1.959964


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """Images that were named wrong, counted."""

    errors: int
    images: int

    @property
    def percent(self) -> float:
        """Share of wrong ones."""
        return 100 * self.errors / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval in percent, over the choice of images.

        Source:
            Wilson 1927, doi:10.1080/01621459.1927.10502953: it stays within 0..100 and is right for
            few images.
        """
        share, count, z = self.errors / self.images, self.images, _NORMAL_95
        middle = (share + z * z / (2 * count)) / (1 + z * z / count)
        half = (
            z
            / (1 + z * z / count)
            * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
        )
        return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)

    def agrees_with(self, percent: float) -> bool:
        """Tell whether a published figure lies within the interval."""
        low, high = self.interval
        return low <= percent <= high


@dataclass(frozen=True, slots=True)
class ClassResult:
    """One class: how many of its images were missed."""

    label: str
    index: int
    images: int
    top1_errors: int
    top5_errors: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """Images of one class that were taken for another."""

    label: str
    taken_for: str
    count: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """An image that could not be used."""

    image: str
    fault: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that an evaluation found."""

    schema_version: int
    model: str
    """``NAME:TAG``, or ``NAME`` with a checkpoint."""
    top1: ErrorRate
    top5: ErrorRate
    calibration_error_percent: float
    """Mean gap between confidence and accuracy over 15 bins: the expected calibration error."""
    images_per_second: float
    """Decoding included."""
    classes: tuple[ClassResult, ...]
    confusions: tuple[Confusion, ...]
    """Most frequent first."""
    skipped: tuple[Skipped, ...]
    key: Mapping[str, Scalar]
    """What must be equal in two results for a comparison to mean something."""
    published: WeightsError | None = None
    """What the publisher says of these weights, on the whole validation set."""
    left_out: tuple[str, ...] = ()
    """What of the data set was passed over and why, a sentence each."""
    network_images_per_second: float | None = None
    """Of the network alone."""

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, percentages and intervals included."""
        values = asdict(self)
        for name in ("top1", "top5"):
            rate: ErrorRate = getattr(self, name)
            values[name] |= {
                "error_percent": rate.percent,
                "interval_95_percent": list(rate.interval),
            }
        return values

    def write(self, path: Path) -> None:
        """Write the result as JSON; the file is replaced whole.

        Raises:
            WriteError: The file system refuses.
        """
        _write(path, self.as_dict())


@dataclass(frozen=True, slots=True)
class EngineResult:
    """What one engine made of a data set."""

    engine: str
    package: str
    version: str | None
    prepare_s: float
    """What it took to make the network ready."""
    images_per_second: float
    """Decoding included."""
    network_images_per_second: float | None
    top1: ErrorRate
    top5: ErrorRate
    changed: int
    """Images whose best label is another than the first engine's."""


@dataclass(frozen=True, slots=True)
class EngineComparison:
    """The same network on the same images, run by several engines one after the other."""

    schema_version: int
    model: str
    engines: tuple[EngineResult, ...]
    """The first is what the others are held against."""
    evaluation: Evaluation
    """Everything that the first found."""

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        values = asdict(self)
        return {**values, "evaluation": self.evaluation.as_dict()}

    def write(self, path: Path) -> None:
        """Write the comparison as JSON; see :meth:`Evaluation.write`."""
        _write(path, self.as_dict())


def _write(
    path: Path,
    values: Mapping[str, Any],
) -> None:
    text = json.dumps(without_odd_numbers(values), indent=1, ensure_ascii=False)
    atomic.write_text(path, text + "\n")
