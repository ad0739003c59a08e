"""``zoo verify``: is a weights file what somebody has signed?"""

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsJson, Quiet, Signed, examples, new_app
from zoo.cli.terminal.signing import find_weights_file

app = new_app()


@app.command(
    epilog=examples(
        "zoo verify mine.safetensors --key me.pub",
        "zoo verify resnet18 --signature resnet18.sig.json --key me.pub",
    )
)
def verify(
    subject: Signed,
    key: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="A public key that may have signed it; may be repeated.",
            show_default=False,
        ),
    ],
    signature: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="By default beside the file, for a model in this folder.",
            show_default=False,
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Verify the signature of a weights file.

    Exits with 1 if it was signed by another key, or has other bytes. Cached files of the registry
    are compared with their published digests by zoo cache verify.
    """
    from zoo.cli.terminal.reading import reading_bar
    from zoo.trust import keys, signatures

    file, is_own = find_weights_file(subject)
    beside = signatures.signature_path(file)
    given = signatures.read(signature or (beside if is_own else Path(beside.name)))
    public = [keys.load_public(path) for path in key]
    with reading_bar("reading", file.stat().st_size, is_quiet=quiet) as advance:
        signer = signatures.verify(file, given, public, advance=advance)
    if json:
        output.write_json({"path": str(file), "sha256": given.sha256, "key_id": signer.keyid})
    else:
        output.write(f"{file}: signed by the key {signer.keyid[:12]} at {given.signed_at}")
