"""A search whose trials are looked up in the table of trained cells instead of being trained."""

from __future__ import annotations

from collections import deque
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.executors.dispatching import dispatch
from zoo.executors.record import Ended, Place, Task
from zoo.models.genotype import Genotype
from zoo.searcher import journal as lines
from zoo.searcher.desk import Budget, SearchDesk
from zoo.searcher.journal import Journal, read_events
from zoo.searcher.limits import Cost, Gauge, Limits
from zoo.searcher.setup import Setup
from zoo.searcher.space import Space
from zoo.searcher.stack import Stack
from zoo.searcher.strategies import protocol
from zoo.searcher.strategies.known import STRATEGIES
from zoo.searcher.table import Table, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TABLE = Path(__file__).parents[1] / "searcher" / "digits_cells.json"


def make_setup(strategy: str = "evolution", **changes: Any) -> Setup:
    """Make the setup of a search over the table's space."""
    table = _table()
    values: dict[str, Any] = {
        "dataset": "digits",
        "digest": "0123456789abcdef",
        "strategy": strategy,
        "space": Space(table.blocks, table.operations),
        "stack": Stack(channels=1, pixels=8, num_classes=10, filters=4),
        "limits": Limits(),
        **changes,
    }
    return Setup(**values)


@cache
def _table() -> Table:
    return read_table(TABLE)


@cache
def _costs() -> dict[str, Cost]:
    """Give what the table says each genotype costs; its networks are those of the setup."""
    rows = _table().rows
    return {name: Cost(row.parameters, row.multiply_adds) for name, row in rows.items()}


class TableExecutor:
    """Places that answer at once from the table; a shorter training has a larger error.

    Args:
        places: How many there are.
        fate: Called with an order before it is carried out; what it returns is the answer instead,
            and a text stands for a place that is lost.
    """

    def __init__(
        self,
        places: int = 1,
        fate: Callable[[Mapping[str, Any]], Mapping[str, Any] | str | None] = lambda _order: None,
    ) -> None:
        self.table = _table()
        self.carried_out: list[Mapping[str, Any]] = []
        self._places = [Place(f"place {number}", "here") for number in range(places)]
        self._fate = fate
        self._ended: deque[Ended] = deque()

    def places(self) -> Sequence[Place]:
        """See the protocol."""
        return self._places

    def is_waiting(self) -> bool:
        """See the protocol."""
        return False

    def start(self, place: Place, task: Task) -> None:
        """See the protocol."""
        order = task.work["order"]
        self.carried_out.append(order)
        fate = self._fate(order)
        if isinstance(fate, str):
            ended = Ended(place, task, lost=fate)
        else:
            ended = Ended(place, task, fate or self._answer(order))
        self._ended.append(ended)

    def _answer(self, order: Mapping[str, Any]) -> dict[str, Any]:
        genotype = Genotype.from_json(order["genotype"])
        whole = self.table.error_percent(genotype)
        epochs = []
        for number in range(1, order["epochs"] + 1):
            missing = order["setup"]["epochs"] - number
            error = min(100.0, whole * (1 + missing))
            epochs.append(
                {
                    "number": number,
                    "validation_error_percent": error,
                    "validation_loss": error / 50,
                    "seconds": 1.0,
                }
            )
        return {"epochs": epochs}

    def wait(self, timeout_s: float) -> list[Ended]:  # noqa: ARG002 - nothing takes time here
        """See the protocol: the last that began ends first."""
        if self._ended:
            return [self._ended.pop()]
        return []

    def close(self) -> None:
        """See the protocol."""


def run_table_search(
    setup: Setup,
    folder: Path,
    trials: int,
    executor: TableExecutor | None = None,
) -> SearchDesk:
    """Search in the table; go on where the folder holds a journal."""
    folder.mkdir(parents=True, exist_ok=True)
    journal_file = folder / lines.NAME
    has_begun = journal_file.exists() and b"\n" in journal_file.read_bytes()
    with Journal(folder) as journal:
        if not has_begun:
            begun = lines.Begun(lines.SCHEMA_VERSION, setup)
            journal.append(begun)

        gauge = Gauge(setup.stack, setup.limits, costs=_costs())
        task = protocol.Task(setup.space, setup.seed, gauge.accepts)
        make_strategy = STRATEGIES[setup.strategy]
        desk = SearchDesk(
            setup,
            make_strategy(task),
            gauge,
            Budget(trials=trials),
            folder,
            journal.append,
        )
        desk.replay(read_events(folder))
        dispatch(executor or TableExecutor(), desk)
    return desk
