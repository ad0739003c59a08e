"""What torchvision says about its weights, in the registry's words."""

from __future__ import annotations

import re
from math import isnan, prod
from typing import TYPE_CHECKING, Any

from torchvision import models

from zoo.catalog.records import Architecture, Preprocessing, Weights, WeightsError, WeightsFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zoo.catalog.records import Scalar, Task
    from zoo.curator.facts import Facts

_MEBIBYTE = 2**20
# torchvision states lengths in MiB with three decimals: the true length is within half a
# thousandth, rounded up.
_SIZE_TOLERANCE_BYTES = 525
_LICENSES = {"https://github.com/facebookresearch/SWAG/blob/main/LICENSE": "CC-BY-NC-4.0"}
_TASKS: dict[str, Task] = {
    "segmentation": "segmentation",
    "detection": "detection",
    "quantization": "quantized-classification",
    "video": "video-classification",
    "optical_flow": "optical-flow",
}
_CATEGORY_KEYS = {
    1000: "imagenet1k",
    91: "coco",
    21: "voc",
    400: "kinetics400",
    2: "coco_person",
}
_COUNTED = {
    "quantized-classification": (
        "the float network before it is quantized, one image, without auxiliary heads"
    ),
    "detection": "parameters only: the work of a detector depends on the image",
    "instance-segmentation": "parameters only: the work of a detector depends on the image",
    "keypoint-detection": "parameters only: the work of a detector depends on the image",
    "video-classification": "one clip",
    "optical-flow": "one pair of images, twelve updates of the flow",
}
_CLASSIFIERS = {"classification", "quantized-classification"}
_FRAMES = {"swin3d": 32}
_DEFAULT_FRAMES = 16


def list_names() -> list[str]:
    """Names of all builders of torchvision."""
    return list(models.list_models())


def builder_path(name: str) -> str:
    """Where the builder is imported from: ``torchvision.models.resnet18``."""
    builder: Callable[..., Any] = models.get_model_builder(name)
    package, _, _ = builder.__module__.rpartition(".")
    return f"{package}.{builder.__name__}"


def task_of(name: str) -> Task:
    """Task of a builder, from the sub-package it lives in."""
    package = builder_path(name).split(".")[2]
    if name.startswith("maskrcnn"):
        return "instance-segmentation"
    if name.startswith("keypointrcnn"):
        return "keypoint-detection"
    return _TASKS.get(package, "classification")


def describe(
    name: str,
    facts: Facts,
) -> Architecture:
    """Describe one builder; figures that are computed from the built model are left at zero."""
    enum = models.get_model_weights(name)
    members = list(enum)
    weights = {}
    for member in members:
        record = _weights(name, member)
        weights[record.tag] = record

    smallest = min(members, key=lambda member: prod(_input_size(name, member)))
    categories = smallest.meta.get("categories") or ()
    task = task_of(name)
    return Architecture(
        **facts.describe(name),
        task=task,
        provider="torchvision",
        entry_point=builder_path(name),
        input_size=_input_size(name, smallest),
        preprocessing=_preprocessing(smallest),
        num_classes=len(categories) or None,
        parameters=0,
        multiply_adds=None,
        activations=None,
        auxiliary_parameters=0,
        counted=_COUNTED.get(task, "one image, without auxiliary heads"),
        weights=weights,
        default_weights=str(enum.DEFAULT.name).lower(),
    )


def _weights(
    name: str,
    member: Any,
) -> Weights:
    meta = member.meta
    task = task_of(name)
    is_classifier = task in _CLASSIFIERS
    categories = meta.get("categories")
    return Weights(
        tag=member.name.lower(),
        dataset=_dataset(member.name),
        files=(_file(member),),
        input_size=_input_size(name, member),
        preprocessing=_preprocessing(member),
        parameters=0,
        num_classes=len(categories) if categories else None,
        license=_LICENSES.get(meta.get("license", "")),
        recipe_url=meta.get("recipe"),
        category_set=_CATEGORY_KEYS[len(categories)] if categories else None,
        published=_published(member) if is_classifier else (),
        metrics=None if is_classifier else _metrics(meta),
        options=_build_options(name, member) or None,
        key_mappings=_key_mappings(name),
        note=_note(member),
    )


def _note(member: Any) -> str | None:
    if "backend" in member.meta:
        return f"quantized for the {member.meta['backend']} backend"
    if member.name == "IMAGENET1K_FEATURES":
        return "only the convolutions are trained; the classifier holds no valid values"
    return None


def _file(member: Any) -> WeightsFile:
    file_name = member.url.rpartition("/")[2]
    found = re.search(r"[-_]([0-9a-f]{8,})\.pth$", file_name)
    return WeightsFile(
        file_name=file_name,
        url=member.url,
        size_bytes=round(member.meta["_file_size"] * _MEBIBYTE),
        size_tolerance_bytes=_SIZE_TOLERANCE_BYTES,
        sha256_prefix=found[1] if found else None,
    )


def _dataset(tag: str) -> str:
    found = re.match(r"IMAGENET1K|COCO|KINETICS400", tag)
    if found:
        return found[0].lower()
    return "optical-flow"


def _input_size(
    name: str,
    member: Any,
) -> tuple[int, ...]:
    transform = member.transforms()
    task = task_of(name)
    if task == "video-classification":
        frames = _frames(name)
        return (3, frames, *transform.crop_size)
    if task == "optical-flow":
        return (3, 520, 960)
    if task == "segmentation":
        return (3, *(transform.resize_size * 2))
    if hasattr(transform, "crop_size"):
        return (3, *(transform.crop_size * 2))
    return (3, 800, 800)


def _frames(name: str) -> int:
    """Say how many frames a clip has."""
    for prefix, frames in _FRAMES.items():
        if name.startswith(prefix):
            return frames
    return _DEFAULT_FRAMES


def _preprocessing(member: Any) -> Preprocessing | None:
    transform = member.transforms()
    if not hasattr(transform, "mean"):
        return None

    crop = None
    if hasattr(transform, "crop_size"):
        crop = tuple(transform.crop_size)
        if len(crop) == 1:
            crop = crop * 2
    return Preprocessing(
        mean=tuple(transform.mean),
        std=tuple(transform.std),
        resize_size=tuple(transform.resize_size),
        crop_size=crop,
        interpolation=transform.interpolation.value,
    )


def _build_options(
    name: str,
    member: Any,
) -> dict[str, Scalar]:
    options: dict[str, Scalar] = {}
    if "googlenet" in name or "inception" in name:
        options["transform_input"] = True

    if name.startswith("vit_"):
        side = member.transforms().crop_size[0]
        if side != 224:
            options["image_size"] = side

    if name.startswith(("fcn_", "deeplabv3_")):
        options["aux_loss"] = True
    if name.startswith("quantized_"):
        options["quantize"] = True
    return options


def _key_mappings(name: str) -> tuple[str, ...]:
    if name.startswith("densenet"):
        return ("densenet-dotted-names",)
    if name in {"googlenet", "inception_v3"}:
        return ("drop-auxiliary-heads",)
    return ()


def _metrics(meta: Mapping[str, Any]) -> dict[str, float]:
    metrics = {}
    for data, values in meta["_metrics"].items():
        for key, value in values.items():
            metrics[f"{data} {key}"] = float(value)
    return metrics


def _published(member: Any) -> tuple[WeightsError, ...]:
    accuracy = member.meta["_metrics"]["ImageNet-1K"]
    if isnan(accuracy["acc@5"]):
        return ()

    error = WeightsError(
        source=f"torchvision, {type(member).__name__}.{member.name}",
        top1_error_percent=round(100 - accuracy["acc@1"], 3),
        top5_error_percent=round(100 - accuracy["acc@5"], 3),
    )
    return (error,)


def categories() -> dict[str, tuple[str, ...]]:
    """Class names of each data set, once."""
    found: dict[str, tuple[str, ...]] = {}

    for name in list_names():
        for member in models.get_model_weights(name):
            names = tuple(member.meta.get("categories") or ())
            if not names:
                continue

            key = _CATEGORY_KEYS[len(names)]
            first = found.setdefault(key, names)
            if first != names:
                message = f"{member} names other classes than the rest"
                raise ValueError(message)

    return found
