"""``zoo scan``: whether weights files hold anything but tensors."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsJson, Quiet, examples, new_app
from zoo.cli.terminal.tables import cell_width
from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.formats.scan_result import Scan

app = new_app()
_IMPORT = "it imports "
_OPCODE = "it uses the opcode"
_LOADER = "torch.load(weights_only=True)"


@app.command(
    epilog=examples("zoo scan downloaded.pth", "zoo scan checkpoints/", "zoo scan *.ckpt --json")
)
def scan(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Weights files, or folders of them.", show_default=False
        ),
    ],
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check weights files for code, running none.

    Looks through pickles of all layouts, zip archives with their checksums, and safetensors
    headers. Of a folder, everything is scanned that is called like weights or begins like a pickle,
    however deep it lies. Exits with 1 if a file holds more than tensors or is damaged: zoo would
    not load it.
    """
    from zoo.formats.files import find_weights_files

    paths = find_weights_files(files)
    found = _scan_all(paths, is_quiet=quiet)
    if json:
        output.write_json([{"path": str(path), **one.as_dict()} for path, one in found])
    else:
        _print(found)

    unsafe = sum(not one.is_safe for _, one in found)
    if unsafe:
        output.talk(f"{unsafe} of {len(found)} files refused", is_quiet=quiet)
        raise typer.Exit(1)


def _scan_all(paths: "Sequence[Path]", *, is_quiet: bool) -> "list[tuple[Path, Scan]]":
    """Scan files one after another; one that cannot be opened is as unsafe as a damaged one."""
    from zoo.cli.terminal.reading import reading_bar
    from zoo.formats import checkpoint
    from zoo.formats.scan_result import Format, Scan

    total_bytes = sum(path.stat().st_size for path in paths if path.is_file())
    found = []
    with reading_bar("scanning", total_bytes, is_quiet=is_quiet) as advance:
        for path in paths:
            try:
                scanned = checkpoint.scan(path, advance=advance)
            except CheckpointError as error:
                scanned = Scan(path.name, Format.UNKNOWN, (), (error.fault,))
            found.append((path, scanned))
    return found


def _print(found: "Sequence[tuple[Path, Scan]]") -> None:
    """Print a verdict for each file, then its faults, then what it imports."""
    lines = []
    for path, one in found:
        place = output.safe(str(path))
        lines += _verdict(place, one)
        for remark in _remarks(one):
            safe = output.safe(remark)
            lines.append(output.fitted(f"  {safe}"))

    output.write_painted("\n".join(lines))


def _verdict(place: str, scanned: "Scan") -> list[str]:
    """Say whether a file is safe; why it is not goes on below where the line has no room."""
    opening = f"{place}: {scanned.format.value}"
    if scanned.is_safe:
        safe = output.paint("safe", "title")
        return [f"{opening}, {safe}"]

    summary = output.safe(scanned.summary)
    refused = output.paint("REFUSED", "error")
    needed = cell_width(f"{opening}, REFUSED, {summary}")

    width = output.terminal_width()
    if width and needed > width:
        return [f"{opening}, {refused}", output.fitted(f"  {summary}")]
    return [f"{opening}, {refused}, {summary}"]


def _remarks(scanned: "Scan") -> list[str]:
    """Say what was found: once for all imports and opcodes; --json has the place of each."""
    refused = dict.fromkeys(use.name for use in scanned.imports if not use.is_allowed)
    harmless = dict.fromkeys(use.name for use in scanned.imports if use.is_allowed)

    opcodes: dict[str, None] = {}
    others = []
    for fault in scanned.faults:
        if fault.startswith(_OPCODE):
            opcodes[fault.split()[4]] = None
        elif not fault.startswith(_IMPORT):
            others.append(fault)

    remarks = []
    if refused:
        names = ", ".join(refused)
        remarks.append(f"{_IMPORT}{names}, which {_LOADER} does not allow")
    if opcodes:
        names = ", ".join(opcodes)
        plural = "s" if len(opcodes) > 1 else ""
        remarks.append(f"{_OPCODE}{plural} {names}, which {_LOADER} does not run")

    remarks += others
    if harmless:
        names = ", ".join(harmless)
        remarks.append(f"harmless imports: {names}")
    remarks += scanned.notes
    return remarks
