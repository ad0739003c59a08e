"""The shipped tables of layers: their file format and selecting among their rows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.catalog.registry import load_registry
from zoo.documents import decode
from zoo.errors import RegistryError, UnknownNameError, UsageError
from zoo.inspector.layers import (
    FOLDER,
    Layer,
    LayerTable,
    load_table,
    may_have_layers,
    table_file,
    to_text,
)

if TYPE_CHECKING:
    from pathlib import Path

NAMES = list(load_registry().architectures)


@pytest.mark.parametrize("name", NAMES)
def test_every_model_has_a_table_that_agrees_with_its_record(name: str) -> None:
    """Totals of the table, sums of its leaves and the registry say the same."""
    record, table = load_registry().architectures[name], load_table(name)
    assert (table.model, table.input_size) == (name, record.input_size)
    assert (table.parameters, table.multiply_adds) == (record.parameters, record.multiply_adds)
    assert table.activations == record.activations
    assert table.layers[0].parameters == table.parameters


def test_there_is_no_table_without_a_model() -> None:
    """The folder holds what the registry names and nothing else."""
    assert {file.stem for file in FOLDER.glob("*.json")} == set(NAMES)


def test_depth_keeps_the_upper_rows() -> None:
    """Depth 0 is the network, depth 1 its children; totals stay those of the whole."""
    table = load_table("resnet18")
    assert [layer.path for layer in table.select(depth=0).layers] == [""]
    upper = table.select(depth=1)
    stages = [f"layer{number}" for number in range(1, 5)]
    children = ["conv1", "bn1", "relu", "maxpool", *stages, "avgpool", "fc"]
    assert [layer.path for layer in upper.layers] == ["", *children]
    assert upper.parameters == table.parameters


def test_a_layer_keeps_what_is_below_it_and_counts_depth_from_there() -> None:
    """Only layer1 and its two blocks; layer10 would be another layer."""
    table = load_table("resnet18")
    assert all(
        layer.path.split(".")[0] == "layer1" for layer in table.select(layer="layer1").layers
    )
    assert [layer.path for layer in table.select(layer="layer1", depth=1).layers] == [
        "layer1",
        "layer1.0",
        "layer1.1",
    ]


def test_an_unknown_layer_offers_the_nearest() -> None:
    """A typo is answered."""
    with pytest.raises(UnknownNameError, match="did you mean layer1"):
        load_table("resnet18").select(layer="layr1")


def test_a_negative_depth_is_refused() -> None:
    """There is nothing above the network."""
    with pytest.raises(UsageError, match="--depth must be 0 or more"):
        load_table("resnet18").select(depth=-1)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"model": "x", "layers": [["", "x"]]}', '{"layers": 7}', "\xff"]
)
def test_a_damaged_table_is_a_registry_error(tmp_path: Path, text: str) -> None:
    """Whatever stands in the file, the message names it."""
    table_file("x", tmp_path).write_text(text, encoding="latin-1")
    with pytest.raises(RegistryError) as caught:
        load_table("x", tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_the_text_of_a_table_names_its_layers_and_no_others(tmp_path: Path) -> None:
    """Whatever letters a name has; a model without a table may have any."""
    table = load_table("lenet5")
    assert may_have_layers("lenet5", [layer.path for layer in table.layers])
    for stranger in ("c", "c1.", "Conv2d", '"', "\udc80", "lenet5"):
        assert not may_have_layers("lenet5", ["c1", stranger])

    odd = replace(table.layers[1], path='a "é"\n\\')
    written = to_text(replace(table, layers=(*table.layers, odd)))
    (tmp_path / "lenet5.json").write_text(written, encoding="utf-8")
    assert may_have_layers("lenet5", [odd.path], tmp_path)
    assert may_have_layers("no table", ["anything"], tmp_path)


def test_a_missing_table_is_a_registry_error(tmp_path: Path) -> None:
    """The message says how to make it again."""
    with pytest.raises(RegistryError, match="zoo registry build"):
        load_table("resnet18", tmp_path)


WORD = st.text(st.characters(categories=["L", "N", "P"]), max_size=8)
COUNT = st.integers(0, 2**53)
LAYERS = st.builds(Layer, WORD, WORD, WORD, st.none() | st.tuples(COUNT, COUNT), COUNT, COUNT)
TABLES = st.builds(
    LayerTable,
    WORD,
    st.tuples(COUNT, COUNT),
    COUNT,
    st.none() | COUNT,
    st.none() | COUNT,
    st.lists(LAYERS).map(tuple),
)


@given(TABLES)
def test_what_is_written_is_read_again(table: LayerTable) -> None:
    """One row a line, nothing lost."""
    content = json.loads(to_text(table))
    names = list(Layer.__dataclass_fields__)
    content["layers"] = [dict(zip(names, row, strict=True)) for row in content["layers"]]
    assert decode(LayerTable, content) == table
    assert len(to_text(table).splitlines()) == len(table.layers) + 2 + (not table.layers)
