"""The record of an architecture and of its weights, written for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.catalog import quantities
from zoo.cli import output
from zoo.cli.tables import Column, Table, to_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zoo.catalog.records import Architecture, Preprocessing, PublishedError, Weights
    from zoo.cli.presence import Presence

_INDENT = "  "
_TEXT = quantities.text
_ERRORS = (
    Column("from", "from", _TEXT),
    Column("top1_error_percent", "top-1", quantities.percent, is_number=True),
    Column("top5_error_percent", "top-5", quantities.percent, is_number=True),
    Column("split", "pictures", _TEXT),
    Column("models", "models", _TEXT, is_number=True),
    Column("crops", "crops", _TEXT),
    Column("source", "source", _TEXT),
)
_WEIGHTS = (
    Column("tag", "tag", _TEXT),
    Column("parameters", "parameters", quantities.count, is_number=True),
    Column("input_size", "input", quantities.shape),
    Column("size_bytes", "size", quantities.size, is_number=True),
    Column("licence", "licence", _TEXT),
    Column("cached", "cached", _TEXT),
    Column("files", "file", _TEXT),
    Column("metrics", "published", _TEXT),
)


def describe(architecture: Architecture, only: Weights | None, presence: Presence) -> str:
    """Write everything that the registry knows, with colours where the terminal has them.

    Args:
        architecture: Its record.
        only: Show these weights in full instead of a table of all.
        presence: Tells which weights lie in the cache.
    """
    shown = [only] if only else list(architecture.weights.values())
    blocks = [
        [output.paint(f"{architecture.title} ({architecture.name})", "title")],
        list(_pairs(_architecture_facts(architecture))),
        _errors(architecture, shown),
    ]
    if only:
        blocks.append([output.paint(f"weights {only.tag}", "title"), *_pairs(_weights_facts(only, presence))])
    elif shown:
        blocks.append(_weights_table(architecture, shown, presence))
    return "\n".join("\n".join(block) for block in _parted(blocks))


def _parted(blocks: Iterable[list[str]]) -> Iterator[list[str]]:
    """Put an empty line before each block but the first two."""
    for index, block in enumerate(blocks):
        if block:
            yield ["", *block] if index > 1 else block


def _pairs(facts: Iterable[tuple[str, str | None]]) -> Iterator[str]:
    """Write names and values in two columns; long values go on below themselves."""
    from textwrap import wrap

    known = [(name, value) for name, value in facts if value]
    widest = max(len(name) for name, _ in known)
    room = max((output.terminal_width() or 120) - widest - 4, 30)
    for name, value in known:
        lines = wrap(output.safe(value), room, break_long_words=False, break_on_hyphens=False) or [""]
        yield f"{_INDENT}{output.paint(name.ljust(widest), 'dim')}  {lines[0]}"
        yield from (f"{_INDENT}{' ' * widest}  {line}" for line in lines[1:])


def _exact(value: int | None) -> str | None:
    """Write a count with a prefix and in full."""
    if value is None:
        return None
    short, full = quantities.count(value), f"{value:,}"
    return full if short == full else f"{full} ({short})"


def _architecture_facts(architecture: Architecture) -> list[tuple[str, str | None]]:
    paper = architecture.paper
    auxiliary = architecture.auxiliary_parameters
    return [
        ("family", f"{architecture.family}, {architecture.task}, {architecture.year}"),
        ("paper", f"{paper.title}, {paper.reference}"),
        ("built by", f"{architecture.entry_point} ({architecture.provider})"),
        ("input", quantities.shape(architecture.input_size)),
        ("prepared", _preparation(architecture.preprocessing)),
        ("classes", quantities.text(architecture.num_classes) if architecture.num_classes else None),
        ("parameters", _exact(architecture.parameters)),
        ("multiply-adds", _exact(architecture.multiply_adds) or "depend on the picture"),
        ("activations", _exact(architecture.activations)),
        ("auxiliary", f"{auxiliary:,} more parameters with the heads used in training" if auxiliary else None),
        ("counted", architecture.counted),
        ("note", architecture.note),
    ]


def _preparation(steps: Preprocessing | None) -> str | None:
    if steps is None:
        return None
    parts = []
    if steps.resize_size:
        parts.append(f"shorter side to {quantities.shape(steps.resize_size)} ({steps.interpolation})")
    if steps.crop_size:
        parts.append(f"middle {quantities.shape(steps.crop_size)}")
    parts.append(f"mean {', '.join(map(str, steps.mean))}; std {', '.join(map(str, steps.std))}")
    return "; ".join(parts)


def _weights_facts(weights: Weights, presence: Presence) -> list[tuple[str, str | None]]:
    facts: list[tuple[str, str | None]] = [
        ("trained on", weights.dataset),
        ("input", quantities.shape(weights.input_size)),
        ("prepared", _preparation(weights.preprocessing)),
        ("classes", f"{weights.num_classes} ({weights.categories})" if weights.num_classes else None),
        ("parameters", _exact(weights.parameters)),
        ("multiply-adds", _exact(weights.multiply_adds)),
        ("licence", weights.licence or "none stated by the publisher"),
        ("recipe", weights.recipe_url),
        ("published", _metrics(weights)),
        ("built with", ", ".join(f"{key}={value}" for key, value in (weights.options or {}).items())),
        ("key mapping", ", ".join(weights.key_mappings)),
        ("note", weights.note),
        ("cached", quantities.text(presence.has_all(weights))),
    ]
    for file in weights.files:
        exactness = "about " if file.size_tolerance_bytes else ""
        length = f", {exactness}{file.size_bytes:,} bytes" if file.size_bytes else ""
        digest = file.sha256 or (f"{file.sha256_prefix}... (the first digits)" if file.sha256_prefix else None)
        facts += [
            ("file", f"{file.file_name}{length}"),
            ("from", file.url or f"the package: {file.packaged}"),
            ("sha256", digest or "not known"),
        ]
    if weights.measured:
        facts += [
            ("measured", f"{weights.measured.errors} of {weights.measured.images} wrong: {weights.measured.data}")
        ]
        facts += [("again with", weights.measured.command)]
    return facts


def _metrics(weights: Weights) -> str | None:
    return ", ".join(f"{name} {value}" for name, value in (weights.metrics or {}).items()) or None


def _errors(architecture: Architecture, shown: Sequence[Weights]) -> list[str]:
    """Put what papers claim beside what the weights' publishers claim and what was measured here."""
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
        claim = weights.published
        if claim:
            figures = [claim.top1_error_percent, claim.top5_error_percent, claim.split, 1, claim.crops, claim.source]
            rows.append([f"weights {weights.tag}", *figures])
        if weights.measured:
            found = weights.measured
            rows.append(
                ["measured here", found.top1_error_percent, None, f"{found.images} held out", 1, "1", found.data]
            )
    if not rows:
        return []
    table = Table(_ERRORS, rows, optional=("source", "crops", "models", "split"))
    return [output.paint("errors in percent", "title"), *_indented(table), *_footnotes(notes)]


def _footnotes(notes: Sequence[str]) -> Iterator[str]:
    from textwrap import wrap

    for number, note in enumerate(notes, start=1):
        lines = wrap(output.safe(f"[{number}] {note}"), max((output.terminal_width() or 120) - 2, 30))
        yield from (f"{_INDENT}{line}" for line in lines)


def _merged(entries: Sequence[PublishedError]) -> Iterator[tuple[PublishedError, float | None, float | None]]:
    """Join the top-1 and the top-5 error of one experiment."""
    experiments: dict[tuple[object, ...], dict[str, PublishedError]] = {}
    for entry in entries:
        key = (entry.source, entry.split, entry.models, entry.crops, entry.note, entry.is_verified)
        experiments.setdefault(key, {})[entry.metric] = entry
    for found in experiments.values():
        errors = {metric: entry.error_percent for metric, entry in found.items()}
        yield next(iter(found.values())), errors.get("top1"), errors.get("top5")


def _weights_table(architecture: Architecture, shown: Sequence[Weights], presence: Presence) -> list[str]:
    rows = [
        [
            w.tag + (" (default)" if w.tag == architecture.default_weights else ""),
            w.parameters,
            w.input_size,
            w.size_bytes,
            w.licence,
            presence.has_all(w),
            ", ".join(file.file_name for file in w.files),
            _metrics(w),
        ]
        for w in shown
    ]
    table = Table(_WEIGHTS, rows, optional=("files", "parameters", "input_size", "licence", "cached", "size_bytes"))
    if not any(w.metrics for w in shown):
        table = table.without(["metrics"])
    return [output.paint("weights", "title"), *_indented(table)]


def _indented(table: Table) -> Iterator[str]:
    width = output.terminal_width()
    lines, _ = to_lines(table, width and width - len(_INDENT), output.paint)
    return (f"{_INDENT}{line}" for line in lines)
