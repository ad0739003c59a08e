"""Decide what to measure: from models, modes, batches, precisions and engines to independent cells. Pure."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from zoo.bench.records import MEMORY_FORMATS, MODES, PRECISIONS, Cell, Device, MemoryFormat, Mode, Precision
from zoo.catalog.registry import load_registry
from zoo.catalog.resolver import find_architecture, find_weights, match_architectures, nearest
from zoo.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.catalog.registry import Registry

TASKS = frozenset({"classification", "segmentation", "video-classification"})
"""Tasks whose networks take one tensor and return one (or a few) of fixed shape."""
DEFAULT_TRAINING_BATCH = 8
_DOTTED_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
FLOATING = tuple(precision for precision in PRECISIONS if precision != "int8")


@dataclass(frozen=True, slots=True)
class Engine:
    """What an engine can do."""

    summary: str
    devices: tuple[str, ...]
    modes: tuple[str, ...] = ("latency", "throughput", "first-inference")
    precisions: tuple[str, ...] = FLOATING
    has_own_layout: bool = False
    """It lays tensors out as it likes and takes contiguous ones."""


ENGINES = {
    "eager": Engine("PyTorch as it is", ("cpu", "cuda", "mps"), MODES, PRECISIONS),
    "eager:autotuned": Engine("eager, cuDNN tries its algorithms first", ("cuda",), MODES),
    "compile": Engine("torch.compile", ("cpu", "cuda", "mps"), MODES[:4]),
    "compile:reduce-overhead": Engine("torch.compile with CUDA graphs", ("cuda",), MODES[:4]),
    "compile:max-autotune": Engine("torch.compile, kernels tuned", ("cpu", "cuda"), MODES[:4]),
    "cudagraphs": Engine("eager, captured once and replayed", ("cuda",)),
    "onnxruntime": Engine("ONNX Runtime", ("cpu", "cuda"), precisions=("fp32",), has_own_layout=True),
    "openvino": Engine("OpenVINO", ("cpu",), precisions=("fp32", "bf16-autocast"), has_own_layout=True),
    "tensorrt": Engine("Torch-TensorRT", ("cuda",), precisions=("fp32", "fp16"), has_own_layout=True),
}


@dataclass(frozen=True, slots=True)
class Grid:
    """A sweep as the user asks for it: every combination of these."""

    models: Sequence[str]
    """Names, ``NAME:TAG``, or dotted paths of functions that return a module."""
    modes: Sequence[str] = ("latency", "throughput")
    batches: Sequence[int | None] | None = None
    """For throughput and training; ``None`` among them looks for the best. Latency is measured at batch 1."""
    precisions: Sequence[str] = ("fp32",)
    memory_formats: Sequence[str] = ("contiguous",)
    engines: Sequence[str] = ("eager",)
    threads: int = 1
    input_size: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be measured, and what was asked for but cannot be."""

    cells: list[Cell] = field(default_factory=list)
    refused: list[tuple[Cell, str]] = field(default_factory=list)
    """With the reason, one sentence."""


def expand(names: Sequence[str], *, is_all: bool = False, registry: Registry | None = None) -> list[str]:
    """Turn patterns such as ``resnet*`` into names, and ``--all`` into every model that can be measured.

    Raises:
        UnknownNameError: A pattern fits nothing.
        UsageError: Nothing is named.
    """
    if is_all:
        architectures = (registry or load_registry()).architectures.values()
        return [architecture.name for architecture in architectures if architecture.task in TASKS]
    if not names:
        raise UsageError("name a model, such as zoo bench resnet18, or take every model with --all")
    expanded: list[str] = []
    for name in names:
        if any(letter in name for letter in "*?["):
            expanded += [found.name for found in match_architectures(name, registry) if found.task in TASKS]
        else:
            expanded.append(name)
    return list(dict.fromkeys(expanded))


def parse_batches(text: str | None) -> tuple[int | None, ...] | None:
    """Read batches such as ``1,8,64`` or ``best``.

    >>> parse_batches("1,best"), parse_batches(None)
    ((1, None), None)

    Raises:
        UsageError: Something else stands there.
    """
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word == "best" or re.fullmatch(r"[1-9]\d{0,6}", word) for word in words):
        raise UsageError(f"--batch takes numbers and best, such as 1,8,64 or best, got {text!r:.40}")
    return tuple(dict.fromkeys(None if word == "best" else int(word) for word in words))


def check(grid: Grid, registry: Registry | None = None) -> list[Cell]:
    """Check the words of a grid, whatever the device.

    Returns:
        A cell for each model, before the grid's variations.

    Raises:
        UnknownNameError: No such model, mode, precision, memory format or engine.
        UsageError: A dotted path without an input size, or a model that does not take one tensor.
    """
    for kind, given, known in (
        ("mode", grid.modes, MODES),
        ("precision", grid.precisions, PRECISIONS),
        ("memory format", grid.memory_formats, MEMORY_FORMATS),
        ("engine", grid.engines, tuple(ENGINES)),
    ):
        _require_known(kind, given, known)
    return [_template(model, grid, registry) for model in dict.fromkeys(grid.models)]


def plan(grid: Grid, device: Device, registry: Registry | None = None) -> Plan:
    """Make the cells of a sweep on a device, in the order in which they will be measured.

    Raises:
        UnknownNameError: See :func:`check`.
        UsageError: See :func:`check`.
    """
    made = Plan()
    for template in check(grid, registry):
        for cell in _variants(replace(template, device=device.name), grid):
            reason = why_not(cell, device)
            if reason:
                made.refused.append((cell, reason))
            else:
                made.cells.append(cell)
    return made


def _require_known(kind: str, given: Iterable[str], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            raise UnknownNameError(kind, name, nearest(name, known), advice=f"known are {', '.join(known)}")


def _template(model: str, grid: Grid, registry: Registry | None) -> Cell:
    """Make the cell of a model before the grid's variations."""
    base = Cell(model, "latency", "", grid.input_size or (), 1, threads=grid.threads)
    if "." in model.partition(":")[0]:
        if not _DOTTED_PATH.fullmatch(model):
            raise UsageError(
                f"expected a name of the registry or a path such as mypackage.nets.small, got {model!r:.60}"
            )
        if grid.input_size is None:
            raise UsageError(f"{model} is no model of the registry: give the shape of its input, --input 3x224x224")
        return base
    name, _, tag = model.partition(":")
    architecture = find_architecture(name, registry)
    if architecture.task not in TASKS:
        raise UsageError(
            f"zoo bench measures networks that take one tensor, {name} does {architecture.task}; "
            f'"zoo list --task classification" lists what it measures'
        )
    weights = find_weights(architecture, tag) if tag else None
    usual = weights.input_size if weights else architecture.input_size
    if grid.input_size not in (None, usual):
        return base
    multiply_adds = weights.multiply_adds if weights else architecture.multiply_adds
    activations = architecture.activations if usual == architecture.input_size else None
    return replace(base, input_size=usual, multiply_adds=multiply_adds, activations=activations)


def _variants(template: Cell, grid: Grid) -> Iterable[Cell]:
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


def _batches(mode: str, wanted: Sequence[int | None] | None) -> Sequence[int | None]:
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


def why_not(cell: Cell, device: Device) -> str | None:
    """Say in one sentence why a cell cannot be measured on a device; ``None`` if it can."""
    kind = device.name.partition(":")[0]
    engine = ENGINES[cell.engine]
    name = f"the engine {cell.engine}"
    reasons = {
        f"{device.name} ({device.title}) has no {cell.precision}; it has {', '.join(device.precisions)}": (
            cell.precision not in device.precisions
        ),
        f"{name} runs on {', '.join(engine.devices)}, not on {kind}": kind not in engine.devices,
        f"{name} has no mode {cell.mode}; it has {', '.join(engine.modes)}": cell.mode not in engine.modes,
        f"{name} has no {cell.precision}; it has {', '.join(engine.precisions)}": (
            cell.precision not in engine.precisions
        ),
        f"{name} chooses its own memory format; use contiguous": (
            engine.has_own_layout and cell.memory_format != "contiguous"
        ),
        f"training in {cell.precision} alone loses small updates; use {cell.precision}-autocast": (
            cell.mode == "training" and cell.precision in ("fp16", "bf16")
        ),
        "loading reads the weights as they are; measure it in fp32 and contiguous": (
            cell.mode == "load" and (cell.precision != "fp32" or cell.memory_format != "contiguous")
        ),
        "int8 is for inference; measure latency or throughput": (
            cell.precision == "int8" and cell.mode not in ("latency", "throughput")
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
