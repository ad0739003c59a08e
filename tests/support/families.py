"""A few networks that stand for all of a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from zoo.catalog.records import Architecture

BUILT_OTHERWISE = {
    *("alexnet", "alexnet_2012", "googlenet_2014", "vgg11_bn", "resnet50", "squeezenet1_0"),
    *("mobilenet_v2", "mobilenet_v3_small", "efficientnet_v2_s", "regnet_y_400mf"),
    *("swin_v2_t", "vit_h_14"),
}
"""Have blocks, stems or heads that the smallest of their family lacks."""


def one_of_each_kind(architectures: Collection[Architecture]) -> list[str]:
    """Name the smallest network of each family and task, and those that are built otherwise."""
    smallest: dict[tuple[str, str], Architecture] = {}
    for architecture in architectures:
        kind = (architecture.family, architecture.task)
        known = smallest.setdefault(kind, architecture)
        if architecture.parameters < known.parameters:
            smallest[kind] = architecture

    chosen = BUILT_OTHERWISE | {architecture.name for architecture in smallest.values()}
    return [architecture.name for architecture in architectures if architecture.name in chosen]
