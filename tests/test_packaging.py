"""The wheel, alone with typer and rich: it lists and inspects models without torch."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.make_targets import make

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source archive, and the wheel from it, as `make wheel` does."""
    folder = tmp_path_factory.mktemp("dist")
    done = make(REPOSITORY, "wheel", f"--no-isolation --outdir '{folder}'")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def bare_environment(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment that holds the wheel, typer, rich and what those need, and no torch."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder)
    (wheel,) = archives.glob("*.whl")
    constraints = REPOSITORY / "constraints.txt"
    pip = [sys.executable, "-m", "pip", "--python", str(folder)]
    install = [*pip, "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*install, "--constraint", str(constraints), "typer", "rich"], check=True)
    subprocess.run([*install, "--no-deps", str(wheel)], check=True)
    return folder / "bin"


def test_wheel_holds_the_registry_the_layers_and_the_packaged_weights(archives: Path) -> None:
    """What a user needs at run time is in the wheel; tests and docs are not."""
    (wheel,) = archives.glob("torch_zoo-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"zoo/registry.json", "zoo/inspector/layers/resnet18.json", "zoo/cli/main.py"} <= names
    assert "zoo/py.typed" in names, "type checkers of users would not look at the annotations"
    assert any(
        name.startswith("zoo/pretrained/lenet5") and name.endswith(".safetensors") for name in names
    )
    assert not any(name.startswith(("tests/", "docs/")) for name in names)


def test_wheel_says_where_the_project_is(archives: Path) -> None:
    """Package indexes show these as links."""
    (wheel,) = archives.glob("torch_zoo-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        lines = archive.read(name).decode().splitlines()
    told = {line.split(",")[0] for line in lines if line.startswith("Project-URL: ")}
    kinds = ("Changelog", "Documentation", "Homepage", "Issues", "Source")
    assert told == {f"Project-URL: {kind}" for kind in kinds}


def test_source_archive_is_built(archives: Path) -> None:
    """Both archives exist, and the wheel was built from the source archive."""
    assert len(list(archives.glob("torch_zoo-*.tar.gz"))) == 1


def test_list_works_without_torch(bare_environment: Path) -> None:
    """`zoo list` reads the registry inside the wheel."""
    command = [
        str(bare_environment / "zoo"),
        "list",
        "resnet18",
        "--task",
        "classification",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=bare_environment)
    rows = json.loads(done.stdout)
    assert rows[0]["name"] == "resnet18"  # exactly what was typed comes first
    no_torch = subprocess.run(
        [bare_environment / "python", "-c", "import torch"], capture_output=True, check=False
    )
    assert no_torch.returncode != 0


def test_inspect_works_without_torch(bare_environment: Path) -> None:
    """`zoo inspect` reads the layer table inside the wheel."""
    command = [str(bare_environment / "zoo"), "inspect", "resnet18"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=bare_environment)
    assert "Conv2d" in done.stdout
