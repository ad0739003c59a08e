"""``scripts/gpu_check.sh``, written for a machine with a GPU, tried out on one without."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.gpu_check import STEPS, TESTS, unpack_wheels


def check(repository: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script on the CPU, with a folder of its own for what it makes and removes."""
    scratch = folder.parent / "scratch"
    scratch.mkdir()
    command = ["bash", str(repository / "scripts" / "gpu_check.sh"), "--device", "cpu", "--small"]
    return subprocess.run(
        [*command, "--models", "lenet5", "--output", str(folder), *arguments],
        env={**os.environ, "PYTHON": sys.executable, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_everything_but_the_compiler_runs_on_a_cpu(repository: Path, tmp_path: Path) -> None:
    """Each step is done, and the folder is what a page of measurements needs."""
    folder = tmp_path / "card"
    wanted = [name for name in STEPS if name not in ("tests", "compile")]
    done = check(repository, folder, "--seconds", "1500", "--only", *wanted)
    assert done.returncode == 0, done.stdout + (folder / "log.txt").read_text()
    steps = json.loads((folder / "steps.json").read_text())
    assert [(step["name"], step["outcome"]) for step in steps] == [
        (name, "done") for name in wanted
    ]

    results = json.loads((folder / "results.json").read_text())["results"]
    assert {result["case"]["mode"] for result in results} == {"latency", "throughput"}
    assert all(result["runs"][0]["values_ns"] for result in results)
    page = (folder / "index.md").read_text()
    assert "| lenet5 | latency |" in page
    assert "24 of 24 labels as on the CPU" in page
    assert "| mobilenet_v1_100 | 1 | zoo |" in page
    assert json.loads((folder / "timm.json").read_text())["rows"]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_it_stops_in_time_and_says_what_was_not_reached(repository: Path, tmp_path: Path) -> None:
    """With half a minute, which the report needs, no step begins.

    What is missing is in the page.
    """
    done = check(repository, tmp_path / "card", "--seconds", "26")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = json.loads((tmp_path / "card" / "steps.json").read_text())
    assert [step["name"] for step in steps] == list(STEPS)
    assert {step["outcome"] for step in steps} == {"not reached"}
    assert "| compile | not reached | 0 | the time was over |" in (
        (tmp_path / "card" / "index.md").read_text()
    )


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc to look in")
def test_ctrl_c_ends_the_command_of_a_step_and_keeps_the_page(
    repository: Path, tmp_path: Path
) -> None:
    """The command has a session of its own, and would go on in a folder that is gone."""
    folder = tmp_path / "card"
    words = ["--device", "cpu", "--small", "--models", "lenet5", "--only", "tests"]
    command = [sys.executable, "scripts/gpu_check.py", *words, "--output", str(folder)]
    with subprocess.Popen(
        command,
        cwd=repository,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as check:
        while not any("/torch/" in maps for maps in commands_of(tmp_path)):
            assert check.poll() is None
        check.send_signal(signal.SIGTERM)
        said, _ = check.communicate()
    assert "interrupted" in said
    assert "| tests | not reached |" in (folder / "index.md").read_text()
    assert list(commands_of(tmp_path)) == []


def commands_of(scratch: Path) -> Iterator[str]:
    """Find the commands that a check has started, by their folder for temporary files.

    Yields:
        What each has loaded.
    """
    marker = f"TMPDIR={scratch}/gpu-check-".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if marker in (process / "environ").read_bytes():
                yield (process / "maps").read_text()


def test_only_wheels_of_missing_and_older_packages_are_unpacked(tmp_path: Path) -> None:
    """A package that Python has already, in this version or a newer one, stays as it is."""
    for name in ("pytest-1.0", "surely_missing-1.0", "filelock-999.1"):
        package, _, _ = name.partition("-")
        with zipfile.ZipFile(tmp_path / f"{name}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{package}/__init__.py", "")
    unpacked = ["filelock", "surely_missing"]
    assert unpack_wheels(tmp_path, tmp_path / "site") == unpacked
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == unpacked


def test_a_folder_without_wheels_is_refused(repository: Path, tmp_path: Path) -> None:
    """A misspelt folder would be found out eight minutes later."""
    done = check(repository, tmp_path / "card", "--wheels", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert "there is no wheel in" in done.stderr
    assert not (tmp_path / "card").exists()


def test_every_test_that_needs_a_device_is_run(repository: Path) -> None:
    """Those that bear the mark, wherever they are; and nothing beside them is imported."""
    marked = [
        path.relative_to(repository).as_posix()
        for path in sorted((repository / "tests").rglob("test_*.py"))
        if "mark.cuda" in path.read_text(encoding="utf-8") and path.name != "test_gpu_check.py"
    ]
    assert marked == list(TESTS)


def test_every_wheel_to_carry_along_has_its_version(repository: Path) -> None:
    """What is fetched is what the tests ran with."""
    names = (repository / "scripts" / "gpu_check_wheels.txt").read_text().splitlines()[1:]
    pinned = (repository / "constraints.txt").read_text().lower().replace("_", "-").splitlines()
    known = {line.partition("==")[0].strip() for line in pinned}
    assert [name for name in names if name not in known] == []
