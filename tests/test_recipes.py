"""The recipes of CONTRIBUTING.md work, and change no more files by hand than is promised."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.code_blocks import run_page
from tests.support.recipes import Change, Hunk, apply, changes, sections

REPOSITORY = Path(__file__).parents[1]
RECIPES = sections((REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8"))
MOST_FILES = {
    "Add a column": 2,
    "Add an error": 2,
    "Add an engine": 3,
    "Add a checkpoint format": 2,
    "Add to the retry policy": 1,
    "Add an architecture": 4,
    "Add an ecosystem": 2,
    "Add a source of records": 5,
}
"""Files changed by hand; who raises an error and the extra of an engine included."""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy what the recipes change, and let commands import the copy."""
    shutil.copytree(REPOSITORY / "zoo", tmp_path / "zoo", ignore=lambda *_: ["__pycache__"])
    for name in ("hubconf.py", "registry.json", "pyproject.toml"):
        shutil.copy2(REPOSITORY / name, tmp_path)

    earlier = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path), earlier])))
    return tmp_path


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_leads_to_what_it_shows(title: str, checkout: Path, tmp_path: Path) -> None:
    """Its changes fit the files of today; its commands print what it says."""
    for change in changes(RECIPES[title]):
        apply(change, checkout)

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    outputs = run_page(RECIPES[title], checkout, scratch)
    assert outputs, "a recipe ends with something that shows that it worked"
    wrong = [
        f"shown:\n{one.expected}\nprinted:\n{one.actual}" for one in outputs if not one.is_right
    ]
    assert wrong == []


@pytest.mark.parametrize("title", RECIPES)
def test_what_a_recipe_leads_to_passes_the_linter(title: str, checkout: Path) -> None:
    """Whoever follows it literally can run ``make check``."""
    changed = set()
    for change in changes(RECIPES[title]):
        apply(change, checkout)
        changed.add(change.file)

    sources = sorted(name for name in changed if name.endswith(".py"))
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--quiet", "--no-cache", *sources]
        done = subprocess.run(ruff, cwd=checkout, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_changes_few_files(title: str) -> None:
    """Who adds something touches no more files than is promised."""
    assert len({change.file for change in changes(RECIPES[title])}) <= MOST_FILES[title]


def test_no_recipe_is_lost() -> None:
    """Every kind of addition that is promised has its recipe."""
    assert set(RECIPES) == set(MOST_FILES)


def test_changes_are_found_in_the_file_of_today(tmp_path: Path) -> None:
    """Below a line, in place of a line, in a new file; and not where the line has gone."""
    recipe = (
        "```diff\n--- a.py\n a = 1\n+b = 2\n-c = 3\n+c = 4\n"
        "--- /dev/null\n+++ b.py\n+new = True\n```\n"
    )
    (tmp_path / "a.py").write_text("a = 1\nc = 3\nc = 3\n")
    for change in changes(recipe):
        apply(change, tmp_path)
    assert (tmp_path / "a.py").read_text() == "a = 1\nb = 2\nc = 4\nc = 3\n"
    assert (tmp_path / "b.py").read_text() == "new = True\n"

    with pytest.raises(LookupError, match=r"a\.py has no lines\nz = 1"):
        apply(Change("a.py", [Hunk(["z = 1"], ["z = 2"])]), tmp_path)
