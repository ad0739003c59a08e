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
    from zoo.catalog.records import Architecture, Weights, WeightsFile


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
        """Find the commit that the lock file has for a ref.

        For the default branch that is the only commit that it has, whatever it is called there.
        """
        named: set[str | None] = set()
        every: set[str | None] = set()
        for one in self.locked:
            is_it = one.kind == kind and one.subject == subject
            if is_it:
                every.add(one.revision)
            if is_it and ref in one.refs:
                named.add(one.revision)

        is_default = ref in (None, "main")
        found = named
        if is_default and not named:
            found = every
        if len(found) != 1:
            return None
        return found.pop()

    def has_locked(self, use: Use) -> bool:
        """Tell whether the lock file has a line about a use."""
        lines = [thing for thing in self.locked if _is_about(thing, use)]
        return bool(lines)

    def license(self, use: Use) -> str | None:
        """Find the license of what would be fetched, as far as it is known."""
        weights = self._weights(use)
        if weights is not None and weights.license is not None:
            return weights.license

        if use.ecosystem in ("timm", "huggingface"):
            name = _hub_name(use)
            stated = self._licenses.get(name)
            if stated is not None:
                return stated

        for thing in self.locked:
            if thing.license and _is_about(thing, use):
                return thing.license
        return None

    def torchvision_default(self, model: str) -> str | None:
        """Find the tag that torchvision's DEFAULT means, in the version of the registry."""
        architecture = self._torchvision.get(model)
        if architecture is None:
            return None
        return architecture.default_weights

    def safetensors_of(self, model: str) -> str | None:
        """Name a safetensors file of a Hugging Face model, if one is known to exist."""
        for thing in self.locked:
            path = thing.path or ""
            is_of_model = thing.kind == "huggingface" and thing.subject == model
            if is_of_model and path.endswith(".safetensors"):
                return path

        is_timm = model.startswith("timm/") and "." in model
        if not is_timm:
            return None
        return "model.safetensors"

    def _weights(self, use: Use) -> Weights | None:
        if use.ecosystem != "torchvision":
            return None

        name = use.subject or ""
        architecture = self._torchvision.get(name)
        if architecture is None:
            return None
        return _tagged(architecture, use.revision)

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
        registry = load_registry()
        architectures = registry.architectures.values()
        theirs = [one for one in architectures if one.provider == "torchvision"]
        return {one.name: one for one in theirs}


def _hub_name(use: Use) -> str:
    """Name the model of Hugging Face that timm would ask for; without a tag, its architecture."""
    if use.ecosystem == "huggingface":
        return use.subject or ""

    name = f"timm/{use.subject}"
    if use.revision:
        name += f".{use.revision}"
    return name


def _tagged(architecture: Architecture, tag: str | None) -> Weights | None:
    """Find weights by the tag as programs write it."""
    if tag is None or tag in ("default", "pretrained"):
        return architecture.default
    return architecture.weights.get(tag)


def _is_about(thing: LockedThing, use: Use) -> bool:
    """Tell whether a line of the lock file is about a use."""
    subject = use.subject
    if subject is None:
        return False

    if use.ecosystem == "timm":
        is_on_hub = thing.kind == "huggingface"
        return is_on_hub and _is_of_timm(thing.subject, use)

    if use.ecosystem in ("github", "huggingface"):
        is_of_kind = thing.kind == use.ecosystem
        return is_of_kind and thing.subject == subject

    if use.ecosystem == "url":
        address = urlsplit(subject)
        _, _, file_name = address.path.rpartition("/")
        by_name = ("file", file_name)
        by_address = ("url", subject)
        return thing.key in (by_name, by_address)

    if thing.kind != "file":
        return False
    names = [file.file_name for file in files_of(use)]
    return thing.name in names


def _is_of_timm(model: str, use: Use) -> bool:
    """Tell whether a model of Hugging Face holds the weights that timm would take."""
    wanted = _hub_name(use)
    return model == wanted or model.startswith(f"{wanted}.")


def files_of(use: Use) -> tuple[WeightsFile, ...]:
    """List the files of torchvision's or zoo's weights that a use would load."""
    registry = load_registry()
    name = use.subject or ""
    architecture = registry.architectures.get(name)
    if architecture is None:
        return ()

    weights = _tagged(architecture, use.revision)
    if weights is None:
        return ()
    return weights.files
