"""The command ``zoo``: which commands there are, and how each of them ends.

Exit codes: 0 done, 1 a :class:`~zoo.errors.ZooError`, 2 wrong usage, 130 interrupted (Ctrl-C), 143
terminated (SIGTERM).
"""

import sys
import warnings
from typing import Annotated, Any, NoReturn

import typer
import typer.main

from zoo.cli.terminal import output, stopping
from zoo.cli.terminal.loading import Entry, LazyGroup, prepare
from zoo.cli.terminal.options import examples
from zoo.errors import UsageError, ZooError
from zoo.garbage import seldom_collected

_FIND, _LOOK, _USE = "Find models", "Inspect and measure", "Use models"
_KEEP = "Cache, mirror and offline use"

COMMANDS = {
    "list": Entry("zoo.cli.list", "List models: filter, sort, choose columns.", _FIND),
    "choose": Entry(
        "zoo.cli.choose", "Choose the best models within your limits (Pareto front).", _FIND
    ),
    "compare": Entry("zoo.cli.compare", "Compare models side by side.", _FIND),
    "site": Entry("zoo.cli.site", "Show the registry as a web site.", _FIND),
    "inspect": Entry(
        "zoo.cli.inspect", "Show a model's record and layers, or say what a file is.", _LOOK
    ),
    "scan": Entry("zoo.cli.scan", "Check weights files for code, running none.", _LOOK),
    "bench": Entry("zoo.cli.bench", "Measure latency, throughput and memory of models.", _LOOK),
    "audit": Entry("zoo.cli.audit", "Check what a project would download.", _LOOK),
    "hub": Entry(
        "zoo.cli.hub", "Load from repositories of torch.hub, at a commit that you trust.", _USE
    ),
    "download": Entry(
        "zoo.cli.download", "Download weights into torch's cache and verify them.", _USE
    ),
    "convert": Entry("zoo.cli.convert", "Convert pickled weights to safetensors.", _USE),
    "predict": Entry("zoo.cli.predict", "Classify images.", _USE),
    "evaluate": Entry("zoo.cli.evaluate", "Evaluate accuracy on labeled images.", _USE),
    "train": Entry("zoo.cli.train", "Train or fine-tune a model on an image folder.", _USE),
    "search": Entry("zoo.cli.search", "Search for an architecture for your images.", _USE),
    "cache": Entry("zoo.cli.cache", "List, verify, repair and prune weights in the cache.", _KEEP),
    "mirror": Entry(
        "zoo.cli.mirror",
        "Run a local mirror of weights, torch.hub repositories and Hugging Face models.",
        _KEEP,
    ),
    "bundle": Entry(
        "zoo.cli.bundle",
        "Pack models for a machine without a network, and unpack them there.",
        _KEEP,
    ),
    "record": Entry(
        "zoo.cli.record", "Run a program and write what it fetches into zoo.lock.", _KEEP
    ),
    "run": Entry("zoo.cli.run", "Run a program that gets what zoo.lock says, nothing else.", _KEEP),
    "sync": Entry("zoo.cli.sync", "Fetch what zoo.lock says into the caches.", _KEEP),
    "lock": Entry("zoo.cli.lock", "Compare lock files, check one, renew one.", _KEEP),
    "doctor": Entry("zoo.cli.doctor", "Check what works without a network.", _KEEP),
    "bom": Entry("zoo.cli.bom", "Write a bill of materials (CycloneDX, SPDX).", _KEEP),
    "sign": Entry("zoo.cli.sign", "Sign a weights file.", _KEEP),
    "verify": Entry("zoo.cli.verify", "Verify the signature of a weights file.", _KEEP),
    "trust": Entry("zoo.cli.trust", "Sign a registry for clients that trust no host.", _KEEP),
    "registry": Entry("zoo.cli.registry", "Build, check, pin and watch the registry.", _KEEP),
}
"""Every command; its module is imported when it is called.

A new one is a module in ``zoo/cli`` and a line here.
"""


OTHER_NAMES = {
    "info": "inspect",
    "show": "inspect",
    "weights": "inspect",
    "search": "list",
    "find": "list",
    "ls": "list",
    "rm": "cache remove",
    "remove": "cache remove",
    "pull": "download",
    "fetch": "download",
    "classify": "predict",
    "eval": "evaluate",
    "benchmark": "bench",
}
"""What other programs call a command, and what it is called here."""


_OF_SEARCH = ("run", "show")


class _Commands(LazyGroup):
    entries = COMMANDS

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Lead from what other programs call a command to ours."""
        name, *rest = args
        is_ours = name in self.entries
        if name == "search" and rest and rest[0] not in _OF_SEARCH:
            is_ours = rest[0].startswith("-")  # a name to look for, as in other programs
        if name in OTHER_NAMES and not is_ours:
            import shlex

            line = shlex.join(["zoo", *OTHER_NAMES[name].split(), *rest])
            raise UsageError(f'there is no command {name}; type "{line}"')
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; one that is stopped ends with a sentence and its own exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interruption:
            again = f"start again with: {stopping.command_line()}"
            sentence = f"interrupted; nothing was left half-written, {again}"
            output.fail(str(interruption) or sentence)
            raise typer.Exit(stopping.exit_code()) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog=examples(
        "zoo list --sort top5-error --limit 15",
        "zoo inspect resnet18",
        "zoo choose --max-parameters 10M",
        "zoo download resnet18",
    ),
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        output.write(f"zoo {version('torch-zoo')}")
        raise typer.Exit


@app.callback()
def zoo(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Find, inspect, download and run image models for PyTorch.

    Every command explains itself with --help and prints JSON with --json.
    """


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    output.prepare_streams()
    command = typer.main.get_command(app)
    prepare(command)
    stopping.listen(arguments)
    try:
        command.main(args=arguments, prog_name="zoo")
    except ZooError as error:
        output.fail(error)
        return 2 if isinstance(error, UsageError) else 1
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "zoo":
            raise
        output.fail(
            f"this command needs the package {error.name.partition('.')[0]}, which is not installed"
        )
        return 1
    except OSError as error:
        if error.errno is None:
            raise
        place = f"{error.filename}: " if error.filename else ""
        output.fail(f"{place}{error.strerror}")
        return 1
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    return 0


def main() -> NoReturn:
    """Run the command line of this process."""
    warnings.showwarning = output.show_warning
    with seldom_collected():
        code = run()
        fault = output.finish()
        if fault is not None and code == 0:
            output.fail(fault)
            code = 1
    sys.exit(code)
