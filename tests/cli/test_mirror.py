"""``zoo mirror`` as a user types it, against an upstream on loopback."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.support.hub_upstream import HubUpstream, Model, Repository, hub_archive
from zoo.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAIN, COMMIT = "1" * 40, "a" * 40


@pytest.fixture
def upstream() -> Iterator[HubUpstream]:
    """Play GitHub and Hugging Face."""
    with HubUpstream() as running:
        running.repositories["o/r"] = Repository({"main": MAIN}, archives={MAIN: hub_archive("o/r", MAIN)})
        running.models["org/tiny"] = Model({COMMIT: {"config.json": b"{}"}}, {"main": COMMIT})
        yield running


class Zoo(Protocol):
    """Run a command in a folder."""

    def __call__(self, folder: Path, *arguments: str) -> Done:
        """Run it."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Zoo:
    """Run a command in a folder, in this process."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)

    def run_in(folder: Path, *arguments: str) -> Done:
        monkeypatch.chdir(folder)
        code = run(list(arguments))
        return Done(code, *capsys.readouterr())

    return run_in


def test_mirror_from_init_to_gc(zoo: Zoo, tmp_path: Path, upstream: HubUpstream) -> None:
    """Every command of a mirror's life, with its output and exit code."""
    made = zoo(tmp_path, "mirror", "init", "m", "--upstream", f"mirror={upstream.base}")
    assert (made.returncode, "is a mirror" in made.stderr) == (0, True)
    folder = tmp_path / "m"
    assert zoo(folder, "mirror", "add", "o/r", "hf:org/tiny").returncode == 0
    assert zoo(folder, "mirror", "status").returncode == 1
    dry = zoo(folder, "mirror", "sync", "--dry-run", "--json")
    assert [row["reason"] for row in json.loads(dry.stdout)] == ["missing", "missing"]
    synced = zoo(folder, "mirror", "sync", "--json")
    assert synced.returncode == 0, synced.stderr
    assert (len(json.loads(synced.stdout)["fetched"]), json.loads(synced.stdout)["failures"]) == (2, [])
    listed = json.loads(zoo(folder, "mirror", "list", "--json").stdout)
    assert [(row["kind"], row["name"], row["revision"]) for row in listed] == [
        ("huggingface", "org/tiny", COMMIT),
        ("repository", "o/r", MAIN),
    ]
    assert zoo(folder, "mirror", "status").returncode == 0
    stored = folder / "repositories" / "o" / "r" / f"{MAIN}.zip"
    stored.write_bytes(stored.read_bytes()[:-1] + b"?")
    damaged = zoo(folder, "mirror", "verify")
    assert (damaged.returncode, f"repositories/o/r/{MAIN}.zip is damaged" in damaged.stderr) == (1, True)
    assert "1 fetched" in zoo(folder, "mirror", "sync").stderr
    assert zoo(folder, "mirror", "verify").returncode == 0
    assert zoo(folder, "mirror", "remove", "o/r").returncode == 0
    assert not stored.exists()
    (folder / "stray.bin").write_bytes(b"x")
    assert zoo(folder, "mirror", "gc").stdout == "stray.bin\n"


def test_failures_are_named_and_cost_exit_code_1(zoo: Zoo, tmp_path: Path, upstream: HubUpstream) -> None:
    """What cannot be fetched is named with its reason; the rest arrives."""
    zoo(tmp_path, "mirror", "init", "m", "--upstream", f"mirror={upstream.base}")
    zoo(tmp_path / "m", "mirror", "add", "o/nothing", "o/r")
    synced = zoo(tmp_path / "m", "mirror", "sync")
    assert synced.returncode == 1
    assert "error: o/nothing is refused" in synced.stderr
    assert "check the name" in synced.stderr
    assert "1 fetched" in synced.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("mirror", "add", "resnet18"), 1, "run zoo mirror init"),
        (("mirror", "init", "."), 1, "expected an empty folder"),
        (("mirror", "init", "new", "--upstream", "x=y"), 2, "--upstream takes KIND=ADDRESS"),
    ],
)
def test_mistakes_end_with_the_next_step(
    zoo: Zoo, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """One sentence, no traceback."""
    (tmp_path / "something").write_text("x")
    done = zoo(tmp_path, *arguments)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
