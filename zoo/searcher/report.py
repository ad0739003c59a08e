"""What a search found: its trials, its front, its winner, and whether it beat another search."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import UsageError
from zoo.evaluator.results import ErrorRate
from zoo.plots.scatter import Point, Scatter
from zoo.searcher import journal as lines
from zoo.searcher.significance import compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.models.genotype import Genotype
    from zoo.searcher.setup import Setup
    from zoo.searcher.significance import Verdict


@dataclass(slots=True)
class TrialReport:
    """One trial."""

    number: int
    genotype: Genotype
    parameters: int
    multiply_adds: int
    began_s: float
    epochs: int = 0
    error_percent: float | None = None
    """On the images that trials are compared by, at its last rung."""
    seconds: float = 0.0
    outcome: str = "unfinished"
    """``"whole"``, ``"stopped"``, ``"unfinished"``, or why it failed."""
    ended_s: float | None = None
    unfit: str = ""
    """Why it could not be trained as the winner, though it was the best."""


@dataclass(frozen=True, slots=True)
class SearchReport:
    """Everything that a journal says."""

    folder: str
    setup: Setup
    trials: Sequence[TrialReport]
    winner: TrialReport | None
    judged: lines.Judged | None

    @property
    def spent_s(self) -> float:
        """Time until the last trial ended."""
        ends = map(_end_of, self.trials)
        return max(ends, default=0.0)

    @property
    def whole(self) -> list[TrialReport]:
        """The trials that were trained to their end, best first."""
        found = [trial for trial in self.trials if trial.outcome == "whole"]
        found.sort(key=_rank)
        return found

    @property
    def front(self) -> list[TrialReport]:
        """Of these, the ones that no other beats in both error and parameters."""
        found: list[TrialReport] = []
        by_size = sorted(self.whole, key=_size)
        for trial in by_size:
            error = _error(trial)
            if not found or error < _error(found[-1]):
                found.append(trial)
        return found

    @property
    def progress(self) -> list[TrialReport]:
        """The trials that were the best when they ended, in that order."""
        found: list[TrialReport] = []
        by_time = sorted(self.whole, key=_end_of)
        for trial in by_time:
            error = _error(trial)
            if not found or error < _error(found[-1]):
                found.append(trial)
        return found

    @property
    def test(self) -> ErrorRate | None:
        """The winner's errors on images that nothing before had seen."""
        if self.judged is None:
            return None
        return ErrorRate(self.judged.errors, self.judged.images)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        rate = self.test
        test = None
        if rate is not None:
            test = {
                "errors": rate.errors,
                "images": rate.images,
                "error_percent": rate.percent,
                "interval_95_percent": list(rate.interval),
            }
        return {
            "folder": self.folder,
            "setup": asdict(self.setup),
            "spent_s": self.spent_s,
            "trials": [asdict(trial) for trial in self.trials],
            "front": [trial.number for trial in self.front],
            "progress": [trial.number for trial in self.progress],
            "winner": self.winner.number if self.winner else None,
            "test": test,
        }


def _error(trial: TrialReport) -> float:
    return 100.0 if trial.error_percent is None else trial.error_percent


def _end_of(trial: TrialReport) -> float:
    return trial.ended_s or 0.0


def _size(trial: TrialReport) -> tuple[int, tuple[float, int]]:
    return trial.parameters, _rank(trial)


def _rank(trial: TrialReport) -> tuple[float, int]:
    return _error(trial), trial.number


def read_report(folder: Path) -> SearchReport:
    """Read a search's journal.

    Raises:
        SearchError: There is none, or it is damaged.
    """
    begun, *events = lines.read_events(folder)
    if not isinstance(begun, lines.Begun):  # the reader has refused it already
        raise TypeError
    trials: list[TrialReport] = []
    judged = None
    for event in events:
        if isinstance(event, lines.Asked):
            trials.append(_begun(event))
        elif isinstance(event, lines.Reached):
            trial = trials[event.trial - 1]
            trial.epochs = event.epochs
            trial.error_percent = event.error_percent
            trial.seconds += event.seconds
        elif isinstance(event, lines.Ended):
            _end(trials[event.trial - 1], event, begun.setup.epochs)
        elif isinstance(event, lines.Unfit):
            trials[event.trial - 1].unfit = event.failure
        elif isinstance(event, lines.Judged):
            judged = event
    winner = None
    if judged is not None:
        place = judged.trial - 1
        winner = trials[place]
    return SearchReport(str(folder), begun.setup, trials, winner, judged)


def _begun(event: lines.Asked) -> TrialReport:
    return TrialReport(
        number=event.trial,
        genotype=lines.read_genotype(event.genotype),
        parameters=event.parameters,
        multiply_adds=event.multiply_adds,
        began_s=event.at_s,
    )


def _end(
    trial: TrialReport,
    event: lines.Ended,
    epochs: int,
) -> None:
    trial.ended_s = event.at_s
    is_whole = trial.epochs >= epochs
    trial.outcome = event.failure or ("whole" if is_whole else "stopped")


def against(
    searches: Sequence[SearchReport],
    others: Sequence[SearchReport],
) -> Verdict | None:
    """Compare the test errors of searches with those of others; ``None`` before both are judged.

    Raises:
        UsageError: One is named twice on its side, or they are of different images.
    """
    if not others:
        return None
    _refuse_twice(searches)
    _refuse_twice(others)
    first, *_ = searches
    images = first.setup.digest
    for report in (*searches, *others):
        if report.setup.digest != images:
            fault = f"{first.folder} and {report.folder} searched different images"
            raise UsageError(f"{fault}: their errors cannot be compared")

    errors = _test_errors(searches)
    baseline = _test_errors(others)
    if not errors or not baseline:
        return None
    return compare(errors, baseline)


def _test_errors(searches: Sequence[SearchReport]) -> list[float]:
    """List the errors in percent of the winners that were judged."""
    errors = []
    for report in searches:
        rate = report.test
        if rate is not None:
            errors.append(rate.percent)
    return errors


def _refuse_twice(searches: Sequence[SearchReport]) -> None:
    """Refuse a search that is named twice: it would count as two seeds.

    Raises:
        UsageError: One is.
    """
    seen: set[Path] = set()
    for report in searches:
        place = Path(report.folder).resolve()
        if place in seen:
            raise UsageError(f"{report.folder} is named twice: it is one search of one seed")
        seen.add(place)


def chart_of(report: SearchReport) -> Scatter:
    """Describe the drawing of error against parameters."""
    front = {trial.number for trial in report.front}
    least = 100 / 1000  # an error of nothing has no place on a logarithmic axis
    points = []
    for trial in report.trials:
        if trial.error_percent is None:
            continue
        facts = (
            ("error", f"{trial.error_percent:.2f} %"),
            ("parameters", f"{trial.parameters:,}"),
            ("multiply-adds", f"{trial.multiply_adds:,}"),
            ("epochs", str(trial.epochs)),
            ("outcome", trial.outcome),
        )
        point = Point(
            label=str(trial.number),
            name=f"trial {trial.number}, {trial.genotype.name}",
            x=float(trial.parameters),
            y=max(least, trial.error_percent),
            facts=facts,
            is_front=trial.number in front,
            is_faint=trial.outcome != "whole",
        )
        points.append(point)
    setup = report.setup
    return Scatter(
        title=f"Architecture search: {setup.strategy}, {len(report.trials)} trials",
        subtitle="error on the images that trials are compared by",
        x_title="parameters",
        y_title="error in percent",
        points=tuple(points),
        faint="stopped early",
        room_left=1.6,
    )
