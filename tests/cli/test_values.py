"""Values of options are read as Typer's own converters read them, only sooner."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
import typer.main
from typer.core import TyperCommand

from zoo.cli.terminal.loading import prepare

app = typer.Typer()


@app.command()
def command(
    files: Annotated[list[Path] | None, typer.Argument()] = None,
    count: int = 3,
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8080,
    ports: Annotated[list[int] | None, typer.Option("--also")] = None,
    seconds: Annotated[float, typer.Option(min=0)] = 25,
    rate: float | None = None,
    log: Annotated[Literal["text", "json"], typer.Option()] = "text",
    folder: Path = Path("somewhere"),
    known: Annotated[Path | None, typer.Option(exists=True, dir_okay=False)] = None,
) -> dict[str, Any]:
    """Return what has been read."""
    return locals()


LINES = (
    "",
    "a b/c",
    "--count 5",
    "--count=-5",
    "--count +5",
    "--count 5.0",
    "--count five",
    "--count 123456789012345678901234567890",
    "--port 0",
    "--port 65535",
    "--port 65536",
    "--port=-1",
    "--also 1 --also 22",
    "--also 1 --also x",
    "--seconds 0",
    "--seconds 0.25",
    "--seconds=-0.25",
    "--seconds 1e-3",
    "--seconds nan",
    "--seconds inf",
    "--rate=-12.5",
    "--rate .5",
    "--rate 1_000",
    "--log json",
    "--log xml",
    "--folder /",
    "--folder ./a/../b/",
    "--known /",
    "--known /nowhere",
)


def outcome(line: str, *, is_prepared: bool) -> tuple[Any, str]:
    """Read a command line; return what came of it, or how it was refused."""
    made: Any = typer.main.get_command(app)
    assert isinstance(made, TyperCommand)
    if is_prepared:
        prepare(made)
    try:
        return made.main(line.split(), "zoo", standalone_mode=False), ""
    except Exception as error:  # noqa: BLE001 - whatever Typer raises is what is compared
        return None, f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("line", LINES)
def test_every_value_is_what_typer_makes_of_it(line: str) -> None:
    """The same value of the same type, or the same refusal."""
    values, refusal = outcome(line, is_prepared=True)
    expected, expected_refusal = outcome(line, is_prepared=False)
    assert (repr(values), refusal) == (repr(expected), expected_refusal)


def test_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by whoever asks the system, which lets the superuser read everything."""
    file = tmp_path / "secret"
    file.touch()
    monkeypatch.setattr("os.access", lambda *_: False)
    values, refusal = outcome(f"--folder {file}", is_prepared=True)
    assert values is None
    assert "is not readable" in refusal
