"""Specs: what a user types for a model, in every spelling of the field, and the name it means.

==============================================  ===================================================
``resnet50``, ``resnet50:imagenet1k_v2``        a name, a name and the tag of its weights
``timm/resnet50:a1_in1k``                       the same for a network of timm
``timm/resnet50.a1_in1k``, ``resnet50.a1_in1k`` as timm writes it
``hf-hub:timm/resnet50.a1_in1k@main``           as timm takes it from the Hub; the revision is kept
``efficientnet_lite0``                          a bare name that only timm has
``ResNet-50``                                   case, hyphens, underscores and dots do not matter
``convnext_tiny_in22k``                         a name that timm has given up; the new one is said
``hub/isl-org/MiDaS:DPT_Large``                 a repository of PyTorch Hub and an entry point of it
``intel-isl/MiDaS``                             the same under a name that it had
==============================================  ===================================================

Where torchvision and timm both have a bare name, it is torchvision's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from zoo.catalog.index import HUB_SOURCE, Index, load_index
from zoo.catalog.nearness import nearest, plain
from zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Collection

_HUB_PREFIXES = (
    "hf-hub:",
    "hf_hub:",
    "hf:",
)
_WILDCARDS = frozenset("*?[")
_PREFIX = "timm/"
_REPOSITORY_PREFIX = f"{HUB_SOURCE}/"
_SEE_ALL = 'to see all, run "zoo list"'


@dataclass(frozen=True, slots=True)
class Spec:
    """A model that exists, and what was said about its weights."""

    name: str
    """The name of the index."""
    tag: str | None = None
    """As typed; ``None`` for the default."""
    revision: str | None = None
    """Of the Hub's repository, where one was named."""


def has_wildcard(text: str) -> bool:
    """Tell a pattern from a name."""
    return not _WILDCARDS.isdisjoint(text)


def find_spec(text: str, index: Index | None = None) -> Spec:
    """Find the model that a spec means. Whether it has weights of that tag is not looked at.

    Raises:
        UnknownNameError: None is called that; offers the nearest of every source.
    """
    index = index or load_index()
    given = text.strip()
    typed, revision = _without_hub_prefix(given)
    name, _, typed_tag = typed.partition(":")
    tag = typed_tag or None

    for read in _READERS:
        spec = read(name, tag, index)
        if spec is None:
            continue
        return replace(spec, revision=revision)

    near = nearest(name, index.by_name)
    raise UnknownNameError("model", name, near, advice=_SEE_ALL)


def _without_hub_prefix(text: str) -> tuple[str, str | None]:
    """Split ``hf-hub:timm/resnet50.a1_in1k@main`` into the name and the revision."""
    lowered = text.lower()
    for prefix in _HUB_PREFIXES:
        if lowered.startswith(prefix):
            text = text[len(prefix) :]
            break

    name, _, typed = text.partition("@")
    revision = typed or None
    return name, revision


def _exact(
    name: str,
    tag: str | None,
    index: Index,
) -> Spec | None:
    """Take a name as it stands, then as timm's."""
    if name in index.by_name:
        return Spec(name, tag)
    if _PREFIX + name in index.by_name:
        return Spec(_PREFIX + name, tag)

    # "resnet50.a1_in1k": what stands after the first dot is the tag, as in timm.
    head, dot, tail = name.partition(".")
    if not dot or tag is not None:
        return None

    timm_name = _PREFIX + head.removeprefix(_PREFIX)
    entries = index.by_name.get(timm_name, ())
    tags = [entry.tag for entry in entries]
    if tail in tags:
        return Spec(timm_name, tail)
    return None


def _former(
    name: str,
    tag: str | None,
    index: Index,
) -> Spec | None:
    """Follow a name that timm, or a repository, has given up."""
    former = name.removeprefix(_PREFIX)
    lowered = name.lower()
    repository = lowered.removeprefix(_REPOSITORY_PREFIX)
    now = index.aliases.get(former) or index.aliases.get(repository)
    if now is None:
        return None

    new_name, _, new_tag = now.partition(":")
    if new_name not in index.by_name:
        return None

    import logging  # late: few names are old ones, and every command waits for what stands above

    logging.getLogger(__name__).warning("%s is called %s now", former, now)
    return Spec(new_name, tag or new_tag or None)


def _loose(
    name: str,
    tag: str | None,
    index: Index,
) -> Spec | None:
    """Take a name that differs in case, hyphens, underscores or dots only, if one alone does."""
    wanted = plain(name)
    spellings = {wanted}
    for prefix in (_PREFIX, _REPOSITORY_PREFIX):
        spellings.add(prefix + wanted)

    by_source: dict[str, list[str]] = {
        "": [],
        _PREFIX: [],
        _REPOSITORY_PREFIX: [],
    }
    for known in index.by_name:
        if plain(known) in spellings:
            source, slash, _ = known.partition("/")
            prefix = source + slash if slash else ""
            members = by_source.setdefault(prefix, [])
            members.append(known)

    # torchvision's and ours come before timm's, timm's before repositories.
    for found in by_source.values():
        if len(found) == 1:
            return Spec(found[0], tag)
    return None


_READERS = (_exact, _former, _loose)
"""Ways to read a name, strictest first."""


def match_names(
    pattern: str,
    index: Index | None = None,
    *,
    has_repositories: bool = False,
) -> list[str]:
    """List the names that fit a shell pattern, or that contain ``pattern`` if it has no wildcard.

    A name that is exactly the pattern comes first. ``'resnet*'`` fits whole names, so it leaves
    ``timm/resnet50`` out, which ``'timm/resnet*'`` and ``'*resnet*'`` find.

    Args:
        pattern: What is looked for.
        index: By default that of all that zoo knows.
        has_repositories: Look among PyTorch Hub's repositories, too; a pattern that begins with
            ``hub/`` does so anyway.

    Raises:
        UnknownNameError: Nothing fits.
    """
    index = index or load_index()
    lowered = pattern.strip().lower()
    names: Collection[str] = index.by_name
    if not has_repositories and not lowered.startswith(_REPOSITORY_PREFIX):
        names = [name for name in names if not name.startswith(_REPOSITORY_PREFIX)]

    near: list[str] = []
    if has_wildcard(lowered):
        found = [name for name in names if fnmatchcase(name.lower(), lowered)]
    else:
        found = _containing(lowered, names)
        near = nearest(pattern, names)

    if not found:
        raise UnknownNameError("model", pattern, near, advice=_SEE_ALL)
    return found


def _containing(text: str, names: Collection[str]) -> list[str]:
    """List the names that contain a text; hyphens and the like count only where some name has them.

    A name that is the text comes first.
    """
    found = [name for name in names if text in name]
    wanted = plain(text)
    if not found and wanted:
        found = [name for name in names if wanted in plain(name)]

    exact = []
    others = []
    spellings = {text, _PREFIX + text}
    for name in found:
        if name in spellings:
            exact.append(name)
        else:
            others.append(name)
    return exact + others
