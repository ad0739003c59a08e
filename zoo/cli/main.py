"""The command ``zoo``: which commands there are, and how each of them ends.

Exit codes: 0 done, 1 a :class:`~zoo.errors.ZooError`, 2 wrong usage, 130 interrupted.
"""

import sys
from typing import Annotated, NoReturn

import typer
import typer.main

from zoo.cli import output
from zoo.cli.loading import Entry, LazyGroup, prepare
from zoo.cli.options import examples
from zoo.errors import UsageError, ZooError

_FIND, _LOOK, _USE, _KEEP = "Find a model", "Look inside", "Use it", "Keep the data right"

COMMANDS = {
    "list": Entry("zoo.cli.listing", "List models: filter, sort, choose columns.", _FIND),
    "choose": Entry("zoo.cli.choosing", "Find the models that nothing beats within your limits.", _FIND),
    "compare": Entry("zoo.cli.comparing", "Put models side by side.", _FIND),
    "inspect": Entry("zoo.cli.inspecting", "Show a model's record and its layers.", _LOOK),
    "weights": Entry("zoo.cli.files:weights_app", "List a file's tensors and the models it fits.", _LOOK),
    "scan": Entry("zoo.cli.files:scan_app", "Say what a file would import, running nothing.", _LOOK),
    "bench": Entry("zoo.cli.bench", "Measure models on a device, show and compare what was measured.", _LOOK),
    "download": Entry("zoo.cli.downloading", "Fetch weights into torch's cache, verified.", _USE),
    "convert": Entry("zoo.cli.files:convert_app", "Make a safetensors twin of a pickle file.", _USE),
    "predict": Entry("zoo.cli.predicting", "Name the most likely labels of pictures.", _USE),
    "evaluate": Entry("zoo.cli.evaluating", "Count a network's errors on labelled pictures.", _USE),
    "train": Entry("zoo.cli.training", "Train or fine-tune a network on folders of pictures.", _USE),
    "cache": Entry("zoo.cli.cache", "List, verify, repair and prune what lies in torch's cache.", _KEEP),
    "mirror": Entry(
        "zoo.cli.mirror", "One place for weights and hub repositories, for clients that know nothing of it.", _KEEP
    ),
    "bundle": Entry("zoo.cli.bundle", "Carry models, repositories and weights to a machine without a network.", _KEEP),
    "doctor": Entry("zoo.cli.doctor", "Say what unmodified clients would miss without a network.", _KEEP),
    "registry": Entry("zoo.cli.registry", "Build registry.json, or check that it is up to date.", _KEEP),
}
"""Every command; its module is imported when it is called. A new one is a module in ``zoo/cli`` and a line here."""


class _Commands(LazyGroup):
    entries = COMMANDS


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
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find, inspect, download and run image models for PyTorch.

    Every command explains itself with --help and prints JSON with --json.
    """


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a letter gets a question mark
    command = typer.main.get_command(app)
    prepare(command)
    try:
        command.main(args=arguments, prog_name="zoo")
    except ZooError as error:
        output.fail(str(error))
        return 2 if isinstance(error, UsageError) else 1
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "zoo":
            raise
        output.fail(f"this command needs the package {error.name.partition('.')[0]}, which is not installed")
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
    sys.exit(run())
