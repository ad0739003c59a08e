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
# torchvision states lengths in MiB with three decimals: the true length is within half a thousandth, rounded up.
_SIZE_TOLERANCE_BYTES = 525
_LICENCES = {"https://github.com/facebookresearch/SWAG/blob/main/LICENSE": "CC-BY-NC-4.0"}
_TASKS: dict[str, Task] = {
    "segmentation": "segmentation",
    "detection": "detection",
    "quantization": "quantized-classification",
    "video": "video-classification",
    "optical_flow": "optical-flow",
}
_CATEGORY_KEYS = {1000: "imagenet1k", 91: "coco", 21: "voc", 400: "kinetics400", 2: "coco_person"}
_COUNTED = {
    "quantized-classification": "the float network before it is quantized, one picture, without auxiliary heads",
    "detection": "parameters only: the work of a detector depends on the picture",
    "instance-segmentation": "parameters only: the work of a detector depends on the picture",
    "keypoint-detection": "parameters only: the work of a detector depends on the picture",
    "video-classification": "one clip",
    "optical-flow": "one pair of pictures, twelve updates of the flow",
}
_FRAMES = {"swin3d": 32}
_DEFAULT_FRAMES = 16


def list_names() -> list[str]:
    """Names of all builders of torchvision."""
    return list(models.list_models())


def builder_path(name: str) -> str:
    """Where the builder is imported from: ``torchvision.models.resnet18``."""
    builder: Callable[..., Any] = models.get_model_builder(name)
    package = ".".join(builder.__module__.split(".")[:-1])
    return f"{package}.{builder.__name__}"


def task_of(name: str) -> Task:
    """Task of a builder, from the sub-package it lives in."""
    package = builder_path(name).split(".")[2]
    if name.startswith("maskrcnn"):
        return "instance-segmentation"
    if name.startswith("keypointrcnn"):
        return "keypoint-detection"
    return _TASKS.get(package, "classification")


def architecture_record(name: str, facts: Facts) -> Architecture:
    """Describe one builder; figures that are computed from the built model are left at zero."""
    members = list(models.get_model_weights(name))
    smallest = min(members, key=lambda member: prod(_input_size(name, member)))
    weights = {member.name.lower(): _weights(name, member) for member in members}
    task = task_of(name)
    return Architecture(
        **facts.describe(name),
        task=task,
        provider="torchvision",
        entry_point=builder_path(name),
        input_size=_input_size(name, smallest),
        preprocessing=_preprocessing(smallest),
        num_classes=len(smallest.meta.get("categories") or ()) or None,
        parameters=0,
        multiply_adds=None,
        activations=None,
        auxiliary_parameters=0,
        counted=_COUNTED.get(task, "one picture, without auxiliary heads"),
        weights=weights,
        default_weights=str(models.get_model_weights(name).DEFAULT.name).lower(),
    )


def _weights(name: str, member: Any) -> Weights:
    meta, task = member.meta, task_of(name)
    categories = meta.get("categories")
    return Weights(
        tag=member.name.lower(),
        dataset=_dataset(member.name),
        files=(_file(member),),
        input_size=_input_size(name, member),
        preprocessing=_preprocessing(member),
        parameters=0,
        num_classes=len(categories) if categories else None,
        licence=_LICENCES.get(meta.get("license", "")),
        recipe_url=meta.get("recipe"),
        categories=_CATEGORY_KEYS[len(categories)] if categories else None,
        published=_published(member) if task == "classification" else None,
        metrics=None if task in {"classification", "quantized-classification"} else _metrics(meta),
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
    return found[0].lower() if found else "optical-flow"


def _input_size(name: str, member: Any) -> tuple[int, ...]:
    transform, task = member.transforms(), task_of(name)
    if task == "video-classification":
        frames = next((count for prefix, count in _FRAMES.items() if name.startswith(prefix)), _DEFAULT_FRAMES)
        return (3, frames, *transform.crop_size)
    if task == "optical-flow":
        return (3, 520, 960)
    if task == "segmentation":
        return (3, *(transform.resize_size * 2))
    return (3, *(transform.crop_size * 2)) if hasattr(transform, "crop_size") else (3, 800, 800)


def _preprocessing(member: Any) -> Preprocessing | None:
    transform = member.transforms()
    if not hasattr(transform, "mean"):
        return None
    crop = getattr(transform, "crop_size", None)
    return Preprocessing(
        mean=tuple(transform.mean),
        std=tuple(transform.std),
        resize_size=tuple(transform.resize_size),
        crop_size=tuple(crop) * (2 if len(crop) == 1 else 1) if crop else None,
        interpolation=transform.interpolation.value,
    )


def _build_options(name: str, member: Any) -> dict[str, Scalar]:
    options: dict[str, Scalar] = {}
    if "googlenet" in name or "inception" in name:
        options["transform_input"] = True
    if name.startswith("vit_") and member.transforms().crop_size[0] != 224:
        options["image_size"] = member.transforms().crop_size[0]
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
    return {f"{data} {key}": float(value) for data, values in meta["_metrics"].items() for key, value in values.items()}


def _published(member: Any) -> WeightsError | None:
    accuracy = member.meta["_metrics"]["ImageNet-1K"]
    if isnan(accuracy["acc@5"]):
        return None
    source = f"torchvision, {type(member).__name__}.{member.name}"
    return WeightsError(source, *(round(100 - accuracy[key], 3) for key in ("acc@1", "acc@5")))


def categories() -> dict[str, tuple[str, ...]]:
    """Class names of each data set, once."""
    found: dict[str, tuple[str, ...]] = {}
    for name in list_names():
        for member in models.get_model_weights(name):
            names = tuple(member.meta.get("categories") or ())
            if names and found.setdefault(_CATEGORY_KEYS[len(names)], names) != names:
                message = f"{member} names other classes than the rest"
                raise ValueError(message)
    return found
