"""What is known about our own architectures and their weights, in the registry's words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.catalog.records import (
    Architecture,
    MeasuredError,
    Preprocessing,
    Weights,
    WeightsError,
    WeightsFile,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.curator.facts import Facts, ReleasedWeights

_PRETRAINED = Path(__file__).parents[2] / "pretrained"
_BUILDERS = {
    "lenet5": "lenet",
    "cnnnet": "cnnnet",
    "alexnet_2012": "alexnet_2012",
    "googlenet_2014": "googlenet_2014",
    "mobilenet_v1_100": "mobilenet_v1",
    "mobilenet_v1_075": "mobilenet_v1",
    "mobilenet_v1_050": "mobilenet_v1",
    "mobilenet_v1_025": "mobilenet_v1",
    "nasnet_a_mobile": "nasnet",
    "nasnet_a_large": "nasnet",
    "pnasnet_5_mobile": "pnasnet",
    "pnasnet_5_large": "pnasnet",
}
"""Entry point -> module of ``zoo.models``."""
_INPUT_SIZES = {
    "lenet5": (1, 32, 32),
    "nasnet_a_large": (3, 331, 331),
    "pnasnet_5_large": (3, 331, 331),
}
_NUM_CLASSES = {"lenet5": 10, "cnnnet": 2}
_IMAGENET = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (256,), (224, 224))


def list_names() -> list[str]:
    """Names of all our entry points."""
    return list(_BUILDERS)


def describe(
    name: str,
    facts: Facts,
) -> Architecture:
    """Describe one entry point; figures that are computed from the built model are left at zero."""
    weights = {tag: _released(tag, entry) for tag, entry in facts.released(name).items()}
    weights |= {record.tag: record for record in _packaged(name)}
    first = next(iter(weights.values()), None)
    return Architecture(
        **facts.describe(name),
        task="classification",
        provider="zoo",
        entry_point=f"zoo.models.{_BUILDERS[name]}.{name}",
        input_size=_INPUT_SIZES.get(name, (3, 224, 224)),
        preprocessing=first.preprocessing if first else _IMAGENET,
        num_classes=_NUM_CLASSES.get(name, 1000),
        parameters=0,
        multiply_adds=None,
        activations=None,
        auxiliary_parameters=0,
        counted="one image, without auxiliary heads",
        weights=weights,
        default_weights=first.tag if first else None,
    )


def _released(
    tag: str,
    entry: ReleasedWeights,
) -> Weights:
    error = WeightsError(
        source=entry.source or "",
        top1_error_percent=entry.top1_error_percent,
        top5_error_percent=entry.top5_error_percent,
        crops=entry.crops,
    )
    return Weights(
        tag=tag,
        dataset=entry.dataset,
        files=(
            WeightsFile(
                file_name=entry.file_name,
                url=entry.url,
                size_bytes=entry.size_bytes,
                sha256=entry.sha256,
                sha256_prefix=entry.sha256_prefix,
            ),
        ),
        input_size=entry.input_size,
        preprocessing=Preprocessing(
            mean=entry.mean,
            std=entry.std,
            resize_size=entry.resize_size,
            crop_size=entry.input_size[1:],
            interpolation=entry.interpolation,
        ),
        parameters=0,
        num_classes=entry.num_classes,
        license=entry.license,
        recipe_url=entry.recipe_url,
        category_set="imagenet1k" if entry.num_classes == 1000 else None,
        published=(error,) if entry.source else (),
        options=entry.options,
        key_mappings=entry.key_mappings,
        note=entry.note,
    )


def _packaged(name: str) -> Iterator[Weights]:
    """Describe weights that this repository trained and ships, from the records beside them."""
    for path in sorted(_PRETRAINED.glob("*.json")):
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if record["architecture"] == name:
            yield _trained_here(record)


def _trained_here(record: dict[str, Any]) -> Weights:
    prepared = record["preprocessing"]
    measured = record["measured"]
    data = record["data"]
    file = WeightsFile(
        file_name=record["file_name"],
        url=None,
        size_bytes=record["size_bytes"],
        sha256=record["sha256"],
        packaged=f"pretrained/{record['file_name']}",
    )
    return Weights(
        tag=record["tag"],
        dataset=record["tag"],
        files=(file,),
        input_size=tuple(prepared["input_size"]),
        preprocessing=Preprocessing(
            mean=tuple(prepared["mean"]),
            std=tuple(prepared["std"]),
            resize_size=tuple(prepared["resize_size"]),
            crop_size=tuple(prepared["input_size"][1:]),
        ),
        parameters=0,
        num_classes=record["num_classes"],
        license=record["license"],
        category_set=record["tag"],
        measured=MeasuredError(
            top1_error_percent=measured["top1_error_percent"],
            errors=measured["test_errors"],
            images=measured["test_images"],
            data=f"{data['name']}, held out with {data['split']}",
            command=record["command"],
        ),
    )


def categories() -> dict[str, tuple[str, ...]]:
    """Class names of the data sets that networks here were trained on."""
    records = (
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(_PRETRAINED.glob("*.json"))
    )
    return {record["tag"]: tuple(record["categories"]) for record in records}
