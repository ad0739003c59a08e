"""Specs of what a mirror holds: as a user types them, checked and taken apart.

``resnet50``, ``pytorch/vision:v0.20.0``, ``hf:timm/resnet18.a1_in1k``, or an address.

Names become parts of paths and addresses, so only what GitHub and Hugging Face themselves allow is
let through. A ref may hold slashes; it never holds ``..``, a percent sign, a control character or a
leading dash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol
from urllib.parse import urlsplit

from zoo.catalog import resolver
from zoo.catalog.registry import load_registry
from zoo.catalog.specs import has_wildcard
from zoo.catalog.wanted import find_wanted, warn_of_others
from zoo.download import sources
from zoo.errors import MirrorError, UnknownNameError, UsageError
from zoo.mirror import layout

if TYPE_CHECKING:
    from zoo.catalog.records import Weights
    from zoo.mirror.index import Kind

WEIGHTS: Kind = "weights"
REPOSITORY: Kind = "repository"
HUGGINGFACE: Kind = "huggingface"
HUGGINGFACE_PREFIX = "hf:"
_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})")
_REPOSITORY = re.compile(r"(?!-)[A-Za-z0-9._-]{1,100}")
_MODEL_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,95})")
_REF = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\%]{1,200}")
_REF_FAULT = re.compile(r"^[-/]|\.\.|//|@\{|/$|\.$|(^|/)\.|\.lock(/|$)")


class ItemSpec(Protocol):
    """What a mirror is asked to hold, as it was named; written out, it is what a user types."""

    kind: ClassVar[Kind]
    """Whose it is (:mod:`zoo.mirror.ecosystems`)."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Weights of the registry."""

    kind: ClassVar[Kind] = WEIGHTS
    name: str
    tag: str

    def __str__(self) -> str:
        """Write it as a user would."""
        return f"{self.name}:{self.tag}"

    @property
    def weights(self) -> Weights:
        """The registry's record."""
        return resolver.resolve(str(self))[1]


@dataclass(frozen=True, slots=True)
class AddressSpec:
    """Weights that no registry knows, by their public address."""

    kind: ClassVar[Kind] = WEIGHTS
    url: str

    def __str__(self) -> str:
        """Write it as a user would."""
        return self.url


@dataclass(frozen=True, slots=True)
class RepositorySpec:
    """A hub repository at a branch, tag or commit; at its default branch without a ref."""

    kind: ClassVar[Kind] = REPOSITORY
    name: str
    """``owner/repository``."""
    ref: str | None = None

    def __str__(self) -> str:
        """Write it as torch.hub does."""
        if self.ref:
            return f"{self.name}:{self.ref}"
        return self.name


@dataclass(frozen=True, slots=True)
class HuggingFaceSpec:
    """A Hugging Face model at a branch, tag or commit."""

    kind: ClassVar[Kind] = HUGGINGFACE
    name: str
    """``organisation/model``, or a bare ``model`` of the oldest ones."""
    revision: str = "main"

    def __str__(self) -> str:
        """Write it as a user would."""
        return f"{HUGGINGFACE_PREFIX}{self.name}@{self.revision}"


WeightsSpec = ModelSpec | AddressSpec


def list_models() -> list[ItemSpec]:
    """List all weights of the registry that are published somewhere."""
    architectures = load_registry().architectures.values()
    return [
        ModelSpec(a.name, w.tag)
        for a in architectures
        for w in a.weights.values()
        if is_published(w)
    ]


def is_published(weights: Weights) -> bool:
    """Tell whether there is anything to fetch: some weights ship inside the package."""
    return any(file.url is not None for file in weights.files)


def find_shipped(text: str) -> ModelSpec | None:
    """Read a spec of weights that ship inside the package.

    ``None`` where it names something else.
    """
    name, _, tag = text.partition(":")
    if "/" in name:  # a repository, even if the registry knows its networks
        return None
    try:
        architecture = resolver.find_architecture(name)
        weights = resolver.find_weights(architecture, tag or "default")
    except UnknownNameError:
        return None
    if is_published(weights):
        return None
    return ModelSpec(architecture.name, weights.tag)


def find_models(text: str) -> list[ItemSpec]:
    """Find weights of the registry by name or pattern.

    Raises:
        UnknownNameError: There are none.
        MirrorError: They ship inside the package.
    """
    # A pattern is one over what zoo knows by a bare name; a name may be of any source.
    is_pattern = has_wildcard(text)
    registry = load_registry() if is_pattern else None
    meant = find_wanted([text], registry=registry)
    shipped = [architecture.name for architecture, weights in meant if not is_published(weights)]
    if shipped and not is_pattern:
        fault = "expected weights to fetch, got some that ship inside the package"
        raise MirrorError(text, fault, "nothing has to be mirrored for them")

    warn_of_others(text, shipped, "shipped inside the package")
    return [
        ModelSpec(architecture.name, weights.tag)
        for architecture, weights in meant
        if is_published(weights)
    ]


def read_address(url: str) -> WeightsSpec:
    """Read the address of weights; one that the registry has is known by its name there.

    Raises:
        UsageError: No mirror can hold what is published there.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        raise UsageError(
            f"weights are named by an address without password and query, got {sources.shown(url)}"
        )
    if fault := layout.path_fault(layout.weights_path(url)):
        raise UsageError(f"{sources.shown(url)} cannot be mirrored: {fault}")
    for architecture in load_registry().architectures.values():
        for weights in architecture.weights.values():
            if any(file.url == url for file in weights.files):
                return ModelSpec(architecture.name, weights.tag)
    return AddressSpec(url)


def check_repository(
    name: str,
    ref: str | None,
) -> RepositorySpec:
    """Check the parts of a hub repository's name.

    Raises:
        UsageError: GitHub has no such owner, name or ref.
    """
    owner, slash, repository_name = name.partition("/")
    is_name = _REPOSITORY.fullmatch(repository_name) and repository_name.strip(".")
    if not (slash and _OWNER.fullmatch(owner) and is_name):
        raise UsageError(
            f"a hub repository is written owner/name or owner/name:ref, got {name!r:.80}"
        )
    if ref is not None:
        check_ref(ref)
    return RepositorySpec(name, ref)


def check_huggingface(
    name: str,
    revision: str,
) -> HuggingFaceSpec:
    """Check the parts of a Hugging Face model's name.

    Raises:
        UsageError: Hugging Face has no such name or revision.
    """
    parts = name.split("/")
    is_name = len(parts) <= 2 and all(_MODEL_PART.fullmatch(part) for part in parts)
    if not is_name or "--" in name or ".." in name:
        raise UsageError(
            f"a Hugging Face model is written hf:organisation/model@revision, got {name!r:.80}"
        )
    check_ref(revision)
    return HuggingFaceSpec(name, revision)


def check_ref(ref: str) -> None:
    """Refuse what git refuses, and a percent sign, which addresses cannot carry unambiguously.

    Raises:
        UsageError: It is not the name of a branch, tag or commit.
    """
    if not _REF.fullmatch(ref) or _REF_FAULT.search(ref) or not ref.isprintable():
        raise UsageError(f"expected the name of a branch, tag or commit, got {ref!r:.80}")
