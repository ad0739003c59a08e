"""``zoo mirror serve``, ``env`` and ``exec``: a running mirror and its clients."""

import logging
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsJson, Quiet, examples, new_app
from zoo.errors import MirrorError, UsageError

if TYPE_CHECKING:
    from zoo.mirror.index import Index

app = new_app()

Mirror = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="A running mirror; else the first of $ZOO_MIRROR.", show_default=False
    ),
]
Client = Annotated[
    Literal["torch", "hf", "all"],
    typer.Option(
        help="torch: torch.hub, torchvision, any HTTPS client; hf: Hugging Face; all: both."
    ),
]


@app.command(
    epilog=examples(
        "zoo mirror serve /srv/mirror",
        "zoo mirror serve /srv/mirror --host 0.0.0.0 --port 8080 --pull-through",
        "zoo mirror serve /srv/mirror --tls-cert mirror.pem --tls-key mirror.key --proxy-port 8081",
    )
)
def serve(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="The mirror: a folder, or s3://bucket/prefix.")
    ] = ".",
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for everybody who can reach it.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8080,
    pull_through: Annotated[
        bool,
        typer.Option(
            "--pull-through", help="Fetch what is missing while it is asked for, and keep it."
        ),
    ] = False,
    allow_connect: Annotated[
        bool,
        typer.Option(
            "--allow-connect/--strict",
            help=(
                "As a proxy, lead to other hosts as well; "
                "else refuse all but the intercepted hosts."
            ),
        ),
    ] = False,
    tunnel_port: Annotated[
        list[int] | None,
        typer.Option(
            metavar="PORT",
            help="With --allow-connect: ports of other hosts that the proxy leads to.",
            show_default="443",
        ),
    ] = None,
    redirect: Annotated[
        bool,
        typer.Option(
            "--redirect",
            help="Redirect clients to the bucket itself (302) instead of passing its bytes on.",
        ),
    ] = False,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Serve HTTPS with this certificate.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Key of the certificate.")
    ] = None,
    proxy_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            metavar="PORT",
            help=(
                "With --tls-cert: a port without TLS for the HTTPS proxy; "
                "torch.hub can use no other."
            ),
        ),
    ] = None,
    ca_key: Annotated[
        Path | None,
        typer.Option(
            "--ca-key",
            metavar="FILE",
            help=(
                "Private key of the proxy's own CA, where zoo mirror init was given a place; "
                "a bucket's certificate (ca.pem) lies beside it."
            ),
        ),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help=(
                "Address or network of a proxy in front, "
                "whose X-Forwarded-... headers are believed."
            ),
        ),
    ] = None,
    access_log: Annotated[
        Literal["text", "json"], typer.Option(help="How each request is logged on stderr.")
    ] = "text",
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="PORT", help="Answer Prometheus on this port."),
    ] = None,
    grace: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long responses may take to their end after a signal.",
        ),
    ] = 25,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Serve a mirror over HTTP until Ctrl-C.

    zoo, torch.hub, torchvision and Hugging Face's clients take weights from it. The address is
    printed when connections are accepted. Each request is a line on stderr: client, what was asked,
    status, bytes, time, agent, request id; never a token.
    """
    from zoo.mirror.catalog import Catalog
    from zoo.mirror.serve.access_log import formatter
    from zoo.mirror.serve.peers import parse_networks
    from zoo.mirror.serve.proxy import HTTPS_PORT
    from zoo.mirror.serve.service import ServeOptions
    from zoo.mirror.serve.service import serve as run
    from zoo.mirror.store import Store

    if tls_key is not None and tls_cert is None:
        raise UsageError("--tls-key goes with --tls-cert")
    if proxy_port is not None and tls_cert is None:
        raise UsageError("--proxy-port goes with --tls-cert; without TLS one port does both")
    if tunnel_port and not allow_connect:
        raise UsageError("--tunnel-port goes with --allow-connect")
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(formatter(access_log))
    logging.basicConfig(handlers=[lines], level=logging.WARNING)
    logging.getLogger("zoo.mirror").setLevel(logging.WARNING if quiet else logging.INFO)
    options = ServeOptions(
        host=host,
        port=port,
        pulls_through=pull_through,
        tunnel_ports=frozenset(tunnel_port or [HTTPS_PORT]) if allow_connect else frozenset(),
        redirects=redirect,
        tls_certificate=tls_cert,
        tls_key=tls_key,
        proxy_port=proxy_port,
        ca_key=ca_key,
        trusted_proxies=parse_networks(trusted_proxy or []),
        log_format=access_log,
        metrics_port=metrics_port,
        catalog=Catalog(_make_site),
        grace_s=grace,
    )

    def announce(address: str) -> None:
        if json:
            output.write_json({"url": address})
        else:
            output.write(address)

    run(Store(folder), options, on_ready=announce)


def _make_site(index: "Index") -> dict[str, bytes]:
    """Make the web site at ``/``, whose modules a server imports when somebody opens it."""
    from zoo.site.mirrored import mirrored_site

    return mirrored_site(index)


@app.command(epilog=examples('eval "$(zoo mirror env --mirror http://mirror.example.org:8080)"'))
def env(mirror: Mirror = None, client: Client = "all", json: AsJson = False) -> None:
    """Print variables that point clients at a mirror.

    The shell exports them; the clients need no change.
    """
    from zoo.mirror.serve.client_environment import environment

    variables = environment(_address(mirror), client, os.environ)
    if json:
        output.write_json(variables)
    else:
        output.write(
            "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())
        )


@app.command(
    "exec",
    epilog=examples(
        "zoo mirror exec --mirror http://mirror.example.org:8080 -- python train.py --epochs 3"
    ),
    context_settings={"ignore_unknown_options": True},
)
def execute(
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND...", help="What to run.", show_default=False)
    ],
    mirror: Mirror = None,
    client: Client = "all",
) -> None:
    """Run a command with its clients pointed at a mirror.

    They need no change, and reach the mirror instead of the Internet.
    """
    from zoo.mirror.serve.client_environment import environment

    variables = environment(_address(mirror), client, os.environ)
    sys.stdout.flush()
    try:
        os.execvpe(command[0], command, {**os.environ, **variables})  # noqa: S606 - this is what the user asked for
    except OSError as error:
        raise MirrorError(
            command[0], f"it cannot be run: {error.strerror}", "check the command after --"
        ) from error


def _address(mirror: str | None) -> str:
    from zoo.config import load_config

    mirrors = (mirror,) if mirror else load_config().mirrors
    if not mirrors:
        raise UsageError("name a running mirror with --mirror http://HOST:PORT, or in $ZOO_MIRROR")
    return mirrors[0]
