"""``zoo audit``: what a project would fetch, and what about that should be otherwise."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsJson, Quiet, examples, new_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.auditor.audit import Audit, Selection
    from zoo.auditor.findings import Finding, Use
    from zoo.auditor.knowledge import Knowledge

app = new_app()

AuditFormat = Literal["text", "table", "json", "csv", "markdown", "sarif"]
FailOn = Literal["note", "warning", "error", "never"]
_STYLES = {"error": "error", "warning": "warning", "note": "dim"}


@app.command(
    epilog=examples(
        "zoo audit .",
        "zoo audit src train.ipynb --list",
        "zoo audit . --format sarif > zoo.sarif",
        "zoo audit . --fix",
        "zoo audit . --mirror /srv/mirror --lock zoo.lock",
    )
)
def audit(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Python sources, notebooks, configurations, or folders of them.",
            show_default=False,
        ),
    ],
    list_all: Annotated[
        bool,
        typer.Option("--list", help="List everything that would be fetched, not only findings."),
    ] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Write the commits that the lock file knows as pins.")
    ] = False,
    lock: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=(
                "Report what this lock file has no line for. "
                "Without it, the nearest zoo.lock gives pins for --fix."
            ),
            show_default=False,
        ),
    ] = None,
    mirror: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE", help="Report what this mirror lacks: a folder or an address."
        ),
    ] = None,
    bundle: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Report what this bundle lacks.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Leave out files and folders.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="Leave out findings of a rule.")
    ] = None,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="The mildest finding that makes the exit code 1.")
    ] = "warning",
    form: Annotated[
        AuditFormat | None,
        typer.Option(
            "--format",
            help="How to print: text (the default), table, json, csv, markdown or sarif.",
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check what a project would download.

    Reads Python sources, notebooks and configurations; runs nothing. A comment
    "# zoo: ignore[RULE]" on a line leaves that finding out; "exclude" and "ignore" in
    [tool.zoo.audit] of pyproject.toml do so for a project.
    """
    from zoo.auditor import audit as auditing
    from zoo.auditor import settings

    chosen = "json" if json else form or "text"
    selection = settings.selection(paths[0], exclude or (), ignore or ())
    knowledge = _knowledge(lock, mirror or (), bundle or ())
    found = auditing.audit(paths, knowledge, selection)
    if fix:
        found = _fix(paths, found, knowledge, selection, is_quiet=quiet)
    _print(found, chosen, list_all=list_all, is_quiet=quiet)

    least = {"note": 1, "warning": 2, "error": 3, "never": 4}[fail_on]
    if any(finding.severity.weight >= least for finding in found.findings):
        raise typer.Exit(1)


def _knowledge(
    lock: Path | None, mirrors: "Sequence[str]", bundles: "Sequence[Path]"
) -> "Knowledge":
    """Gather what the rules may ask."""
    from zoo.auditor import holdings
    from zoo.auditor.knowledge import Holdings, Knowledge
    from zoo.cache import lockfile, paths
    from zoo.config import load_config
    from zoo.errors import UsageError

    if lock is not None and not lock.is_file():
        raise UsageError(f'there is no lock file {lock}: make one with "zoo record -- COMMAND"')
    usual = load_config().lock_file or lockfile.default_path(paths.checkpoints_folder())
    path = lock or usual
    held: dict[str, Holdings] = {}
    for place in mirrors:
        held[place] = holdings.read_mirror(place)
    for file in bundles:
        held[str(file)] = holdings.read_bundle(file)
    locked = lockfile.read_things(path)
    return Knowledge(locked, path.name, lock is not None, tuple(held.items()))


def _fix(
    paths: "Sequence[Path]",
    found: "Audit",
    knowledge: "Knowledge",
    selection: "Selection",
    *,
    is_quiet: bool,
) -> "Audit":
    """Write the pins, and audit again what stands there then."""
    from zoo.auditor import audit as auditing
    from zoo.auditor import fixes

    files = {shown: path for path, shown in auditing.find_files(paths, selection.excluded)}
    fixed = fixes.fix(files, found.findings)
    for finding in fixed:
        output.talk(f"{finding.use.place}: pinned to {finding.commit}", is_quiet=is_quiet)
    return auditing.audit(paths, knowledge, selection)


def _print(found: "Audit", form: str, *, list_all: bool, is_quiet: bool) -> None:
    from zoo.auditor.sarif import to_sarif

    if form == "sarif":
        output.write_json(to_sarif(found))
    elif form == "json":
        output.write_json(_as_dict(found))
    elif list_all:
        _print_uses(found, form)
    elif found.findings:
        _print_findings(found, form)
    for one in found.unread:
        output.warn(f"{one.file} was not audited: {one.reason}")
    fixable = sum(finding.is_fixable for finding in found.findings)
    hint = f"; --fix pins {fixable} of them" if fixable else ""
    load = "fetches or loads" if len(found.uses) == 1 else "fetch or load"
    counts = (
        output.counted(found.files, "file"),
        f"{output.counted(len(found.uses), 'place')} that {load}",
        output.counted(len(found.findings), "finding"),
    )
    output.talk(f"{', '.join(counts)}{hint}", is_quiet=is_quiet)


def _print_findings(found: "Audit", form: str) -> None:
    from zoo.catalog import quantities
    from zoo.cli.terminal.tables import Column, Table

    columns = (
        Column("place", "place", quantities.text),
        Column("severity", "severity", quantities.text),
        Column("rule", "rule", quantities.text),
        Column("message", "finding", quantities.text),
    )
    rows = [
        [str(one.use.place), one.severity.value, one.rule.name, one.message]
        for one in found.findings
    ]
    if form == "text":
        lines = [_finding_line(one) for one in found.findings]
        output.write_painted("\n".join(lines))
    else:
        output.write_table(Table(columns, rows), _table_format(form))


def _finding_line(finding: "Finding") -> str:
    """Write a finding as compilers do: editors and terminals open the place.

    On a terminal what it is stands on the first line, and what to do below.
    """
    place = output.paint(str(finding.use.place), "title")
    severity = output.paint(finding.severity.value, _STYLES[finding.severity.value])
    message, advice = output.safe(finding.message), output.safe(finding.rule.advice)
    if output.terminal_width() is None:
        return f"{place}: {severity}: {message}; {advice} [{finding.rule.name}]"
    below = output.fitted(f"  {message}\n  {advice}")
    return f"{place}: {severity}: [{finding.rule.name}]\n{below}"


def _print_uses(found: "Audit", form: str) -> None:
    from zoo.catalog import quantities
    from zoo.cli.terminal.tables import Column, Table

    columns = (
        Column("place", "place", quantities.text),
        Column("client", "client", quantities.text),
        Column("subject", "what", quantities.text),
        Column("pinned", "pinned", quantities.text),
        Column("findings", "findings", quantities.text),
    )
    rows = [
        [str(use.place), use.client, str(use), _pinned(use), ", ".join(_rules_of(use, found))]
        for use in found.uses
    ]
    output.write_table(Table(columns, rows), _table_format(form))


def _pinned(use: "Use") -> str | None:
    from zoo.hashes import is_commit

    if use.ecosystem not in ("github", "huggingface") or use.subject is None:
        return None
    if not use.is_revision_known:
        return "at run time"
    return "yes" if is_commit(use.revision) else "no"


def _rules_of(use: "Use", found: "Audit") -> list[str]:
    return [finding.rule.name for finding in found.findings if finding.use is use]


def _table_format(form: str) -> output.Format:
    return form if form in ("csv", "markdown") else "table"  # type: ignore[return-value]  # narrowed just now


def _as_dict(found: "Audit") -> dict[str, Any]:
    """Everything as plain values, for JSON."""
    return {
        "files": found.files,
        "findings": [
            {
                "rule": one.rule.name,
                "severity": one.severity.value,
                "message": one.message,
                "advice": one.rule.advice,
                "commit": one.commit,
                "is_fixable": one.is_fixable,
                **_use_as_dict(one.use),
            }
            for one in found.findings
        ],
        "fetches": [_use_as_dict(use) for use in found.uses],
        "unread": [{"file": one.file, "reason": one.reason} for one in found.unread],
    }


def _use_as_dict(use: "Use") -> dict[str, Any]:
    place = use.place
    return {
        "file": place.file,
        "cell": place.cell,
        "line": place.line,
        "column": place.column,
        "client": use.client,
        "ecosystem": use.ecosystem,
        "subject": use.subject,
        "revision": use.revision,
        "path": use.path,
    }
