"""Figures that cite timm's table stand in that table, at the commit that is cited."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from zoo.catalog.registry import load_registry

TABLE = Path(__file__).parents[3] / "shared" / "data" / "timm" / "results-imagenet.csv"
SOURCE = "timm, results/results-imagenet.csv at commit aa4b585"


@pytest.mark.skipif(not TABLE.exists(), reason="timm's tables are not beside this checkout")
def test_errors_that_cite_timms_table_are_those_of_its_rows() -> None:
    """A row is found by the weights' name on the hub and the size of the image."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        rows = {(row["model"], int(row["img_size"])): row for row in csv.DictReader(stream)}
    compared = 0
    for architecture in load_registry().architectures.values():
        for weights in architecture.weights.values():
            published = weights.headline
            if published is None or not published.source.startswith(SOURCE):
                continue
            name = (weights.files[0].url or "").split("/")[4]
            row = rows[name, weights.input_size[-1]]
            stated = (published.top1_error_percent, published.top5_error_percent)
            assert stated == (float(row["top1_err"]), float(row["top5_err"])), name
            compared += 1
    assert compared >= 3


def test_sources_that_change_are_cited_with_a_commit() -> None:
    """A table or page of a repository is another one tomorrow."""
    without_commit = set()
    for architecture in load_registry().architectures.values():
        for weights in architecture.weights.values():
            source = weights.headline.source if weights.headline is not None else ""
            is_of_a_repository = "README" in source or ".csv" in source
            if is_of_a_repository and " at commit " not in source:
                without_commit.add(source)
    assert without_commit == set()
