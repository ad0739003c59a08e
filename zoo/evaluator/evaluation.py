"""Run a network over labelled pictures and count."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader, Dataset

from zoo.catalog.registry import load_registry
from zoo.catalog.resolver import find_architecture, find_weights
from zoo.errors import DatasetError, MissingPackageError, OptionError, PictureError
from zoo.evaluator.results import SCHEMA_VERSION, ClassResult, Confusion, ErrorRate, Evaluation, Skipped
from zoo.loader import load_checkpoint, load_model
from zoo.picture_folders import match_classes, read_folder
from zoo.pictures import open_picture
from zoo.preprocess import Transform, transform
from zoo.weights.digests import sha256_file
from zoo.weights.own_record import read_own_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from zoo.catalog.records import Scalar, WeightsError
    from zoo.picture_folders import PictureFolder

    Progress = Callable[[str, int, int], None]
    Sample = tuple[int, Tensor | None, str]

_BINS = 15
_MOST_CONFUSIONS = 20


@dataclass(frozen=True, slots=True)
class Subject:
    """A network with all that an evaluation needs to know of it."""

    title: str
    model: nn.Module
    transform: Transform
    labels: tuple[str, ...]
    identifiers: tuple[str, ...]
    weights_sha256: str
    published: WeightsError | None = None


def find_subject(
    name: str,
    *,
    checkpoint: Path | None = None,
    labels: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
) -> Subject:
    """Load what is to be evaluated.

    Args:
        name: ``"resnet18"``, or ``"resnet50:imagenet1k_v1"``.
        checkpoint: A file of your own instead of published weights.
        labels: Names of the outputs of a checkpoint, if they are not the architecture's usual ones.
        device: Where the network runs.

    Raises:
        UnknownNameError: No such model or weights.
        OptionError: It is no classifier, or nobody knows what its outputs mean.
        CheckpointError: The file does not fit.
    """
    plain, _, tag = name.partition(":")
    architecture, registry = find_architecture(plain), load_registry()
    if architecture.task != "classification":
        raise OptionError(plain, "evaluate", f"its task is {architecture.task}, expected classification")
    if checkpoint is None:
        record = find_weights(architecture, tag or "default")
        if record.categories is None:
            raise OptionError(name, "evaluate", "nothing is recorded about what its outputs mean")
        model, published, title = load_model(name, device=device), record.published, f"{plain}:{record.tag}"
        key, prepare = record.categories, transform(name)
        digest = record.files[0].sha256 or record.files[0].sha256_prefix or ""
    else:
        own = read_own_record(checkpoint)
        labels = labels or (own.labels if own else None)
        count = len(labels) if labels else None
        model, published, title = load_checkpoint(plain, checkpoint, num_classes=count, device=device), None, plain
        key, prepare = "imagenet1k", transform(plain)
        digest = sha256_file(checkpoint)
    outputs = tuple(labels) if labels else registry.categories[key]
    identifiers = () if labels else registry.category_ids.get(key, ())
    return Subject(title, model.eval(), prepare, outputs, identifiers, digest, published)


def evaluate(
    subject: Subject,
    dataset: Path | str,
    *,
    batch: int = 32,
    workers: int = 0,
    progress: Progress = lambda _name, _done, _all: None,
) -> Evaluation:
    """Count the errors of a network on labelled pictures.

    Args:
        subject: The network.
        dataset: A folder with one folder a class, called by WordNet identifier or label.
        batch: How many pictures go through the network at once.
        workers: Processes that decode pictures besides this one.
        progress: Called with how many pictures are done and how many there are.

    Raises:
        DatasetError: The folder cannot be used, or none of its pictures can.
        MissingPackageError: torchmetrics is not installed.
    """
    folder = read_folder(dataset)
    classes = match_classes(folder.folders, subject.labels, subject.identifiers)
    counts = _Counts(len(subject.labels))
    skipped: list[Skipped] = []
    began, done = time.perf_counter(), 0
    loader = DataLoader(_Samples(folder, classes, subject.transform), batch, num_workers=workers, collate_fn=list)
    for samples in loader:
        usable = [(label, values) for label, values, _ in samples if values is not None]
        names = folder.pictures[done : done + len(samples)]
        skipped += [Skipped(path, fault) for (path, _), (_, _, fault) in zip(names, samples, strict=True) if fault]
        if usable:
            counts.add(_run(subject.model, torch.stack([v for _, v in usable])), torch.tensor([n for n, _ in usable]))
        done += len(samples)
        progress(names[-1][0], done, len(folder.pictures))
    if not counts.images:
        raise DatasetError(str(dataset), f"none of its {len(folder.pictures)} pictures can be decoded")
    seconds = time.perf_counter() - began
    return Evaluation(
        schema_version=SCHEMA_VERSION,
        model=subject.title,
        top1=ErrorRate(counts.errors(1), counts.images),
        top5=ErrorRate(counts.errors(5), counts.images),
        calibration_error_percent=counts.calibration_error_percent(),
        images_per_second=counts.images / seconds,
        classes=counts.by_class(subject.labels),
        confusions=counts.confusions(subject.labels),
        skipped=tuple(skipped),
        key=_comparability(subject, folder),
        published=subject.published,
    )


def _run(model: nn.Module, inputs: Tensor) -> Tensor:
    device = next(model.parameters()).device
    with torch.inference_mode():
        logits: Tensor = model(inputs.to(device)).float().cpu()
    return logits


def _comparability(subject: Subject, folder: PictureFolder) -> Mapping[str, Scalar]:
    device = next(subject.model.parameters()).device
    return {
        "dataset": folder.digest,
        "images": len(folder.pictures),
        "preprocessing": str(subject.transform.preprocessing),
        "weights_sha256": subject.weights_sha256,
        "precision": "fp32",
        "device": device.type,
        "torch": torch.__version__,
    }


class _Samples(Dataset["Sample"]):
    """Decode and prepare pictures; what cannot be decoded becomes a sample with its fault."""

    def __init__(self, folder: PictureFolder, classes: Mapping[str, int], prepare: Transform) -> None:
        self.folder, self.classes, self.prepare = folder, classes, prepare

    def __len__(self) -> int:
        return len(self.folder.pictures)

    def __getitem__(self, index: int) -> Sample:
        path, folder = self.folder.pictures[index]
        try:
            opened = open_picture(str(self.folder.root / path))
        except PictureError as error:
            return self.classes[folder], None, error.fault
        return self.classes[folder], self.prepare(opened.image), ""


class _Counts:
    """What torchmetrics counts, and the counts that it has no metric for."""

    def __init__(self, classes: int) -> None:
        try:
            from torchmetrics import classification
        except ImportError as error:
            raise MissingPackageError("torchmetrics", "zoo evaluate", "train") from error
        self.images = 0
        self.top = {
            k: classification.MulticlassStatScores(classes, top_k=min(k, classes), average="none") for k in (1, 5)
        }
        self.confusion = classification.MulticlassConfusionMatrix(classes)
        self.calibration = classification.MulticlassCalibrationError(classes, n_bins=_BINS)

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch: logits ``(N, classes)``, labels ``(N,)``."""
        self.images += len(labels)
        probabilities = logits.softmax(dim=1)
        for metric in (*self.top.values(), self.confusion, self.calibration):
            metric.update(probabilities, labels)

    def _missed(self, k: int) -> Tensor:
        """Count the pictures of each class whose label is not among the ``k`` best guesses."""
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
        """List the classes that have pictures."""
        support = self.top[1].compute()[:, 4]
        first, five = self._missed(1), self._missed(5)
        present: Iterable[int] = support.nonzero().flatten().tolist()
        return tuple(
            ClassResult(labels[index], index, int(support[index]), int(first[index]), int(five[index]))
            for index in present
        )

    def confusions(self, labels: Sequence[str]) -> tuple[Confusion, ...]:
        """List the most frequent pairs of a label and what it was taken for."""
        matrix = self.confusion.compute().clone()
        matrix.fill_diagonal_(0)
        pairs = matrix.nonzero().tolist()
        found = [Confusion(labels[true], labels[taken], int(matrix[true, taken])) for true, taken in pairs]
        return tuple(sorted(found, key=lambda pair: -pair.count)[:_MOST_CONFUSIONS])
