"""``scripts/gpu_check.sh``, written for a machine with a GPU, tried out on one without."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.gpu_check import STEPS, unpack_wheels


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


def test_only_wheels_of_missing_packages_are_unpacked(tmp_path: Path) -> None:
    """A package that Python has already stays as it is."""
    for name in ("pytest", "surely_missing"):
        with zipfile.ZipFile(tmp_path / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", "")
    assert unpack_wheels(tmp_path, tmp_path / "site") == ["surely_missing"]
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["surely_missing"]


def test_every_wheel_to_carry_along_has_its_version(repository: Path) -> None:
    """What is fetched is what the tests ran with."""
    names = (repository / "scripts" / "gpu_check_wheels.txt").read_text().splitlines()[1:]
    pinned = (repository / "constraints.txt").read_text().lower().replace("_", "-").splitlines()
    known = {line.partition("==")[0].strip() for line in pinned}
    assert [name for name in names if name not in known] == []
