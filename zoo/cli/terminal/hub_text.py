"""The record of a repository of PyTorch Hub, written for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.catalog import quantities
from zoo.cli.terminal import output
from zoo.cli.terminal.tables import Column, Table, to_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.catalog.hub_repositories import HubRepository, HubWeights

_TEXT = quantities.text
_ENTRY_POINTS = (
    Column("entry_point", "entry point", _TEXT),
    Column("top1_error_percent", "top-1 error", quantities.percent, is_number=True),
    Column("top5_error_percent", "top-5 error", quantities.percent, is_number=True),
    Column("is_on_card", "on a card", _TEXT),
)
_INDENT = "  "


def describe(record: HubRepository) -> str:
    """Write everything that is known before any of its code runs."""
    titles = ", ".join(card.title for card in record.cards)
    heading = output.fitted(f"{record.repository} ({titles})")
    lines = [output.paint(heading, "title"), *output.pairs(_facts(record))]

    lines += ["", output.paint("entry points", "title"), *_entry_points(record)]
    if record.weights:
        lines += ["", output.paint("addresses of weights", "title"), *_weights(record)]
    if record.issues:
        lines += ["", output.paint("known issues", "title")]
        lines += output.pairs((str(number), text) for number, text in enumerate(record.issues, 1))
    return "\n".join(lines)


def _facts(record: HubRepository) -> list[tuple[str, str | None]]:
    commit = record.commit or "not known"
    branch = f"{commit}, of {record.ref or 'the default branch'}"
    dependencies = "hubconf.py states none"
    if record.dependencies is not None:
        dependencies = ", ".join(record.dependencies)
    license = f"{record.license} ({record.license_source})" if record.license else None
    cards = " ".join(card.url for card in record.cards)
    return [
        ("name", record.name),
        ("formerly", ", ".join(record.former_names)),
        ("commit", branch),
        ("needs", dependencies),
        ("license", license or "not known: look in the repository before use"),
        ("papers", ", ".join(record.papers)),
        ("cards", cards),
        ("also listed", ", ".join(record.also_listed)),
        ("facts from", record.source),
    ]


def _entry_points(record: HubRepository) -> Iterator[str]:
    rows = [
        [name, entry.top1_error_percent, entry.top5_error_percent, entry.is_on_card]
        for name, entry in record.entry_points.items()
    ]
    table = Table(_ENTRY_POINTS, rows, optional=("is_on_card", "top5_error_percent"))
    if all(row[1] is None for row in rows):
        table = table.without(["top1_error_percent", "top5_error_percent"])
    width = output.terminal_width()
    lines, _ = to_lines(table, width and width - len(_INDENT), output.paint)
    yield from (f"{_INDENT}{line}" for line in lines)


def _weights(record: HubRepository) -> Iterator[str]:
    for weights in record.weights:
        yield f"{_INDENT}{output.safe(weights.url)}"
        for note in _notes(weights):
            yield from (f"{_INDENT * 2}{line}" for line in output.fitted(note).splitlines())


def _notes(weights: HubWeights) -> Iterator[str]:
    if weights.sha256_prefix:
        yield f"sha256 {weights.sha256_prefix}... (the first digits)"
    else:
        yield "sha256 not known"
    if weights.issue:
        yield weights.issue
