"""The registry as the pages read it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from zoo.catalog.records import Paper
from zoo.catalog.registry import load_registry
from zoo.catalog.resolver import find_architecture
from zoo.site.columns import COLUMNS
from zoo.site.data import (
    Content,
    Held,
    architecture_record,
    paper_address,
    record_documents,
    rows_document,
    web_address,
    weights_record,
)

if TYPE_CHECKING:
    from zoo.catalog.rows import Row, Value


def document_of(content: Content, rows: list[Row]) -> dict[str, Any]:
    """Make what the browser reads of some rows."""
    return rows_document(content, rows, content.architectures(rows))


def test_every_set_of_weights_is_a_row() -> None:
    """The table has a row for each, and one for an architecture without weights."""
    registry = load_registry()
    rows = Content(registry).rows()
    sizes = [max(len(each.weights), 1) for each in registry.architectures.values()]
    assert len(rows) == sum(sizes)


def test_columns_hold_one_value_for_each_row() -> None:
    """A short column would shift every figure below the gap."""
    content = Content(load_registry())
    rows = content.rows()
    document = document_of(content, rows)
    assert document["count"] == len(rows)
    assert {len(column["values"]) for column in document["columns"]} == {len(rows)}
    assert [column["key"] for column in document["columns"]] == [column.key for column in COLUMNS]


def test_choices_give_the_value_back() -> None:
    """A choice is stored once, and as its number in each row; -1 is not known."""
    content = Content(load_registry())
    rows = content.rows()
    document = document_of(content, rows)
    licenses = next(column for column in document["columns"] if column["key"] == "license")
    texts = [licenses["choices"][place] if place >= 0 else None for place in licenses["values"]]
    assert texts == [row["license"] for row in rows]


def test_record_of_a_row_is_found_by_its_number() -> None:
    """A page computes file and place of a record from the number of the model."""
    content = Content(load_registry())
    rows = content.rows()
    document = document_of(content, rows)
    files = record_documents(content.architectures(rows))
    for row, model in zip(rows, document["models"], strict=True):
        file, place = divmod(model, document["models_a_file"])
        assert files[file][place]["name"] == row.name


def test_measured_columns_stand_only_beside_what_was_measured() -> None:
    """Measured figures have columns of their own, marked so."""
    measured: dict[str, dict[str, Value]] = {
        "resnet18": {"p50": 12.5, "measured": "cpu eager fp32"}
    }
    content = Content(load_registry(), measured=measured)
    document = document_of(content, content.rows())
    marked = {column["key"] for column in document["columns"] if column.get("measured")}
    assert marked == {"p50", "p90", "p99", "throughput", "memory", "measured"}
    names = document["columns"][0]["values"]
    p50 = next(column for column in document["columns"] if column["key"] == "p50")
    known = {name: ms for name, ms in zip(names, p50["values"], strict=True) if ms is not None}
    assert known == {"resnet18": 12.5}


def test_held_weights_are_marked_under_the_title_given() -> None:
    """The same site says cached or on this mirror."""
    held = Held("on this mirror", lambda entry: entry.tag == "imagenet1k_v2")
    content = Content(load_registry(), held=held)
    document = document_of(content, content.rows())
    column = next(column for column in document["columns"] if column["key"] == "held")
    tags = next(column for column in document["columns"] if column["key"] == "weights")
    is_v2 = [place >= 0 and tags["choices"][place] == "imagenet1k_v2" for place in tags["values"]]
    assert column["title"] == "on this mirror"
    assert column["values"] == [int(value) for value in is_v2]


def test_record_leaves_out_what_is_not_known() -> None:
    """Null never reaches a page, where it would be written as a word."""
    record = architecture_record(load_registry().architectures["resnet18"])
    assert record["default_weights"] == "imagenet1k_v1"
    (weights,) = record["weights"]
    assert "license" not in weights
    assert weights["files"][0]["sha256_prefix"] == "f37072fd"


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://pytorch.org/a", "https://pytorch.org/a"),
        ("http://example.org", "http://example.org"),
        ("javascript:alert(1)", None),
        ("data:text/html,<script>", None),
        ("//example.org/x", None),
        ("https://", None),
        ("http://[broken", None),
        (None, None),
    ],
)
def test_only_web_addresses_become_links(address: str | None, kept: str | None) -> None:
    """A registry cannot put a script behind a link."""
    assert web_address(address) == kept


def test_every_source_has_rows_and_records() -> None:
    """Without a registry of its own, a site shows all that zoo knows."""
    content = Content()
    rows = content.rows()
    architectures = content.architectures(rows)
    assert {row["source"] for row in rows} == {"torchvision", "zoo", "timm"}
    assert len(rows) > 2000
    assert {row.name for row in rows} == {architecture.name for architecture in architectures}


def test_figures_stand_once_in_rows_and_records() -> None:
    """What a row says, or the architecture says, is not said again for each set of weights."""
    record = architecture_record(find_architecture("timm/dm_nfnet_f3"))
    (weights,) = record["weights"]
    assert not {"license", "dataset", "parameters", "preprocessing", "input_size"} & set(weights)
    (claims,) = weights["published"]
    by_place = {(figures[0], bool(figures[1])): figures[2:] for figures in claims["figures"]}
    assert by_place["imagenet1k", False] == [0, 0]
    assert by_place["real", False] == [0, 1.719]
    assert by_place["imagenet1k", True] == [14.324, 2.424]


def test_file_on_the_hub_is_known_by_its_place_there() -> None:
    """Address, name and timm's usual repository are made by the page; another one stays."""
    architecture = find_architecture("timm/dm_nfnet_f3")
    record = architecture_record(architecture)
    (file,) = record["weights"][0]["files"]
    assert not {"url", "file_name"} & set(file)
    assert "repository" not in file["hub"]

    weights = architecture.weights["dm_in1k"]
    hub = weights.files[0].hub
    assert hub is not None
    assert hub.repository == "timm/dm_nfnet_f3.dm_in1k"
    elsewhere = replace(weights.files[0], hub=replace(hub, repository="company/nfnet"))
    (moved,) = weights_record(replace(weights, files=(elsewhere,)), architecture)["files"]
    assert moved["hub"]["repository"] == "company/nfnet"


def test_paper_is_read_at_arxiv_doi_or_its_own_address() -> None:
    """Each kind of reference has an address."""
    paper = Paper("A title", 2015)
    assert paper_address(replace(paper, arxiv="1512.03385")) == "https://arxiv.org/abs/1512.03385"
    assert paper_address(replace(paper, doi="10.1/2")) == "https://doi.org/10.1/2"
    assert paper_address(replace(paper, url="javascript:alert(1)")) is None
