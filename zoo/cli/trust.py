"""``zoo trust``: sign a registry so that clients need not trust its host."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsJson, Quiet, examples, new_app
from zoo.cli.terminal.signing import load_signers, passphrase
from zoo.errors import UsageError

app = new_app(help="Sign a registry for clients that trust no host.")

Repository = Annotated[
    Path, typer.Argument(metavar="DIR", help="The repository.", show_default=False)
]
Keys = Annotated[
    list[Path],
    typer.Option(
        "--key", metavar="FILE", help="A private key; may be repeated.", show_default=False
    ),
]
PublicKeys = Annotated[
    list[Path],
    typer.Option(metavar="FILE", help="A public key; may be repeated.", show_default=False),
]


@app.command(
    epilog=examples(
        "zoo trust key keys/root-1", "zoo trust key keys/online", "zoo trust key keys/root-2 --hsm"
    )
)
def key(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="Where, without a suffix.")],
    is_hsm: Annotated[
        bool,
        typer.Option("--hsm", help="Use a key that a PKCS#11 token holds, such as a YubiKey."),
    ] = False,
    hsm_key: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER", help="Which key of the token; by default 2.", show_default=False
        ),
    ] = None,
    hsm_token: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="Which token, of several.", show_default=False),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a pair of keys.

    NAME.key is for its owner, encrypted; NAME.pub is for everybody. The passphrase is asked for, or
    taken from $ZOO_TRUST_PASSPHRASE. With --hsm the key stays on its token: NAME.key says which it
    is, the passphrase is the token's PIN, and $PYKCS11LIB names its library.
    """
    from zoo.trust import keys

    if is_hsm:
        pin = passphrase(is_new=False)
        made = keys.create_on_token(name, pin, key_id=hsm_key, token=hsm_token)
    else:
        made = keys.create(name, passphrase(is_new=True))
    if json:
        output.write_json({"public": str(made.public), "key_id": made.key_id})
    else:
        output.write(str(made.public))
    care = "it says where the key is" if is_hsm else "keep it offline"
    output.talk(f"key {made.key_id[:12]}; {made.private}: {care}", is_quiet=quiet)


@app.command(
    epilog=examples(
        "zoo trust init site --root-key a.pub --root-key b.pub "
        "--threshold 2 --online-key online.pub"
    )
)
def init(
    folder: Repository,
    root_key: PublicKeys,
    online_key: PublicKeys,
    targets_key: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Keys that sign files; by default those of the root.",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[int, typer.Option(min=1, help="How many root keys must sign a root.")] = 1,
    timestamp_days: Annotated[
        int, typer.Option(min=1, help="How long a published state counts as the newest.")
    ] = 3,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Draft the root of a new repository.

    It says whose keys count, and how many of them must sign.
    """
    from zoo.trust import keys, publishing
    from zoo.trust.publishing import RoleKeys

    roots = tuple(keys.load_public(path) for path in root_key)
    online = tuple(keys.load_public(path) for path in online_key)
    targets = tuple(keys.load_public(path) for path in targets_key or ()) or roots
    roles = {
        "root": RoleKeys(roots, threshold),
        "targets": RoleKeys(targets),
        "snapshot": RoleKeys(online),
        "timestamp": RoleKeys(online),
    }
    draft = publishing.init(folder, roles, publishing.Days(timestamp=timestamp_days))
    _print_path(draft, is_json=json)
    output.talk(f'next, {threshold} times: "zoo trust sign {folder} --key FILE"', is_quiet=quiet)


@app.command(epilog=examples("zoo trust sign site --key a.key"))
def sign(
    folder: Repository,
    key: Keys,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Sign the drafted root.

    It counts once enough keys have signed.
    """
    from zoo.trust import publishing

    count, is_enough = publishing.sign(folder, load_signers(key))
    if json:
        output.write_json({"signatures": count, "is_in_place": is_enough})
    text = "it is in place" if is_enough else "more are needed"
    output.talk(f"{count} signatures, {text}", is_quiet=quiet)


@app.command(epilog=examples("zoo trust publish site --key targets.key --key online.key"))
def publish(
    folder: Repository,
    key: Keys,
    files: Annotated[
        Path | None,
        typer.Option(
            "--files",
            metavar="DIR",
            help="A folder with registry.json and what belongs to it; by default zoo's own.",
            show_default=False,
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Sign a registry as the next state.

    Any web server can serve DIR/public.
    """
    from importlib.metadata import version

    from zoo.trust import publishing

    chosen = _registry_files(files)
    number = publishing.publish(folder, chosen, load_signers(key), zoo_version=version("torch-zoo"))
    _print_path(folder / "public", is_json=json)
    output.talk(f"state {number}: {len(chosen)} files", is_quiet=quiet)


@app.command(
    epilog=examples("zoo trust rotate site root --new-key a.pub --new-key c.pub --threshold 2")
)
def rotate(
    folder: Repository,
    role: Annotated[
        str,
        typer.Argument(metavar="ROLE", help="root, targets, snapshot or timestamp."),
    ],
    new_key: PublicKeys,
    threshold: Annotated[int, typer.Option(min=1, help="How many of them must sign.")] = 1,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Give a role other keys.

    Drafts the next root; clients follow it once old and new root keys have signed.
    """
    from zoo.trust import keys, publishing

    if role not in publishing.ROLES:
        raise UsageError(f"a role is one of {', '.join(publishing.ROLES)}, got {role!r:.40}")
    public = tuple(keys.load_public(path) for path in new_key)
    draft = publishing.rotate(folder, role, publishing.RoleKeys(public, threshold))
    _print_path(draft, is_json=json)
    output.talk("next: sign it with the old root keys, and with new ones", is_quiet=quiet)


def _print_path(path: Path, *, is_json: bool) -> None:
    if is_json:
        output.write_json({"path": str(path)})
    else:
        output.write(str(path))


def _registry_files(folder: Path | None) -> dict[str, Path]:
    """List registry.json and the files in the folder registry beside it."""
    from zoo.catalog.places import packaged_registry

    top = packaged_registry() if folder is None else folder / "registry.json"
    if not top.is_file():
        raise UsageError(f"there is no {top}")
    files = {"registry.json": top}
    for path in sorted((top.parent / "registry").rglob("*.json")):
        files[path.relative_to(top.parent).as_posix()] = path
    return files
