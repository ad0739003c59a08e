"""The process of trials: an order on a line of stdin, an answer on a line of stdout.

Whatever a genotype does to it (no memory, a crash of a library) ends this process and not the
search. ``python -m zoo.searcher.worker`` is started by the workshop.
"""

from __future__ import annotations

from typing import Any

from zoo.bench import worker


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """Carry out ``{"order": ...}``; whatever is raised is the trial's result."""
    from zoo.bench import machine
    from zoo.bench.runner import is_out_of_memory
    from zoo.documents import decode
    from zoo.errors import DatasetError, ImageError, MissingPackageError, WriteError, ZooError
    from zoo.searcher.desk import SURROUNDINGS
    from zoo.searcher.training import Order, carry_out

    order = decode(Order, task["order"])
    try:
        machine.limit_memory()
        return carry_out(order)
    except (DatasetError, ImageError, MissingPackageError, WriteError) as error:
        return worker.failure_of(SURROUNDINGS, str(error))
    except ZooError as error:
        return worker.failure_of("failed", str(error))
    except Exception as error:  # noqa: BLE001 - see above
        story = worker.describe(error)
        kind = "out-of-memory" if is_out_of_memory(error) else "failed"
        return worker.failure_of(kind, story)


if __name__ == "__main__":
    worker.main(answer)
