"""Entries: one for each set of weights of every source, with the columns that lists show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zoo.catalog.records import Architecture, Weights, WeightsFile

LOCAL_SOURCE = "local"
"""The source of the user's own models."""


class IndexedFile(NamedTuple):
    """What tells whether a file is in a cache."""

    file_name: str
    size_bytes: int | None = None
    size_tolerance_bytes: int = 0
    repository: str | None = None
    """On the Hugging Face Hub; the file then lies in its cache."""
    packaged: str | None = None
    """Path inside the package of a file that ships with it."""


class Entry(NamedTuple):
    """One set of weights of one architecture, or an architecture without weights.

    A tuple is made from a row of the index in a twentieth of the time that a frozen record takes.
    What a source does not say is left out, and ``None``.
    """

    name: str
    tag: str | None
    is_default: bool
    source: str
    family: str
    task: str
    title: str
    year: int | None = None
    paper: str | None = None
    parameters: int | None = None
    """``None`` where only foreign code could tell."""
    multiply_adds: int | None = None
    activations: int | None = None
    input_size: str | None = None
    num_classes: int | None = None
    top1_error: float | None = None
    top5_error: float | None = None
    test_size: str | None = None
    """The larger input that ``top1_at_test_size`` and ``top5_at_test_size`` hold for."""
    top1_at_test_size: float | None = None
    top5_at_test_size: float | None = None
    top1_real: float | None = None
    top1_v2: float | None = None
    top1_sketch: float | None = None
    top1_a: float | None = None
    top1_r: float | None = None
    metrics: Mapping[str, float] | None = None
    """Published figures of other tasks than classifying images, by column: see ``METRICS``."""
    dataset: str | None = None
    pretraining: str | None = None
    license: str | None = None
    size_bytes: int | None = None
    about_size_bytes: int | None = None
    """From the shapes of parameters and buffers, where no exact length is known."""
    is_pinned: bool = False
    """Whether the digest, or the commit and so the digest, of every file is known."""
    files: tuple[IndexedFile, ...] = ()

    @property
    def spec(self) -> str:
        """How commands take it; the tag stands only where it is not the default."""
        if self.is_default or self.tag is None:
            return self.name
        return f"{self.name}:{self.tag}"

    @property
    def row(self) -> list[Any]:
        """The entry as the index writes it, in the order of ``COLUMNS``."""
        files = [list(file) for file in self.files]
        return [*self[:-1], files]


COLUMNS = Entry._fields


def entries_of(architectures: Iterable[Architecture]) -> Iterator[Entry]:
    """Make the entries of some architectures, in their order."""
    for architecture in architectures:
        if not architecture.weights:
            yield entry_of(architecture, None)
        for weights in architecture.weights.values():
            yield entry_of(architecture, weights)


def entry_of(architecture: Architecture, weights: Weights | None) -> Entry:
    """Make one entry from its records."""
    own = weights or architecture
    is_usual_input = own.input_size == architecture.input_size
    activations = weights.activations if weights else None
    if activations is None and is_usual_input:
        activations = architecture.activations

    tag = weights.tag if weights else None
    return Entry(
        name=architecture.name,
        tag=tag,
        is_default=tag == architecture.default_weights,
        source=architecture.provider,
        family=architecture.family,
        task=_task(architecture, weights),
        title=architecture.title,
        year=architecture.year,
        paper=architecture.paper.reference if architecture.paper else None,
        parameters=own.parameters,
        multiply_adds=own.multiply_adds,
        activations=activations,
        input_size=_shape(own.input_size),
        num_classes=own.num_classes,
        **_errors(weights),
        metrics=_metrics(weights),
        dataset=weights.dataset if weights else None,
        pretraining=weights.pretraining if weights else None,
        license=weights.license if weights else None,
        size_bytes=weights.size_bytes if weights else None,
        about_size_bytes=weights.about_size_bytes if weights else None,
        is_pinned=weights is not None and all(map(_is_pinned, weights.files)),
        files=tuple(map(indexed_file, weights.files)) if weights else (),
    )


def _shape(sides: tuple[int, ...]) -> str:
    return "x".join(map(str, sides))


_ERRORS = (
    "top1_error",
    "top5_error",
    "test_size",
    "top1_at_test_size",
    "top5_at_test_size",
    "top1_real",
    "top1_v2",
    "top1_sketch",
    "top1_a",
    "top1_r",
)


def _task(architecture: Architecture, weights: Weights | None) -> str:
    """Weights without a head give features, whatever the architecture is for."""
    is_headless = weights is not None and weights.num_classes == 0
    if is_headless:
        return "features"
    return architecture.task


def _errors(weights: Weights | None) -> dict[str, Any]:
    """Give the columns of published errors."""
    errors: dict[str, Any] = dict.fromkeys(_ERRORS)
    if weights is None:
        return errors

    headline = weights.headline
    if headline is not None:
        errors["top1_error"] = headline.top1_error_percent
        errors["top5_error"] = headline.top5_error_percent

    for claim in weights.published:
        size = claim.input_size or weights.input_size
        is_own_size = size == weights.input_size
        is_main_set = claim.test_set == "imagenet1k"

        if is_main_set and not is_own_size:
            errors["test_size"] = _shape(size)
            errors["top1_at_test_size"] = claim.top1_error_percent
            errors["top5_at_test_size"] = claim.top5_error_percent
        elif is_own_size and not is_main_set:
            column = f"top1_{claim.test_set}"
            errors[column] = claim.top1_error_percent

    return errors


METRICS = {
    "COCO-val2017 box_map": "box_map",
    "COCO-val2017 mask_map": "mask_map",
    "COCO-val2017 kp_map": "keypoint_map",
    "COCO-val2017-VOC-labels miou": "miou",
    "COCO-val2017-VOC-labels pixel_acc": "pixel_accuracy",
    "Kinetics-400 acc@1": "kinetics_acc1",
    "Kinetics-400 acc@5": "kinetics_acc5",
    "Sintel-Train-Cleanpass epe": "sintel_train_clean_epe",
    "Sintel-Train-Finalpass epe": "sintel_train_final_epe",
    "Sintel-Test-Cleanpass epe": "sintel_test_clean_epe",
    "Sintel-Test-Finalpass epe": "sintel_test_final_epe",
    "Kitti-Train per_image_epe": "kitti_train_epe",
    "Kitti-Train fl_all": "kitti_train_fl",
    "Kitti-Test fl_all": "kitti_test_fl",
}
"""A publisher's figure on a data set -> its column; figures on different images never share one."""


def _metrics(weights: Weights | None) -> dict[str, float] | None:
    """Give the columns of other tasks' published figures."""
    published = (weights.metrics if weights else None) or {}
    columns = {}
    for name, value in published.items():
        column = METRICS.get(name)
        if column is not None:
            columns[column] = value
    return columns or None


def _is_pinned(file: WeightsFile) -> bool:
    """Tell whether the bytes are known: by a digest, or by a commit of the Hub."""
    has_digest = file.sha256 or file.sha256_prefix
    has_commit = file.hub and file.hub.revision
    return bool(has_digest or has_commit)


def indexed_file(file: WeightsFile) -> IndexedFile:
    """Keep of a file's record what tells whether it is in a cache."""
    hub = file.hub
    return IndexedFile(
        file_name=hub.path if hub else file.file_name,
        size_bytes=file.size_bytes,
        size_tolerance_bytes=file.size_tolerance_bytes,
        repository=hub.repository if hub else None,
        packaged=file.packaged,
    )
