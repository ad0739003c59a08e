"""The registry's records: what is known about an architecture and about each set of its weights.

A field that holds a quantity names its unit: ``parameters`` (count), ``multiply_adds`` (count, for
one input), ``size_bytes``, ``top5_error_percent``. ``None`` means *not known* or *not stated by the
source*; it never means zero.

*Published* figures (:class:`PublishedError`, :class:`WeightsError`) are what a paper or a weights
page claims, with the source. Figures that can be computed (``parameters``, ``multiply_adds``,
``activations``) are computed from the built model by ``zoo registry build``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from zoo.catalog.category_sets import find_labels

Provider = Literal["torchvision", "zoo", "timm", "hub"]
"""The sources that records come from."""
Task = Literal[
    "classification",
    "features",
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
TestSet = Literal["imagenet1k", "real", "v2", "sketch", "a", "r"]
"""ImageNet's own validation images; or ReaL labels, V2 matched frequency, Sketch, -A, -R."""
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
        if self.doi:
            return f"doi:{self.doi}"
        return self.url or ""


@dataclass(frozen=True, slots=True)
class PublishedError:
    """One ImageNet error rate as a paper states it."""

    metric: Metric
    error_percent: float
    split: Split
    models: int
    """Number of networks whose predictions are averaged.

    1 is a single model, 7 an ensemble of seven.
    """
    source: str
    """Paper and table."""
    is_verified: bool
    """False where the figure is from memory and could not be looked up."""
    crops: str | None = None
    """Test-time crops as the paper describes them: ``"1"``, ``"10"``, ``"dense, multi-scale"``."""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From a decoded image to the network's input.

    The image is resized to ``resize_size``, ``crop_size`` is cut out of its center, values are
    scaled to 0..1, then ``mean`` is subtracted and the result divided by ``std`` for each channel.
    ``crop_mode`` says what happens to the sides' ratio.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize_size: tuple[int, ...] | None = None
    """Pixels: one value for the shorter side, two for (height, width)."""
    crop_size: tuple[int, ...] | None = None
    """Pixels: (height, width)."""
    interpolation: Literal["bilinear", "bicubic", "nearest"] = "bilinear"
    crop_mode: Literal["center", "squash", "border", "keep-ratio"] = "center"
    """``center``: the shorter side becomes ``resize_size``.

    ``squash``: both sides do, whatever their ratio. ``border``: the longer side does, and the rest
    is filled with the mean color. ``keep-ratio``: the side that is relatively shorter gets its part
    of ``resize_size``. (timm's modes)
    """


@dataclass(frozen=True, slots=True)
class HubFile:
    """Where a file lies on the Hugging Face Hub."""

    repository: str
    """``"timm/resnet50.a1_in1k"``."""
    path: str
    """Inside the repository: ``"model.safetensors"``."""
    revision: str | None = None
    """The pinned commit, 40 hex digits; ``None`` until it is pinned."""


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file of a set of weights, and what is known to check it against."""

    file_name: str
    url: str | None
    """Where it is published.

    ``None`` for a file that ships inside the package (see ``packaged``).
    """
    size_bytes: int | None
    """Length. Exact if ``size_tolerance_bytes`` is 0."""
    size_tolerance_bytes: int = 0
    """The true length lies within ``size_bytes`` plus or minus this.

    torchvision publishes MiB with 3 decimals.
    """
    sha256: str | None = None
    """Full digest, 64 hex digits, where known."""
    sha256_prefix: str | None = None
    """The first hex digits of the digest, from the file name, where the whole is not known."""
    packaged: str | None = None
    """Path inside the ``zoo`` package of a file that ships with it."""
    hub: HubFile | None = None
    """The same on the Hugging Face Hub, in whose cache it is then kept."""
    alternates: tuple[str, ...] = ()
    """Other addresses that publish these weights, in other formats or at older places."""


@dataclass(frozen=True, slots=True)
class WeightsError:
    """Error rates that the publisher of a set of weights states for it."""

    source: str
    top1_error_percent: float | None = None
    top5_error_percent: float | None = None
    split: Split = "validation"
    crops: str | None = "1"
    test_set: TestSet = "imagenet1k"
    input_size: tuple[int, ...] | None = None
    """The input ``(C, H, W)`` that the figures hold for, where it is not the weights' own."""


@dataclass(frozen=True, slots=True)
class MeasuredError:
    """An error rate that this project measured itself, with what makes it again."""

    top1_error_percent: float
    errors: int
    """How many of ``images`` were named wrong."""
    images: int
    data: str
    """The images, and how they were kept out of training."""
    command: str


@dataclass(frozen=True, slots=True)
class Weights:
    """One published set of trained parameters of an architecture."""

    tag: str
    """Lower case: ``imagenet1k_v2``."""
    dataset: str | None
    """What it was trained on last; ``None`` where that is not stated."""
    files: tuple[WeightsFile, ...]
    input_size: tuple[int, ...]
    """Shape of one input without the batch axis, ``(C, H, W)``; ``(C, T, H, W)`` for video."""
    preprocessing: Preprocessing | None
    parameters: int
    """Learnable values of the network as published with these weights, without auxiliary heads."""
    num_classes: int | None = None
    multiply_adds: int | None = None
    """For one input of ``input_size``."""
    license: str | None = None
    """SPDX identifier; ``None`` where the publisher states none."""
    recipe_url: str | None = None
    category_set: str | None = None
    """Which classes: a key into the registry's ``categories``, such as ``"imagenet1k"``."""
    published: tuple[WeightsError, ...] = ()
    """What publishers state, each with its test set and input size."""
    measured: MeasuredError | None = None
    metrics: Mapping[str, float] | None = None
    """Figures of other tasks as the publisher names them: ``"COCO-val2017 box_map"``."""
    options: Mapping[str, Scalar] | None = None
    """Arguments that the builder needs for these weights: ``{"transform_input": true}``."""
    key_mappings: tuple[str, ...] = ()
    """How the file's keys or rows differ from the architecture's, if they do.

    Names in ``zoo.loader.adaptation``.
    """
    activations: int | None = None
    """Values put out by all convolutions and matrix products for one input.

    ``None`` where the input is the architecture's own.
    """
    state_bytes: int | None = None
    """All parameters and buffers, from their shapes and types; a file is about as long.

    Computed where some file's length is not known.
    """
    license_source: str | None = None
    """Where the license is stated."""
    pretraining: str | None = None
    """Data that the weights saw before ``dataset``, as the tag tells."""
    paper_ids: tuple[str, ...] = ()
    """Papers of these weights, where they have some of their own: ``"arXiv:2110.00476"``."""
    same_as: str | None = None
    """Other weights of the registry whose file this is: ``"resnet18:imagenet1k_v1"``."""
    note: str | None = None

    @property
    def categories(self) -> list[str] | None:
        """The labels of the classes, in the order of the outputs; ``None`` where nobody names them.

        Raises:
            RegistryError: The registry has no such set of classes, or cannot be read.
        """
        if self.category_set is None:
            return None
        return list(find_labels(self.category_set))

    @property
    def headline(self) -> WeightsError | None:
        """The published errors on ImageNet's validation images at the weights' own input size."""
        own_sizes = (None, self.input_size)
        for claim in self.published:
            is_main_set = claim.test_set == "imagenet1k"
            if is_main_set and claim.input_size in own_sizes:
                return claim
        return None

    @property
    def size_bytes(self) -> int | None:
        """Length of all files together, ``None`` if one of them is not known."""
        total = 0
        for file in self.files:
            if file.size_bytes is None:
                return None
            total += file.size_bytes
        return total

    @property
    def about_size_bytes(self) -> int | None:
        """About the length of all files together, where the exact one is not known."""
        return self.state_bytes if self.size_bytes is None else None


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network without weights."""

    name: str
    title: str
    family: str
    task: Task
    year: int | None
    """Year in which the paper first appeared."""
    paper: Paper | None
    provider: Provider
    """The source of the record."""
    entry_point: str
    """What builds it: ``"torchvision.models.resnet18"``, ``"zoo.models.lenet.lenet5"``."""
    input_size: tuple[int, ...]
    """Default input without the batch axis, ``(C, H, W)``."""
    preprocessing: Preprocessing | None
    num_classes: int | None
    """``None`` for networks without classes (optical flow)."""
    parameters: int
    """Learnable values of the network without auxiliary heads.

    Batch-norm statistics are not parameters.
    """
    multiply_adds: int | None
    """For one input of ``input_size``.

    ``None`` where the count depends on the image (detection).
    """
    activations: int | None
    """Values put out by all convolutions and matrix products for one input."""
    auxiliary_parameters: int
    """What auxiliary heads, which only training uses, would add to ``parameters``.

    GoogLeNet, Inception v3, FCN and DeepLab have some.
    """
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
        if self.default_weights:
            return self.weights[self.default_weights]
        return None
