"""What is known besides the program itself: the registry, the lock file, a mirror, a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import urlsplit

from zoo.catalog.index import load_index
from zoo.catalog.registry import load_registry

if TYPE_CHECKING:
    from zoo.auditor.findings import Use
    from zoo.cache.lock_lines import LockedThing
    from zoo.catalog.records import Architecture, Weights


class Holdings(Protocol):
    """Something that holds models and repositories: a mirror or a bundle."""

    def has(self, use: Use) -> bool:
        """Tell whether what a program would fetch is there; true where that cannot be told."""


@dataclass(frozen=True)
class Knowledge:
    """All that the rules may ask."""

    locked: tuple[LockedThing, ...] = ()
    lock_name: str = "zoo.lock"
    must_be_locked: bool = False
    """Whether what has no line in the lock file is a finding."""
    holdings: tuple[tuple[str, Holdings], ...] = ()

    def commit(
        self,
        kind: Literal["github", "huggingface"],
        subject: str,
        ref: str | None,
    ) -> str | None:
        """Find the commit that the lock file has for a ref; for the default branch, the only one that it has."""
        named: set[str | None] = set()
        every: set[str | None] = set()
        for one in self.locked:
            if (one.kind, one.subject) != (kind, subject):
                continue
            every.add(one.revision)
            if ref in one.refs:
                named.add(one.revision)

        is_default = ref in (None, "main")
        found = every if is_default and not named else named
        return found.pop() if len(found) == 1 else None

    def has_locked(self, use: Use) -> bool:
        """Tell whether the lock file has a line about a use."""
        return any(_is_about(thing, use) for thing in self.locked)

    def license(self, use: Use) -> str | None:
        """Find the license of what would be fetched, as far as it is known."""
        weights = self._weights(use)
        if weights is not None and weights.license is not None:
            return weights.license
        if use.ecosystem in ("timm", "huggingface"):
            stated = self._licenses.get(_hub_name(use))
            if stated is not None:
                return stated
        lines = (thing for thing in self.locked if _is_about(thing, use))
        return next((thing.license for thing in lines if thing.license), None)

    def torchvision_default(self, model: str) -> str | None:
        """Find the tag that torchvision's DEFAULT means in the version that the registry records."""
        architecture = self._torchvision.get(model)
        return None if architecture is None else architecture.default_weights

    def safetensors_of(self, model: str) -> str | None:
        """Name a safetensors file of a Hugging Face model, if one is known to exist."""
        for thing in self.locked:
            path = thing.path or ""
            is_safe = path.endswith(".safetensors")
            if thing.kind == "huggingface" and thing.subject == model and is_safe:
                return path
        is_timm = model.startswith("timm/") and "." in model
        return "model.safetensors" if is_timm else None

    def _weights(self, use: Use) -> Weights | None:
        if use.ecosystem == "torchvision":
            architecture = self._torchvision.get(use.subject or "")
            return None if architecture is None else _tagged(architecture, use.revision)
        return None

    @cached_property
    def _licenses(self) -> dict[str, str]:
        """The license of each model of Hugging Face that the index knows."""
        found = {}
        for entry in load_index().entries:
            if entry.license is None:
                continue
            for file in entry.files:
                if file.repository is not None:
                    found[file.repository] = entry.license
            if entry.is_default:
                found[entry.name] = entry.license
        return found

    @cached_property
    def _torchvision(self) -> dict[str, Architecture]:
        architectures = load_registry().architectures.values()
        theirs = [one for one in architectures if one.provider == "torchvision"]
        return {one.name: one for one in theirs}


def _hub_name(use: Use) -> str:
    """Name the model of Hugging Face that timm would ask for; without a tag, its architecture."""
    if use.ecosystem == "huggingface":
        return use.subject or ""
    name = f"timm/{use.subject}"
    return f"{name}.{use.revision}" if use.revision else name


def _tagged(architecture: Architecture, tag: str | None) -> Weights | None:
    """Find weights by the tag as programs write it."""
    is_default = tag in (None, "default", "pretrained")
    return architecture.default if is_default else architecture.weights.get(tag or "")


def _is_about(thing: LockedThing, use: Use) -> bool:
    """Tell whether a line of the lock file is about a use."""
    subject = use.subject
    if subject is None:
        return False
    if use.ecosystem == "timm":
        return thing.kind == "huggingface" and _is_of_timm(thing.subject, use)
    if use.ecosystem in ("github", "huggingface"):
        return thing.kind == use.ecosystem and thing.subject == subject
    if use.ecosystem == "url":
        path = urlsplit(subject).path
        _, _, file_name = path.rpartition("/")
        return thing.key in (("file", file_name), ("url", subject))
    return thing.kind == "file" and thing.name in _file_names(use)


def _is_of_timm(model: str, use: Use) -> bool:
    """Tell whether a model of Hugging Face holds the weights that timm would take."""
    wanted = f"timm/{use.subject}"
    if use.revision:
        wanted += f".{use.revision}"
    return model == wanted or model.startswith(f"{wanted}.")


def _file_names(use: Use) -> set[str]:
    """Name the files of torchvision's or zoo's weights that a use would fetch."""
    architectures = load_registry().architectures
    architecture = architectures.get(use.subject or "")
    if architecture is None:
        return set()
    weights = _tagged(architecture, use.revision)
    if weights is None:
        return set()
    return {file.file_name for file in weights.files}
