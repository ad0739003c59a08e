"""Run a network over labelled images and count."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from zoo.devices import usable_cpus
from zoo.engines.known import find_engine
from zoo.engines.precision import precision_of_fp32
from zoo.errors import (
    DatasetError,
    ImageError,
    MissingPackageError,
    OptionError,
    UsageError,
)
from zoo.evaluator.results import (
    SCHEMA_VERSION,
    ClassResult,
    Confusion,
    ErrorRate,
    Evaluation,
    Skipped,
)
from zoo.images.files import open_image
from zoo.images.folders import match_classes, read_folder
from zoo.images.stream import grouped, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from zoo.catalog.records import Scalar
    from zoo.classifier import Classifier
    from zoo.images.folders import ImageFolder
    from zoo.images.preprocess import Transform

    Progress = Callable[[str, int, int], None]

_BINS = 15
_MOST_CONFUSIONS = 20


@dataclass(frozen=True, slots=True)
class Pass:
    """One way over a data set."""

    evaluation: Evaluation
    best: Tensor
    """Index of the best label of each image that could be decoded."""


def evaluate(
    classifier: Classifier,
    dataset: Path | str,
    *,
    batch: int = 32,
    workers: int | None = None,
    progress: Progress = lambda _name, _done, _all: None,
) -> Evaluation:
    """Count the errors of a network on labelled images.

    Args:
        classifier: The network, with its preprocessing and labels.
        dataset: A folder with one folder a class, called by WordNet identifier or label.
        batch: How many images go through the network at once.
        workers: Threads that decode images; as many as there are CPUs by default.
        progress: Called with how many images are done and how many there are.

    Raises:
        DatasetError: The folder cannot be used, or none of its images can.
        MissingPackageError: torchmetrics is not installed.
    """
    done = run_pass(classifier, dataset, batch=batch, workers=workers, progress=progress)
    return done.evaluation


def run_pass(
    classifier: Classifier,
    dataset: Path | str,
    *,
    batch: int,
    workers: int | None,
    progress: Progress,
) -> Pass:
    """Go over a data set once; see :func:`evaluate`."""
    if batch < 1 or (workers or 0) < 0:
        fault = f"got a batch of {batch} and {workers} workers"
        raise UsageError(f"a batch has 1 image or more, and workers are never negative: {fault}")
    subject = prepare(classifier, dataset)
    # What counts is imported with it, which takes seconds the first time.
    tally = Tally(subject)
    began_s = time.perf_counter()
    everything = range(len(subject.folder.images))
    for group in run_groups(subject, everything, batch=batch, workers=workers):
        tally.add(group)
        progress(group.last_path, tally.done, len(everything))

    seconds = time.perf_counter() - began_s
    return tally.conclude(seconds)


@dataclass(frozen=True, slots=True)
class Subject:
    """A network and a data set that fit each other."""

    classifier: Classifier
    folder: ImageFolder
    classes: Mapping[str, int]
    """Folder -> output of the network."""
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Group:
    """What the network said of some images."""

    last_path: str
    size: int
    """Images, those that could not be decoded included."""
    logits: Tensor
    """``(N, classes)``, on the CPU."""
    targets: Tensor
    """Right outputs, ``(N,)``."""
    skipped: tuple[Skipped, ...]
    network_s: float


def prepare(classifier: Classifier, dataset: Path | str) -> Subject:
    """Match the folders of a data set with the outputs of a network.

    Raises:
        OptionError: Nothing is known of what the outputs mean.
        DatasetError: The folder cannot be used.
    """
    labels = classifier.labels
    if labels is None:
        fault = "nothing is known of what its outputs mean; name them with --labels"
        raise OptionError(classifier.title, "evaluate", fault)
    folder = read_folder(dataset)
    classes = match_classes(folder.folders, labels, classifier.identifiers)
    return Subject(classifier, folder, classes, labels)


def run_groups(
    subject: Subject,
    indices: Sequence[int],
    *,
    batch: int,
    workers: int | None,
) -> Iterator[Group]:
    """Decode images and run the network over them, a batch at a time.

    Args:
        subject: Network and data set.
        indices: Which images of the folder.
        batch: How many images go through the network at once.
        workers: Threads that decode images; as many as there are CPUs by default.
    """
    classifier = subject.classifier
    open_sample = _Opener(subject.folder, subject.classes, classifier.transform)
    threads = usable_cpus() if workers is None else workers
    samples = stream(indices, open_sample, workers=threads)
    for group in grouped(samples, batch):
        yield _run_group(classifier, group, len(subject.labels))


def _run_group(
    classifier: Classifier,
    group: Sequence[_Sample],
    classes: int,
) -> Group:
    """Run a batch through the network."""
    skipped = [Skipped(sample.path, sample.fault) for sample in group if sample.fault]
    usable = [sample for sample in group if sample.pixels is not None]
    pixels = [sample.pixels for sample in usable if sample.pixels is not None]
    targets = torch.tensor([sample.label for sample in usable], dtype=torch.int64)

    logits = torch.empty(0, classes)
    seconds = 0.0
    if pixels:
        images = classifier.transform.values(torch.stack(pixels))
        began_s = time.perf_counter()
        logits = run_network(classifier.model, images)
        seconds = time.perf_counter() - began_s

    return Group(
        last_path=group[-1].path,
        size=len(group),
        logits=logits,
        targets=targets,
        skipped=tuple(skipped),
        network_s=seconds,
    )


class Tally:
    """Adds up what came of a data set, in the order of its images."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._counts = _Counts(len(subject.labels))
        self._skipped: list[Skipped] = []
        self._network_s = 0.0
        self.done = 0

    def add(self, group: Group) -> None:
        """Count a group."""
        self._skipped += group.skipped
        self._network_s += group.network_s
        self.done += group.size
        if len(group.targets):
            self._counts.add(group.logits, group.targets)

    def conclude(self, seconds: float) -> Pass:
        """Return what it all came to.

        Args:
            seconds: How long all of it took, decoding included.

        Raises:
            DatasetError: No image could be decoded.
        """
        classifier = self._subject.classifier
        folder = self._subject.folder
        labels = self._subject.labels
        counts = self._counts
        if not counts.images:
            fault = f"none of its {len(folder.images)} images can be decoded"
            raise DatasetError(str(folder.root), fault)

        evaluation = Evaluation(
            schema_version=SCHEMA_VERSION,
            model=classifier.title,
            top1=ErrorRate(counts.errors(1), counts.images),
            top5=ErrorRate(counts.errors(5), counts.images),
            calibration_error_percent=counts.calibration_error_percent(),
            images_per_second=counts.images / seconds,
            network_images_per_second=counts.images / self._network_s,
            classes=counts.by_class(labels),
            confusions=counts.confusions(labels),
            skipped=tuple(self._skipped),
            left_out=folder.left_out,
            key=_comparability(classifier, folder),
            published=classifier.published,
        )
        return Pass(evaluation, torch.cat(counts.best))


def run_network(
    model: nn.Module,
    inputs: Tensor,
) -> Tensor:
    """Run the network; the logits come back to the CPU, so its work is done."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        logits: Tensor = model(inputs.to(device)).float().cpu()
    return logits


def _comparability(
    classifier: Classifier,
    folder: ImageFolder,
) -> Mapping[str, Scalar]:
    device = next(classifier.model.parameters()).device
    precision = "fp32"
    if find_engine(classifier.engine).package == "torch":
        precision = precision_of_fp32(device)
    return {
        "dataset": folder.digest,
        "images": len(folder.images),
        "preprocessing": str(classifier.transform.preprocessing),
        "weights_sha256": classifier.weights_sha256,
        "precision": precision,
        "engine": classifier.engine,
        "device": device.type,
        "torch": torch.__version__,
    }


@dataclass(frozen=True, slots=True)
class _Sample:
    """One image of the folder, resized and cropped, or why it is not."""

    path: str
    label: int
    pixels: Tensor | None
    fault: str = ""


class _Opener:
    """Opens the images of a folder; what cannot be decoded becomes a sample with its fault."""

    def __init__(
        self,
        folder: ImageFolder,
        classes: Mapping[str, int],
        prepare: Transform,
    ) -> None:
        self.folder = folder
        self.classes = classes
        self.prepare = prepare

    def __call__(self, index: int) -> _Sample:
        """Open the image with this number."""
        path, folder = self.folder.images[index]
        label = self.classes[folder]
        try:
            opened = open_image(str(self.folder.root / path))
            pixels = self.prepare.pixels(opened.image)
        except ImageError as error:
            return _Sample(path, label, None, error.fault)
        return _Sample(path, label, pixels)


class _Counts:
    """What torchmetrics counts, and the counts that it has no metric for."""

    def __init__(self, classes: int) -> None:
        try:
            from torchmetrics import classification
        except ImportError as error:
            raise MissingPackageError("torchmetrics", "zoo evaluate", "train") from error
        self.images = 0
        self.best: list[Tensor] = []
        self.top = {
            k: classification.MulticlassStatScores(classes, top_k=min(k, classes), average="none")
            for k in (1, 5)
        }
        self.confusion = classification.MulticlassConfusionMatrix(classes)
        self.calibration = classification.MulticlassCalibrationError(classes, n_bins=_BINS)

    def add(
        self,
        logits: Tensor,
        labels: Tensor,
    ) -> None:
        """Count a batch: logits ``(N, classes)``, labels ``(N,)``."""
        self.images += len(labels)
        self.best.append(logits.argmax(dim=1))
        probabilities = logits.softmax(dim=1)
        for metric in (*self.top.values(), self.confusion, self.calibration):
            metric.update(probabilities, labels)

    def _missed(self, k: int) -> Tensor:
        """Count the images of each class whose label is not among the ``k`` best predictions."""
        true_positives, _, _, _, support = self.top[k].compute().unbind(dim=1)
        missed: Tensor = support - true_positives
        return missed

    def errors(self, k: int) -> int:
        """Count them over all classes."""
        return int(self._missed(k).sum())

    def calibration_error_percent(self) -> float:
        """Expected calibration error."""
        return 100 * float(self.calibration.compute())

    def by_class(self, labels: Sequence[str]) -> tuple[ClassResult, ...]:
        """List the classes that have images."""
        support = self.top[1].compute()[:, 4]
        first, five = self._missed(1), self._missed(5)
        present: Iterable[int] = support.nonzero().flatten().tolist()
        return tuple(
            ClassResult(
                labels[index], index, int(support[index]), int(first[index]), int(five[index])
            )
            for index in present
        )

    def confusions(self, labels: Sequence[str]) -> tuple[Confusion, ...]:
        """List the most frequent pairs of a label and what it was taken for."""
        matrix = self.confusion.compute().clone()
        matrix.fill_diagonal_(0)
        pairs = matrix.nonzero().tolist()
        found = [
            Confusion(labels[true], labels[taken], int(matrix[true, taken]))
            for true, taken in pairs
        ]
        return tuple(sorted(found, key=lambda pair: -pair.count)[:_MOST_CONFUSIONS])
