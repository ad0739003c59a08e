"""Putting models side by side."""

from __future__ import annotations

import pytest

from zoo.catalog.comparison import best_of, find_rows
from zoo.catalog.registry import load_registry
from zoo.catalog.rows import Row
from zoo.errors import UnknownNameError

ARCHITECTURE = load_registry().architectures["resnet18"]


def rows_with(column: str, *values: float | str | None) -> list[Row]:
    """Make rows with one made-up column."""
    return [Row.of(ARCHITECTURE, None, extra={column: value}) for value in values]


def test_rows_come_in_the_order_of_the_names() -> None:
    """A name takes its default weights, a tag names others."""
    rows = find_rows(["resnet50:imagenet1k_v1", "resnet18", "resnet50"])
    assert [(row["name"], row["weights"]) for row in rows] == [
        ("resnet50", "imagenet1k_v1"),
        ("resnet18", "imagenet1k_v1"),
        ("resnet50", "imagenet1k_v2"),
    ]


def test_a_model_without_weights_has_a_row() -> None:
    """It can still be compared in cost."""
    (row,) = find_rows(["cnnnet"])
    assert (row["weights"], row["parameters"]) == (None, 57_012_034)


def test_an_unknown_model_is_an_error() -> None:
    """Nothing is compared with nothing."""
    with pytest.raises(UnknownNameError):
        find_rows(["resnet18", "resnet-81"])


def test_the_smallest_is_best_and_ties_share() -> None:
    """ResNet-18 has fewer parameters than ResNet-34; two equal ones are both best."""
    rows = find_rows(["resnet18", "resnet34", "quantized_resnet18"])
    assert best_of(rows, "parameters") == [True, False, True]


def test_the_largest_map_and_the_smallest_epe_are_best() -> None:
    """Figures of other tasks have their own directions."""
    detectors = find_rows(["fcos_resnet50_fpn", "ssd300_vgg16"])  # 39.2 and 25.1
    assert best_of(detectors, "box_map") == [True, False]
    flows = find_rows(["raft_large:c_t_v2", "raft_small:c_t_v2"])  # 1.38 and 1.99 pixels
    assert best_of(flows, "sintel_train_clean_epe") == [True, False]


@pytest.mark.parametrize("column", ["year", "name", "license", "cached"])
def test_nothing_is_best_where_smaller_is_no_better(column: str) -> None:
    """A year or a name is not a merit."""
    assert best_of(find_rows(["resnet18", "vgg16"]), column) == [False, False]


def test_nothing_is_best_where_all_are_equal_or_unknown() -> None:
    """A star for each says nothing."""
    assert best_of(find_rows(["resnet18", "resnet18"]), "parameters") == [False, False]
    assert best_of(find_rows(["fasterrcnn_resnet50_fpn", "resnet18"]), "multiply_adds") == [
        False,
        False,
    ]
