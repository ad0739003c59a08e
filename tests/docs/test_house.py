"""The pages about how `zoo` is built name what is there.

Packages, modules in drawings, decisions, words.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts import flows
from scripts.house_pages import import_rows, packages_page, read_decisions

if TYPE_CHECKING:
    from scripts.svg_flows import Flow

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
PACKAGES = [
    path
    for path in sorted((REPOSITORY / "zoo").glob("*/**/__init__.py"))
    if path.parent.name not in ("cli", "models")  # a command each, a paper each
]
STATE = "Date: 2026-11-29. Status: accepted."


def test_every_package_has_its_line() -> None:
    """In the rows of the import rule, each with a sentence of its own."""
    page = packages_page("")
    lines = re.findall(r"^\| (\d+) \| `zoo\.(\w+)` \| (.+\.) \|$", page, re.MULTILINE)
    there = {
        path.stem
        for path in (REPOSITORY / "zoo").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert {name for _, name, _ in lines} == there - {"__init__"}
    assert len({sentence for *_, sentence in lines}) == len(lines)
    assert [int(row) for row, *_ in lines][-1] == len(import_rows())


@pytest.mark.parametrize("package", PACKAGES, ids=[path.parent.name for path in PACKAGES])
def test_a_package_names_its_modules(package: Path) -> None:
    """In its docstring, in reading order, or where it lists them by name for others to find."""
    text = package.read_text(encoding="utf-8")
    modules = [path.stem for path in package.parent.glob("*.py") if path != package]
    forms = (r"\b{}\.py\b", r"\.{}`", r'"{}"')
    unnamed = [
        module for module in modules if not any(re.search(f.format(module), text) for f in forms)
    ]
    assert unnamed == []
    named = re.findall(r"(?<![\w`.])(\w+)\.py\b", text)
    assert sorted(set(named) - set(modules)) == []


@pytest.mark.parametrize("flow", [flows.DOWNLOAD, flows.MIRROR], ids=["download", "mirror"])
def test_a_drawing_names_modules_that_exist(flow: Flow) -> None:
    """A module that is renamed is renamed in the drawing."""
    modules = [lane.module for lane in flow.lanes if lane.module.startswith("zoo.")]
    assert len(modules) >= 3
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []
    lanes = range(len(flow.lanes))
    assert all(step.start in lanes and step.end in lanes for step in flow.steps)


def test_every_decision_is_in_the_navigation() -> None:
    """Each file is listed once, in the order of the numbers."""
    listed = re.findall(r"decisions/(\d+[\w-]*\.md)", (REPOSITORY / "mkdocs.yml").read_text())
    files = [decision.file for decision in read_decisions()]
    assert sorted(listed) == files
    numbers = [decision.number for decision in read_decisions()]
    assert len(set(numbers)) == len(numbers)


def test_the_state_of_a_decision_is_read(tmp_path: Path) -> None:
    """What supersedes it is named; what follows the status is not."""
    (tmp_path / "0001-a.md").write_text(f"# 1. A `b`\n\n{STATE}\n\nWords.\n")
    (tmp_path / "0002-b.md").write_text(
        "# 2. B\n\nDate: 2026-11-30. Status: superseded by 3. It said more.\n"
    )
    first, second = read_decisions(tmp_path)
    assert (first.title, first.date, first.status) == ("A `b`", "2026-11-29", "accepted")
    assert (second.number, second.status) == (2, "superseded by 3")


@pytest.mark.parametrize(
    "text",
    [
        f"# Without a number\n\n{STATE}\n",
        "# 1. Without a state\n",
        "# 1. With another\n\nDate: 2026-11-29. Status: liked.\n",
        f"# 2. With another number\n\n{STATE}\n",
    ],
)
def test_a_decision_without_number_date_and_status_is_refused(text: str, tmp_path: Path) -> None:
    """With the name of the file."""
    (tmp_path / "0001-a.md").write_text(text)
    with pytest.raises(SystemExit, match=r"0001-a\.md"):
        read_decisions(tmp_path)


def test_the_template_is_a_decision(tmp_path: Path) -> None:
    """Whoever copies it has what the index needs."""
    page = (DOCS / "decisions" / "template.md").read_text()
    (block,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    (tmp_path / "0001-new.md").write_text(block.replace("# NN.", "# 1."))
    (decision,) = read_decisions(tmp_path)
    assert decision.status == "accepted"


def test_the_glossary_is_in_order() -> None:
    """A word is found where it is looked for, and once."""
    words = re.findall(r"^\| ([^|]+) \|", (DOCS / "glossary.md").read_text(), re.MULTILINE)[1:]
    assert words == sorted(words, key=str.lower)
    assert len(words) > 20
