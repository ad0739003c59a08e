"""What a network is worth on labelled images, beside what its publisher says.

::

    api.py         ``zoo.evaluate``
    evaluation.py  run a network over labelled images, and count
    engines.py     the same images on several engines
    shards.py      the same on many machines, a part of the images each
    results.py     the result, its file, and the interval of an error rate

Its results can be read without torch: what needs it is imported when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo.evaluator.results import EngineComparison, Evaluation

if TYPE_CHECKING:
    from zoo.evaluator.engines import compare_engines, evaluate_with
    from zoo.evaluator.evaluation import evaluate

__all__ = ["EngineComparison", "Evaluation", "compare_engines", "evaluate", "evaluate_with"]
_HOMES = {
    "compare_engines": "zoo.evaluator.engines",
    "evaluate": "zoo.evaluator.evaluation",
    "evaluate_with": "zoo.evaluator.engines",
}


def __getattr__(name: str) -> Any:
    """Look a function up in its home."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    home = import_module(_HOMES[name])
    return getattr(home, name)
