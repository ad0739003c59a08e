"""The desk of a search: what is trained next, and what becomes of what was trained.

It obeys the strategy, the rungs and the budget, and writes down everything before it acts on it.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from zoo.bench.jobs import to_plain
from zoo.errors import SearchError
from zoo.executors.record import Task
from zoo.searcher import journal as lines
from zoo.searcher.halving import goes_on
from zoo.searcher.space import one_line
from zoo.searcher.training import Order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from zoo.executors.record import Ended, Place
    from zoo.models.genotype import Genotype
    from zoo.searcher.limits import Gauge
    from zoo.searcher.setup import Setup
    from zoo.searcher.strategies.protocol import Strategy

FAILED_PERCENT = 100.0
"""What a strategy is told of a genotype that cannot be trained."""
SURROUNDINGS = "surroundings"
"""The kind of a failure of which no genotype is free: an image, a full disk, a missing package."""
MOST_REPEATS = 1000
"""So many proposals of what is known show that nothing new comes any more."""
MOST_LOSSES = 3
"""A trial whose place was lost so often is the likely cause."""


@dataclass(slots=True)
class Trial:
    """A genotype on its way."""

    number: int
    genotype: Genotype
    reached: dict[int, float] = field(default_factory=dict)
    """Epochs of a rung -> error in percent."""
    losses: int = 0
    """How often its place was lost."""
    is_stopped: bool = False
    """Whether its last rung was its last one."""
    is_ended: bool = False
    failure: str = ""
    unfit: str = ""
    """Why it could not be trained as the winner."""

    @property
    def epochs(self) -> int:
        """How many it has trained."""
        return max(self.reached, default=0)

    @property
    def error_percent(self) -> float:
        """At the last rung that it reached."""
        if self.failure or not self.reached:
            return FAILED_PERCENT
        return self.reached[self.epochs]


@dataclass(frozen=True, slots=True)
class Budget:
    """When a search ends; ``None`` sets no limit."""

    seconds: float | None = None
    trials: int | None = None


class SearchDesk:
    """Hands out trials; the ``Desk`` of :func:`zoo.executors.dispatching.dispatch`.

    Args:
        setup: What decides the search.
        strategy: Proposes.
        gauge: Counts.
        budget: When to end.
        folder: Where trials keep their state.
        write: Appends to the journal.
        report: Told each trial that has reached a rung or ended.
        threads: Of each worker.
        timeout_s: The longest that an order may take.
    """

    def __init__(
        self,
        setup: Setup,
        strategy: Strategy,
        gauge: Gauge,
        budget: Budget,
        folder: Path,
        write: Callable[[lines.Event], None],
        report: Callable[[Trial], None] = lambda _trial: None,
        threads: int = 1,
        timeout_s: float = 3600.0,
    ) -> None:
        self.setup = setup
        self.strategy = strategy
        self.gauge = gauge
        self.budget = budget
        self.folder = folder
        self.trials: list[Trial] = []
        self.is_exhausted = False
        """Whether the strategy had nothing new when it was last asked."""
        self._write = write
        self._report = report
        self._threads = threads
        self._timeout_s = timeout_s
        self._by_name: dict[str, Trial] = {}
        self._waiting: deque[Trial] = deque()
        self._spent_s = 0.0
        self._began_s = time.monotonic()

    @property
    def spent_s(self) -> float:
        """Time spent on the search, over all its runs."""
        return self._spent_s + time.monotonic() - self._began_s

    def replay(self, events: Sequence[lines.Event]) -> None:
        """Take up what a journal says: the strategy is asked and told the same again.

        Raises:
            SearchError: It answers otherwise, as another version of it might.
        """
        for event in events:
            if isinstance(event, lines.Asked):
                self._ask_again(event)
            elif isinstance(event, lines.Reached):
                self._note(event)
            elif isinstance(event, lines.Ended):
                self._spent_s = event.at_s
                self._end(self.trials[event.trial - 1], event.failure)
            elif isinstance(event, lines.Unfit):
                self._spent_s = event.at_s
                self.trials[event.trial - 1].unfit = event.failure
            elif isinstance(event, lines.Judged):
                self._spent_s = event.at_s
        self._began_s = time.monotonic()
        for trial in self.trials:
            if trial.is_ended:
                continue
            # Where the search was killed between the last rung and the line that ends the trial.
            if trial.is_stopped:
                self._close(trial, "")
            else:
                self._waiting.append(trial)

    def _ask_again(self, event: lines.Asked) -> None:
        genotype = self._propose()
        asked = lines.read_genotype(event.genotype)
        if genotype != asked or event.trial != len(self.trials) + 1:
            proposed = genotype.name if genotype else "nothing"
            fault = (
                f"trial {event.trial} was {asked.name}, and the strategy now proposes {proposed}"
            )
            advice = "go on with the version of torch-zoo that began it, or begin anew elsewhere"
            raise SearchError(str(self.folder), fault, advice)
        self._spent_s = event.at_s
        self._begin(asked)

    def _begin(self, genotype: Genotype) -> Trial:
        trial = Trial(len(self.trials) + 1, genotype)
        self.trials.append(trial)
        self._by_name[genotype.name] = trial
        return trial

    def _propose(self) -> Genotype | None:
        """Ask until something new comes; what is known is told and not trained again."""
        for _ in range(MOST_REPEATS):
            genotype = self.strategy.ask()
            if genotype is None:
                return None
            known = self._by_name.get(genotype.name)
            if known is None:
                return genotype
            if known.is_ended:
                self.strategy.tell(genotype, known.error_percent)
        return None

    def watch(
        self,
        places: Sequence[Place],
        at_work: Sequence[Task],
    ) -> None:
        """See :class:`~zoo.executors.dispatching.Desk`: places may come and go."""

    def give(self, place: Place) -> Task | None:  # noqa: ARG002 - every place takes every trial
        """See :class:`~zoo.executors.dispatching.Desk`: a trial that waits, or a new one."""
        self.is_exhausted = False
        if self._is_out_of_time():
            return None
        if self._waiting:
            return self._task(self._waiting.popleft())

        limit = self.budget.trials
        if limit is not None and len(self.trials) >= limit:
            return None
        genotype = self._propose()
        if genotype is None:
            self.is_exhausted = True
            return None

        cost = self.gauge.cost(genotype)
        trial = self._begin(genotype)
        asked = lines.Asked(
            trial=trial.number,
            genotype=one_line(genotype),
            parameters=cost.parameters,
            multiply_adds=cost.multiply_adds,
            at_s=self.spent_s,
        )
        self._write(asked)
        return self._task(trial)

    def _is_out_of_time(self) -> bool:
        limit_s = self.budget.seconds
        return limit_s is not None and self.spent_s >= limit_s

    def _task(self, trial: Trial) -> Task:
        rung = next(rung for rung in self.setup.rungs if rung > trial.epochs)
        order = Order(
            setup=self.setup,
            genotype=one_line(trial.genotype),
            folder=str(self.folder / "trials" / f"{trial.number:05d}"),
            epochs=rung,
        )
        work = order_as_work(order, self._threads, self._timeout_s)
        return Task(str(trial.number), work)

    def take(self, ended: Ended) -> None:
        """See :class:`~zoo.executors.dispatching.Desk`."""
        trial = self.trials[int(ended.task.name) - 1]
        if ended.answer is None:
            self._lose(trial, ended.lost)
        elif "failure" in ended.answer:
            failure = ended.answer["failure"]
            self._refuse_surroundings(trial, failure)
            story = f"{failure['kind']}: {failure['message']}"
            self._close(trial, story)
        else:
            self._advance(trial, ended.answer)
        self._report(trial)

    def _refuse_surroundings(
        self,
        trial: Trial,
        failure: Mapping[str, str],
    ) -> None:
        """End the search where every other trial would fail alike.

        Raises:
            SearchError: This one failed for its surroundings; it is trained again on resuming.
        """
        if failure["kind"] == SURROUNDINGS:
            fault = f"trial {trial.number} could not be trained ({failure['message']})"
            advice = "mend that and give --resume, or begin anew where the images are others"
            raise SearchError(str(self.folder), fault, advice)

    def _lose(
        self,
        trial: Trial,
        why: str,
    ) -> None:
        """Try again elsewhere, but not for ever."""
        trial.losses += 1
        if trial.losses < MOST_LOSSES:
            self._waiting.appendleft(trial)
            return
        self._close(trial, f"lost: {why}")

    def _advance(
        self,
        trial: Trial,
        answer: Mapping[str, Any],
    ) -> None:
        """Note the rung that a trial has reached; let it go on, or end it."""
        newest = answer["epochs"][-1]
        loss = newest["validation_loss"]
        if loss is None or not math.isfinite(loss):
            self._close(trial, "failed: the loss on images to compare by is not finite")
            return

        before = trial.epochs
        fresh = answer["epochs"][before:]
        reached = lines.Reached(
            trial=trial.number,
            epochs=newest["number"],
            error_percent=newest["validation_error_percent"],
            loss=loss,
            seconds=sum(epoch["seconds"] for epoch in fresh),
        )
        self._write(reached)
        self._note(reached)
        if trial.is_stopped:
            self._close(trial, "")
        else:
            self._waiting.append(trial)

    def _note(self, reached: lines.Reached) -> None:
        """Compare a trial with those that were at its rung before; stop it, or let it go on."""
        trial = self.trials[reached.trial - 1]
        rung = reached.epochs
        others = [other.reached[rung] for other in self.trials if rung in other.reached]
        trial.reached[rung] = reached.error_percent

        is_whole = rung >= self.setup.epochs
        is_good = goes_on(reached.error_percent, others, self.setup.eta)
        trial.is_stopped = is_whole or not is_good

    def _close(
        self,
        trial: Trial,
        failure: str,
    ) -> None:
        error_percent = FAILED_PERCENT if failure else trial.error_percent
        ended = lines.Ended(
            trial=trial.number,
            error_percent=error_percent,
            failure=failure,
            at_s=self.spent_s,
        )
        self._write(ended)
        self._end(trial, failure)

    def reject(
        self,
        trial: Trial,
        failure: str,
    ) -> None:
        """Note that a trial could not be trained as the winner."""
        self._write(lines.Unfit(trial.number, failure, self.spent_s))
        trial.unfit = failure

    def _end(
        self,
        trial: Trial,
        failure: str,
    ) -> None:
        trial.failure = failure
        trial.is_ended = True
        self.strategy.tell(trial.genotype, trial.error_percent)


def order_as_work(
    order: Order,
    threads: int,
    timeout_s: float,
) -> dict[str, Any]:
    """Write an order as plain JSON, with how it is to be carried out."""
    return {
        "order": to_plain(asdict(order)),
        "threads": threads,
        "timeout_s": timeout_s,
    }
