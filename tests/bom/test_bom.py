"""Bills of materials: valid for both standards' libraries, true to registry, lock and mirror."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from zoo.bom import cyclonedx, parts, spdx
from zoo.cache.lock_lines import LockedThing
from zoo.catalog.registry import load_registry
from zoo.catalog.resolver import resolve
from zoo.errors import UsageError
from zoo.mirror.index import Index, Item, StoredFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.bom.parts import Part
    from zoo.catalog.records import Architecture, Weights

CREATED = "2026-11-29T12:00:00Z"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
RESNET18 = "resnet18-f37072fd.pth"
SHA256 = "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"
LOCKED = (
    LockedThing("file", RESNET18, SHA256, 46830571, asked_by=("torch.hub",)),
    LockedThing("file", "own-1f2e3d4c.pth", "1" * 64, 5, url="https://e.org/own-1f2e3d4c.pth"),
    LockedThing("github", f"PyTorch/vision@{COMMIT}", refs=("v0.20.0",), license="bsd-3-clause"),
    LockedThing("huggingface", f"a/net@{COMMIT}/config.json", "2" * 64, 2, ("main",)),
    LockedThing(
        "huggingface",
        f"a/net@{COMMIT}/model.safetensors",
        "3" * 64,
        3,
        ("main",),
        license="apache-2.0",
    ),
    LockedThing("huggingface", f"plain@{COMMIT}/a b.bin", "4" * 64, 4, license="Their Own 1.0"),
    LockedThing("url", "https://e.org/labels.txt", "5" * 64, 5),
)


def stored(path: str) -> StoredFile:
    """Make a file of a mirror."""
    return StoredFile(path, f"https://e.org/{path}", 7, "6" * 64, CREATED)


HELD = Index(
    (
        Item("weights", "resnet18:imagenet1k_v1", (stored(f"weights/e.org/{RESNET18}"),)),
        Item("weights", "https://e.org/x.pth", (stored("weights/e.org/x.pth"),)),
        Item("repository", "a/b", (stored(f"repositories/a/b/{COMMIT}.zip"),), COMMIT, ("HEAD",)),
        Item(
            "huggingface",
            "a/net",
            (stored(f"huggingface/models--a--net/{COMMIT}/onnx/model.onnx"),),
            COMMIT,
            ("main",),
            "mit",
        ),
    )
)


def one_record_of_each_task() -> list[Part]:
    """List the first weights of each task and source in the registry."""
    chosen: dict[object, tuple[Architecture, Weights]] = {}
    for architecture in load_registry().architectures.values():
        for weights in architecture.weights.values():
            kind = (architecture.task, architecture.provider, weights.license)
            chosen.setdefault(kind, (architecture, weights))
    return parts.of_weights(chosen.values(), LOCKED)


def bill_of(found: Sequence[Part]) -> dict[str, Any]:
    """Write a CycloneDX bill, and let CycloneDX's own library judge it."""
    from cyclonedx.schema import SchemaVersion  # slow to import, and most workers need none
    from cyclonedx.validation.json import JsonStrictValidator

    bill = cyclonedx.to_cyclonedx(found, CREATED)
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill))
    assert fault is None
    return bill


def document_of(found: Sequence[Part]) -> list[dict[str, Any]]:
    """Write an SPDX document, and let SPDX's own model read it."""
    import spdx_python_model  # likewise

    document = spdx.to_spdx(found, CREATED)
    model: Any = spdx_python_model.v3_0_1
    objects: Any = model.SHACLObjectSet()
    model.JSONLDDeserializer().deserialize_data(json.loads(json.dumps(document)), objects)
    objects.link()
    model.JSONLDSerializer().write(objects, io.BytesIO())  # refuses what lacks a required field
    assert objects.missing_ids == set()
    assert len(list(objects.foreach_type(model.SpdxDocument))) == 1
    graph: list[dict[str, Any]] = document["@graph"]
    return graph


SOURCES: dict[str, Callable[[], list[Part]]] = {
    "records": one_record_of_each_task,
    "lock": lambda: parts.of_lock(LOCKED),
    "mirror": lambda: parts.of_mirror(HELD),
}


@pytest.mark.parametrize("source", SOURCES)
def test_bills_of_every_source_are_valid_cyclonedx(source: str) -> None:
    """Strictly: no unknown field, every license identifier one of SPDX's."""
    found = SOURCES[source]()
    bill = bill_of(found)
    data = [one for one in bill["components"] if one["type"] == "data"]
    assert len(bill["components"]) - len(data) == len(found)


@pytest.mark.parametrize("source", SOURCES)
def test_bills_of_every_source_are_valid_spdx(source: str) -> None:
    """Every element is of a known class with all that it must have; no reference leads nowhere."""
    found = SOURCES[source]()
    graph = document_of(found)
    document = next(one for one in graph if one["type"] == "SpdxDocument")
    assert len(document["rootElement"]) == len(found)


def component(bill: dict[str, Any], name: str) -> dict[str, Any]:
    """Find a component by its name."""
    found: dict[str, Any] = next(one for one in bill["components"] if one["name"] == name)
    return found


def test_a_model_card_says_what_the_registry_knows() -> None:
    """Task, family, training data, figures with what they were measured on, paper, sizes."""
    bill = bill_of(parts.of_weights([resolve("resnet18")]))
    model = component(bill, "resnet18")
    assert (model["type"], model["version"]) == ("machine-learning-model", "imagenet1k_v1")
    card = model["modelCard"]
    assert card["modelParameters"]["task"] == "image-classification"
    assert card["modelParameters"]["inputs"] == [{"format": "image tensor 3x224x224"}]
    assert card["modelParameters"]["datasets"] == [{"ref": "data:imagenet1k"}]
    assert component(bill, "imagenet1k")["type"] == "data"
    metric = card["quantitativeAnalysis"]["performanceMetrics"][0]
    assert metric == {
        "type": "top-1 error (percent)",
        "value": "30.242",
        "slice": "imagenet1k, validation",
    }
    papers = [one["url"] for one in model["externalReferences"]]
    assert "https://arxiv.org/abs/1512.03385" in papers
    assert {"name": "zoo:parameters", "value": "11689512"} in model["properties"]


def test_a_digest_is_whole_or_a_note() -> None:
    """Eight published digits prove little; the lock file knows all 64."""
    (file,) = component(bill_of(parts.of_weights([resolve("resnet18")])), "resnet18")["components"]
    assert "hashes" not in file
    assert {"name": "zoo:sha256_prefix", "value": "f37072fd"} in file["properties"]
    (file,) = component(bill_of(parts.of_lock(LOCKED)), "resnet18")["components"]
    assert file["hashes"] == [{"alg": "SHA-256", "content": SHA256}]


def test_lines_about_one_model_become_one_component() -> None:
    """With all its files, its refs and its license."""
    bill = bill_of(parts.of_lock(LOCKED))
    model = component(bill, "a/net")
    assert [file["name"] for file in model["components"]] == ["config.json", "model.safetensors"]
    assert model["purl"] == f"pkg:huggingface/a/net@{COMMIT}"
    assert model["licenses"] == [{"license": {"id": "Apache-2.0", "acknowledgement": "declared"}}]
    assert component(bill, "plain")["licenses"] == [{"license": {"name": "Their Own 1.0"}}]
    repository = component(bill, "PyTorch/vision")
    assert repository["purl"] == f"pkg:github/pytorch/vision@{COMMIT}"
    assert {"name": "zoo:ref", "value": "v0.20.0"} in repository["properties"]


def test_spdx_relates_models_to_files_licenses_and_data() -> None:
    """And a license that SPDX does not list gets a name of its own."""
    graph = document_of(parts.of_lock(LOCKED))
    kinds = {one["relationshipType"] for one in graph if one["type"] == "Relationship"}
    assert kinds == {"contains", "hasDeclaredLicense", "trainedOn"}
    expressions = {one.get("simplelicensing_licenseExpression") for one in graph} - {None}
    assert {"Apache-2.0", "BSD-3-Clause", "LicenseRef-Their-Own-1.0"} <= expressions


def test_the_same_parts_and_time_make_the_same_bill() -> None:
    """Byte by byte; another time is another bill."""
    found = parts.of_lock(LOCKED)
    assert cyclonedx.to_cyclonedx(found, CREATED) == cyclonedx.to_cyclonedx(found, CREATED)
    later = cyclonedx.to_cyclonedx(found, "2026-11-30T12:00:00Z")
    assert later["serialNumber"] != bill_of(found)["serialNumber"]


def test_an_empty_bill_is_refused() -> None:
    """It would look like a clean one."""
    with pytest.raises(UsageError, match=r"zoo\.lock lists nothing"):
        parts.require_some([], "zoo.lock")
