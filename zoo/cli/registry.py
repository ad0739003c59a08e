"""``zoo registry``: make ``registry.json``, or check it.

The file is long because it holds one function a command, and most of a function is its options.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsJson, Quiet, complete_models, examples, new_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.catalog.installed import Current
    from zoo.curator.looking import Seen
    from zoo.curator.pins import Outcome

SAMPLE = 60
"""Networks of timm that a check counts again."""

app = new_app(help="Build, check, pin and watch the registry.")


@app.command(epilog=examples("zoo registry build", "zoo registry build --recount"))
def build(
    recount: Annotated[
        bool,
        typer.Option("--recount", help="Count timm's networks again, too; takes many minutes."),
    ] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make the registry and the layer tables again.

    Joins the records of torchvision, zoo and timm, the cited facts, and figures computed from every
    built network. Takes a minute; replaces the files of this installation.
    """
    from zoo.catalog.places import registry_place
    from zoo.cli.terminal.progress import StepProgress
    from zoo.curator import building

    kept = "the registry is as it was"
    with StepProgress(is_quiet=quiet, steps="models", kept=kept) as progress:
        built = building.build_registry(progress=progress, recount=None if recount else 0)
    path = registry_place()
    building.write(built, path)
    families = len(built.beside) - 1
    counts = f"{len(built.tables)} models, {families} families of timm"
    output.talk(counts, is_quiet=quiet)
    if json:
        counted = {"models": len(built.tables), "families": families}
        output.write_json({"path": str(path), **counted})
    else:
        output.write(str(path))


@app.command(
    epilog=examples(
        "zoo registry check",
        "zoo registry check lenet5 resnet18",
        "zoo registry check --all --json",
    )
)
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Only these models; by default all.",
            autocompletion=complete_models,
        ),
    ] = None,
    all: Annotated[
        bool,
        typer.Option(
            "--all",
            help=f"Count every network of timm again, not only {SAMPLE}; takes many minutes.",
        ),
    ] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Build the registry again and list differences.

    Takes a minute or two for all models. Exits with 1 if there is a difference.
    """
    from zoo.cli.terminal.progress import StepProgress
    from zoo.curator import building

    with StepProgress(is_quiet=quiet, steps="models") as progress:
        sample = None if all else SAMPLE
        built = building.build_registry(names or (), progress=progress, recount=sample)
    found = list(building.differences(built))
    if json:
        output.write_json(found)
    elif found:
        output.write("\n".join(found))
    if found:
        output.talk(
            f'{len(found)} differences; to take them over, run "zoo registry build"',
            is_quiet=quiet,
        )
        raise typer.Exit(1)
    output.talk(f"{len(built.tables)} models, no difference", is_quiet=quiet)


@app.command(epilog=examples("zoo registry validate", "zoo registry validate other/registry.json"))
def validate(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE", help="By default the one that zoo uses.", show_default=False
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Read a registry strictly.

    Each fault is named with its place in the file. Refuses what cannot be true as well: errors over
    100 percent, a top-5 error above its top-1 error, years, lengths and class counts that do not
    fit, names and addresses that some system takes for something else. Needs no torch, and compares
    nothing with the networks: that does check. Exits with 1 if there is a fault.
    """
    from dataclasses import replace

    from zoo.catalog import wellformed
    from zoo.catalog.families import load_families
    from zoo.catalog.hub_repositories import load_repositories
    from zoo.catalog.index import load_index
    from zoo.catalog.places import find_registry
    from zoo.catalog.registry import load_registry

    path = Path(file) if file else find_registry()
    registry = load_registry(path)
    found = [(path, fault) for fault in wellformed.faults(registry)]
    # Another file is judged by itself; zoo's own goes with the family files beside it.
    if file is None:
        tuple(load_repositories(load_index()))
    for place, family in () if file else load_families(load_index()):
        beside = replace(registry, architectures=family.architectures)
        found += [(place, fault) for fault in wellformed.faults(beside)]

    if json:
        rows = []
        for place, fault in found:
            rows.append({"file": str(place), "json_path": fault.json_path, "fault": fault.text})
        output.write_json(rows)
    for place, fault in found:
        output.fail(f"{place} cannot be right at {fault}")
    unchecked = wellformed.without_digest(registry)
    if unchecked and not quiet:
        names = ", ".join(unchecked)
        output.warn(
            f"no digest is known of {names}: nothing tells a wrong download from a right one"
        )
    if found:
        raise typer.Exit(1)
    sets = sum(len(architecture.weights) for architecture in registry.architectures.values())
    output.talk(
        f"{path}: {len(registry.architectures)} models, {sets} sets of weights, well-formed",
        is_quiet=quiet,
    )


@app.command(
    epilog=examples(
        "zoo registry pin timm/resnet50:a1_in1k",
        "zoo registry pin 'timm/vit_*'",
        "zoo registry pin",
    )
)
def pin(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Models, NAME:TAG or patterns; by default all on the Hub.",
            autocompletion=complete_models,
            show_default=False,
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Ask also for what has a pin, and say what changed.")
    ] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write down the commit and digest of weights on the Hub.

    Asks the Hugging Face Hub (or HF_ENDPOINT) what main means today, and writes commit, length and
    SHA-256 to registry/pins.json; zoo registry build then puts them into the records. An
    interrupted run keeps what it has, and the next one goes on. Exits with 1 if some could not be
    asked for, or have other bytes than before.
    """
    from zoo.catalog.wanted import find_wanted
    from zoo.cli.terminal.progress import StepProgress
    from zoo.curator import pins

    wanted = find_wanted(names or ["timm/*"], has_all_weights=True, tells=bool(names))
    bar = StepProgress(
        is_quiet=quiet, steps="weights", kept="their pins are written", advice="go on with"
    )
    with bar as progress:
        done = iter(range(len(wanted)))
        outcomes = pins.pin_weights(
            wanted, lambda spec: progress(spec, next(done), len(wanted)), is_again=again
        )
    failed = [outcome for outcome in outcomes if outcome.fault]
    changed = [outcome for outcome in outcomes if outcome.is_changed]
    if json:
        output.write_json([_plain_outcome(outcome) for outcome in outcomes])
    else:
        for outcome in changed:
            output.write(f"{outcome.spec} changed: it was {outcome.before}, it is {outcome.pin}")
    for outcome in failed:
        output.fail(f"{outcome.spec}: {outcome.fault}")
    pinned = len(outcomes) - len(failed)
    output.talk(
        f'{pinned} pinned; to put them into the records, run "zoo registry build"', is_quiet=quiet
    )
    if failed or changed:
        raise typer.Exit(1)


@app.command(
    epilog=examples(
        "zoo registry watch resnet18 timm/resnet50",
        "zoo registry watch --state watch.json --max-age 12h",
    )
)
def watch(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Models, NAME:TAG or patterns; by default all.",
            autocompletion=complete_models,
            show_default=False,
        ),
    ] = None,
    state: Annotated[
        Path,
        typer.Option("--state", metavar="FILE", help="What earlier watches saw; written anew."),
    ] = Path("registry-watch.json"),
    per_second: Annotated[
        float, typer.Option(metavar="N", help="Maximum of requests a second.", min=0.01)
    ] = 2.0,
    max_age: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Believe a response younger than this, e.g. 12h.",
            show_default=False,
        ),
    ] = None,
    package_index: Annotated[
        str | None,
        typer.Option(
            "--package-index",
            envvar="ZOO_PACKAGE_INDEX",
            metavar="URL",
            help="An index of packages that answers with JSON under /NAME/json.",
            show_default=False,
        ),
    ] = None,
    upstream: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND=ADDRESS", help="Where github-api is, if elsewhere.", show_default=False
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Look whether everything is still there, and the same.

    Asks each address with HEAD (ETag, length, the host after redirects), each repository of the
    Hugging Face Hub and of PyTorch Hub for its commit, each https host for the end of its
    certificate, and, with --package-index, for the newest versions of torch, torchvision and timm.
    States are alive, changed, moved, gone, expiring and unreachable, each with the time since
    when; a commit, version or length other than the recorded one is changed. An interrupted watch
    goes on with --max-age. Exits with 1 if something changed, moved, is gone or about to expire.
    Repositories of PyTorch Hub and packages are watched where no models are named.
    """
    from zoo.catalog.wanted import find_wanted
    from zoo.cli.terminal.progress import StepProgress
    from zoo.curator import watching
    from zoo.download import tokens
    from zoo.download.options import Timeouts
    from zoo.download.transport import Transport
    from zoo.mirror import remotes
    from zoo.mirror.ecosystems.known import parse_upstreams

    wanted = find_wanted(names or ["*"], has_all_weights=True, tells=bool(names))
    addresses = watching.addresses_of(wanted)
    expected: dict[str, watching.Recorded] = {}
    if not names:
        api = parse_upstreams(upstream or ()).base(remotes.GITHUB_API)
        expected |= watching.repositories_of(api)
    if package_index is not None:
        expected |= watching.packages_of(package_index)
    addresses = [*addresses, *expected]
    expected |= watching.files_of(wanted)
    addresses += watching.certificates_of(addresses)
    pace = watching.Pace(per_second, watching.parse_age(max_age))
    transport = Transport(Timeouts(), bearer_tokens=tokens.from_environment())
    done = iter(range(len(addresses)))
    bar = StepProgress(
        is_quiet=quiet,
        steps="addresses",
        kept=f"what was seen is in {state}",
        advice="go on with --max-age, or start again with",
    )
    try:
        with bar as progress:
            seen = watching.watch(
                addresses,
                transport,
                state,
                pace=pace,
                progress=lambda address: progress(address, next(done), len(addresses)),
                expected=expected,
            )
    finally:
        transport.close()
    _show_watch(seen, is_json=json, is_quiet=quiet)
    if any(one.state in {"changed", "moved", "gone", "expiring"} for one in seen):
        raise typer.Exit(1)


def _show_watch(seen: "Sequence[Seen]", *, is_json: bool, is_quiet: bool) -> None:
    """Show what is not as it was; as JSON everything."""
    from zoo.catalog import quantities
    from zoo.cli.terminal.tables import Column, Table
    from zoo.curator import watching

    if is_json:
        output.write_json([watching.as_plain(one) for one in seen])
    else:
        columns = (
            Column("state", "state", quantities.text),
            Column("since", "since", quantities.text),
            Column("url", "address", quantities.text),
            Column("fault", "why", quantities.text),
        )
        odd = [one for one in seen if one.state != "alive"]
        rows = [[one.state, one.since, one.url, one.fault] for one in odd]
        if rows:
            output.write_table(Table(columns, rows), "table")
    alive = sum(one.state == "alive" for one in seen)
    output.talk(f"{alive} of {len(seen)} alive and as they were", is_quiet=is_quiet)


def _plain_outcome(outcome: "Outcome") -> dict[str, object]:
    from dataclasses import asdict

    return asdict(outcome) | {"is_changed": outcome.is_changed}


@app.command(
    epilog=examples(
        "zoo registry update --from https://models.example.org/zoo --root root.json",
        "zoo registry update",
    )
)
def update(
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL",
            help="Where it is served; by default where the last update came from.",
            show_default=False,
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The root to trust, got from its publisher; needed once.",
            show_default=False,
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Install a signed registry, which zoo uses before its own.

    What is tampered with, rolled back, frozen, mixed, signed by another key or by too few, too long
    or too slow is refused, and nothing is changed. Needs the extra trust.
    """
    from zoo.trust import updating

    updated = updating.update(source, root)
    _print_state(updated.current, is_json=json)
    text = "installed" if updated.is_new else "up to date"
    output.talk(f"state {updated.current.number} is {text}", is_quiet=quiet)


@app.command(
    epilog=examples(
        "zoo registry add --local found/found.safetensors --name digits",
        "zoo list --source local",
        "zoo predict local/digits image.png",
    )
)
def add(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Weights that training or a search wrote.", show_default=False
        ),
    ],
    local: Annotated[
        bool, typer.Option("--local", help="Into your own registry; there is no other to add to.")
    ] = True,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="By default that of the file's folder.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace one of the same name.")] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Add a model of your own, as local/NAME.

    Commands that show, run or measure a model take local/NAME for the file, which stays where it
    is. zoo list shows it among the others, and alone with --source local.
    """
    from dataclasses import asdict

    from zoo.catalog.local import PREFIX, add_local, local_path
    from zoo.inspector.own_models import describe_own

    del local  # said for clarity: zoo's own registry is generated, and takes no models
    folder = file.resolve().parent
    model = describe_own(file, name or folder.name.lower())
    add_local(model, replaces=force)
    if json:
        output.write_json(asdict(model))
    else:
        output.write(f"{PREFIX}{model.name}")
    output.talk(f"added to {local_path()}", is_quiet=quiet)


@app.command(epilog=examples("zoo registry remove local/digits"))
def remove(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A model of your own.", show_default=False)
    ],
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Forget a model of your own; its file stays."""
    from dataclasses import asdict

    from zoo.catalog.local import remove_local

    model = remove_local(name)
    if json:
        output.write_json(asdict(model))
    output.talk(f"forgot {model.name}; {model.file} stays", is_quiet=quiet)


@app.command(epilog=examples("zoo registry status", "zoo registry status --json"))
def status(json: AsJson = False, quiet: Quiet = False) -> None:
    """Say which registry is in use, and how old it is."""
    from zoo.catalog.places import packaged_registry
    from zoo.trust import installed

    found = installed.status()
    if found is None:
        if json:
            output.write_json(None)
        else:
            output.write(str(packaged_registry()))
        output.talk("zoo's own; none is installed beside it", is_quiet=quiet)
        return
    _print_state(found.current, is_json=json)
    if not found.is_used:
        output.warn("this zoo is newer than the installed registry, and uses its own")
    if found.is_expired:
        output.warn(
            f"nobody has vouched since {found.current.expires_at} that this is the newest; "
            'run "zoo registry update"'
        )
    held = ", held" if found.current.is_pinned else ""
    output.talk(f"published {found.age_days} days ago{held}", is_quiet=quiet)


@app.command(epilog=examples("zoo registry rollback", "zoo registry rollback --all"))
def rollback(
    everything: Annotated[
        bool, typer.Option("--all", help="Use zoo's own registry again.")
    ] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Return to the registry before this one, and hold it."""
    from zoo.trust import installed

    if everything:
        installed.remove()
        if json:
            output.write_json(None)
        output.talk("zoo uses its own registry", is_quiet=quiet)
        return
    current = installed.rollback()
    _print_state(current, is_json=json)
    output.talk(f"state {current.number} is in use, held", is_quiet=quiet)


@app.command(epilog=examples("zoo registry hold", "zoo registry hold --off"))
def hold(
    off: Annotated[bool, typer.Option("--off", help="Let updates replace it again.")] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Let updates leave the installed registry alone."""
    from zoo.trust import installed

    current = installed.pin(is_pinned=not off)
    _print_state(current, is_json=json)
    text = "updates replace it again" if off else "updates leave it alone"
    output.talk(f"state {current.number}: {text}", is_quiet=quiet)


def _print_state(current: "Current", *, is_json: bool) -> None:
    """Print which state it is; its digests are for JSON."""
    from dataclasses import asdict

    if is_json:
        output.write_json(asdict(current))
        return
    lines = [
        f"state      {current.number}",
        f"published  {current.published_at}",
        f"vouched    until {current.expires_at}",
        f"from       {current.source}",
    ]
    output.write("\n".join(lines))
