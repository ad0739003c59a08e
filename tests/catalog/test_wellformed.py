"""What cannot be true of a registry is named, although every value has the right type."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from zoo.catalog import wellformed
from zoo.catalog.file_names import name_fault
from zoo.catalog.places import find_registry
from zoo.catalog.registry import load_registry, parse_registry

MODEL = "$.architectures.resnet18"
WEIGHTS = f"{MODEL}.weights.imagenet1k_v1"


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """The registry that ships with zoo."""
    content: dict[str, Any] = json.loads(find_registry().read_text(encoding="utf-8"))
    return content


@pytest.fixture
def content(whole: dict[str, Any]) -> dict[str, Any]:
    """A copy with two architectures, to break."""
    names = ("resnet18", "alexnet")
    few = {name: whole["architectures"][name] for name in names}
    return copy.deepcopy({**whole, "architectures": few})


def found_in(content: dict[str, Any]) -> list[wellformed.Fault]:
    """Read a registry and say what cannot be true of it."""
    return wellformed.faults(parse_registry(json.dumps(content)))


def test_the_shipped_registry_has_no_fault() -> None:
    """Every rule holds for every record."""
    assert [str(fault) for fault in wellformed.faults(load_registry())] == []


WRONG_VALUES = [
    # (where in resnet18's record, what stands there, where the fault is, words of it)
    (("year",), 2035, f"{MODEL}.year", "expected 2015 as arXiv:1512.03385 says, got 2035"),
    (("paper", "year"), 2012, f"{MODEL}.paper.year", "expected 2015"),
    (("paper", "arxiv"), "1513.03385", f"{MODEL}.paper.year", "arXiv number"),
    (("paper", "url"), "https://localhost./x", f"{MODEL}.paper.url", "public host"),
    (("parameters",), 0, f"{MODEL}.parameters", "more than 0"),
    (("input_size",), [224, 224], f"{MODEL}.input_size", "shape of one image"),
    (("input_size",), [3, 224, 10**9], f"{MODEL}.input_size", "1 to 16384 pixels"),
    (("num_classes",), 0, f"{MODEL}.num_classes", "of a classifier"),
    (("preprocessing", "crop_size"), [0, 0], f"{MODEL}.preprocessing.crop_size", "got 0"),
    (("preprocessing", "resize_size"), [10**9], f"{MODEL}.preprocessing.resize_size", "pixels"),
    (("preprocessing", "std"), [0.2, 0, 0.2], f"{MODEL}.preprocessing.std", "more than 0"),
    (("preprocessing", "mean"), [0.5], f"{MODEL}.preprocessing.mean", "expected 3"),
]


@pytest.mark.parametrize(("keys", "value", "path", "words"), WRONG_VALUES)
def test_a_value_that_cannot_be_true_of_a_network_is_named(
    content: dict[str, Any], keys: tuple[str, ...], value: object, path: str, words: str
) -> None:
    """Years, shapes and counts are held against each other."""
    place = content["architectures"]["resnet18"]
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    fault = next(fault for fault in found_in(content) if fault.json_path == path)
    assert words in fault.text


WRONG_WEIGHTS = [
    (
        ("published", 0, "top1_error_percent"),
        120.0,
        "published[0].top1_error_percent",
        "at most 100",
    ),
    (
        ("published", 0, "top5_error_percent"),
        90.0,
        "published[0].top5_error_percent",
        "top-1 error",
    ),
    (("num_classes",), 999, "num_classes", "expected 1000 as 'imagenet1k' has, got 999"),
    (("parameters",), 11689512 * 100, "files", "bytes for 1168951200 parameters"),
    (("parameters",), 1000, "files", "bytes for 1000 parameters"),
    (("recipe_url",), "https://a.example:99999/", "recipe_url", "port from 1 to 65535"),
    (("metrics",), {"COCO-val2017 box_map": 140.0}, "metrics.COCO-val2017 box_map", "at most 100"),
    (("files", 0, "file_name"), "CON.pth", "files[0].file_name", "a device on Windows"),
    (("files", 0, "file_name"), "x.", "files[0].file_name", "ends with a dot"),
    (("files", 0, "url"), "https://a.example", "files[0].url", "the address of a file"),
    (("files", 0, "url"), "https://a.example#@b/x", "files[0].url", "the address of a file"),
    (("files", 0, "url"), "https://a.example/x/?y=/", "files[0].url", "the address of a file"),
    (("files", 0, "sha256_prefix"), "f37072", "files[0].sha256_prefix", "at least 8 digits"),
    (("files", 0, "size_tolerance_bytes"), 46_830_571, "files[0].size_tolerance_bytes", "half"),
]


@pytest.mark.parametrize(("keys", "value", "path", "words"), WRONG_WEIGHTS)
def test_a_value_that_cannot_be_true_of_weights_is_named(
    content: dict[str, Any], keys: tuple[Any, ...], value: object, path: str, words: str
) -> None:
    """Percentages, classes, lengths, names and digests are held against each other."""
    place = content["architectures"]["resnet18"]["weights"]["imagenet1k_v1"]
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    fault = next(fault for fault in found_in(content) if fault.json_path == f"{WEIGHTS}.{path}")
    assert words in fault.text


def test_a_published_top5_error_above_its_top1_error_is_named(content: dict[str, Any]) -> None:
    """Two figures of one table about the same predictions."""
    row = {"split": "validation", "models": 1, "source": "a table", "is_verified": True}
    content["architectures"]["resnet18"]["published"] = [
        {**row, "metric": "top1", "error_percent": 30.0},
        {**row, "metric": "top5", "error_percent": 90.0},
    ]
    assert [fault.json_path for fault in found_in(content)] == [
        f"{MODEL}.published[1].error_percent"
    ]


def test_a_measured_error_that_its_counts_contradict_is_named(content: dict[str, Any]) -> None:
    """250 of 1,000 are 25 percent."""
    weights = content["architectures"]["resnet18"]["weights"]["imagenet1k_v1"]
    measured = {
        "top1_error_percent": 2.5,
        "errors": 250,
        "images": 1000,
        "data": "d",
        "command": "c",
    }
    weights["measured"] = measured
    assert [str(fault) for fault in found_in(content)] == [
        f"{WEIGHTS}.measured.top1_error_percent: expected 25.00 as the counts say, got 2.5"
    ]


def test_file_names_that_differ_in_case_only_are_named(content: dict[str, Any]) -> None:
    """One file would replace the other on a file system that does not tell them apart."""
    ours = content["architectures"]["resnet18"]["weights"]["imagenet1k_v1"]["files"][0]
    other = content["architectures"]["alexnet"]["weights"]["imagenet1k_v1"]["files"][0]
    other["file_name"] = ours["file_name"].upper()
    assert [fault.json_path for fault in found_in(content)] == ["$.architectures"]


def test_a_file_without_any_digest_is_listed(content: dict[str, Any]) -> None:
    """It is no fault, but who publishes a registry should know."""
    file = content["architectures"]["resnet18"]["weights"]["imagenet1k_v1"]["files"][0]
    del file["sha256_prefix"]
    registry = parse_registry(json.dumps(content))
    assert wellformed.without_digest(registry) == [file["file_name"]]
    assert wellformed.faults(registry) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example:99999/f",
        "https://a.example:0/f",
        "https://a.example/b/../f",
        "https://a.example/b/%2e%2e/f",
        "https://a.example/b\\f",
        "https://0x7f.0.0.1/f",
        "https://127.1/f",
        "https://2130706433/f",
        "https://0177.0.0.1/f",
        "https://[::1]/f",
        "https://localhost/f",
        "https://localhost./f",
        "https://a.example./f",
        "https://a..example/f",
        "https://printer.local/f",
        "https://-a.example/f",
        "https://a.example/\u0430",
        "https://us er.example/f",
        "https://user:word@a.example/f",
        "ftp://a.example/f",
        "file:///etc/passwd",
        "//a.example/f",
    ],
)
def test_an_address_that_is_not_plain_is_refused(url: str) -> None:
    """Ports, steps out, numbers in any spelling, this machine's other names, look-alike letters."""
    assert wellformed.url_fault(url) is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://download.pytorch.org/models/resnet18-f37072fd.pth",
        "http://data.lip6.fr:8080/a%20b/c.pth?d=1",
        "https://1.example.org/f",
    ],
)
def test_an_address_of_a_public_server_is_taken(url: str) -> None:
    """Also with a port, an encoded space and a query."""
    assert wellformed.url_fault(url) is None


@pytest.mark.parametrize("name", ["", ".a", "a.", "a ", "a/b", "a:b", "a\x1b", "NUL", "Com1.pth"])
def test_a_name_that_some_system_cannot_keep_is_refused(name: str) -> None:
    """Hidden, cut, forbidden, or a device."""
    assert name_fault(name) is not None
