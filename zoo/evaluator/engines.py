"""One network, one data set, several engines: how fast each is, and whether the errors change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zoo.engines.known import find_engine
from zoo.evaluator.evaluation import evaluate, run_network, run_pass
from zoo.evaluator.results import SCHEMA_VERSION, EngineComparison, EngineResult, Evaluation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.classifier import Classifier
    from zoo.evaluator.evaluation import Pass, Progress

REFERENCE = "eager"


def evaluate_with(
    classifier: Classifier,
    dataset: Path | str,
    engines: Sequence[str],
    *,
    batch: int = 32,
    workers: int | None = None,
    progress: Progress = lambda _name, _done, _all: None,
) -> EngineComparison | Evaluation:
    """Evaluate with the one engine that is named, or compare several; see the functions of both."""
    if len(engines) > 1:
        return compare_engines(
            classifier,
            dataset,
            engines,
            batch=batch,
            workers=workers,
            progress=progress,
        )

    prepared = classifier.on_engine(engines[0], batch)
    return evaluate(
        prepared,
        dataset,
        batch=batch,
        workers=workers,
        progress=progress,
    )


def compare_engines(
    classifier: Classifier,
    dataset: Path | str,
    engines: Sequence[str],
    *,
    batch: int = 32,
    workers: int | None = None,
    progress: Progress = lambda _name, _done, _all: None,
) -> EngineComparison:
    """Evaluate a network with several engines, each in a pass of its own with decoding.

    Args:
        classifier: The network, run by nothing but PyTorch yet.
        dataset: See :func:`zoo.evaluator.evaluate`.
        engines: Names of ``zoo bench engines``; eager is put first, named or not.
        batch: How many images go through the network at once.
        workers: Threads that decode images.
        progress: Called after each batch of each pass.

    Raises:
        ZooError: An engine cannot be used here, or the data set cannot.
    """
    names = list(dict.fromkeys([REFERENCE, *engines]))
    passes: list[Pass] = []
    rows: list[EngineResult] = []
    for name in names:
        began_s = time.perf_counter()
        prepared = classifier.on_engine(name, batch)
        if len(names) > 1:
            _warm_up(prepared, batch)
        prepare_s = time.perf_counter() - began_s
        done = run_pass(prepared, dataset, batch=batch, workers=workers, progress=progress)
        passes.append(done)
        rows.append(_to_row(name, prepare_s, done, passes[0]))
    evaluation = passes[0].evaluation
    return EngineComparison(SCHEMA_VERSION, classifier.title, tuple(rows), evaluation)


def _warm_up(
    classifier: Classifier,
    batch: int,
) -> None:
    """Let a network make its first call, in which others than eager have been prepared already."""
    example = classifier.transform.example(batch)
    run_network(classifier.model, example)


def _to_row(
    name: str,
    prepare_s: float,
    done: Pass,
    first: Pass,
) -> EngineResult:
    """Hold a pass against the first."""
    engine = find_engine(name)
    evaluation = done.evaluation
    return EngineResult(
        engine=name,
        package=engine.package,
        version=engine.version,
        prepare_s=prepare_s,
        images_per_second=evaluation.images_per_second,
        network_images_per_second=evaluation.network_images_per_second,
        top1=evaluation.top1,
        top5=evaluation.top5,
        changed=int((done.best != first.best).sum()),
    )
