"""Decide what to measure.

From models, modes, batches, precisions and engines to independent cases. Pure.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.bench.records import (
    MEMORY_FORMATS,
    MODES,
    PRECISIONS,
    Case,
    MemoryFormat,
    Mode,
    Precision,
)
from zoo.catalog.entries import entry_of
from zoo.catalog.index import load_index, registry_index
from zoo.catalog.local import file_of
from zoo.catalog.nearness import nearest
from zoo.catalog.registry import load_registry
from zoo.catalog.resolver import find_architecture, resolve_loosely
from zoo.catalog.specs import find_spec, has_wildcard, match_names
from zoo.engines.known import find_engine, known_engines
from zoo.errors import UnknownNameError, UsageError
from zoo.formats.files import names_a_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.catalog.registry import Registry
    from zoo.devices import Device

TASKS = frozenset({"classification", "segmentation", "video-classification"})
"""Tasks whose networks take one tensor and return one (or a few) of fixed shape."""
DEFAULT_TRAINING_BATCH = 8
_DOTTED_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_BATCH = re.compile(r"[1-9]\d{0,6}")


@dataclass(frozen=True, slots=True)
class Grid:
    """A sweep as the user asks for it: every combination of these."""

    models: Sequence[str]
    """Names, ``NAME:TAG``, or dotted paths of functions that return a module."""
    modes: Sequence[str] = ("latency", "throughput")
    batches: Sequence[int | None] | None = None
    """For throughput and training; ``None`` among them looks for the best. Latency is measured at
    batch 1."""
    precisions: Sequence[str] = ("fp32",)
    memory_formats: Sequence[str] = ("contiguous",)
    engines: Sequence[str] = ("eager",)
    threads: int = 1
    input_size: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be measured, and what was asked for but cannot be."""

    cases: list[Case] = field(default_factory=list)
    refused: list[tuple[Case, str]] = field(default_factory=list)
    """With the reason, one sentence."""


def expand(
    names: Sequence[str],
    *,
    is_all: bool = False,
    registry: Registry | None = None,
) -> list[str]:
    """Turn patterns such as ``resnet*`` into names, and ``--all`` into all that can be measured.

    A model of one's own becomes the file that it is.

    Raises:
        UnknownNameError: A pattern fits nothing.
        UsageError: Nothing is named.
    """
    if is_all:
        known = registry or load_registry()
        architectures = known.architectures.values()
        return [architecture.name for architecture in architectures if architecture.task in TASKS]
    if not names:
        raise UsageError('name a model, or take every one with --all, as in "zoo bench resnet18"')
    index = registry_index(registry) if registry else load_index()
    expanded: list[str] = []
    for name in names:
        if not has_wildcard(name):
            file = file_of(name)
            expanded.append(file)
            continue

        for member in match_names(name, index):
            default = index.default(member)
            if default.task in TASKS:
                expanded.append(member)
    once = dict.fromkeys(expanded)
    return list(once)


def parse_batches(text: str | None) -> tuple[int | None, ...] | None:
    """Read batches such as ``1,8,64`` or ``best``.

    >>> parse_batches("1,best"), parse_batches(None)
    ((1, None), None)

    Raises:
        UsageError: Something else stands there.
    """
    if text is None:
        return None

    batches: list[int | None] = []
    for part in text.split(","):
        word = part.strip()
        if word == "best":
            batches.append(None)
        elif _BATCH.fullmatch(word):
            batches.append(int(word))
        else:
            expected = "--batch takes numbers and best, such as 1,8,64 or best"
            raise UsageError(f"{expected}, got {text!r:.40}")
    return tuple(dict.fromkeys(batches))


def check(
    grid: Grid,
    registry: Registry | None = None,
) -> list[Case]:
    """Check the words of a grid, whatever the device.

    Returns:
        A case for each model, before the grid's variations.

    Raises:
        UnknownNameError: No such model, mode, precision, memory format or engine.
        UsageError: A batch or an input size below 1, a dotted path without an input size, or a
            model that does not take one tensor.
    """
    for kind, given, known in (
        ("mode", grid.modes, MODES),
        ("precision", grid.precisions, PRECISIONS),
        ("memory format", grid.memory_formats, MEMORY_FORMATS),
        ("engine", grid.engines, tuple(known_engines())),
    ):
        _require_known(kind, given, known)

    for batch in grid.batches or ():
        if batch is not None:
            _require_positive("batch", batch)
    for side in grid.input_size or ():
        _require_positive("input size", side)
    return [_template(model, grid, registry) for model in dict.fromkeys(grid.models)]


def plan(
    grid: Grid,
    device: Device,
    registry: Registry | None = None,
) -> Plan:
    """Make the cases of a sweep on a device, in the order in which they will be measured.

    Raises:
        UnknownNameError: See :func:`check`.
        UsageError: See :func:`check`.
    """
    made = Plan()
    for template in check(grid, registry):
        for case in _variants(replace(template, device=device.name), grid):
            reason = why_not(case, device)
            if reason:
                made.refused.append((case, reason))
            else:
                made.cases.append(case)
    return made


def _require_known(
    kind: str,
    given: Iterable[str],
    known: Sequence[str],
) -> None:
    for name in given:
        if name not in known:
            near = nearest(name, known)
            listing = ", ".join(known)
            raise UnknownNameError(kind, name, near, advice=f"known are {listing}")


def _require_positive(
    name: str,
    number: int,
) -> None:
    if number < 1:
        raise UsageError(f"the {name} takes numbers above 0, got {number}")


def is_path(
    model: str,
    registry: Registry | None = None,
) -> bool:
    """Tell the path of a function, ``mypackage.nets.small``, from a name of the registry.

    ``resnet50.a1_in1k`` has a dot as well: what the registry knows is a name.
    """
    if not _DOTTED_PATH.fullmatch(model):
        return False
    try:
        find_spec(model, registry_index(registry) if registry else None)
    except UnknownNameError:
        return True
    return False


def _template(
    model: str,
    grid: Grid,
    registry: Registry | None,
) -> Case:
    """Make the case of a model before the grid's variations."""
    base = Case(model, "latency", "", grid.input_size or (), 1, threads=grid.threads)
    if names_a_file(model):
        return replace(base, input_size=grid.input_size or _input_size_of(Path(model)))
    if is_path(model, registry):
        if grid.input_size is None:
            raise UsageError(
                f"{model} is no model of the registry: "
                "give the shape of its input, --input 3x224x224"
            )
        return base
    architecture, weights = resolve_loosely(model, registry)
    name = architecture.name
    if architecture.task not in TASKS:
        raise UsageError(
            f"bench measures networks that take one tensor, {name} does {architecture.task}; "
            f'"zoo list --task classification" lists what it measures'
        )
    usual = weights.input_size if weights else architecture.input_size
    if grid.input_size not in (None, usual):
        return base
    multiply_adds = weights.multiply_adds if weights else architecture.multiply_adds
    activations = entry_of(architecture, weights).activations
    spec = f"{name}:{weights.tag}" if weights else name
    return replace(
        base, model=spec, input_size=usual, multiply_adds=multiply_adds, activations=activations
    )


def _input_size_of(file: Path) -> tuple[int, ...]:
    """Find the input of the network that a file belongs to.

    Raises:
        CheckpointError: The file cannot be used, or reveals no classifier.
    """
    from zoo.classifier import reveal

    name, _ = reveal(file)
    return find_architecture(name).input_size


def _variants(
    template: Case,
    grid: Grid,
) -> Iterable[Case]:
    axes = itertools.product(grid.modes, grid.engines, grid.precisions, grid.memory_formats)
    for mode, engine, precision, memory_format in axes:
        for batch in _batches(mode, grid.batches):
            yield replace(
                template,
                mode=_as_mode(mode),
                engine=engine,
                precision=_as_precision(precision),
                memory_format=_as_format(memory_format),
                batch=batch,
            )


def _batches(
    mode: str,
    wanted: Sequence[int | None] | None,
) -> Sequence[int | None]:
    if mode in ("latency", "first-inference", "load"):
        return (1,)
    if wanted is not None:
        return tuple(dict.fromkeys(wanted))
    return (DEFAULT_TRAINING_BATCH,) if mode == "training" else (None,)


def _as_mode(name: str) -> Mode:
    return name  # type: ignore[return-value]  # checked by _require_known


def _as_precision(name: str) -> Precision:
    return name  # type: ignore[return-value]  # checked by _require_known


def _as_format(name: str) -> MemoryFormat:
    return name  # type: ignore[return-value]  # checked by _require_known


def why_not(
    case: Case,
    device: Device,
) -> str | None:
    """Say in one sentence why a case cannot be measured on a device; ``None`` if it can."""
    return _why_not_here(case, device) or _why_not_in(case, case.mode)


def _why_not_here(case: Case, device: Device) -> str | None:
    """Say what the device or the engine lacks."""
    engine = find_engine(case.engine)
    name = f"the engine {case.engine}"
    if case.precision not in device.precisions:
        place = f"{device.name} ({device.title})"
        return _lacks(place, case.precision, device.precisions)

    if device.kind not in engine.devices:
        known = ", ".join(engine.devices)
        return f"{name} runs on {known}, not on {device.kind}"

    if case.mode not in engine.workloads:
        return _lacks(name, f"mode {case.mode}", engine.workloads)

    if case.precision not in engine.precisions:
        return _lacks(name, case.precision, engine.precisions)

    if case.memory_format not in engine.memory_formats:
        return f"{name} chooses its own memory format; use contiguous"
    return None


def _lacks(
    name: str,
    what: str,
    known: Iterable[str],
) -> str:
    """Say what something has instead of what was asked for."""
    listing = ", ".join(known)
    return f"{name} has no {what}; it has {listing}"


def _why_not_in(case: Case, mode: Mode) -> str | None:
    """Say what makes no sense in a mode."""
    precision = case.precision
    is_half = precision in {"fp16", "bf16"}
    if mode == "training" and is_half:
        advice = f"use {precision}-autocast"
        return f"training in {precision} alone loses small updates; {advice}"

    is_plain = precision == "fp32" and case.memory_format == "contiguous"
    if mode == "load" and not is_plain:
        return "loading reads the weights as they are; measure it in fp32 and contiguous"

    is_inference = mode in {"latency", "throughput"}
    if precision == "int8" and not is_inference:
        return "int8 is for inference; measure latency or throughput"
    return None
