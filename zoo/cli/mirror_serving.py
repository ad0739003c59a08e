"""``zoo mirror serve``, ``env`` and ``exec``: a running mirror and its clients."""

import logging
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from zoo.cli import output
from zoo.cli.options import AsJson, Quiet, examples, new_app
from zoo.errors import MirrorError, UsageError

app = new_app()

Mirror = Annotated[
    str | None, typer.Option(metavar="URL", help="A running mirror; else the first of $ZOO_MIRROR.", show_default=False)
]
Client = Annotated[
    Literal["torch", "hf", "all"],
    typer.Option(help="torch: torch.hub, torchvision, any HTTPS client; hf: Hugging Face; all: both."),
]


@app.command(
    epilog=examples(
        "zoo mirror serve /srv/mirror",
        "zoo mirror serve /srv/mirror --host 0.0.0.0 --port 8080 --pull-through",
        "zoo mirror serve /srv/mirror --tls-cert mirror.pem --tls-key mirror.key --strict",
    )
)
def serve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The mirror.")] = Path(),
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for everybody who can reach it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8080,
    pull_through: Annotated[
        bool, typer.Option("--pull-through", help="Fetch what is missing while it is asked for, and keep it.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="As a proxy, refuse hosts that the mirror does not stand for.")
    ] = False,
    tunnel_port: Annotated[
        list[int] | None,
        typer.Option(metavar="PORT", help="Ports of other hosts that the proxy leads to.", show_default="443"),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(metavar="FILE", help="Serve HTTPS with this certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Key of the certificate.")] = None,
    quiet: Quiet = False,
) -> None:
    """Serve a mirror to zoo, torch.hub, torchvision and Hugging Face's clients, until Ctrl-C.

    The address is printed when connections are accepted. Each request is a line on stderr, without its tokens.
    """
    from zoo.mirror.proxy import TUNNEL_PORTS
    from zoo.mirror.service import ServeOptions
    from zoo.mirror.service import serve as run
    from zoo.mirror.store import Store

    if tls_key is not None and tls_cert is None:
        raise UsageError("--tls-key goes with --tls-cert")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("zoo.mirror").setLevel(logging.WARNING if quiet else logging.INFO)
    options = ServeOptions(
        host=host,
        port=port,
        pulls_through=pull_through,
        is_strict=strict,
        tunnel_ports=frozenset(tunnel_port) if tunnel_port else TUNNEL_PORTS,
        tls_certificate=tls_cert,
        tls_key=tls_key,
    )
    run(Store(folder), options, on_ready=output.write)


@app.command(epilog=examples('eval "$(zoo mirror env --mirror http://mirror.example.org:8080)"'))
def env(mirror: Mirror = None, client: Client = "all", json: AsJson = False) -> None:
    """Print the variables that lead unmodified clients to a mirror, for the shell to export."""
    from zoo.mirror.client_environment import environment

    variables = environment(_address(mirror), client, os.environ)
    if json:
        output.write_json(variables)
    else:
        output.write("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))


@app.command(
    "exec",
    epilog=examples("zoo mirror exec --mirror http://mirror.example.org:8080 -- python train.py --epochs 3"),
    context_settings={"ignore_unknown_options": True},
)
def execute(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What to run.", show_default=False)],
    mirror: Mirror = None,
    client: Client = "all",
) -> None:
    """Run a command whose clients, unmodified, reach the mirror instead of the Internet."""
    from zoo.mirror.client_environment import environment

    variables = environment(_address(mirror), client, os.environ)
    sys.stdout.flush()
    try:
        os.execvpe(command[0], command, {**os.environ, **variables})  # noqa: S606 - this is what the user asked for
    except OSError as error:
        raise MirrorError(command[0], f"it cannot be run: {error.strerror}", "check the command after --") from error


def _address(mirror: str | None) -> str:
    from zoo.weights.options import load_config

    mirrors = (mirror,) if mirror else load_config().mirrors
    if not mirrors:
        raise UsageError("name a running mirror with --mirror http://HOST:PORT, or in $ZOO_MIRROR")
    return mirrors[0]
