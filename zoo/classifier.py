"""A classifier: network, preprocessing, labels, and what its publisher says of it.

It is made from a name of the registry, from a name and a file of one's own, or from a file alone:
what ``zoo train`` wrote says what it is, and most other checkpoints reveal their architecture by
the names and shapes of their tensors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cache.digests import sha256_file
from zoo.catalog.category_sets import find_identifiers, find_labels
from zoo.catalog.local import file_of
from zoo.catalog.resolver import find_architecture, resolve
from zoo.errors import CheckpointError, OptionError
from zoo.formats.files import names_a_file
from zoo.formats.training_metadata import read_own_record
from zoo.images.preprocess import Transform, plain_transform, transform
from zoo.loader import load_checkpoint, load_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import nn

    from zoo.catalog.records import Architecture, WeightsError

LARGEST_LABELS_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Classifier:
    """A network in evaluation mode with what is known of it."""

    title: str
    """``"resnet18:imagenet1k_v1"``, or the architecture of a file."""
    model: nn.Module
    transform: Transform
    labels: tuple[str, ...] | None
    """Name of each output, where they are known."""
    identifiers: tuple[str, ...]
    """Identifier of each output, such as WordNet's, where there are some."""
    weights_sha256: str
    published: WeightsError | None = None
    engine: str = "eager"
    """What runs the network."""

    def label(self, index: int) -> str:
        """Name an output, by its number if nothing better is known."""
        if self.labels:
            return self.labels[index]
        return str(index)

    def on_engine(self, name: str, batch: int) -> Classifier:
        """Have the network run by an engine.

        Args:
            name: A name of ``zoo bench engines``.
            batch: How many images go through the network at once; more or fewer may come.

        Raises:
            UnknownNameError: There is no such engine.
            UsageError: It cannot work on this device.
            MissingPackageError: Its package is not installed.
            OptimizeError: It fails on this network.
        """
        from zoo.engines.known import find_engine
        from zoo.engines.prepared import prepare_model

        engine = find_engine(name)
        if engine.name == "eager":
            return self

        device = next(self.model.parameters()).device
        example = self.transform.example(batch)
        model = prepare_model(self.model, example.to(device), name)
        return replace(self, model=model, engine=name)


def load_classifier(
    name: str,
    *,
    checkpoint: Path | str | None = None,
    architecture: str | None = None,
    labels: Sequence[str] | None = None,
    num_classes: int | None = None,
    device: torch.device | str = "cpu",
    purpose: str = "predict",
) -> Classifier:
    """Load a classifier.

    Args:
        name: ``"resnet18"``, ``"resnet50:imagenet1k_v1"``, or a weights file of your own.
        checkpoint: A file of your own instead of published weights.
        architecture: What a file is, where it does not say and does not reveal it.
        labels: Names of the outputs. By default what a file's record of training says, else those
            of the weights or of the architecture's own data set.
        num_classes: Outputs of a file's network, where it does not reveal them.
        device: Where the network runs.
        purpose: The command, for messages.

    Raises:
        UnknownNameError: No such model or weights.
        OptionError: The model is no classifier, or the labels are not as many as its outputs.
        CheckpointError: The file does not fit, or it could be several architectures.
    """
    name = file_of(name)
    if checkpoint is None and names_a_file(name):
        checkpoint = name
        name = architecture or ""
    if checkpoint is None:
        return _published(name, labels, device, purpose)

    path = Path(checkpoint)
    own = read_own_record(path)
    if own is not None:
        labels = labels or own.labels
        name = name or own.model
    if not name:
        name, revealed_classes = _reveal(path)
        num_classes = num_classes or revealed_classes

    record = _require_classifier(name, purpose)
    if num_classes is None and labels is not None:
        num_classes = len(labels)
    if num_classes is None:
        num_classes = _count_classes(path, record)
    model = load_checkpoint(record.name, path, num_classes=num_classes, device=device)

    outputs = num_classes or record.num_classes
    identifiers: tuple[str, ...] = ()
    if labels is None:
        labels, identifiers = _usual_labels(record, outputs)
    _check_labels(record.name, labels, outputs)

    prepare = transform(record.name)
    if own is not None and own.input_size:
        prepare = plain_transform(own.input_size)

    names = None
    if labels:
        names = tuple(labels)
    return Classifier(
        title=record.name,
        model=model.eval(),
        transform=prepare,
        labels=names,
        identifiers=identifiers,
        weights_sha256=sha256_file(path),
    )


def _published(
    name: str,
    labels: Sequence[str] | None,
    device: torch.device | str,
    purpose: str,
) -> Classifier:
    """Load published weights."""
    architecture, record = resolve(name)
    _require_classifier(name, purpose)

    names = tuple(labels) if labels else None
    identifiers: tuple[str, ...] = ()
    if not labels and record.category_set:
        names, identifiers = _classes(record.category_set)
    _check_labels(architecture.name, names, record.num_classes)

    model = load_model(name, device=device)
    file = record.files[0]
    return Classifier(
        title=f"{architecture.name}:{record.tag}",
        model=model.eval(),
        transform=transform(name),
        labels=names,
        identifiers=identifiers,
        weights_sha256=file.sha256 or file.sha256_prefix or "",
        published=record.headline,
    )


def _classes(key: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Find the names of a data set's classes, and their identifiers where they have some."""
    return find_labels(key), find_identifiers(key)


def _require_classifier(name: str, purpose: str) -> Architecture:
    """Find an architecture that answers with classes.

    Raises:
        OptionError: It has another task.
    """
    architecture = find_architecture(name)
    if architecture.task != "classification":
        fault = f"its task is {architecture.task}, expected classification"
        raise OptionError(name, purpose, fault)
    return architecture


def reveal(path: Path) -> tuple[str, int | None]:
    """Find out which classifier a file is, by its record of training or by its tensors.

    Returns:
        The architecture, and the number of classes where it is not the usual one.

    Raises:
        CheckpointError: It fits no classifier of the registry, or several equally well.
    """
    own = read_own_record(path)
    if own is None:
        return _reveal(path)
    return own.model, len(own.labels)


def _reveal(path: Path) -> tuple[str, int | None]:
    """Find out what a file without a record is, by its tensors.

    Raises:
        CheckpointError: It fits no classifier of the registry, or several equally well.
    """
    from zoo.inspector.identify import find_fits
    from zoo.loader.state_dicts import read_state_dict

    fits = []
    state_dict = read_state_dict(path)
    for fit in find_fits(state_dict):
        architecture = find_architecture(fit.model)
        if architecture.task == "classification":
            fits.append(fit)
    if not fits:
        look = f'look into it with "zoo inspect {path.name}"'
        advice = f"say what it is with --architecture, or {look}"
        raise CheckpointError(path.name, "it fits no classifier of the registry", advice)

    # The fewer options a network needs to fit, the better it does.
    best = fits[0]
    fewest = len(best.options)
    equals = [fit for fit in fits if len(fit.options) == fewest]
    if len(equals) > 1:
        names = ", ".join(fit.model for fit in equals)
        advice = f"choose one: --architecture {best.model}"
        raise CheckpointError(path.name, f"it fits {names} equally well", advice)
    return best.model, best.options.get("num_classes")


def _count_classes(path: Path, architecture: Architecture) -> int | None:
    """Find the number of classes of a file for an architecture.

    ``None`` if it has the usual one or does not fit.
    """
    from zoo.inspector.identify import find_fit
    from zoo.loader.state_dicts import read_state_dict

    state_dict = read_state_dict(path)
    fit = find_fit(architecture, state_dict)
    if fit:
        return fit.options.get("num_classes")
    return None


def _usual_labels(
    architecture: Architecture, outputs: int | None
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Find labels and identifiers of an architecture's own data set, if they are as many."""
    default = architecture.default
    key = default.category_set if default else None
    if key is None and architecture.num_classes == 1000:
        key = "imagenet1k"  # published for ImageNet, without weights
    if key is None:
        return None, ()

    names, identifiers = _classes(key)
    if len(names) != outputs:
        return None, ()
    return names, identifiers


def _check_labels(
    name: str,
    labels: Sequence[str] | None,
    outputs: int | None,
) -> None:
    """Refuse labels that are not as many as the outputs.

    Raises:
        OptionError: Says how many are expected.
    """
    if labels is None or outputs is None:
        return
    if len(labels) != outputs:
        fault = f"the network has {outputs} outputs, but there are {len(labels)} labels"
        raise OptionError(name, "labels", fault)


def read_labels(path: Path) -> tuple[str, ...]:
    """Read labels from a text file, one a line in the order of the outputs.

    Raises:
        OptionError: The file cannot be read or holds none.
    """
    from zoo.documents import read_regular_file

    place = str(path)
    try:
        data = read_regular_file(path, LARGEST_LABELS_BYTES)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(place, "labels", f"the file cannot be read: {error}") from error

    lines = map(str.strip, text.splitlines())
    labels = tuple(filter(None, lines))
    if not labels:
        raise OptionError(place, "labels", "the file holds none; write one a line")
    return labels
