"""Parts as a CycloneDX 1.6 bill with model cards (ML-BOM)."""

from __future__ import annotations

import uuid
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from zoo.bom import licenses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.bom.parts import Part, PartFile
    from zoo.catalog.records import Architecture, Weights

SPEC_VERSION = "1.6"
SCHEMA = f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json"
_TYPES = {
    "model": "machine-learning-model",
    "repository": "library",
    "file": "file",
}
_TASKS = {"classification": "image-classification"}


def to_cyclonedx(parts: Sequence[Part], created: str) -> dict[str, Any]:
    """Return the bill as plain values.

    Args:
        parts: What it lists.
        created: When it is made: ``2026-11-29T12:00:00Z``.
    """
    components = [_component(part) for part in parts]
    datasets = _datasets(parts)
    names = "\n".join(f"{part.key} {part.files}" for part in parts)
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"zoo bom\n{created}\n{names}")
    tool = {
        "type": "application",
        "name": "zoo",
        "version": version("torch-zoo"),
    }
    return {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": created,
            "tools": {"components": [tool]},
        },
        "components": [*components, *datasets],
    }


def _component(part: Part) -> dict[str, Any]:
    reference = "@".join(filter(None, (f"{part.kind}:{part.name}", part.version)))
    component: dict[str, Any] = {
        "type": _TYPES[part.kind],
        "bom-ref": reference,
        "name": part.name,
    }
    if part.version:
        component["version"] = part.version
    if part.supplier:
        component["publisher"] = part.supplier
    if part.license:
        component["licenses"] = [_license(part.license)]
    if part.package_url:
        component["purl"] = part.package_url

    if part.kind == "file":
        component |= _file_facts(part.files[0])
    elif part.files:
        component["components"] = [_file(file, reference) for file in part.files]
    references = _references(part)
    if references:
        component["externalReferences"] = references + component.get("externalReferences", [])
    properties = _properties(part)
    if properties:
        component["properties"] = properties + component.get("properties", [])
    if part.architecture is not None and part.weights is not None:
        component["description"] = part.architecture.title
        component["modelCard"] = _model_card(part.architecture, part.weights)
    return component


def _license(name: str) -> dict[str, Any]:
    known = licenses.identifier(name)
    if known is None:
        return {"license": {"name": name}}
    return {"license": {"id": known, "acknowledgement": "declared"}}


def _file(file: PartFile, owner: str) -> dict[str, Any]:
    component = {
        "type": "file",
        "bom-ref": f"{owner}#{file.name}",
        "name": file.name,
    }
    return component | _file_facts(file)


def _file_facts(file: PartFile) -> dict[str, Any]:
    """Give digest, address and length; the mere beginning of a digest is a property."""
    facts: dict[str, Any] = {}
    if file.sha256:
        facts["hashes"] = [{"alg": "SHA-256", "content": file.sha256}]
    if file.url:
        facts["externalReferences"] = [{"type": "distribution", "url": file.url}]
    properties = []
    if file.size_bytes is not None:
        properties.append(_property("size_bytes", file.size_bytes))
    if not file.sha256 and file.sha256_prefix:
        properties.append(_property("sha256_prefix", file.sha256_prefix))
    if properties:
        facts["properties"] = properties
    return facts


def _references(part: Part) -> list[dict[str, str]]:
    """Point at where it comes from, and at its paper."""
    references = []
    if part.home and part.kind == "repository":
        references.append({"type": "vcs", "url": part.home})
    elif part.home:
        references.append({"type": "documentation", "url": part.home})
    paper = part.architecture.paper if part.architecture is not None else None
    if paper is None:
        return references

    url = paper.url
    if paper.arxiv:
        url = f"https://arxiv.org/abs/{paper.arxiv}"
    elif paper.doi:
        url = f"https://doi.org/{paper.doi}"
    if url:
        comment = f"{paper.title} ({paper.year})"
        references.append(
            {
                "type": "documentation",
                "url": url,
                "comment": comment,
            }
        )
    return references


def _properties(part: Part) -> list[dict[str, str]]:
    """Say how a commit was named and who asked for it, and the size of a network."""
    properties = [_property("ref", ref) for ref in part.refs]
    properties += [_property("asked_by", client) for client in part.asked_by]
    weights = part.weights
    if weights is None:
        return properties
    properties.append(_property("parameters", weights.parameters))
    if weights.multiply_adds is not None:
        properties.append(_property("multiply_adds", weights.multiply_adds))
    return properties


def _property(name: str, value: object) -> dict[str, str]:
    return {"name": f"zoo:{name}", "value": str(value)}


def _model_card(architecture: Architecture, weights: Weights) -> dict[str, Any]:
    shape = "x".join(str(length) for length in weights.input_size)
    parameters: dict[str, Any] = {
        "approach": {"type": "supervised"},
        "task": _TASKS.get(architecture.task, architecture.task),
        "architectureFamily": architecture.family,
        "modelArchitecture": architecture.name,
        "inputs": [{"format": f"image tensor {shape}"}],
    }
    if weights.dataset is not None:
        parameters["datasets"] = [{"ref": f"data:{weights.dataset}"}]
    if weights.num_classes is not None:
        parameters["outputs"] = [{"format": f"scores of {weights.num_classes} classes"}]
    card: dict[str, Any] = {"modelParameters": parameters}
    metrics = _metrics(weights)
    if metrics:
        card["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    return card


def _metrics(weights: Weights) -> list[dict[str, str]]:
    """Give the figures that the publisher states, each with what it was measured on."""
    metrics = []
    published = weights.headline
    if published is not None:
        sliced = f"{weights.dataset}, {published.split}"
        figures = {
            "top-1 error (percent)": published.top1_error_percent,
            "top-5 error (percent)": published.top5_error_percent,
        }
        for name, value in figures.items():
            if value is not None:
                metrics.append(
                    {
                        "type": name,
                        "value": f"{value:g}",
                        "slice": sliced,
                    }
                )
    for name, value in (weights.metrics or {}).items():
        metrics.append({"type": name, "value": f"{value:g}"})
    return metrics


def _datasets(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """List the training data, as publishers state them, each once."""
    stated = [part.weights.dataset for part in parts if part.weights is not None]
    names = {name for name in stated if name is not None}
    datasets = []
    for name in sorted(names):
        data = {
            "type": "dataset",
            "name": name,
            "description": "the data that the publisher of the weights states",
        }
        datasets.append(
            {
                "type": "data",
                "bom-ref": f"data:{name}",
                "name": name,
                "data": [data],
            }
        )
    return datasets
