"""What a weights file is, written for people: the answer first, then what it rests on."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zoo.catalog import quantities
from zoo.cli.terminal import output
from zoo.cli.terminal.tables import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from zoo.formats.training_metadata import OwnRecord
    from zoo.inspector.identify import Contents, Fit
    from zoo.inspector.weights_file import WeightsFileReport

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
    identity = report.identity
    title = output.paint(f"{path.name}: {identity.words}", "title")
    facts = [("because", _certainty(report)), *_contents_facts(report.contents, path)]
    if report.trained is not None:
        facts += _training_facts(report.trained)
    return "\n".join([title, *output.pairs(facts)])


def next_commands(path: Path, report: WeightsFileReport) -> list[str]:
    """List what to type next, a command each."""
    import shlex

    file = shlex.quote(str(path))
    if report.is_classifier:
        commands = ("zoo predict {} IMAGE", "zoo evaluate {} FOLDER", "zoo bench {}")
        return [command.format(file) for command in commands]
    if report.identity.model is None:
        return [
            f"zoo inspect {file} --tensors",
            f"zoo predict {file} IMAGE --architecture NAME --num-classes N",
        ]
    return [f"zoo inspect {report.identity.model}"]


def tensors_table(contents: Contents) -> Table:
    """Tabulate the tensors of a file."""
    rows = [[t.name, t.dtype, t.shape, t.count, t.nan, t.infinite] for t in contents.tensors]
    return Table(_TENSORS, rows, optional=("count", "infinite", "nan"))


def report_as_dict(report: WeightsFileReport) -> dict[str, Any]:
    """Everything as plain values, for JSON."""
    identity = {**asdict(report.identity), "certainty": report.identity.certainty.name.lower()}
    return {
        "identity": identity,
        **asdict(report.contents),
        "count": report.contents.count,
        "bad_count": report.contents.bad_count,
        "fits": [{**asdict(fit), "is_exact": fit.is_exact} for fit in report.fits],
        "trained": asdict(report.trained) if report.trained else None,
    }


def _certainty(report: WeightsFileReport) -> str:
    identity = report.identity
    text = identity.certainty.value
    if identity.others:
        text += f": {_few(identity.others)}"

    remarks = [fit for fit in report.fits if fit.model == identity.model]
    changes = _changes_of(remarks[0]) if remarks and report.trained is None else ""
    return f"{text}; {changes}" if changes else text


def _changes_of(fit: Fit) -> str:
    """Say what is changed on loading."""
    changes = [f"keys are changed by {name}" for name in fit.key_mappings]
    if fit.dtype:
        changes.append(f"its {fit.dtype} values are converted to the network's type")
    return ", ".join(changes)


def _contents_facts(contents: Contents, path: Path) -> Iterator[tuple[str, str | None]]:
    tensors = f"{len(contents.tensors)} tensors, {quantities.count(contents.count)} values"
    types = ", ".join(sorted({tensor.dtype for tensor in contents.tensors}))
    yield "format", f"{contents.format}, {quantities.size(path.stat().st_size)}"
    yield "holds", f"{tensors} ({types})"

    unwrapped = [f'the key "{key}"' for key in contents.keys]
    unwrapped += [f'the prefix "{prefix}" of every name' for prefix in contents.prefixes]
    yield "unwrapped", ", ".join(unwrapped) or None

    if contents.bad_count is not None:
        bad = contents.bad_count
        yield "values", f"{bad:,} are NaN or infinite" if bad else "all finite"

    said = ", ".join(f"{key}={value}" for key, value in contents.metadata.items() if key != "zoo")
    yield "metadata", said or None


def _training_facts(record: OwnRecord) -> Iterator[tuple[str, str | None]]:
    yield "classes", f"{len(record.labels)}: {_few(record.labels, _SHOWN_LABELS)}"
    error = record.validation_error_percent
    if error is not None:
        images = f"on {record.validation_images} held-out images"
        yield "validation", f"{error:.2f} % top-1 error {images}"
    yield "epoch", str(record.epoch)
    yield "recipe", ", ".join(f"{name} {value}" for name, value in record.recipe.items())
    yield "data set", record.data
    yield (
        "built with",
        ", ".join(f"{name} {value}" for name, value in record.options.items()) or None,
    )
    yield "images", "x".join(map(str, record.input_size)) or None
    yield "genotype", record.genotype


def _few(names: Iterable[str], limit: int = _SHOWN_MODELS) -> str:
    """Join the first few names."""
    listed = list(names)
    more = len(listed) - limit
    return ", ".join(listed[:limit]) + (f" and {more} more" if more > 0 else "")
