"""Speeds that timm has published, by machine, in columns of their own."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from zoo.catalog.index import load_index
from zoo.catalog.published_speed import find_machine, published_columns, read_speeds
from zoo.catalog.query import Selection, select
from zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path


def test_every_machine_cites_its_table_with_a_commit() -> None:
    """The name of the table says precision, layout and versions."""
    machines = read_speeds().machines
    assert {"rtx3090", "rtx4090", "rtx5090", "pro6000"} <= machines.keys()
    for machine in machines.values():
        assert machine.source.endswith(".csv at aa4b585")
        assert len(machine.speeds) > 1000


def test_speeds_are_those_of_the_cited_table(shared_data: Path) -> None:
    """Every row, for each machine."""
    for machine in read_speeds().machines.values():
        name = machine.source.split("results/")[1].split(" ")[0]
        with (shared_data / "timm" / name).open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                network = f"{row['model']}@{row['infer_img_size']}"
                images_per_s, _ = machine.speeds[network]
                assert images_per_s == float(row["infer_samples_per_sec"])


def test_a_speed_holds_for_the_input_of_the_weights() -> None:
    """Weights of another input size have another speed, or none."""
    columns = published_columns(find_machine("RTX4090"))
    for entry in load_index().by_name["timm/vit_base_patch16_384"]:
        size = str(entry.input_size).rpartition("x")[2]
        speed, _ = find_machine("rtx4090").speeds[f"vit_base_patch16_384@{size}"]
        assert columns[f"{entry.name}:{entry.tag}"]["published_speed"] == speed


def test_rows_are_sorted_and_filtered_by_published_speed() -> None:
    """As by any column that is added."""
    extra = published_columns(find_machine("rtx4090"))
    selection = Selection(where="published_speed>10000", sort="-published_speed", limit=20)
    rows = select(selection, extra=extra)
    speeds = [row.number("published_speed") or 0 for row in rows]
    assert len(speeds) == 20
    assert speeds == sorted(speeds, reverse=True)
    assert min(speeds) > 10000


def test_an_unknown_machine_offers_the_nearest() -> None:
    """With all that there are."""
    with pytest.raises(UnknownNameError, match="rtx4090"):
        find_machine("rtx4080")
