"""What is known of PyTorch Hub's repositories, in the registry's words; none of their code is run.

``hub_facts.json`` holds what was read of the cards and of each ``hubconf.py`` at one commit. This
module adds what rules say: which digests file names carry, and which addresses may change.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zoo.catalog.hub_repositories import (
    PREFIX,
    HubCard,
    HubEntryPoint,
    HubRepository,
    HubWeights,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.curator.facts import Facts

_FACTS = Path(__file__).parents[1] / "hub_facts.json"
_DIGEST = re.compile(r"-([0-9a-f]{7,64})\.[a-z0-9.]+$")
"""What ``torch.hub.load_state_dict_from_url`` takes for a digest; shorter ones are dates."""
_OF_A_BRANCH = re.compile(
    r"github\.com/[^/]+/[^/]+/raw/(main|master)/|raw\.githubusercontent\.com/[^/]+/[^/]+/(main|master)/"
)


def list_names() -> list[str]:
    """Names of all repositories that have an image card."""
    names = []
    for facts in _content()["repositories"]:
        repository = facts["repository"]
        names.append(PREFIX + repository)
    return names


def describe(name: str, facts: Facts) -> HubRepository:  # noqa: ARG001 - all sources are asked alike
    """Describe one repository."""
    repository = name.removeprefix(PREFIX)
    content = _content()
    found = next(facts for facts in content["repositories"] if facts["repository"] == repository)

    entry_points = {}
    for entry in found["entry_points"]:
        entry_points[entry] = _entry_point(entry, found)

    papers = [f"arXiv:{number}" for number in found["papers"]]
    cards = [HubCard(**card) for card in found["cards"]]
    weights = [_weights(url, repository) for url in found["weights_urls"]]
    return HubRepository(
        name=name,
        repository=repository,
        former_names=tuple(found["former_names"]),
        commit=found["commit"],
        ref=found["ref"],
        dependencies=_tuple(found["dependencies"]),
        entry_points=entry_points,
        also_listed=tuple(found["also_listed"]),
        license=found["license"],
        license_source=found["license_source"],
        papers=tuple(papers),
        cards=tuple(cards),
        weights=tuple(weights),
        issues=tuple(found["issues"]),
        source=content["source"],
    )


def categories() -> Mapping[str, tuple[str, ...]]:
    """Names of classes that no other source has: none."""
    return {}


def aliases() -> dict[str, str]:
    """Names that repositories had, in lower case -> what they are called now."""
    known = set(list_names())
    found = {}
    for old, new in _content()["renamed"].items():
        former = old.lower()
        is_spelling_only = former == new.lower()
        if is_spelling_only:
            continue
        recorded = PREFIX + new
        found[former] = recorded if recorded in known else new
    return found


@cache
def _content() -> Any:
    return json.loads(_FACTS.read_text(encoding="utf-8"))


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    if values is None:
        return None
    return tuple(values)


def _entry_point(
    name: str,
    facts: Mapping[str, Any],
) -> HubEntryPoint:
    errors = facts["errors"].get(name, {})
    is_on_card = name in facts["called"]
    return HubEntryPoint(is_on_card, **errors)


def _weights(
    url: str,
    repository: str,
) -> HubWeights:
    """Say what an address tells about the file behind it."""
    found = _DIGEST.search(url)
    digest = found[1] if found else None
    issue = None
    if _OF_A_BRANCH.search(url):
        issue = "the address is of a branch: what lies there may change"
    elif not _is_own(url, repository):
        path = urlsplit(url).path
        parts = path.split("/")
        other = "/".join(parts[1:3])
        issue = f"it lies in another repository, {other}"
    return HubWeights(url, digest, issue)


def _is_own(
    url: str,
    repository: str,
) -> bool:
    """Tell whether a release lies in the repository itself; other hosts belong to nobody."""
    parts = urlsplit(url)
    if parts.hostname != "github.com":
        return True
    path = parts.path.lower()
    own = f"/{repository.lower()}/"
    return path.startswith(own)
