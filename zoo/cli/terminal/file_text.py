"""What a weights file is, written for people: the answer first, then what it rests on."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zoo.catalog import quantities
from zoo.cli.terminal import output
from zoo.cli.terminal.tables import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from zoo.formats.training_metadata import OwnRecord
    from zoo.inspector.identify import Contents, Fit
    from zoo.inspector.weights_file import WeightsFileReport

    Fact = tuple[str, str | None]
    """A name and its value; without a value it is not shown."""

_SHOWN_LABELS = 8
_SHOWN_MODELS = 5
_TENSORS = (
    Column("name", "tensor", quantities.text),
    Column("dtype", "type", quantities.text),
    Column("shape", "shape", quantities.shape),
    Column("count", "values", quantities.count, is_number=True),
    Column("nan", "NaN", quantities.text, is_number=True),
    Column("infinite", "infinite", quantities.text, is_number=True),
)


def describe_file(path: Path, report: WeightsFileReport) -> str:
    """Write what a file is, how sure that is, and what it holds."""
    answer = f"{path.name}: {report.identity.words}"
    title = output.paint(answer, "title")

    facts: list[Fact] = [("because", _certainty(report))]
    facts += _contents_facts(report.contents, path)
    if report.trained is not None:
        facts += _training_facts(report.trained)

    lines = output.pairs(facts)
    return "\n".join([title, *lines])


def next_commands(path: Path, report: WeightsFileReport) -> list[str]:
    """List what to type next, a command each."""
    import shlex

    file = shlex.quote(str(path))
    model = report.identity.model

    if report.is_classifier:
        return [
            f"zoo predict {file} IMAGE",
            f"zoo evaluate {file} FOLDER",
            f"zoo bench {file}",
        ]
    if model is None:
        return [
            f"zoo inspect {file} --tensors",
            f"zoo predict {file} IMAGE --architecture NAME --num-classes N",
        ]
    return [f"zoo inspect {model}"]


def tensors_table(contents: Contents) -> Table:
    """Tabulate the tensors of a file."""
    rows = [
        [
            tensor.name,
            tensor.dtype,
            tensor.shape,
            tensor.count,
            tensor.nan,
            tensor.infinite,
        ]
        for tensor in contents.tensors
    ]
    return Table(_TENSORS, rows, optional=("count", "infinite", "nan"))


def report_as_dict(report: WeightsFileReport) -> dict[str, Any]:
    """Everything as plain values, for JSON."""
    identity = asdict(report.identity)
    identity["certainty"] = report.identity.certainty.name.lower()

    contents = asdict(report.contents)
    contents["count"] = report.contents.count
    contents["bad_count"] = report.contents.bad_count

    fits = []
    for fit in report.fits:
        plain = asdict(fit)
        plain["is_exact"] = fit.is_exact
        fits.append(plain)

    trained = asdict(report.trained) if report.trained else None
    return {"identity": identity, **contents, "fits": fits, "trained": trained}


def _certainty(report: WeightsFileReport) -> str:
    """Say how sure it is what the file is, and what is changed on loading it as that."""
    identity = report.identity
    text = identity.certainty.value
    if identity.others:
        text += f": {_few(identity.others)}"
    if report.trained is not None:
        return text

    for fit in report.fits:
        if fit.model == identity.model:
            changes = _changes_of(fit)
            return f"{text}; {changes}" if changes else text
    return text


def _changes_of(fit: Fit) -> str:
    """Say what is changed on loading."""
    changes = [f"keys are changed by {name}" for name in fit.key_mappings]
    if fit.dtype:
        changes.append(f"its {fit.dtype} values are converted to the network's type")
    return ", ".join(changes)


def _contents_facts(contents: Contents, path: Path) -> Iterator[Fact]:
    """Tell what lies in the file, apart from what it is good for."""
    size = quantities.size(path.stat().st_size)
    yield "format", f"{contents.format}, {size}"

    number = len(contents.tensors)
    values = quantities.count(contents.count)
    found = {tensor.dtype for tensor in contents.tensors}
    types = ", ".join(sorted(found))
    yield "holds", f"{number} tensors, {values} values ({types})"

    unwrapped = [f'the key "{key}"' for key in contents.keys]
    unwrapped += [f'the prefix "{prefix}" of every name' for prefix in contents.prefixes]
    yield "unwrapped", ", ".join(unwrapped)

    bad = contents.bad_count
    if bad == 0:
        yield "values", "all finite"
    elif bad is not None:
        yield "values", f"{bad:,} are NaN or infinite"

    foreign = dict(contents.metadata)
    foreign.pop("zoo", None)  # our own record has facts of its own
    yield "metadata", _listed(foreign, "=")


def _training_facts(record: OwnRecord) -> Iterator[Fact]:
    """Tell what ``zoo train`` or ``zoo search`` recorded."""
    labels = _few(record.labels, _SHOWN_LABELS)
    yield "classes", f"{len(record.labels)}: {labels}"

    error = record.validation_error_percent
    if error is not None:
        images = f"on {record.validation_images} held-out images"
        yield "validation", f"{error:.2f} % top-1 error {images}"

    sides = map(str, record.input_size)
    yield "epoch", str(record.epoch)
    yield "recipe", _listed(record.recipe)
    yield "data set", record.data
    yield "built with", _listed(record.options)
    yield "images", "x".join(sides)
    yield "genotype", record.genotype


def _listed(values: Mapping[str, object], between: str = " ") -> str:
    """Write names with their values: ``epochs 5, lr 0.1``."""
    return ", ".join(f"{name}{between}{value}" for name, value in values.items())


def _few(names: Iterable[str], limit: int = _SHOWN_MODELS) -> str:
    """Join the first few names."""
    listed = list(names)
    shown = ", ".join(listed[:limit])

    more = len(listed) - limit
    return f"{shown} and {more} more" if more > 0 else shown
