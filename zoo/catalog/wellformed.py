"""Say what cannot be true of a registry, although every value has the right type.

Reading a registry refuses what breaks its schema or could do harm. This is the rest: figures that
no measurement gives, years that contradict a paper's number, lengths that no format has, classes
that do not fit their names, file names and addresses that some system takes for something else.
It is what ``zoo registry validate`` says before a registry is published.

The file is long because it is a list of rules, one short function each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from zoo.catalog.entry_points import NUMBERS
from zoo.catalog.file_names import name_fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo.catalog.records import (
        Architecture,
        MeasuredError,
        Paper,
        Preprocessing,
        PublishedError,
        Weights,
        WeightsError,
        WeightsFile,
    )
    from zoo.catalog.registry import Registry

SHORTEST_PREFIX = 8
"""Digits of a digest: fewer are met by accident or by effort."""
LEAST_BYTES_PER_PARAMETER = 0.5
"""Four bits: the smallest type that weights are published in."""
MOST_BYTES_PER_PARAMETER = 16
"""Float64 with a second copy (an average of the weights, say)."""
SPARE_BYTES = 1 << 20
"""What names and headings may take in a file."""
LATEST_YEARS = 1
"""A paper appears in a journal or at a conference about a year before or after its preprint."""
MOST_ROUNDING = 0.01
"""Percent: a figure may be rounded to two decimals."""
MOST_PIXELS_A_SIDE = NUMBERS["image_size"]
LONGEST_HOST = 253
"""Letters that a name of DNS may have."""
PERCENT_METRICS = ("acc@", "map", "miou", "pixel_acc", "fl_all")
_ARXIV = re.compile(r"(?P<year>\d\d)(?P<month>0[1-9]|1[0-2])\.\d{4,5}")
_HOST_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_TOP_LEVEL = re.compile(r"[a-z][a-z0-9-]*", re.IGNORECASE)
_SLASHES_BEFORE_A_PATH = 3
_NOT_PLAIN = frozenset(" \\")
_RELATIVE_STEPS = frozenset({".", ".."})
_LOCAL_DOMAINS = ("local", "internal", "localhost", "localdomain", "arpa")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that cannot be true."""

    json_path: str
    text: str

    def __str__(self) -> str:
        """Name the place, then what is wrong there."""
        return f"{self.json_path}: {self.text}"


def faults(registry: Registry) -> list[Fault]:
    """List what cannot be true, in the order of the records."""
    found = list(_category_faults(registry))

    for name, architecture in registry.architectures.items():
        path = f"$.architectures.{name}"
        found += _architecture_faults(path, architecture)
        for tag, weights in architecture.weights.items():
            weights_path = f"{path}.weights.{tag}"
            found += _weights_faults(weights_path, weights, architecture, registry)

    found += _clashes(registry)
    return found


def without_digest(registry: Registry) -> list[str]:
    """List the files to download that nothing is known of to check their bytes against."""
    names = []

    for name, file in registry.files().items():
        is_download = file.packaged is None
        known = (file.sha256, file.sha256_prefix)
        has_digest = known != (None, None)
        if is_download and not has_digest:
            names.append(name)

    return names


# -- architectures


def _category_faults(registry: Registry) -> Iterator[Fault]:
    """Compare the identifiers of classes with their names."""
    for key, names in registry.categories.items():
        if not names:
            place = f"$.categories.{key}"
            yield Fault(place, "expected at least one class")

    for key, identifiers in registry.category_ids.items():
        names = registry.categories.get(key, ())
        expected = len(names)
        got = len(identifiers)
        if got != expected:
            place = f"$.category_ids.{key}"
            text = f"expected {expected} as there are names, got {got}"
            yield Fault(place, text)


def _architecture_faults(
    path: str,
    architecture: Architecture,
) -> Iterator[Fault]:
    """Look at the record of an architecture."""
    # A name may begin with its source: "timm/resnet50".
    parts = architecture.name.split("/")
    for part in parts:
        fault = name_fault(part)
        if fault is not None:
            yield Fault(path, f"the name {fault}")

    paper = architecture.paper
    arxiv = None
    if paper is not None:
        arxiv = paper.arxiv
        yield from _paper_faults(f"{path}.paper", paper)

    year = architecture.year
    if year is not None:
        yield from _year_faults(f"{path}.year", year, arxiv)

    if architecture.parameters == 0:
        place = f"{path}.parameters"
        yield Fault(place, "expected more than 0")

    is_classifier = architecture.task == "classification"
    if is_classifier and architecture.num_classes == 0:
        place = f"{path}.num_classes"
        yield Fault(place, "expected more than 0 of a classifier")

    yield from _shape_faults(path, architecture.input_size, architecture.preprocessing)
    yield from _published_faults(path, architecture.published)


def _paper_faults(
    path: str,
    paper: Paper,
) -> Iterator[Fault]:
    """Look at a paper's number, year and address."""
    yield from _year_faults(f"{path}.year", paper.year, paper.arxiv)
    if paper.url is not None:
        yield from _url_faults(f"{path}.url", paper.url)
    if not paper.reference:
        yield Fault(path, "expected an arXiv number, a DOI or an address")


def _year_faults(
    path: str,
    year: int,
    arxiv: str | None,
) -> Iterator[Fault]:
    """Compare a year with the one in an arXiv number."""
    if not 1950 <= year <= 2099:
        yield Fault(path, f"expected a year, got {year}")
    if arxiv is None:
        return

    match = _ARXIV.fullmatch(arxiv)
    if match is None:
        text = f"expected an arXiv number as 1512.03385 beside it, got {arxiv!r:.40}"
        yield Fault(path, text)
        return

    preprint_year = 2000 + int(match["year"])
    difference = abs(year - preprint_year)
    if difference > LATEST_YEARS:
        text = f"expected {preprint_year} as arXiv:{arxiv} says, got {year}"
        yield Fault(path, text)


def _shape_faults(
    path: str,
    input_size: tuple[int, ...],
    preprocessing: Preprocessing | None,
) -> Iterator[Fault]:
    """Compare the shape of an input with what prepares it."""
    has_usual_length = len(input_size) in (3, 4)
    if not has_usual_length or 0 in input_size:
        text = f"expected the shape of one image or clip, got {list(input_size)}"
        yield Fault(f"{path}.input_size", text)
        return
    yield from _side_faults(f"{path}.input_size", input_size)
    if preprocessing is None:
        return
    yield from _side_faults(f"{path}.preprocessing.crop_size", preprocessing.crop_size)
    yield from _side_faults(f"{path}.preprocessing.resize_size", preprocessing.resize_size)

    channels = input_size[0]
    per_channel = {
        "mean": preprocessing.mean,
        "std": preprocessing.std,
    }
    for field, values in per_channel.items():
        got = len(values)
        if got != channels:
            place = f"{path}.preprocessing.{field}"
            text = f"expected {channels} as the input has channels, got {got}"
            yield Fault(place, text)

    if 0 in preprocessing.std:
        place = f"{path}.preprocessing.std"
        yield Fault(place, "expected more than 0: values are divided by it")


def _side_faults(
    path: str,
    sides: Sequence[int] | None,
) -> Iterator[Fault]:
    """Refuse images without pixels, and those that no machine holds."""
    for side in sides or ():
        if 1 <= side <= MOST_PIXELS_A_SIDE:
            continue
        text = f"expected sides of 1 to {MOST_PIXELS_A_SIDE} pixels, got {side}"
        yield Fault(path, text)


def _published_faults(
    path: str,
    published: tuple[PublishedError, ...],
) -> Iterator[Fault]:
    """Look at the figures of papers.

    A top-5 error beside its top-1 error is not the greater one.
    """
    top1: dict[object, float] = {}
    for row in published:
        if row.metric == "top1":
            protocol = _protocol(row)
            top1[protocol] = row.error_percent

    for index, row in enumerate(published):
        place = f"{path}.published[{index}].error_percent"
        got = row.error_percent
        yield from _percent_faults(place, got)

        if row.metric != "top5":
            continue
        protocol = _protocol(row)
        beside = top1.get(protocol, inf)
        if got > beside:
            text = f"expected at most the top-1 error {beside}, got {got}"
            yield Fault(place, text)


def _protocol(row: PublishedError) -> object:
    """Return what two figures must share to be about the same predictions."""
    return (
        row.source,
        row.split,
        row.models,
        row.crops,
        row.note,
    )


# -- weights


def _weights_faults(
    path: str,
    weights: Weights,
    architecture: Architecture,
    registry: Registry,
) -> Iterator[Fault]:
    """Look at the record of one set of weights."""
    fault = name_fault(weights.tag)
    if fault is not None:
        place = f"{path}.tag"
        yield Fault(place, f"the tag {fault}")

    yield from _shape_faults(path, weights.input_size, weights.preprocessing)
    for index, claim in enumerate(weights.published):
        place = f"{path}.published[{index}]"
        yield from _published_pair_faults(place, claim)

    measured = weights.measured
    if measured is not None:
        yield from _measured_faults(f"{path}.measured", measured)
    yield from _metric_faults(path, weights)

    recipe_url = weights.recipe_url
    if recipe_url is not None:
        yield from _url_faults(f"{path}.recipe_url", recipe_url)
    yield from _class_faults(path, weights, registry)
    yield from _length_faults(path, weights, architecture)

    for index, file in enumerate(weights.files):
        place = f"{path}.files[{index}]"
        yield from _file_faults(place, file)


def _metric_faults(path: str, weights: Weights) -> Iterator[Fault]:
    """Look at the metrics of a publisher that are percentages."""
    metrics = weights.metrics or {}
    for name, value in metrics.items():
        lowered = name.lower()
        is_percent = any(part in lowered for part in PERCENT_METRICS)
        if not is_percent:
            continue
        place = f"{path}.metrics.{name}"
        yield from _percent_faults(place, value)


def _published_pair_faults(
    path: str,
    published: WeightsError,
) -> Iterator[Fault]:
    """Look at the errors that a publisher states."""
    top1 = published.top1_error_percent
    top5 = published.top5_error_percent
    top5_place = f"{path}.top5_error_percent"

    if top1 is not None:
        yield from _percent_faults(f"{path}.top1_error_percent", top1)
    if top5 is not None:
        yield from _percent_faults(top5_place, top5)
    if top1 is None or top5 is None:
        return

    if top5 > top1:
        text = f"expected at most the top-1 error {top1}, got {top5}"
        yield Fault(top5_place, text)


def _measured_faults(
    path: str,
    measured: MeasuredError,
) -> Iterator[Fault]:
    """Compare an error that was measured with its counts."""
    images = measured.images
    errors = measured.errors
    if images == 0 or errors > images:
        text = f"expected at most {images} as there are images, got {errors}"
        yield Fault(f"{path}.errors", text)
        return

    stated = measured.top1_error_percent
    percent = 100 * errors / images
    difference = abs(percent - stated)
    if difference > MOST_ROUNDING:
        text = f"expected {percent:.2f} as the counts say, got {stated}"
        yield Fault(f"{path}.top1_error_percent", text)


def _percent_faults(
    path: str,
    value: float,
) -> Iterator[Fault]:
    """Refuse more than everything."""
    if value > 100:
        yield Fault(path, f"expected a percentage, at most 100, got {value}")


def _class_faults(
    path: str,
    weights: Weights,
    registry: Registry,
) -> Iterator[Fault]:
    """Compare the number of classes with their names."""
    key = weights.category_set or ""
    names = registry.categories.get(key)
    if names is None:
        return

    expected = len(names)
    got = weights.num_classes
    if got != expected:
        text = f"expected {expected} as {key!r} has, got {got}"
        yield Fault(f"{path}.num_classes", text)


def _length_faults(
    path: str,
    weights: Weights,
    architecture: Architecture,
) -> Iterator[Fault]:
    """Compare the length of all files together with the number of parameters."""
    parameters = weights.parameters
    size_bytes = weights.size_bytes
    if not weights.files:
        yield Fault(f"{path}.files", "expected at least one file")
    if parameters == 0:
        yield Fault(f"{path}.parameters", "expected more than 0")

    is_comparable = weights.files and parameters != 0
    if not is_comparable or size_bytes is None:
        return

    with_heads = parameters + architecture.auxiliary_parameters
    least = int(parameters * LEAST_BYTES_PER_PARAMETER)
    most = with_heads * MOST_BYTES_PER_PARAMETER + SPARE_BYTES
    if least <= size_bytes <= most:
        return

    expected = f"expected {least} to {most} bytes for {parameters} parameters"
    text = f"{expected}, got {size_bytes}"
    yield Fault(f"{path}.files", text)


def _file_faults(
    path: str,
    file: WeightsFile,
) -> Iterator[Fault]:
    """Look at one file: its name, address and digests."""
    fault = name_fault(file.file_name)
    if fault is not None:
        yield Fault(f"{path}.file_name", f"the file name {fault}")
    if file.url is not None:
        yield from _url_faults(f"{path}.url", file.url)
        if not _leads_to_a_file(file.url):
            text = f"expected the address of a file, got {file.url!r:.120}"
            yield Fault(f"{path}.url", text)
    if file.sha256_prefix is not None:
        yield from _prefix_faults(f"{path}.sha256_prefix", file.sha256_prefix, file.sha256)

    size_bytes = file.size_bytes
    if size_bytes == 0:
        yield Fault(f"{path}.size_bytes", "expected more than 0")

    tolerance = file.size_tolerance_bytes
    if tolerance == 0:
        return
    if size_bytes is None or tolerance > size_bytes // 2:
        place = f"{path}.size_tolerance_bytes"
        yield Fault(place, "expected less than half of size_bytes")


def _prefix_faults(
    path: str,
    prefix: str,
    sha256: str | None,
) -> Iterator[Fault]:
    """Compare the first digits of a digest with the whole one."""
    digits = len(prefix)
    if digits < SHORTEST_PREFIX:
        text = f"expected at least {SHORTEST_PREFIX} digits, got {digits}"
        yield Fault(path, text)

    is_beginning = sha256 is None or sha256.startswith(prefix)
    if not is_beginning:
        text = f"expected the beginning of sha256, got {prefix!r}"
        yield Fault(path, text)


# -- names and addresses


def _url_faults(
    path: str,
    url: str,
) -> Iterator[Fault]:
    """Refuse an address that leads elsewhere than it seems to, or nowhere."""
    fault = url_fault(url)
    if fault is not None:
        yield Fault(path, f"{fault}, got {url!r:.120}")


def _leads_to_a_file(url: str) -> bool:
    """Tell whether an address has a path, and no part that is for browsers alone."""
    path, _, _ = url.partition("?")
    slashes = path.count("/")
    has_path = slashes >= _SLASHES_BEFORE_A_PATH
    is_folder = path.endswith("/")
    has_fragment = "#" in url
    return has_path and not is_folder and not has_fragment


def url_fault(url: str) -> str | None:
    """Say what keeps an address from being the plain https (or http) address of a public server.

    >>> url_fault("https://download.pytorch.org/models/resnet18-f37072fd.pth")
    >>> url_fault("https://0x7f.0.0.1/a")
    'expected the name of a public host'
    """
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        has_port = False
    if not has_port:
        return "expected an address, its port from 1 to 65535"

    is_text = url.isascii() and url.isprintable()
    is_plain = is_text and _NOT_PLAIN.isdisjoint(url)
    credentials = {parts.username, parts.password}
    has_user = credentials != {None}
    host = parts.hostname or ""
    unquoted = unquote(parts.path)
    path = unquoted.replace("\\", "/")
    steps = path.split("/")
    rules = {
        "an https or http address": parts.scheme in ("http", "https"),
        "no user and no password": not has_user,
        "printable ASCII letters without spaces and backslashes": is_plain,
        "the name of a public host": _is_public_name(host),
        "a path without . and .. steps": _RELATIVE_STEPS.isdisjoint(steps),
    }
    for rule, holds in rules.items():
        if not holds:
            return f"expected {rule}"
    return None


def _is_public_name(host: str) -> bool:
    """Tell whether a host is spelt as public servers are.

    Labels with dots between, no address in any spelling.
    """
    *others, last = host.split(".")
    letters = len(host)
    if not others or letters > LONGEST_HOST:
        return False
    lowered = last.lower()
    if lowered in _LOCAL_DOMAINS:
        return False
    if _TOP_LEVEL.fullmatch(last) is None:
        return False  # a number, too: an address ends in one

    # An empty label does not match, either: "localhost." is this machine.
    labels = map(_HOST_LABEL.fullmatch, [*others, last])
    return None not in labels


def _clashes(registry: Registry) -> Iterator[Fault]:
    """Find names that some file systems take for one."""
    seen: dict[str, str] = {}
    for name in registry.files():
        lowered = name.lower()
        other = seen.setdefault(lowered, name)
        if other == name:
            continue
        text = f"the file names {other!r} and {name!r} differ in case only"
        yield Fault("$.architectures", text)
