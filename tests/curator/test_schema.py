"""The JSON Schema accepts the registry and refuses what the reader refuses."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from zoo.catalog.places import find_index, find_registry
from zoo.catalog.registry import parse_registry
from zoo.curator.schema import family_schema, hub_schema, index_schema, json_schema
from zoo.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable

Content = dict[str, Any]


def faults_of(
    document: Content,
    schema: Content,
) -> list[str]:
    """Hold a document against a schema, which must be one itself."""
    from jsonschema import Draft202012Validator  # slow to import

    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    return [fault.message for fault in validator.iter_errors(document)]


@pytest.fixture(scope="module")
def content() -> Content:
    """The registry, cut down to one architecture."""
    registry: Content = json.loads(find_registry().read_text())
    registry["architectures"] = {"resnet18": registry["architectures"]["resnet18"]}
    return registry


def test_schema_is_valid_and_accepts_the_whole_registry() -> None:
    """Every record of registry.json fits."""
    registry = json.loads(find_registry().read_text())
    assert not faults_of(registry, json_schema())


def test_schema_describes_fields_in_the_words_of_the_records() -> None:
    """The strings below the fields become descriptions."""
    described = json_schema()["$defs"]["WeightsFile"]["properties"]["sha256"]["description"]
    assert described == "Full digest, 64 hex digits, where known."


FAULTS: dict[str, Callable[[Content], object]] = {
    "missing field": lambda r: r["architectures"]["resnet18"].pop("title"),
    "unknown field": lambda r: r["architectures"]["resnet18"].update(color="red"),
    "text for a number": lambda r: r["architectures"]["resnet18"].update(parameters="many"),
    "negative number": lambda r: r["architectures"]["resnet18"].update(parameters=-1),
    "unknown task": lambda r: r["architectures"]["resnet18"].update(task="cooking"),
    "unknown schema version": lambda r: r.update(schema_version=99),
    "object for an array": lambda r: r["architectures"]["resnet18"].update(input_size={}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_schema_and_reader_refuse_the_same(fault: str, content: Content) -> None:
    """A fault in types or fields is found by both."""
    broken = copy.deepcopy(content)
    FAULTS[fault](broken)
    assert faults_of(broken, json_schema())
    with pytest.raises(RegistryError):
        parse_registry(json.dumps(broken))


def test_the_index_and_every_family_file_fit_their_schemas() -> None:
    """What ships is what the schemas say, for tools that read it without zoo."""
    path = find_index()
    assert not faults_of(json.loads(path.read_text(encoding="utf-8")), index_schema())
    files = sorted((path.parent / "timm").glob("*.json"))
    assert len(files) > 90
    for file in files[::10]:
        assert not faults_of(json.loads(file.read_text(encoding="utf-8")), family_schema())


def test_the_schema_of_the_index_refuses_another_number_of_columns() -> None:
    """A row that lacks its last value is no row."""
    content = json.loads(find_index().read_text(encoding="utf-8"))
    content["entries"] = [content["entries"][0][:-1]]
    assert faults_of(content, index_schema())


def test_every_record_of_a_repository_fits_its_schema() -> None:
    """As the reader takes it."""
    schema = hub_schema()
    for path in sorted((find_index().parent / "hub").glob("*.json")):
        assert not faults_of(json.loads(path.read_text(encoding="utf-8")), schema)
