"""The registry's records: what is known about an architecture and about each set of its weights.

A field that holds a quantity names its unit: ``parameters`` (count), ``multiply_adds`` (count, for one input),
``size_bytes``, ``top5_error_percent``. ``None`` means *not known* or *not stated by the source*; it never means zero.

*Published* figures (:class:`PublishedError`, :class:`WeightsError`) are what a paper or a weights page claims, with
the source. Figures that can be computed (``parameters``, ``multiply_adds``, ``activations``) are computed from the
built model by ``zoo registry build``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Provider = Literal["torchvision", "zoo"]
Task = Literal[
    "classification",
    "quantized-classification",
    "segmentation",
    "detection",
    "instance-segmentation",
    "keypoint-detection",
    "video-classification",
    "optical-flow",
]
Metric = Literal["top1", "top5"]
Split = Literal["validation", "test"]
Scalar = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Paper:
    """The publication that describes an architecture."""

    title: str
    year: int
    arxiv: str | None = None
    """arXiv identifier, ``"1512.03385"``."""
    doi: str | None = None
    url: str | None = None

    @property
    def reference(self) -> str:
        """Where to read it: ``arXiv:...``, ``doi:...`` or a URL."""
        if self.arxiv:
            return f"arXiv:{self.arxiv}"
        return f"doi:{self.doi}" if self.doi else self.url or ""


@dataclass(frozen=True, slots=True)
class PublishedError:
    """One ImageNet error rate as a paper states it."""

    metric: Metric
    error_percent: float
    split: Split
    models: int
    """Number of networks whose predictions are averaged: 1 is a single model, 7 an ensemble of seven."""
    source: str
    """Paper and table."""
    is_verified: bool
    """False where the figure is from memory and could not be looked up."""
    crops: str | None = None
    """Test-time crops as the paper describes them: ``"1"``, ``"10"``, ``"dense, multi-scale"``."""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From a decoded picture to the network's input.

    The shorter side is resized to ``resize_size``, the middle ``crop_size`` is cut out, values are scaled to 0..1, then
    ``mean`` is subtracted and the result divided by ``std`` for each channel.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize_size: tuple[int, ...] | None = None
    """Pixels: one value for the shorter side, two for (height, width)."""
    crop_size: tuple[int, ...] | None = None
    """Pixels: (height, width)."""
    interpolation: Literal["bilinear", "bicubic", "nearest"] = "bilinear"


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file of a set of weights, and what is known to check it against."""

    file_name: str
    url: str | None
    """Where it is published; ``None`` for a file that ships inside the package (see ``packaged``)."""
    size_bytes: int | None
    """Length. Exact if ``size_tolerance_bytes`` is 0."""
    size_tolerance_bytes: int = 0
    """The true length lies within ``size_bytes`` plus or minus this (torchvision publishes MiB with 3 decimals)."""
    sha256: str | None = None
    """Full digest, 64 hex digits, where known."""
    sha256_prefix: str | None = None
    """The first hex digits of the digest, from the file name, where the full digest is not known."""
    packaged: str | None = None
    """Path inside the ``zoo`` package of a file that ships with it."""


@dataclass(frozen=True, slots=True)
class WeightsError:
    """Error rates that the publisher of a set of weights states for it."""

    source: str
    top1_error_percent: float | None = None
    top5_error_percent: float | None = None
    split: Split = "validation"
    crops: str | None = "1"


@dataclass(frozen=True, slots=True)
class MeasuredError:
    """An error rate that this project measured itself, with what makes it again."""

    top1_error_percent: float
    errors: int
    """How many of ``images`` were named wrong."""
    images: int
    data: str
    """The pictures, and how they were kept out of training."""
    command: str


@dataclass(frozen=True, slots=True)
class Weights:
    """One published set of trained parameters of an architecture."""

    tag: str
    """Lower case: ``imagenet1k_v2``."""
    dataset: str
    files: tuple[WeightsFile, ...]
    input_size: tuple[int, ...]
    """Shape of one input without the batch axis, ``(C, H, W)``; ``(C, T, H, W)`` for video."""
    preprocessing: Preprocessing | None
    parameters: int
    """Count of the network that torchvision or zoo builds for these weights."""
    num_classes: int | None = None
    multiply_adds: int | None = None
    """For one input of ``input_size``."""
    licence: str | None = None
    """SPDX identifier; ``None`` where the publisher states none."""
    recipe_url: str | None = None
    categories: str | None = None
    """Key into the registry's ``categories``."""
    published: WeightsError | None = None
    measured: MeasuredError | None = None
    metrics: Mapping[str, float] | None = None
    """Figures of other tasks as the publisher names them, with the data set: ``"COCO-val2017 box_map"``."""
    options: Mapping[str, Scalar] | None = None
    """Arguments that the builder needs for these weights: ``{"transform_input": true}``."""
    key_mappings: tuple[str, ...] = ()
    """How the file's keys or rows differ from the architecture's, if they do: names in ``zoo.loader.adaptation``."""
    note: str | None = None

    @property
    def size_bytes(self) -> int | None:
        """Length of all files together, ``None`` if one of them is not known."""
        sizes = [file.size_bytes for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network without weights."""

    name: str
    title: str
    family: str
    task: Task
    year: int
    """Year in which the paper first appeared."""
    paper: Paper
    provider: Provider
    entry_point: str
    """What builds it: ``"torchvision.models.resnet18"``, ``"zoo.models.lenet5.lenet5"``."""
    input_size: tuple[int, ...]
    """Default input without the batch axis, ``(C, H, W)``."""
    preprocessing: Preprocessing | None
    num_classes: int | None
    """``None`` for networks without classes (optical flow)."""
    parameters: int
    """Learnable values of the network without auxiliary heads; batch-norm statistics are not parameters."""
    multiply_adds: int | None
    """For one input of ``input_size``; ``None`` where the count depends on the picture (detection)."""
    activations: int | None
    """Values put out by all convolutions and matrix products for one input."""
    auxiliary_parameters: int
    """What the auxiliary heads used in training (GoogLeNet, Inception v3, FCN, DeepLab) would add to ``parameters``."""
    counted: str
    """Which variant the figures count."""
    published: tuple[PublishedError, ...]
    weights: Mapping[str, Weights]
    default_weights: str | None
    """Tag that ``weights="default"`` means."""
    note: str | None = None

    @property
    def default(self) -> Weights | None:
        """The default weights, or ``None`` where none are published."""
        return self.weights[self.default_weights] if self.default_weights else None
