"""What a user asks a mirror to hold: ``resnet50``, ``pytorch/vision:v0.20.0``, ``hf:timm/resnet18.a1_in1k``.

Names become parts of paths and addresses, so only what GitHub and Hugging Face themselves allow is let through. A ref
may hold slashes; it never holds ``..``, a percent sign, a control character or a leading dash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.catalog import resolver
from zoo.catalog.registry import load_registry
from zoo.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.catalog.records import Weights

HUGGINGFACE_PREFIX = "hf:"
_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})")
_REPOSITORY = re.compile(r"(?!-)[A-Za-z0-9._-]{1,100}")
_MODEL_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,95})")
_REF = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\%]{1,200}")
_REF_FAULT = re.compile(r"^[-/]|\.\.|//|@\{|/$|\.$|(^|/)\.|\.lock(/|$)")


@dataclass(frozen=True, slots=True)
class ModelWant:
    """Weights of the registry."""

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
class RepositoryWant:
    """A hub repository at a branch, tag or commit; at its default branch without a ref."""

    name: str
    """``owner/repository``."""
    ref: str | None = None

    def __str__(self) -> str:
        """Write it as torch.hub does."""
        return f"{self.name}:{self.ref}" if self.ref else self.name


@dataclass(frozen=True, slots=True)
class HuggingFaceWant:
    """A Hugging Face model at a branch, tag or commit."""

    name: str
    """``organisation/model``, or a bare ``model`` of the oldest ones."""
    revision: str = "main"

    def __str__(self) -> str:
        """Write it as a user would."""
        return f"{HUGGINGFACE_PREFIX}{self.name}@{self.revision}"


Want = ModelWant | RepositoryWant | HuggingFaceWant


def parse(text: str) -> list[Want]:
    """Read one WHAT of the command line; a pattern stands for several.

    Raises:
        UnknownNameError: The registry has no such model or weights.
        UsageError: It is none of the three forms, or a name or ref that cannot exist.
    """
    if text.startswith(HUGGINGFACE_PREFIX):
        name, _, revision = text.removeprefix(HUGGINGFACE_PREFIX).partition("@")
        return [huggingface(name, revision or "main")]
    if "/" in text:
        name, colon, ref = text.partition(":")
        return [repository(name, ref if colon else None)]
    return list(_models(text))


def parse_all(texts: Iterable[str]) -> list[Want]:
    """Read several, each want once."""
    return list(dict.fromkeys(want for text in texts for want in parse(text)))


def every_model() -> list[Want]:
    """List all weights of the registry that are published somewhere."""
    architectures = load_registry().architectures.values()
    return [ModelWant(a.name, w.tag) for a in architectures for w in a.weights.values() if is_published(w)]


def is_published(weights: Weights) -> bool:
    """Tell whether there is anything to fetch: some weights ship inside the package."""
    return any(file.url is not None for file in weights.files)


def _models(text: str) -> Iterable[Want]:
    name, _, tag = text.partition(":")
    is_pattern = any(letter in name for letter in "*?[")
    for architecture in resolver.match_architectures(name) if is_pattern else [resolver.find_architecture(name)]:
        if is_pattern and not architecture.weights:
            continue
        weights = resolver.find_weights(architecture, tag or "default")
        if is_published(weights):
            yield ModelWant(architecture.name, weights.tag)
        elif not is_pattern:
            raise UnknownNameError(
                "download", text, advice="these weights ship inside the package; no mirror is needed"
            )


def repository(name: str, ref: str | None) -> RepositoryWant:
    """Check the parts of a hub repository's name.

    Raises:
        UsageError: GitHub has no such owner, name or ref.
    """
    owner, slash, repository_name = name.partition("/")
    is_name = _REPOSITORY.fullmatch(repository_name) and repository_name.strip(".")
    if not (slash and _OWNER.fullmatch(owner) and is_name):
        raise UsageError(f"a hub repository is written owner/name or owner/name:ref, got {name!r:.80}")
    if ref is not None:
        check_ref(ref)
    return RepositoryWant(name, ref)


def huggingface(name: str, revision: str) -> HuggingFaceWant:
    """Check the parts of a Hugging Face model's name.

    Raises:
        UsageError: Hugging Face has no such name or revision.
    """
    parts = name.split("/")
    is_name = len(parts) <= 2 and all(_MODEL_PART.fullmatch(part) for part in parts)
    if not is_name or "--" in name or ".." in name:
        raise UsageError(f"a Hugging Face model is written hf:organisation/model@revision, got {name!r:.80}")
    check_ref(revision)
    return HuggingFaceWant(name, revision)


def check_ref(ref: str) -> None:
    """Refuse what git refuses, and a percent sign, which addresses cannot carry unambiguously.

    Raises:
        UsageError: It is not the name of a branch, tag or commit.
    """
    if not _REF.fullmatch(ref) or _REF_FAULT.search(ref) or not ref.isprintable():
        raise UsageError(f"expected the name of a branch, tag or commit, got {ref!r:.80}")
