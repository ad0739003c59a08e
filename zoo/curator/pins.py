"""Pins: which commit, length and digest weights on the Hub have, so that they can be demanded.

A repository of the Hub can change under its name. ``zoo registry pin`` asks for each file once and
writes ``registry/pins.json``; ``zoo registry build`` puts what stands there into the records.
Weights without a pin are taken at what ``main`` means on the day of their first download, and
``zoo.lock`` remembers that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from zoo import atomic
from zoo.catalog.places import registry_place
from zoo.catalog.reading import naming
from zoo.documents import parse_document, read_regular_file
from zoo.download import hub
from zoo.download.options import DEFAULTS, FetchOptions
from zoo.errors import FetchError, RegistryError, SourceError
from zoo.hashes import is_commit, is_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from zoo.catalog.records import Architecture, Weights, WeightsFile

SCHEMA_VERSION = 1
LARGEST_BYTES = 16 << 20
_SAVE_EVERY = 25
"""Pins between two writes: what an interruption may lose."""


@dataclass(frozen=True, slots=True)
class Pin:
    """What a file of the Hub was when it was pinned."""

    revision: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Pins:
    """The content of ``pins.json``: pins by ``NAME:TAG``."""

    schema_version: int
    pins: Mapping[str, Pin]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What pinning one set of weights came to."""

    spec: str
    pin: Pin | None
    before: Pin | None = None
    fault: str | None = None

    @property
    def is_changed(self) -> bool:
        """Whether the Hub has other bytes than when it was pinned before."""
        if self.pin is None or self.before is None:
            return False
        return self.pin.sha256 != self.before.sha256


def pins_path() -> Path:
    """Return where the pins lie, beside the index."""
    return registry_place().parent / "registry" / "pins.json"


def read_pins(path: Path | None = None) -> dict[str, Pin]:
    """Read the pins; none where there is no file.

    Raises:
        RegistryError: The file is malformed.
    """
    path = path or pins_path()
    with naming(path):
        try:
            data = read_regular_file(path, LARGEST_BYTES)
        except FileNotFoundError:
            return {}
        document = parse_document(data, Pins, SCHEMA_VERSION)

    for spec, pin in document.pins.items():
        is_right = is_commit(pin.revision) and is_sha256(pin.sha256)
        if not is_right:
            place = f"$.pins.{spec}"
            raise RegistryError(place, "expected a commit and a digest", str(path))
    return dict(document.pins)


def write_pins(
    pins: Mapping[str, Pin],
    path: Path | None = None,
) -> None:
    """Write the pins, sorted, whole or not at all."""
    lines = []
    for spec, pin in sorted(pins.items()):
        key = json.dumps(spec)
        value = json.dumps(asdict(pin))
        lines.append(f"  {key}: {value}")

    body = ",\n".join(lines)
    text = f'{{\n "schema_version": {SCHEMA_VERSION},\n "pins": {{\n{body}\n }}\n}}\n'
    atomic.write_text(path or pins_path(), text)


def pinned(
    file: WeightsFile,
    pin: Pin | None,
) -> WeightsFile:
    """Put a pin into the record of a file."""
    if pin is None or file.hub is None:
        return file

    url = file.url or ""
    return replace(
        file,
        hub=replace(file.hub, revision=pin.revision),
        url=url.replace("/resolve/main/", f"/resolve/{pin.revision}/"),
        size_bytes=pin.size_bytes,
        sha256=pin.sha256,
    )


def pin_weights(
    wanted: Iterable[tuple[Architecture, Weights]],
    progress: Callable[[str], None] = lambda _spec: None,
    *,
    is_again: bool = False,
    options: FetchOptions = DEFAULTS,
    path: Path | None = None,
) -> list[Outcome]:
    """Ask the Hub for each set of weights, and write the answers down as they come.

    Args:
        wanted: What to pin; weights that do not lie on the Hub are passed over.
        progress: Called with each spec.
        is_again: Ask also for what has a pin.
        options: How long the Hub may take, and its mirrors.
        path: Where the pins lie, by default beside the index.

    Returns:
        One outcome for each set of weights that was asked for.
    """
    pins = read_pins(path)
    outcomes = []
    try:
        for architecture, weights in wanted:
            spec = f"{architecture.name}:{weights.tag}"
            file = weights.files[0]
            before = pins.get(spec)
            is_done = before is not None and not is_again
            if file.hub is None or is_done:
                continue

            progress(spec)
            outcome = _ask(spec, file, before, options)
            outcomes.append(outcome)
            if outcome.pin is not None:
                pins[spec] = outcome.pin

            if len(outcomes) % _SAVE_EVERY == 0:
                write_pins(pins, path)
    finally:  # what is known already is kept, whatever ended the work
        if outcomes:
            write_pins(pins, path)
    return outcomes


def _ask(
    spec: str,
    file: WeightsFile,
    before: Pin | None,
    options: FetchOptions,
) -> Outcome:
    """Ask what ``main`` is today."""
    assert file.hub is not None  # noqa: S101 - the caller looked
    on_main = replace(file.hub, revision=None)
    today = replace(file, hub=on_main)
    try:
        located = hub.locate(today, options.mirrors, options)
    except (FetchError, SourceError) as error:
        return Outcome(spec, None, before, str(error))

    blob = located.blob
    pin = Pin(
        revision=located.commit,
        sha256=blob.sha256 or "",
        size_bytes=blob.size_bytes or 0,
    )
    return Outcome(spec, pin, before)
