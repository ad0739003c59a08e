"""Evaluate on many machines: each place takes a part of the images at a time.

What a place sends back is what the network said; counting stays here, so the errors are those of
one machine. Model and data set must be found on every node under the same name, as on a shared file
system; a node that sees other images is refused.
"""

from __future__ import annotations

import base64
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zoo.classifier import load_classifier
from zoo.engines.known import find_engine
from zoo.engines.precision import precision_of_fp32
from zoo.errors import DatasetError, ExecutorError
from zoo.evaluator.evaluation import Group, Tally, prepare, run_groups
from zoo.evaluator.results import Skipped
from zoo.executors.dispatching import dispatch
from zoo.executors.record import Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.classifier import Classifier
    from zoo.evaluator.evaluation import Progress, Subject
    from zoo.evaluator.results import Evaluation
    from zoo.executors.record import Ended, Executor, Place

WORKSHOP = "zoo.evaluator.shards:open_workshop"
"""What executors open at each place."""
IMAGES = 512
"""In one task: some seconds of work, about two megabytes of answer for 1,000 classes."""
MOST_LOSSES = 5
"""How many places may be lost with the same task before it is the task that kills them."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every place needs to know: plain values, paths as they are on each node."""

    model: str
    dataset: str
    checkpoint: str | None = None
    architecture: str | None = None
    labels: tuple[str, ...] | None = None
    num_classes: int | None = None
    engine: str = "eager"
    batch: int = 32
    workers: int | None = None

    def load(self, device: str) -> Classifier:
        """Load the network with its preprocessing and labels."""
        return load_classifier(
            self.model,
            checkpoint=self.checkpoint,
            architecture=self.architecture,
            labels=self.labels,
            num_classes=self.num_classes,
            device=device,
            purpose="evaluate",
        )


class EvaluationWorkshop:
    """Keeps the network of the last job loaded.

    Args:
        device: As torch names it there.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._job: Job | None = None
        self._subject: Subject | None = None

    def describe(self) -> Mapping[str, Any]:
        """Say what runs the network here."""
        device = torch.device(self._device)
        return {
            "device": device.type,
            "precision": precision_of_fp32(device),
            "torch": torch.__version__,
        }

    def carry_out(self, work: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run the network over some images of a data set."""
        job = _job_of(work["job"])
        subject = self._subject_of(job)
        if subject.folder.digest != work["dataset"]:
            fault = "the data set holds other images on this node"
            raise DatasetError(job.dataset, fault)

        indices = range(work["start"], work["stop"])
        groups = run_groups(
            subject,
            indices,
            batch=job.batch,
            workers=job.workers,
        )
        return _to_plain([*groups])

    def close(self) -> None:
        """Let the network go."""
        self._job = self._subject = None

    def _subject_of(self, job: Job) -> Subject:
        if self._subject is None or job != self._job:
            classifier = job.load(self._device)
            prepared = classifier.on_engine(job.engine, job.batch)
            self._subject = prepare(prepared, job.dataset)
            self._job = job
        return self._subject


open_workshop = EvaluationWorkshop


def evaluate_on(
    executor: Executor,
    job: Job,
    *,
    waiting_limit_s: float = 60.0,
    progress: Progress = lambda _name, _done, _all: None,
) -> Evaluation:
    """Evaluate a network on the places of an executor, and close it.

    Args:
        executor: Opened with :data:`WORKSHOP`.
        job: What to evaluate.
        waiting_limit_s: How long to wait for a first place, or for one after all are gone.
        progress: Called with how many images are done and how many there are.

    Raises:
        ExecutorError: A part could not be done anywhere.
        ZooError: As for :func:`zoo.evaluator.evaluate`.
    """
    try:
        subject = prepare(job.load("cpu"), job.dataset)
        began_s = time.perf_counter()
        desk = ShardDesk(subject, job, progress)
        dispatch(executor, desk, waiting_limit_s=waiting_limit_s)
        return desk.conclude(time.perf_counter() - began_s)
    finally:
        executor.close()


class ShardDesk:
    """Hands out parts of a data set, and takes what came of them."""

    def __init__(
        self,
        subject: Subject,
        job: Job,
        progress: Progress,
    ) -> None:
        self._subject = subject
        self._job = job
        self._progress = progress
        self._images = len(subject.folder.images)
        self._waiting = [
            _task(job, subject.folder.digest, start, min(start + IMAGES, self._images))
            for start in range(0, self._images, IMAGES)
        ]
        self._all = len(self._waiting)
        self._groups: dict[int, Group] = {}
        """First image of a part -> what came of it."""
        self._losses: dict[str, int] = {}
        self._places: dict[str, Mapping[str, Any]] = {}
        """Name of a place that had work -> what its workshop says of it."""

    def give(self, place: Place) -> Task | None:
        """Give the next part."""
        if not self._waiting:
            return None
        self._places[place.name] = place.facts
        return self._waiting.pop(0)

    def take(self, ended: Ended) -> None:
        """Take what came of a part; one whose place was lost is given out again."""
        name = ended.task.name
        if ended.answer is None:
            self._losses[name] = self._losses.get(name, 0) + 1
            if self._losses[name] > MOST_LOSSES:
                fault = f"{self._losses[name]} places were lost with it ({ended.lost})"
                raise ExecutorError(name, fault, "look at the logs of the nodes")
            self._waiting.insert(0, ended.task)
            return
        failure = ended.answer.get("failure")
        if failure is not None:
            fault = f"it failed on {ended.place.name}: {failure['message']}"
            raise ExecutorError(name, fault, "every node needs the model and the data set")

        group = _from_plain(ended.answer, len(self._subject.labels))
        self._groups[ended.task.work["start"]] = group
        done = sum(group.size for group in self._groups.values())
        self._progress(ended.place.name, done, self._images)

    def watch(
        self,
        places: Sequence[Place],
        at_work: Sequence[Task],
    ) -> None:
        """Nothing depends on who is there."""

    def conclude(self, seconds: float) -> Evaluation:
        """Add up the parts in the order of the images.

        Raises:
            ExecutorError: Some are missing, for no place was left.
        """
        missing = self._all - len(self._groups)
        if missing:
            fault = f"no place is left for {missing} of {self._all} parts"
            raise ExecutorError("the data set", fault, "start nodes, then run the command again")

        tally = Tally(self._subject)
        for start in sorted(self._groups):
            tally.add(self._groups[start])
        evaluation = tally.conclude(seconds).evaluation
        key = {
            **evaluation.key,
            "engine": self._job.engine,
            "device": self._joined("device"),
            "torch": self._joined("torch"),
            "places": len(self._places),
        }
        if find_engine(self._job.engine).package == "torch":
            key["precision"] = self._joined("precision")
        return replace(evaluation, key=key)

    def _joined(self, fact: str) -> str:
        """Name what the places had of a fact, each once; nothing here ran the network."""
        found = {str(facts[fact]) for facts in self._places.values()}
        return ", ".join(sorted(found))


def _task(
    job: Job,
    digest: str,
    start: int,
    stop: int,
) -> Task:
    work = {
        "job": asdict(job),
        "dataset": digest,
        "start": start,
        "stop": stop,
    }
    return Task(f"images {start} to {stop - 1}", work)


def _job_of(plain: Mapping[str, Any]) -> Job:
    labels = plain["labels"]
    known = dict(plain)
    known["labels"] = None if labels is None else tuple(labels)
    return Job(**known)


def _to_plain(groups: Sequence[Group]) -> dict[str, Any]:
    """Write what the network said as plain JSON; floats travel as they are in memory."""
    logits = torch.cat([group.logits for group in groups])
    targets = torch.cat([group.targets for group in groups])
    data = logits.numpy().astype("<f4").tobytes()
    skipped = [asdict(one) for group in groups for one in group.skipped]
    return {
        "last_path": groups[-1].last_path,
        "size": sum(group.size for group in groups),
        "logits": base64.b64encode(data).decode("ascii"),
        "targets": targets.tolist(),
        "skipped": skipped,
        "network_s": sum(group.network_s for group in groups),
    }


def _from_plain(answer: Mapping[str, Any], classes: int) -> Group:
    data = base64.b64decode(answer["logits"])
    values = np.frombuffer(data, dtype="<f4").astype(np.float32)
    return Group(
        last_path=answer["last_path"],
        size=answer["size"],
        logits=torch.from_numpy(values).reshape(-1, classes),
        targets=torch.tensor(answer["targets"], dtype=torch.int64),
        skipped=tuple(Skipped(**one) for one in answer["skipped"]),
        network_s=answer["network_s"],
    )
