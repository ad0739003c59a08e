"""Torch-free modules stay free of torch.

Each is imported in a fresh process where heavy packages are refused.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

REFUSE = """
import sys

HEAVY = {"torch", "torchvision", "numpy", "requests", "urllib3", "aiohttp", "PIL"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
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
    *("models", "images", "loader", "curator", "trainer", "evaluator", "plots", "searcher"),
    *("hub.py", "optimizer.py", "predictor.py", "classifier.py", "embedder.py"),
)
RUNS_THE_MODEL = {
    f"zoo.inspector.{name}"
    for name in ("tracing", "live", "cells", "identify", "own_models", "weights_file")
}
ASKS_A_HOST = {"zoo.trust.fetching", "zoo.trust.refusals"}
"""python-tuf's client, which only what updates imports."""
MEASURES = {
    f"zoo.bench.{name}"
    for name in (
        *("runner", "worker", "clocks", "yardstick", "ceilings"),
        *("correctness", "inputs", "models"),
    )
}
READ_WITHOUT_TORCH = ("zoo.searcher.report", "zoo.searcher.strategies.known")
"""Of packages that need torch, what shows the results of a search."""
RUNS_ENGINES = {f"zoo.engines.{name}" for name in ("folding", "outputs", "precision", "prepared")}


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
    """Everything above the loader needs only the standard library and typer."""
    modules = [
        name
        for name in torch_free_modules(repository)
        if name not in RUNS_THE_MODEL | MEASURES | RUNS_ENGINES | ASKS_A_HOST
    ]
    assert {
        "zoo",
        "zoo.errors",
        "zoo.catalog.registry",
        "zoo.download.fetcher",
        "zoo.cli.main",
    } <= set(modules)
    program = REFUSE + IMPORT_EACH
    command = [sys.executable, "-c", program, *modules, *READ_WITHOUT_TORCH]
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
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "torch is refused here" in done.stderr
