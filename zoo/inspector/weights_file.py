"""Say what a weights file is: which architecture, how sure that is, and what it was wrapped in."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from zoo.catalog.resolver import find_architecture
from zoo.errors import RegistryError
from zoo.formats.training_metadata import read_own_record
from zoo.inspector.identify import find_fits, read_contents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo.formats.training_metadata import OwnRecord
    from zoo.inspector.identify import Contents, Fit


class Certainty(Enum):
    """How sure it is what a file is."""

    RECORDED = "its record of zoo train says so"
    ONLY = "no other model of the registry has these tensors"
    SEVERAL = "other models have the same tensors"
    UNKNOWN = "no model of the registry has these tensors"
    UNCOMPARED = "the registry cannot be read, so no model was compared"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a file is."""

    certainty: Certainty
    model: str | None = None
    options: Mapping[str, int] = field(default_factory=dict)
    """What ``zoo.load_model`` must be told: ``{"num_classes": 37}``."""
    others: tuple[str, ...] = ()
    """Models that it fits as well; the quantized copy of ``model`` is not another one."""

    @property
    def words(self) -> str:
        """Name the model with its options: ``"resnet18 with num_classes=37"``."""
        if self.model is None:
            return "no model of the registry"

        changed = [f"{name}={value}" for name, value in self.options.items()]
        if changed:
            return f"{self.model} with {', '.join(changed)}"
        return self.model


@dataclass(frozen=True, slots=True)
class WeightsFileReport:
    """Everything that can be said of a weights file."""

    identity: Identity
    contents: Contents
    fits: tuple[Fit, ...]
    trained: OwnRecord | None
    """What ``zoo train`` wrote into it."""

    @property
    def is_classifier(self) -> bool:
        """Whether the model classifies images."""
        model = self.identity.model
        if model is None:
            return False

        architecture = find_architecture(model)
        return architecture.task == "classification"


def report_file(
    path: Path,
    *,
    values: bool = True,
) -> WeightsFileReport:
    """Look through a weights file, read it, and find out what it is.

    Args:
        path: A safetensors file, or one that ``torch.save`` wrote.
        values: Read all values and count those that are no numbers.

    Raises:
        CheckpointError: The file is damaged, or holds more than tensors.
    """
    contents, state_dict = read_contents(path, values=values)
    trained = read_own_record(path)
    try:
        fits = tuple(find_fits(state_dict))
        identity = identify(fits, trained)
    except RegistryError as error:
        # The tensors are worth showing all the same.
        warnings.warn(f"{error}; so no model was compared", UserWarning, stacklevel=2)
        fits = ()
        identity = Identity(Certainty.UNCOMPARED)

    return WeightsFileReport(identity, contents, fits, trained)


def identify(
    fits: tuple[Fit, ...],
    trained: OwnRecord | None,
) -> Identity:
    """Decide what a file is from its record and the models that its tensors fit."""
    if trained is not None:
        return _recorded(trained)

    if not fits:
        return Identity(Certainty.UNKNOWN)

    best, *rest = fits
    quantized = f"quantized_{best.model}"
    others: list[str] = []
    for fit in rest:
        fits_as_well = len(fit.options) == len(best.options)
        if fits_as_well and fit.model not in {best.model, quantized}:
            others.append(fit.model)

    return Identity(
        certainty=Certainty.SEVERAL if others else Certainty.ONLY,
        model=best.model,
        options=best.options,
        others=tuple(others),
    )


def _recorded(trained: OwnRecord) -> Identity:
    """Take what a file was trained as from its record."""
    architecture = find_architecture(trained.model)
    classes = len(trained.labels)
    options: dict[str, int] = {}
    if classes != architecture.num_classes:
        options["num_classes"] = classes
    return Identity(Certainty.RECORDED, trained.model, options)
