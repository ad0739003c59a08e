"""What many machines measured, in plain HTML: who vouches for it, and a table for each model.

Names, notes and devices come from strangers: everything is escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import groupby
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import quote

from zoo.bench import ranking
from zoo.bench.records import MODES
from zoo.bench.results import to_rows
from zoo.catalog import quantities
from zoo.site import pages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.bench.records import Case
    from zoo.bench.results import Value
    from zoo.bench.sharing import Shared
    from zoo.catalog.rows import Row
    from zoo.site.pages import Frame

_IDS_OF_THE_FRAME = ("main", "theme")
"""Anchors that no model may take."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """A machine of the gallery with who vouches for its results."""

    name: str
    anchor: str
    shared: Shared


@dataclass(frozen=True, slots=True)
class _Line:
    """One case on one machine."""

    machine: _Machine
    case: Case
    figures: Mapping[str, Value]

    @property
    def counts(self) -> bool:
        """Tell whether the figures may be shown."""
        return self.figures["status"] in ranking.USABLE

    @property
    def place(self) -> tuple[bool, int, float]:
        """Sort the fastest first among those of one mode, and last what has no figures."""
        mode = MODES.index(self.case.mode)
        return not self.counts, mode, ranking.cost(dict(self.figures))


def render(
    gallery: Sequence[Shared],
    rows: Sequence[Row],
    frame: Frame,
) -> str:
    """Write the page of a gallery.

    Args:
        gallery: As :func:`zoo.bench.sharing.read_gallery` gives it.
        rows: Of the site: the models that have pages.
        frame: What stands around the page.
    """
    machines = _machines(gallery)
    lines = [line for machine in machines for line in _lines(machine)]
    lines.sort(key=lambda line: line.case.model)
    by_model = groupby(lines, key=lambda line: line.case.model)
    models = {model: sorted(group, key=lambda line: line.place) for model, group in by_model}

    anchors = _anchors([*models], [machine.anchor for machine in machines])
    pages_of = _pages_of(rows)
    contents: list[str] = []
    tables: list[str] = []
    for model, group in models.items():
        anchor = anchors[model]
        contents.append(f'<li><a href="#{escape(anchor)}">{escape(model)}</a></li>')
        tables.append(_table(model, anchor, pages_of.get(model), group))

    return pages.render(
        pages.MEASURED,
        frame,
        machines="\n".join(map(_facts, machines)),
        contents="\n".join(contents),
        models="\n".join(tables),
    )


def _machines(gallery: Sequence[Shared]) -> list[_Machine]:
    """Name the machines as ``zoo bench`` does, and where several vouch for one, with who."""
    keys = [shared.machine.key for shared in gallery]
    machines: list[_Machine] = []
    for number, shared in enumerate(gallery, start=1):
        name = shared.machine.key
        if keys.count(name) > 1:
            name = f"{name}, {shared.sign_off.by}"
        machines.append(_Machine(name, f"machine-{number}", shared))
    return machines


def _lines(machine: _Machine) -> list[_Line]:
    results = machine.shared.results
    figures = to_rows(results)
    pairs = zip(results, figures, strict=True)
    return [_Line(machine, result.case, row) for result, row in pairs]


def _anchors(
    models: Sequence[str],
    taken: Sequence[str],
) -> dict[str, str]:
    """Give each model an anchor: its name, as far as an anchor can have it."""
    used = {*_IDS_OF_THE_FRAME, *taken}
    anchors: dict[str, str] = {}
    for model in models:
        anchor = "-".join(model.split()) or "-"
        while anchor in used:
            anchor += "-"
        used.add(anchor)
        anchors[model] = anchor
    return anchors


def _pages_of(rows: Sequence[Row]) -> dict[str, str]:
    """Find the addresses of the models' pages, by name and by ``name:tag``."""
    specs: set[str] = set()
    for row in rows:
        specs |= {row.name, f"{row.name}:{row.entry.tag}"}
    return {spec: f"model.html?model={quote(spec, safe='/:')}" for spec in specs}


_MACHINE = Template("""\
<section>
<h3 id="$anchor">$name</h3>
<dl class="facts">
<dt>device</dt><dd>$device</dd>
<dt>driver</dt><dd>$driver</dd>
<dt>memory</dt><dd>$memory</dd>
<dt>CPU</dt><dd>$cpu, $cpus usable</dd>
<dt>system</dt><dd>$system</dd>
<dt>vouched for by</dt><dd>$by</dd>
<dt>exported</dt><dd>$exported_at</dd>
<dt>note</dt><dd>$note</dd>
</dl>
</section>""")


def _facts(machine: _Machine) -> str:
    """Write what a machine is, and who vouches for its results."""
    facts = machine.shared.machine
    signed = machine.shared.sign_off
    texts = {
        "anchor": machine.anchor,
        "name": machine.name,
        "device": facts.device,
        "driver": quantities.text(facts.driver),
        "memory": quantities.size(facts.memory_bytes),
        "cpu": facts.cpu,
        "cpus": str(facts.cpus),
        "system": facts.system,
        "by": signed.by,
        "exported_at": signed.exported_at,
        "note": signed.note or quantities.UNKNOWN,
    }
    escaped = {name: escape(text) for name, text in texts.items()}
    return _MACHINE.substitute(escaped)


_TABLE = Template("""\
<h3 id="$anchor">$title</h3>
<div class="scroll" tabindex="0" role="region" aria-label="$model, scrolls">
<table class="plain-table">
<thead><tr>
<th scope="col">machine</th>
<th scope="col">engine</th>
<th scope="col">precision</th>
<th scope="col">mode</th>
<th scope="col" class="number">batch</th>
<th scope="col" class="number">threads</th>
<th scope="col" class="number">p50 ms</th>
<th scope="col" class="number">p90 ms</th>
<th scope="col" class="number">images/s</th>
<th scope="col">status</th>
<th scope="col" class="number">peak memory</th>
<th scope="col">input</th>
<th scope="col">reason</th>
</tr></thead>
<tbody>
$lines
</tbody></table></div>""")


def _table(
    model: str,
    anchor: str,
    address: str | None,
    lines: Sequence[_Line],
) -> str:
    """Write the table of a model, with a link to its page where the site has one."""
    name = escape(model)
    title = name
    if address is not None:
        title = f'<a href="{escape(address)}">{name}</a>'
    return _TABLE.substitute(
        anchor=escape(anchor),
        title=title,
        model=name,
        lines="\n".join(map(_row, lines)),
    )


_ROW = Template(
    '<tr><th scope="row"><a href="#$anchor">$machine</a></th>'
    "<td>$engine</td><td>$precision</td><td>$mode</td>"
    '<td class="number">$batch</td><td class="number">$threads</td>'
    '<td class="number">$p50</td><td class="number">$p90</td><td class="number">$rate</td>'
    '<td>$status</td><td class="number">$memory</td><td>$input</td>$reason</tr>'
)


def _row(line: _Line) -> str:
    """Write a case; what is wrong or failed has no figures that count."""
    case = line.case
    figures = line.figures if line.counts else {}
    shape = quantities.shape(case.input_size)
    if case.memory_format != "contiguous":
        shape += f", {case.memory_format}"
    return _ROW.substitute(
        anchor=line.machine.anchor,
        machine=escape(line.machine.name),
        engine=escape(case.engine),
        precision=escape(case.precision),
        mode=escape(case.mode),
        batch=quantities.text(line.figures["batch"]),
        input=escape(shape),
        threads=case.threads,
        p50=quantities.digits(_number(figures, "p50_ms")),
        p90=quantities.digits(_number(figures, "p90_ms")),
        rate=quantities.digits(_number(figures, "items_per_s")),
        memory=quantities.size(_number(figures, "memory_bytes")),
        status=_status(line),
        reason=_reason(line),
    )


def _number(
    figures: Mapping[str, Value],
    name: str,
) -> float | None:
    value = figures.get(name)
    return None if value is None else float(value)


def _status(line: _Line) -> str:
    """Write whether the figures count; whatever speaks against them is marked."""
    status = str(line.figures["status"])
    if status == "ok":
        return status
    return f'<span class="badge measured">{escape(status)}</span>'


def _reason(line: _Line) -> str:
    """Write a cell that says what speaks against the figures; only long texts make it wide."""
    reason = line.figures["reason"]
    if reason is None:
        return f"<td>{quantities.UNKNOWN}</td>"
    return f'<td class="wrap">{escape(str(reason))}</td>'
