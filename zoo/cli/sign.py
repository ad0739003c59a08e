"""``zoo sign``: a detached signature of a weights file."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsJson, Quiet, Signed, examples, new_app
from zoo.cli.terminal.signing import find_weights_file, passphrase

app = new_app()


@app.command(
    epilog=examples(
        "zoo sign mine.safetensors --key keys/me.key",
        "zoo sign resnet18 --key keys/me.key --output resnet18.sig.json",
    )
)
def sign(
    subject: Signed,
    key: Annotated[
        Path,
        typer.Option(metavar="FILE", help="A private key of zoo trust key.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write; by default beside the file, for a model in this folder.",
            show_default=False,
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Sign a weights file.

    Writes a small document with name, length, SHA-256 and signature. Whoever has the public key
    checks it with zoo verify, wherever the file came from.
    """
    from dataclasses import asdict

    from zoo.cli.terminal.reading import reading_bar
    from zoo.trust import keys, signatures

    file, is_own = find_weights_file(subject)
    signer = keys.load_private(key, passphrase(is_new=False))
    beside = signatures.signature_path(file)
    target = out or (beside if is_own else Path(beside.name))
    with reading_bar("reading", file.stat().st_size, is_quiet=quiet) as advance:
        signature = signatures.sign(file, signer, advance=advance)
    signatures.write(target, signature)
    if json:
        output.write_json({"path": str(target), **asdict(signature)})
    else:
        output.write(str(target))
    output.talk(f"signed by the key {signature.key_id[:12]}", is_quiet=quiet)
