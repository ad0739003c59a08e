"""Search: from a folder of images to a trained network whose cells were found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from zoo import atomic
from zoo.errors import SearchError, UsageError
from zoo.executors.dispatching import dispatch
from zoo.executors.local import LocalExecutor
from zoo.executors.record import Task as Job
from zoo.images.preprocess import plain_transform
from zoo.searcher import journal as lines
from zoo.searcher.dataset import read_parts
from zoo.searcher.desk import Budget, SearchDesk, order_as_work
from zoo.searcher.journal import Journal, has_trials, read_events
from zoo.searcher.limits import Gauge
from zoo.searcher.space import one_line
from zoo.searcher.strategies.known import STRATEGIES
from zoo.searcher.strategies.protocol import Task
from zoo.searcher.strategies.warm_start import WarmStart
from zoo.searcher.training import Order, require_readable
from zoo.searcher.workshop import WORKSHOP
from zoo.searcher.zero_cost import all_scores
from zoo.trainer import checkpoints, data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zoo.executors.record import Ended, Executor, Place
    from zoo.models.genotype import Genotype
    from zoo.searcher.desk import Trial
    from zoo.searcher.setup import Setup
    from zoo.searcher.strategies.protocol import Strategy

FOUND = "found.safetensors"
"""The trained winner, in the folder of its search."""
SCORED_IMAGES = 32
UNBEARABLE = ("out-of-memory", "crashed", "timed-out", "failed")
"""Failures of which another network may be free."""


@dataclass(frozen=True, slots=True)
class Means:
    """With what a search works; nothing here changes what one worker computes."""

    workers: int = 1
    threads: int = 1
    timeout_s: float = 3600.0
    workshop: str = WORKSHOP
    """What trains at each place; it carries out orders."""
    executor: Executor | None = None
    """Places elsewhere, which share this file system; by default processes here."""


def run_search(
    setup: Setup,
    folder: Path,
    budget: Budget,
    means: Means | None = None,
    *,
    resume: bool = False,
    report: Callable[[Trial], None] = lambda _trial: None,
) -> bool:
    """Search until the budget is spent, train the winner, judge it once.

    Args:
        setup: What decides the search.
        folder: Keeps the journal, the trials' states and what was found.
        budget: When to stop proposing.
        means: With what.
        resume: Go on with the search that the folder holds; it must have the same setup. One that
            has been judged is left as it is.
        report: Told each trial that has reached a rung or ended.

    Returns:
        Whether the strategy had nothing new to propose before the budget was spent.

    Raises:
        SearchError: The folder holds another search, or no trial could be trained.
        UsageError: It holds one, and ``resume`` is false; or the strategy does not fit the space.
        DatasetError: The images cannot be used.
    """
    means = means or Means()
    folder = folder.resolve()  # other nodes have other working folders
    require_readable(setup, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with checkpoints.owning(folder):
        events = _begin(setup, folder, resume=resume)
        if isinstance(events[-1], lines.Judged):
            return False
        with Journal(folder) as journal:
            desk = _open_desk(setup, folder, budget, means, events, journal, report)
            executor = _open_executor(means)
            try:
                dispatch(executor, desk)
                is_exhausted = desk.is_exhausted
                _finish(desk, means, executor, journal)
            finally:
                executor.close()
            return is_exhausted


def _begin(
    setup: Setup,
    folder: Path,
    *,
    resume: bool,
) -> Sequence[lines.Event]:
    """Read what the folder holds, or write the first line of a new search."""
    is_begun = has_trials(folder)
    if is_begun and not resume:
        advice = "go on with --resume, or name another --output"
        raise UsageError(f"{folder} holds a search: {advice}")

    if not is_begun:
        _refuse_leftovers(folder)
        (folder / lines.NAME).unlink(missing_ok=True)
        with Journal(folder) as journal:
            journal.append(lines.Begun(lines.SCHEMA_VERSION, setup))
    events = read_events(folder)
    begun = events[0]
    if isinstance(begun, lines.Begun) and begun.setup != setup:
        differing = _differences(begun.setup, setup)
        advice = "go on with the same options, or name another --output"
        raise SearchError(str(folder), f"it holds another search ({differing})", advice)
    return events


def _refuse_leftovers(folder: Path) -> None:
    """Refuse trials whose journal is gone: a new search would go on from the states of others.

    Raises:
        UsageError: There are some.
    """
    leftovers: list[Path] = []
    for pattern in ("trials", "winner-*"):
        leftovers += folder.glob(pattern)
    if not leftovers:
        return

    names = ", ".join(path.name for path in leftovers)
    fault = f"{folder} holds {names} of a search whose journal is gone"
    advice = f"put {lines.NAME} back, delete them, or name another --output"
    raise UsageError(f"{fault}: {advice}")


def _differences(
    there: Setup,
    here: Setup,
) -> str:
    """Say what two setups do not share."""
    before = _flat(asdict(there))
    now = _flat(asdict(here))
    stories = []
    for key, value in now.items():
        if before[key] != value:
            story = f"{key} was {before[key]!r:.60}, is {value!r:.60}"
            stories.append(story)
    return ", ".join(stories)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write what is in groups beside the rest: which of a stack differs is what a reader asks."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = value if isinstance(value, dict) else {key: value}
        flat |= inner
    return flat


def _open_desk(
    setup: Setup,
    folder: Path,
    budget: Budget,
    means: Means,
    events: Sequence[lines.Event],
    journal: Journal,
    report: Callable[[Trial], None],
) -> SearchDesk:
    """Make strategy, gauge and desk, and bring them to where the journal ends."""
    measured = [event for event in events if isinstance(event, lines.Measured)]
    gauge = Gauge(
        setup.stack,
        setup.limits,
        {event.name: event.latency_ms for event in measured},
        lambda genotype, latency_ms: journal.append(lines.Measured(genotype.name, latency_ms)),
    )
    desk = SearchDesk(
        setup,
        _make_strategy(setup, gauge),
        gauge,
        budget,
        folder,
        journal.append,
        report,
        means.threads,
        means.timeout_s,
    )
    desk.replay(events)
    return desk


def _make_strategy(
    setup: Setup,
    gauge: Gauge,
) -> Strategy:
    """Make the strategy that a setup names, with a warm start where it asks for one."""
    task = Task(setup.space, setup.seed, gauge.accepts)
    strategy = STRATEGIES[setup.strategy](task)
    if not setup.is_warm_started:
        return strategy

    images = _scored_images(setup)

    def scores(genotype: Genotype) -> tuple[float, ...]:
        torch.manual_seed(setup.seed)
        model = setup.stack.build(genotype)
        return all_scores(model, images)

    return WarmStart(task, strategy, scores)


def _scored_images(setup: Setup) -> torch.Tensor:
    """Prepare a few images to learn from, for zero-cost scores."""
    parts = read_parts(setup.dataset, setup.seed)
    prepare = plain_transform(setup.stack.input_size)
    learnt = parts.split.train
    step = max(1, len(learnt) // SCORED_IMAGES)
    chosen = learnt[::step][:SCORED_IMAGES]
    images = data.Images(chosen, prepare, None, setup.seed)
    loader = data.make_loader(images, SCORED_IMAGES, 0)
    inputs, _labels = next(data.batches(loader))
    return inputs


def _open_executor(means: Means) -> Executor:
    """Open the places that train."""
    if means.executor is not None:
        return means.executor
    places = [f"cpu:{number}" for number in range(means.workers)]
    return LocalExecutor(means.workshop, places)


def choose_winner(
    trials: Sequence[Trial],
) -> Trial | None:
    """Choose the trial with the least error among those that were trained longest.

    One that could not be trained as the winner before is chosen when no other is left.
    """
    trained = [trial for trial in trials if trial.reached and not trial.failure]
    sound = [trial for trial in trained if not trial.unfit] or trained
    if not sound:
        return None
    longest = max(trial.epochs for trial in sound)
    whole = [trial for trial in sound if trial.epochs == longest]
    return min(whole, key=lambda trial: (trial.error_percent, trial.number))


def _finish(
    desk: SearchDesk,
    means: Means,
    executor: Executor,
    journal: Journal,
) -> None:
    """Train the winner, keep it, and judge it by images that nothing has seen before.

    Where the best trial cannot be trained to its end (memory, time, a loss that diverges), the next
    best wins.

    Raises:
        SearchError: There is none, or none can be trained.
    """
    tried: set[int] = set()
    while True:
        winner = choose_winner(desk.trials)
        if winner is None or winner.number in tried:
            raise _no_winner(desk, winner)
        tried.add(winner.number)
        order = _final_order(desk, winner)
        work = order_as_work(order, means.threads, means.timeout_s)
        answer = _carry_out(work, executor, desk.folder)
        failure = answer.get("failure")
        if failure is None:
            break
        desk.reject(winner, _story_of(failure))

    best = answer["best"]
    trained = checkpoints.best_path(Path(order.folder))
    atomic.write_bytes(desk.folder / FOUND, trained.read_bytes())
    atomic.write_text(desk.folder / "genotype.json", winner.genotype.to_json() + "\n")
    judged = lines.Judged(
        trial=winner.number,
        epoch=best["number"],
        validation_error_percent=best["validation_error_percent"],
        errors=answer["errors"],
        images=answer["images"],
        seconds=sum(epoch["seconds"] for epoch in answer["epochs"]),
        at_s=desk.spent_s,
    )
    journal.append(judged)


def _no_winner(
    desk: SearchDesk,
    unfit: Trial | None,
) -> SearchError:
    """Say why a search ends without one."""
    if unfit is not None:
        fault = f"no trial could be trained as the winner ({unfit.unfit})"
        advice = "give it more memory or a larger --timeout, with --resume"
        return SearchError(str(desk.folder), fault, advice)

    refused = desk.gauge.describe_refused()
    if refused:
        advice = "loosen the limits"
        return SearchError(str(desk.folder), refused, advice)

    fault = "no trial was finished"
    for trial in desk.trials:
        if trial.failure:
            fault = f"no trial could be trained ({trial.failure})"
            break
    advice = "go on with --resume and a larger --budget, or loosen the limits"
    return SearchError(str(desk.folder), fault, advice)


def _final_order(
    desk: SearchDesk,
    winner: Trial,
) -> Order:
    """Order the whole training of a winner, in a folder of its own."""
    return Order(
        setup=desk.setup,
        genotype=one_line(winner.genotype),
        folder=str(desk.folder / f"winner-{winner.number:05d}"),
        epochs=desk.setup.final_epochs,
        is_final=True,
    )


class _OneTask:
    """A desk with one task, for whichever place is free first."""

    def __init__(self, work: Mapping[str, Any]) -> None:
        self.waiting: list[Job] = [Job("winner", work)]
        self.ended: Ended | None = None

    def watch(
        self,
        places: Sequence[Place],
        at_work: Sequence[Job],
    ) -> None:
        """See :class:`~zoo.executors.dispatching.Desk`."""

    def give(self, place: Place) -> Job | None:  # noqa: ARG002 - any place will do
        """See :class:`~zoo.executors.dispatching.Desk`."""
        return self.waiting.pop() if self.waiting else None

    def take(self, ended: Ended) -> None:
        """See :class:`~zoo.executors.dispatching.Desk`."""
        self.ended = ended


def _carry_out(
    work: Mapping[str, Any],
    executor: Executor,
    folder: Path,
) -> Mapping[str, Any]:
    """Have an order carried out at a place.

    Returns:
        Its answer, or the failure of a network that its place could not bear.

    Raises:
        SearchError: It fails otherwise, or the place is lost.
    """
    desk = _OneTask(work)
    dispatch(executor, desk)
    answer = desk.ended.answer if desk.ended else None
    failure = answer.get("failure") if answer is not None else None
    if answer is not None and (failure is None or failure["kind"] in UNBEARABLE):
        return answer

    story = desk.ended.lost if desk.ended else "there is no place for it"
    if failure is not None:
        story = _story_of(failure)
    fault = f"the winner could not be trained ({story})"
    raise SearchError(str(folder), fault, "try again with --resume")


def _story_of(failure: Mapping[str, str]) -> str:
    return f"{failure['kind']}: {failure['message']}"
