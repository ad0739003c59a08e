"""Torch-free modules stay free of torch: each is imported in a fresh process where heavy packages are refused."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

REFUSE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "numpy", "requests", "urllib3", "aiohttp", "PIL"}:
            raise ImportError(f"{name} is refused here")

sys.meta_path.insert(0, Refuse())
"""
IMPORT_EACH = """
import importlib
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(name, error)
"""
MAY_IMPORT_TORCH = (
    *("models", "loader", "curator", "trainer", "evaluator"),
    *("hub.py", "preprocess.py", "optimizer.py", "predictor.py", "pictures.py", "picture_folders.py"),
    *("devices.py", "converter.py", "matcher.py", "plots"),
)
RUNS_THE_MODEL = {"zoo.inspector.tracing", "zoo.inspector.live", "zoo.inspector.cells"}
MEASURES = {f"zoo.bench.{name}" for name in ("runner", "worker", "devices", "engines", "models")}


def torch_free_modules(repository: Path) -> list[str]:
    """Name every module that the import rule keeps free of torch."""
    modules = []
    for path in sorted((repository / "zoo").rglob("*.py")):
        relative = path.relative_to(repository / "zoo")
        if relative.parts[0] not in MAY_IMPORT_TORCH and path.name != "__main__.py":
            name = ".".join(["zoo", *relative.with_suffix("").parts]).removesuffix(".__init__")
            modules.append(name)
    return modules


def test_torch_free_modules_import_without_heavy_packages(repository: Path) -> None:
    """Every module of errors, catalog, weights, mirror and cli needs only the standard library and typer."""
    modules = [name for name in torch_free_modules(repository) if name not in RUNS_THE_MODEL | MEASURES]
    assert {"zoo", "zoo.errors", "zoo.catalog.registry", "zoo.weights.fetcher", "zoo.cli.main"} <= set(modules)
    program = REFUSE + IMPORT_EACH
    command = [sys.executable, "-c", program, *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=repository)
    assert done.stdout == "", "these modules import what they must not"


@pytest.mark.parametrize("name", ["torch", "numpy", "rich", "typer"])
def test_importing_zoo_imports_no_heavy_package(name: str) -> None:
    """`import zoo` and listing models load none of them."""
    program = f"import sys, zoo; zoo.list_models('resnet*'); sys.exit({name!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_refusal_works() -> None:
    """The check above can fail: a module that needs torch is refused."""
    program = REFUSE + "import zoo.loader"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "torch is refused here" in done.stderr
