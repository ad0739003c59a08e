"""The record of a repository of PyTorch Hub, written for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.catalog import quantities
from zoo.cli.terminal import output
from zoo.cli.terminal.tables import Column, Table, to_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
    lines = [output.paint(heading, "title")]
    lines += output.pairs(_facts(record))

    lines += _section("entry points", _entry_points(record))
    if record.weights:
        lines += _section("addresses of weights", _weights(record))
    if record.issues:
        numbered = enumerate(record.issues, start=1)
        issues = [(str(number), text) for number, text in numbered]
        lines += _section("known issues", output.pairs(issues))
    return "\n".join(lines)


def _section(title: str, lines: Iterable[str]) -> list[str]:
    """Put a title above lines, and a blank line above the title."""
    return ["", output.paint(title, "title"), *lines]


def _facts(record: HubRepository) -> list[tuple[str, str | None]]:
    commit = record.commit or "not known"
    branch = record.ref or "the default branch"
    cards = " ".join(card.url for card in record.cards)

    dependencies = "hubconf.py states none"
    if record.dependencies is not None:
        dependencies = ", ".join(record.dependencies)

    license = "not known: look in the repository before use"
    if record.license:
        license = f"{record.license} ({record.license_source})"

    return [
        ("name", record.name),
        ("formerly", ", ".join(record.former_names)),
        ("commit", f"{commit}, of {branch}"),
        ("needs", dependencies),
        ("license", license),
        ("papers", ", ".join(record.papers)),
        ("cards", cards),
        ("also listed", ", ".join(record.also_listed)),
        ("facts from", record.source),
    ]


def _entry_points(record: HubRepository) -> Iterator[str]:
    rows = []
    has_errors = False
    for name, entry in record.entry_points.items():
        top1 = entry.top1_error_percent
        rows.append([name, top1, entry.top5_error_percent, entry.is_on_card])
        has_errors = has_errors or top1 is not None

    table = Table(_ENTRY_POINTS, rows, optional=("is_on_card", "top5_error_percent"))
    if not has_errors:
        table = table.without(["top1_error_percent", "top5_error_percent"])

    width = output.terminal_width()
    room = width and width - len(_INDENT)
    lines, _ = to_lines(table, room, output.paint)
    for line in lines:
        yield f"{_INDENT}{line}"


def _weights(record: HubRepository) -> Iterator[str]:
    below = _INDENT * 2
    for weights in record.weights:
        yield f"{_INDENT}{output.safe(weights.url)}"
        for note in _notes(weights):
            for line in output.fitted(note).splitlines():
                yield f"{below}{line}"


def _notes(weights: HubWeights) -> Iterator[str]:
    if weights.sha256_prefix:
        yield f"sha256 {weights.sha256_prefix}... (the first digits)"
    else:
        yield "sha256 not known"
    if weights.issue:
        yield weights.issue
