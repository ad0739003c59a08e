"""``zoo hub``: repositories of torch.hub, at a commit, verified, trusted on the record."""

import ast
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsJson, Quiet, complete_repositories, examples, new_app
from zoo.errors import TrustError, UsageError

if TYPE_CHECKING:
    from zoo.torch_hub.decisions import Decision
    from zoo.torch_hub.loading import Prepared
    from zoo.torch_hub.reading import Offer

app = new_app(help="Load from repositories of torch.hub, at a commit that you trust.")
Repository = Annotated[
    str,
    typer.Argument(
        metavar="REPO",
        help="OWNER/NAME, or OWNER/NAME:REF with a branch, tag or commit.",
        autocompletion=complete_repositories,
        show_default=False,
    ),
]
Upstream = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND=ADDRESS",
        help="Where github or github-api is, or mirror for a zoo mirror.",
        show_default=False,
    ),
]
Update = Annotated[
    bool, typer.Option("--update", help="Ask GitHub for the newest commit of the branch.")
]


@app.command(
    "list", epilog=examples("zoo hub list isl-org/MiDaS", "zoo hub list pytorch/vision:v0.10.0")
)
def list_(
    repository: Repository,
    update: Update = False,
    upstream: Upstream = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List what a repository offers; none of its code runs.

    Its hubconf.py is read, not imported: torch.hub.list would run it. Functions are entry points;
    classes and what is imported are listed as torch.hub does.
    """
    from zoo.catalog import quantities
    from zoo.cli.terminal.tables import Column, Table

    prepared = _prepare(repository, upstream, is_update=update, is_quiet=quiet)
    hubconf = prepared.hubconf
    if json:
        output.write_json(_plain(prepared))
        return

    columns = (
        Column("name", "name", quantities.text),
        Column("kind", "kind", quantities.text),
        Column("summary", "what it says", quantities.text),
    )
    rows = [[offer.name, offer.kind, _summary(offer)] for offer in hubconf.offers]
    table = Table(columns, rows, sentences=frozenset({"summary"}), asked=frozenset({"summary"}))
    output.write_table(table, "table")
    if not hubconf.is_complete:
        output.talk("hubconf.py makes more names while it runs", is_quiet=quiet)


@app.command("help", epilog=examples("zoo hub help isl-org/MiDaS MiDaS_small"))
def help_(
    repository: Repository,
    entry_point: Annotated[str, typer.Argument(metavar="ENTRY", show_default=False)],
    update: Update = False,
    upstream: Upstream = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Print what an entry point says of itself; none of its code runs."""
    from dataclasses import asdict

    prepared = _prepare(repository, upstream, is_update=update, is_quiet=quiet)
    offer = prepared.offer(entry_point)
    if json:
        output.write_json(asdict(offer))
        return
    output.write(f"{offer.name}{offer.signature or ''}")
    if offer.doc:
        output.write(f"\n{offer.doc}")
    else:
        output.talk(f"it says nothing; it comes from {offer.defined_in}", is_quiet=quiet)


@app.command(
    epilog=examples(
        "zoo hub load mateuszbuda/brain-segmentation-pytorch unet --trust",
        "zoo hub load isl-org/MiDaS MiDaS_small --option pretrained=False",
    )
)
def load(
    repository: Repository,
    entry_point: Annotated[str, typer.Argument(metavar="ENTRY", show_default=False)],
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Passed on to the entry point: a number, True, False, None or text.",
            show_default=False,
        ),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Trust this commit, and write that down."),
    ] = False,
    update: Update = False,
    upstream: Upstream = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Load what an entry point builds, and say what it is.

    This runs the repository's code with your rights. So first it is said which commit runs and what
    it imports, its archive is checked, and you are asked whether you trust it. The decision is
    about this very commit and the digest of its files; it is written down and checked each time.

    Without a ref, the commit that you trusted last is taken, else the one that the registry
    records, else the newest. The folder is the one that
    torch.hub.load("OWNER/NAME:COMMIT", ...) finds, also without a network.
    """
    from zoo.torch_hub import loading

    options = dict(_option(text) for text in option or ())
    prepared = _prepare(repository, upstream, is_update=update, is_quiet=quiet)
    if prepared.hubconf.is_complete:
        prepared.offer(entry_point)
    _say_what_runs(prepared, is_quiet=quiet)
    if not loading.is_trusted(prepared):
        decided_by = "--trust" if trust else _ask(prepared, entry_point)
        loading.decide(prepared, decided_by)
        output.talk("trusted from now on, at this commit", is_quiet=quiet)

    loaded = loading.run(prepared, entry_point, **options)
    content = _describe(loaded)
    spec = prepared.resolved.spec
    if json:
        output.write_json({"spec": spec, "entry_point": entry_point, **content})
        return
    facts = [("loaded", f"{spec} {entry_point}"), ("class", content["class"])]
    if content["parameters"] is not None:
        facts.append(("parameters", f"{content['parameters']:,}"))
    output.write("\n".join(output.pairs(facts)))


@app.command(epilog=examples("zoo hub trusted", "zoo hub trusted --forget isl-org/MiDaS"))
def trusted(
    forget: Annotated[
        str | None,
        typer.Option(metavar="REPO", help="Take back every decision about it.", show_default=False),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List the commits that you trust, or take decisions back."""
    from dataclasses import asdict

    from zoo.catalog.hub_repositories import current_name
    from zoo.torch_hub import decisions

    if forget is None:
        found: list[Decision] = list(decisions.read_decisions().values())
    else:
        found = decisions.forget(current_name(forget))
    if json:
        output.write_json([asdict(decision) for decision in found])
        return
    for decision in found:
        output.write(f"{decision.repository}:{decision.commit}  {decision.decided_at}")
    what = "commits are trusted" if forget is None else "decisions were taken back"
    output.talk(f"{len(found)} {what}", is_quiet=quiet)


def _prepare(
    repository: str, upstream: list[str] | None, *, is_update: bool, is_quiet: bool
) -> "Prepared":
    """Find, fetch and read a repository, and say which it is."""
    from zoo.mirror.ecosystems.known import parse_upstreams
    from zoo.torch_hub import loading

    prepared = loading.prepare(repository, parse_upstreams(upstream or ()), is_update=is_update)
    resolved = prepared.resolved
    if resolved.is_renamed:
        output.talk(f"{resolved.typed} is called {resolved.repository} now", is_quiet=is_quiet)
    commit = f"{resolved.repository} at {resolved.commit}, as {resolved.origin} says"
    output.talk(commit, is_quiet=is_quiet)
    return prepared


def _say_what_runs(prepared: "Prepared", *, is_quiet: bool) -> None:
    """Say what foreign code is about to run, before it does."""
    packages = ", ".join(prepared.hubconf.packages) or "no packages"
    text = f"this runs hubconf.py of {prepared.resolved.repository} with your rights; it imports "
    output.talk(text + packages, is_quiet=is_quiet)
    missing = ", ".join(prepared.missing_packages)
    if missing:
        output.warn(f"not installed: {missing}")


def _ask(prepared: "Prepared", entry_point: str) -> str:
    """Ask on a terminal; elsewhere nobody can decide.

    Raises:
        TrustError: Nobody decided, or the answer was no.
    """
    spec = prepared.resolved.spec
    fault = "nobody has decided to trust this commit; nothing was run"
    advice = f'to trust it, run "zoo hub load {spec} {entry_point} --trust"'
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise TrustError(prepared.resolved.repository, fault, advice)
    if not typer.confirm(f"Trust {spec} and run it?", default=False, err=True):
        raise TrustError(prepared.resolved.repository, fault, advice)
    return "a question on the terminal"


def _option(text: str) -> tuple[str, Any]:
    """Read ``KEY=VALUE``; what is no Python literal is text.

    Raises:
        UsageError: There is no key.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise UsageError(f"--option takes KEY=VALUE, got {text!r:.60}")
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value


def _describe(loaded: Any) -> dict[str, Any]:
    """Say what was loaded: its class, and how many parameters a network has."""
    cls = type(loaded)
    parameters = None
    if hasattr(loaded, "parameters"):
        parameters = sum(parameter.numel() for parameter in loaded.parameters())
    return {"class": f"{cls.__module__}.{cls.__qualname__}", "parameters": parameters}


def _summary(offer: "Offer") -> str:
    """Give the first line of what an offer says, or where it comes from."""
    if offer.doc:
        return offer.doc.partition("\n")[0]
    return f"from {offer.defined_in}"


def _plain(prepared: "Prepared") -> dict[str, Any]:
    from dataclasses import asdict

    resolved = prepared.resolved
    return {
        "repository": resolved.repository,
        "commit": resolved.commit,
        "ref": resolved.ref,
        "origin": resolved.origin,
        "files_sha256": prepared.files_sha256,
        **asdict(prepared.hubconf),
    }
