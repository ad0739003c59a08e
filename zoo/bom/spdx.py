"""Parts as SPDX 3.0 JSON, with the profiles for AI and for data sets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from zoo.bom import licenses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.bom.parts import Part, PartFile
    from zoo.catalog.records import Architecture, Weights

SPEC_VERSION = "3.0.1"
CONTEXT = f"https://spdx.org/rdf/{SPEC_VERSION}/spdx-context.jsonld"
CREATION = "_:creation"
_TYPES = {
    "model": "ai_AIPackage",
    "repository": "software_Package",
    "file": "software_File",
}
_PURPOSES = {
    "model": "model",
    "repository": "source",
    "file": "data",
}
_PROFILES = ["core", "software", "ai", "dataset", "simpleLicensing"]
Element = dict[str, Any]


def to_spdx(parts: Sequence[Part], created: str) -> dict[str, Any]:
    """Return the bill as plain values.

    Args:
        parts: What it lists.
        created: When it is made: ``2026-11-29T12:00:00Z``.
    """
    names = "\n".join(f"{part.key} {part.files}" for part in parts)
    digest = hashlib.sha256(f"{created}\n{names}".encode()).hexdigest()[:32]
    bill = _Bill(f"urn:zoo:bom:{digest}")
    roots = [bill.add_part(part) for part in parts]
    return {
        "@context": CONTEXT,
        "@graph": bill.finish(roots, created),
    }


@dataclass
class _Bill:
    """The elements of one document; what several parts share is written once."""

    base: str
    elements: dict[str, Element] = field(default_factory=dict)
    relations: dict[tuple[str, str], Element] = field(default_factory=dict)

    def add_part(self, part: Part) -> str:
        """Add a part with its files, license and training data; return its name in the document."""
        label = "@".join(filter(None, (part.name, part.version)))
        facts: Element = {
            "name": part.name,
            "software_primaryPurpose": _PURPOSES[part.kind],
        }
        if part.supplier:
            facts["suppliedBy"] = self.add(
                "agent",
                part.supplier,
                "Organization",
                {},
            )
        if part.kind == "file":
            facts |= _digests(part.files[0])
        else:
            facts |= _package_facts(part)
        if part.architecture is not None and part.weights is not None:
            facts |= _network_facts(part.architecture, part.weights)
        identifier = self.add(
            part.kind,
            label,
            _TYPES[part.kind],
            facts,
        )

        if part.kind != "file":
            for file in part.files:
                self.relate(identifier, "contains", self.add_file(file, label))
        if part.license:
            self.relate(identifier, "hasDeclaredLicense", self.add_license(part.license))
        if part.weights is not None and part.weights.dataset is not None:
            self.relate(identifier, "trainedOn", self.add_dataset(part.weights.dataset))
        return identifier

    def add_file(self, file: PartFile, owner: str) -> str:
        """Add a file of a part."""
        facts = {
            "name": file.name,
            "software_primaryPurpose": "data",
        } | _digests(file)
        return self.add(
            "file",
            f"{owner}/{file.name}",
            "software_File",
            facts,
        )

    def add_license(self, name: str) -> str:
        """Add a license."""
        expression = licenses.expression(name)
        facts = {"simplelicensing_licenseExpression": expression}
        return self.add(
            "license",
            expression,
            "simplelicensing_LicenseExpression",
            facts,
        )

    def add_dataset(self, name: str) -> str:
        """Add training data, of which only the name is known."""
        facts = {
            "name": name,
            "dataset_datasetType": ["image"],
            "software_primaryPurpose": "data",
        }
        return self.add(
            "dataset",
            name,
            "dataset_DatasetPackage",
            facts,
        )

    def add(
        self,
        kind: str,
        label: str,
        type_name: str,
        facts: Element,
    ) -> str:
        """Add an element unless it is there, and return its name."""
        identifier = f"{self.base}:{kind}:{quote(label, safe='')}"
        element = {
            "type": type_name,
            "spdxId": identifier,
            "creationInfo": CREATION,
            "name": label,
        }
        self.elements.setdefault(identifier, element | facts)
        return identifier

    def relate(
        self,
        start: str,
        kind: str,
        end: str,
    ) -> None:
        """Add an end to the relationship of one kind that starts at an element."""
        known = self.relations.get((start, kind))
        if known is not None:
            known["to"].append(end)
            return
        number = len(self.relations) + 1
        self.relations[start, kind] = {
            "type": "Relationship",
            "spdxId": f"{self.base}:relationship:{number}",
            "creationInfo": CREATION,
            "from": start,
            "relationshipType": kind,
            "to": [end],
        }

    def finish(self, roots: Sequence[str], created: str) -> list[Element]:
        """Return every element, with the document that holds them."""
        tool = f"{self.base}:tool:zoo"
        agent = f"{self.base}:agent:zoo"
        creation = {
            "type": "CreationInfo",
            "@id": CREATION,
            "specVersion": SPEC_VERSION,
            "created": created,
            "createdBy": [agent],
            "createdUsing": [tool],
        }
        named = f"zoo {version('torch-zoo')}"
        program = {
            "spdxId": tool,
            "type": "Tool",
            "creationInfo": CREATION,
            "name": named,
        }
        author = {
            "spdxId": agent,
            "type": "SoftwareAgent",
            "creationInfo": CREATION,
            "name": named,
        }
        inside = [*self.elements.values(), *self.relations.values()]
        members = [element["spdxId"] for element in (author, program, *inside)]
        document = {
            "type": "SpdxDocument",
            "spdxId": f"{self.base}:document",
            "creationInfo": CREATION,
            "name": "models, weights and repositories",
            "profileConformance": _PROFILES,
            "rootElement": list(roots),
            "element": members,
        }
        return [creation, document, author, program, *inside]


def _package_facts(part: Part) -> Element:
    facts: Element = {}
    if part.version:
        facts["software_packageVersion"] = part.version
    if part.package_url:
        facts["software_packageUrl"] = part.package_url
    if part.home:
        facts["software_homePage"] = part.home
    addresses = [file.url for file in part.files if file.url]
    if addresses:
        facts["software_downloadLocation"] = addresses[0]
    if part.refs:
        facts["software_sourceInfo"] = f"fetched as {', '.join(part.refs)}"
    if part.asked_by:
        facts["comment"] = f"asked for by {', '.join(part.asked_by)}"
    return facts


def _digests(file: PartFile) -> Element:
    """Give the digest; one of which only the beginning is known proves little, and is a comment."""
    if file.sha256:
        digest = {
            "type": "Hash",
            "algorithm": "sha256",
            "hashValue": file.sha256,
        }
        return {"verifiedUsing": [digest]}
    if file.sha256_prefix:
        return {"comment": f"its SHA-256 begins with {file.sha256_prefix}"}
    return {}


def _network_facts(architecture: Architecture, weights: Weights) -> Element:
    facts: Element = {
        "summary": architecture.title,
        "ai_domain": ["computer vision"],
        "ai_typeOfModel": [architecture.task, architecture.family],
        "ai_informationAboutTraining": _training(weights),
        "ai_hyperparameter": _entries(_sizes(weights)),
    }
    paper = architecture.paper
    if paper is not None and paper.reference:
        reference = {
            "type": "ExternalRef",
            "externalRefType": "documentation",
            "locator": [paper.reference],
            "comment": f"{paper.title} ({paper.year})",
        }
        facts["externalRef"] = [reference]
    figures = _figures(weights)
    if figures:
        facts["ai_metric"] = _entries(figures)
    return facts


def _training(weights: Weights) -> str:
    data = weights.dataset or "data that is not stated"
    return f"trained on {data}, as its publisher states"


def _sizes(weights: Weights) -> dict[str, object]:
    sizes: dict[str, object] = {
        "parameters": weights.parameters,
        "input size": "x".join(str(length) for length in weights.input_size),
    }
    if weights.multiply_adds is not None:
        sizes["multiply-adds"] = weights.multiply_adds
    return sizes


def _figures(weights: Weights) -> dict[str, object]:
    """Give the figures that the publisher states."""
    figures: dict[str, object] = {}
    published = weights.headline
    if published is not None:
        where = f"percent, {weights.dataset} {published.split}"
        if published.top1_error_percent is not None:
            figures[f"top-1 error ({where})"] = published.top1_error_percent
        if published.top5_error_percent is not None:
            figures[f"top-5 error ({where})"] = published.top5_error_percent
    figures.update(weights.metrics or {})
    return figures


def _entries(values: dict[str, object]) -> list[dict[str, str]]:
    return [
        {
            "type": "DictionaryEntry",
            "key": key,
            "value": str(value),
        }
        for key, value in values.items()
    ]
