"""The record of an architecture and of its weights, written for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.catalog import quantities
from zoo.cli.terminal import output
from zoo.cli.terminal.tables import Column, Table, to_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zoo.cache.presence import Presence
    from zoo.catalog.records import (
        Architecture,
        Preprocessing,
        PublishedError,
        Weights,
        WeightsError,
    )

_INDENT = "  "
_TEXT = quantities.text
_ERRORS = (
    Column("from", "from", _TEXT),
    Column("top1_error_percent", "top-1", quantities.percent, is_number=True),
    Column("top5_error_percent", "top-5", quantities.percent, is_number=True),
    Column("split", "split", _TEXT),
    Column("models", "models", _TEXT, is_number=True),
    Column("crops", "crops", _TEXT),
    Column("source", "source", _TEXT),
)
_WEIGHTS = (
    Column("tag", "tag", _TEXT),
    Column("parameters", "parameters", quantities.count, is_number=True),
    Column("input_size", "input", quantities.shape),
    Column("size_bytes", "size", quantities.size, is_number=True),
    Column("license", "license", _TEXT),
    Column("cached", "cached", _TEXT),
    Column("files", "file", _TEXT),
    Column("metrics", "published", _TEXT),
)


def describe(architecture: Architecture, only: Weights | None, presence: Presence) -> str:
    """Write everything that the registry knows, with colors where the terminal has them.

    Args:
        architecture: Its record.
        only: Show these weights in full instead of a table of all.
        presence: Tells which weights lie in the cache.
    """
    shown = [only] if only else list(architecture.weights.values())
    blocks = [
        [output.paint(output.fitted(f"{architecture.title} ({architecture.name})"), "title")],
        list(output.pairs(_architecture_facts(architecture))),
        _errors(architecture, shown),
    ]
    if only:
        blocks.append(
            [
                output.paint(f"weights {only.tag}", "title"),
                *output.pairs(_weights_facts(only, presence)),
            ]
        )
    elif shown:
        blocks.append(_weights_table(architecture, shown, presence))
    return "\n".join("\n".join(block) for block in _parted(blocks))


def _parted(blocks: Iterable[list[str]]) -> Iterator[list[str]]:
    """Put an empty line before each block but the first two."""
    for index, block in enumerate(blocks):
        if block:
            yield ["", *block] if index > 1 else block


def _exact(value: int | None) -> str | None:
    """Write a count with a prefix and in full."""
    if value is None:
        return None
    short, full = quantities.count(value), f"{value:,}"
    return full if short == full else f"{full} ({short})"


def _multiply_adds(architecture: Architecture) -> str:
    """Write the count with the field's short name for it."""
    count = architecture.multiply_adds
    if count is None:
        return "depend on the image"
    return f"{count:,} MACs ({quantities.count(count)})"


def _architecture_facts(architecture: Architecture) -> list[tuple[str, str | None]]:
    paper = architecture.paper
    year = f", {architecture.year}" if architecture.year else ""
    auxiliary = architecture.auxiliary_parameters
    return [
        ("family", f"{architecture.family}, {architecture.task}{year}"),
        ("paper", f"{paper.title}, {paper.reference}" if paper else None),
        ("built by", f"{architecture.entry_point} ({architecture.provider})"),
        ("input", quantities.shape(architecture.input_size)),
        ("preprocessing", _preprocessing(architecture.preprocessing)),
        (
            "classes",
            quantities.text(architecture.num_classes) if architecture.num_classes else None,
        ),
        ("parameters", _exact(architecture.parameters)),
        ("multiply-adds", _multiply_adds(architecture)),
        ("activations", _exact(architecture.activations)),
        (
            "auxiliary",
            f"{auxiliary:,} more parameters with the heads used in training" if auxiliary else None,
        ),
        ("counted", architecture.counted),
        ("note", architecture.note),
    ]


_RESIZED = {
    "center": "resize {size} ({filter})",
    "squash": "resize to {size} whatever the ratio of the sides ({filter})",
    "border": "resize the longer side to {size} ({filter}), fill with the mean color",
    "keep-ratio": "resize until both sides are at least {size} ({filter})",
}


def _preprocessing(steps: Preprocessing | None) -> str | None:
    """Write the steps in the field's words."""
    if steps is None:
        return None
    parts = []
    if steps.resize_size:
        size = quantities.shape(steps.resize_size)
        words = _RESIZED[steps.crop_mode]
        parts.append(words.format(size=size, filter=steps.interpolation))
    if steps.crop_size:
        parts.append(f"center crop {quantities.shape(steps.crop_size)}")
    mean = ", ".join(map(str, steps.mean))
    std = ", ".join(map(str, steps.std))
    parts.append(f"normalize (mean {mean}; std {std})")
    return ", ".join(parts)


def _weights_facts(weights: Weights, presence: Presence) -> list[tuple[str, str | None]]:
    facts: list[tuple[str, str | None]] = [
        ("trained on", weights.dataset or "not stated"),
        ("pretrained on", weights.pretraining),
        ("same file as", weights.same_as),
        ("input", quantities.shape(weights.input_size)),
        ("preprocessing", _preprocessing(weights.preprocessing)),
        (
            "classes",
            f"{weights.num_classes} ({weights.category_set})" if weights.num_classes else None,
        ),
        ("parameters", _exact(weights.parameters)),
        ("multiply-adds", _exact(weights.multiply_adds)),
        ("license", weights.license or "none stated by the publisher"),
        ("stated in", weights.license_source),
        ("papers", ", ".join(weights.paper_ids)),
        ("recipe", weights.recipe_url),
        ("published", _metrics(weights)),
        (
            "built with",
            ", ".join(f"{key}={value}" for key, value in (weights.options or {}).items()),
        ),
        ("key mapping", ", ".join(weights.key_mappings)),
        ("note", weights.note),
        ("cached", quantities.text(presence.has_all(weights))),
        ("about size", _about(weights)),
    ]
    for file in weights.files:
        exactness = "about " if file.size_tolerance_bytes else ""
        length = f", {exactness}{file.size_bytes:,} bytes" if file.size_bytes else ""
        digest = file.sha256 or (
            f"{file.sha256_prefix}... (the first digits)" if file.sha256_prefix else None
        )
        pin = file.hub.revision or "not pinned" if file.hub else None
        facts += [
            ("file", f"{file.file_name}{length}"),
            ("on the Hub", f"{file.hub.repository}, {file.hub.path}" if file.hub else None),
            ("commit", pin),
            ("from", file.url or f"the package: {file.packaged}"),
            ("sha256", digest or "not known"),
        ]
    if weights.measured:
        measured = weights.measured
        facts += [
            ("measured", f"{measured.errors} of {measured.images} wrong: {measured.data}"),
            ("again with", measured.command),
        ]
    return facts


def _about(weights: Weights) -> str | None:
    """Say how long the files are about, where that is not known."""
    about = weights.about_size_bytes
    return f"{quantities.size(about)}, from the shapes of its tensors" if about else None


def _metrics(weights: Weights) -> str | None:
    return ", ".join(f"{name} {value}" for name, value in (weights.metrics or {}).items()) or None


def _errors(architecture: Architecture, shown: Sequence[Weights]) -> list[str]:
    """Put what papers claim beside what the weights' publishers claim and what was measured."""
    notes: list[str] = []
    rows: list[list[Any]] = []
    for entry, top1, top5 in _merged(architecture.published):
        mark = ""
        if entry.note:
            if entry.note not in notes:
                notes.append(entry.note)
            mark = f" [{notes.index(entry.note) + 1}]"
        doubt = "" if entry.is_verified else " (from memory, unverified)"
        source = f"{entry.source}{doubt}{mark}"
        rows.append(["paper", top1, top5, entry.split, entry.models, entry.crops, source])
    for weights in shown:
        # A table of all weights shows the headline; one set shows every test set and size.
        headline = (weights.headline,) if weights.headline else ()
        for claim in weights.published if len(shown) == 1 else headline:
            figures = [
                claim.top1_error_percent,
                claim.top5_error_percent,
                _test_images(claim),
                1,
                claim.crops,
                claim.source,
            ]
            rows.append([f"weights {weights.tag}", *figures])
        if weights.measured:
            found = weights.measured
            rows.append(
                [
                    "measured here",
                    found.top1_error_percent,
                    None,
                    f"{found.images} held out",
                    1,
                    "1",
                    found.data,
                ]
            )
    if not rows:
        return []
    asked = frozenset({"source"} if notes else ())
    optional = ("source", "crops", "models", "split")
    table = Table(_ERRORS, rows, optional=optional, asked=asked)
    return [output.paint("errors in percent", "title"), *_indented(table), *_footnotes(notes)]


_TEST_SETS = {
    "imagenet1k": "",
    "real": "ReaL labels",
    "v2": "ImageNet-V2",
    "sketch": "ImageNet-Sketch",
    "a": "ImageNet-A",
    "r": "ImageNet-R",
}


def _test_images(claim: WeightsError) -> str:
    """Name the images that errors were counted on; their size where it is not the weights' own."""
    images = _TEST_SETS[claim.test_set] or claim.split
    return f"{images}, {quantities.shape(claim.input_size)}" if claim.input_size else images


def _footnotes(notes: Sequence[str]) -> Iterator[str]:
    from textwrap import wrap

    for number, note in enumerate(notes, start=1):
        lines = wrap(
            output.safe(f"[{number}] {note}"), max((output.terminal_width() or 120) - 2, 10)
        )
        yield from (f"{_INDENT}{line}" for line in lines)


def _merged(
    entries: Sequence[PublishedError],
) -> Iterator[tuple[PublishedError, float | None, float | None]]:
    """Join the top-1 and the top-5 error of one experiment."""
    experiments: dict[tuple[object, ...], dict[str, PublishedError]] = {}
    for entry in entries:
        key = (entry.source, entry.split, entry.models, entry.crops, entry.note, entry.is_verified)
        experiments.setdefault(key, {})[entry.metric] = entry
    for found in experiments.values():
        errors = {metric: entry.error_percent for metric, entry in found.items()}
        yield next(iter(found.values())), errors.get("top1"), errors.get("top5")


def _weights_table(
    architecture: Architecture, shown: Sequence[Weights], presence: Presence
) -> list[str]:
    rows = [
        [
            w.tag + (" (default)" if w.tag == architecture.default_weights else ""),
            w.parameters,
            w.input_size,
            _size(w),
            w.license,
            presence.has_all(w),
            ", ".join(file.file_name for file in w.files),
            _metrics(w),
        ]
        for w in shown
    ]
    table = Table(
        _WEIGHTS,
        rows,
        optional=("files", "parameters", "input_size", "license", "cached", "size_bytes"),
    )
    if not any(w.metrics for w in shown):
        table = table.without(["metrics"])
    return [output.paint("weights", "title"), *_indented(table)]


def _size(weights: Weights) -> int | None:
    """Give the length of all files, or about which."""
    if weights.size_bytes is not None or weights.about_size_bytes is None:
        return weights.size_bytes
    return quantities.About(weights.about_size_bytes)


def _indented(table: Table) -> Iterator[str]:
    width = output.terminal_width()
    lines, _ = to_lines(table, width and width - len(_INDENT), output.paint)
    return (f"{_INDENT}{line}" for line in lines)
