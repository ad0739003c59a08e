"""The files beside ``registry.json``: timm's records, counted once, and PyTorch Hub's.

Counting 1,826 networks takes many minutes, so figures on disk stay as long as timm, torch, the
input and the number of classes are those that they were counted with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from zoo.catalog.families import SCHEMA_VERSION, Family, parse_family
from zoo.catalog.hub_repositories import SCHEMA_VERSION as HUB_VERSION
from zoo.catalog.hub_repositories import HubDocument
from zoo.catalog.index import HUB_SOURCE
from zoo.catalog.places import registry_place
from zoo.curator.pins import Pin, pinned, read_pins
from zoo.curator.sources import hub_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.catalog.records import Architecture, Weights
    from zoo.curator.facts import Facts

Progress = Callable[[str, int, int], None]
SOURCE = "timm"


class Figures(NamedTuple):
    """What is counted for one set of weights."""

    parameters: int
    multiply_adds: int | None
    activations: int | None
    state_bytes: int | None


Key = tuple[str, str, tuple[int, ...], int | None]
"""Name, tag, input size and number of classes."""
Known = Mapping[Key, Figures]


def build_families(
    facts: Facts,
    progress: Progress,
    *,
    recount: int | None = 0,
    known: Known | None = None,
) -> dict[str, Family]:
    """Build the records of timm, by the path of the file that holds them.

    Args:
        facts: Those of ``facts.toml``.
        progress: Called while weights are counted.
        recount: How many weights are counted though figures are known; ``None`` is all.
        known: By default the figures on disk.
    """
    from zoo.curator.sources import timm

    versions = timm.versions()
    if known is None:
        known = known_figures(versions)
    drafts = [timm.describe(name, facts) for name in timm.list_names()]
    figures = _count(drafts, known, recount, progress)

    pins = read_pins()
    grouped: dict[str, dict[str, Architecture]] = {}
    for draft in drafts:
        path = f"{SOURCE}/{draft.family}.json"
        members = grouped.setdefault(path, {})
        members[draft.name] = _complete(draft, figures, pins)

    families = {}
    generated_by = {"command": "zoo registry build", **versions}
    for path, architectures in sorted(grouped.items()):
        families[path] = Family(
            schema_version=SCHEMA_VERSION,
            generated_by=generated_by,
            architectures=architectures,
        )
    return families


def _count(
    drafts: Sequence[Architecture],
    known: Known,
    recount: int | None,
    progress: Progress,
) -> Known:
    """Count what is not known yet, and some of what is."""
    from zoo.curator.sources import timm

    pairs = []
    for draft in drafts:
        pairs += [(draft, weights) for weights in draft.weights.values()]

    to_count = []
    again = _spread(len(pairs), recount)
    for number, (draft, weights) in enumerate(pairs):
        figures_known = known.get(_key(draft, weights))
        is_known = figures_known is not None and figures_known.state_bytes is not None
        if number in again or not is_known:
            to_count.append((draft, weights))

    figures = dict(known)
    for done, (draft, weights) in enumerate(to_count):
        progress(f"{draft.name}:{weights.tag}", done, len(to_count))
        table = timm.trace(draft, weights)
        key = _key(draft, weights)
        figures[key] = Figures(
            parameters=table.parameters,
            multiply_adds=table.multiply_adds,
            activations=table.activations,
            state_bytes=timm.state_bytes(draft, weights),
        )
    return figures


def build_repositories(facts: Facts) -> dict[str, HubDocument]:
    """Build the records of PyTorch Hub's repositories, by the path of the file that holds each."""
    source = hub_source()
    documents = {}
    for name in source.list_names():
        repository = source.describe(name, facts)
        path = f"{HUB_SOURCE}/{repository.family}.json"
        documents[path] = HubDocument(HUB_VERSION, repository)
    return documents


def aliases() -> dict[str, str]:
    """Names that timm and repositories have given up -> what replaces them."""
    from zoo.curator.sources import hub, timm

    return timm.aliases() | hub.aliases()


def known_figures(versions: Mapping[str, str]) -> dict[Key, Figures]:
    """Read the figures on disk that these versions made."""
    folder = registry_place().parent / "registry" / SOURCE
    known = {}

    for path in sorted(folder.glob("*.json")):
        text = path.read_text(encoding="utf-8")
        family = parse_family(text, str(path))
        is_current = versions.items() <= family.generated_by.items()
        if not is_current:
            continue

        for architecture in family.architectures.values():
            for weights in architecture.weights.values():
                key = _key(architecture, weights)
                known[key] = Figures(
                    parameters=weights.parameters,
                    multiply_adds=weights.multiply_adds,
                    activations=weights.activations,
                    state_bytes=weights.state_bytes,
                )

    return known


def _spread(
    count: int,
    wanted: int | None,
) -> set[int]:
    """Choose some numbers below ``count``, evenly spread."""
    everything = range(count)
    if wanted is None or wanted >= count:
        return set(everything)

    chosen = set()
    for index in range(wanted):
        number = index * count // wanted
        chosen.add(number)
    return chosen


def _key(
    architecture: Architecture,
    weights: Weights,
) -> Key:
    return (
        architecture.name,
        weights.tag,
        weights.input_size,
        weights.num_classes,
    )


def _complete(
    draft: Architecture,
    figures: Known,
    pins: Mapping[str, Pin],
) -> Architecture:
    """Fill the figures and pins in; an architecture has the figures of its default weights."""
    weights = {}
    for tag, entry in draft.weights.items():
        pin = pins.get(f"{draft.name}:{tag}")
        files = [pinned(file, pin) for file in entry.files]
        key = _key(draft, entry)
        weights[tag] = replace(
            entry,
            files=tuple(files),
            **figures[key]._asdict(),
        )

    default = weights[draft.default_weights or ""]
    return replace(
        draft,
        parameters=default.parameters,
        multiply_adds=default.multiply_adds,
        activations=default.activations,
        weights=weights,
    )
