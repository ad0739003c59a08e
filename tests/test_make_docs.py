"""The generator of the reference.

It finds pages that are out of date, and turns docstrings into Markdown.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo.catalog.registry import load_registry
from zoo.cli.main import COMMANDS

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture(scope="module")
def make_docs() -> ModuleType:
    """The script, as a module."""
    script = Path(__file__).parents[1] / "scripts" / "make_docs.py"
    spec = importlib.util.spec_from_file_location("make_docs", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_page_that_differs_is_shown_with_its_first_lines(
    make_docs: ModuleType, tmp_path: Path
) -> None:
    """Equal pages give nothing; another one and a missing one do."""
    (tmp_path / "page.md").write_text("one\ntwo\n")
    assert make_docs.stale("page.md", "one\ntwo\n", tmp_path) is None
    difference = make_docs.stale("page.md", "one\nthree\n", tmp_path)
    assert "-two" in difference
    assert "+three" in difference
    assert "+one" in make_docs.stale("missing.md", "one\n", tmp_path)


def test_a_page_that_is_generated_no_more_is_found(make_docs: ModuleType, tmp_path: Path) -> None:
    """What people wrote beside the generated pages stays."""
    for name, text in (
        ("old.md", f"{make_docs.NOTE}\n# Old"),
        ("new.md", make_docs.NOTE),
        ("written.md", "# By hand"),
        ("below/old.md", make_docs.NOTE),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert make_docs.leftovers({"new.md"}, tmp_path) == ["below/old.md", "old.md"]


def test_every_command_and_every_model_has_its_place(make_docs: ModuleType) -> None:
    """None is left out of the pages."""
    commands, models = make_docs.commands_page(), make_docs.models_page()
    for title in {entry.panel for entry in COMMANDS.values()}:
        assert commands.count(f"\n## {title}\n") == 1
    for name in COMMANDS:
        assert f"### zoo {name}\n" in commands
    for name in load_registry().architectures:
        assert f"\n| {name} |" in models


def test_history_goes_from_lenet_on_with_protocols(make_docs: ModuleType) -> None:
    """In the order of the years; a figure of an ensemble says so."""
    page = make_docs.history_page()
    assert page.index("LeNet-5 |") < page.index("AlexNet") < page.index("ResNet-152")
    assert (
        "4.49 % (one network, validation, crops: dense, multi-scale); 3.57 % (6 networks, test"
        in page
    )


def test_papers_are_links(make_docs: ModuleType) -> None:
    """Of arXiv, by a DOI, or where the authors put them."""
    assert make_docs.link_to("arXiv:1512.03385") == (
        "[arXiv:1512.03385](https://arxiv.org/abs/1512.03385)"
    )
    assert make_docs.link_to("doi:10.1109/5.726791").endswith("(https://doi.org/10.1109/5.726791)")
    assert make_docs.link_to("https://a.example/b.pdf").endswith("(https://a.example/b.pdf)")
    assert make_docs.link_to(None) == ""


DOCSTRING = """\
Do ``this`` with :func:`~zoo.load_model`.

Args:
    name: A name,
        of two lines.

Returns:
    A thing.

>>> 1 + 1
2

An image::

    a
     b

The end."""
MARKDOWN = """\
Do `this` with `zoo.load_model`.

**Args**

- `name`: A name,
  of two lines.

**Returns**

A thing.

```pycon
>>> 1 + 1
2
```

An image

```text
a
 b
```

The end."""


def test_docstrings_become_markdown(make_docs: ModuleType) -> None:
    """Sections, arguments, examples, literals and roles."""
    assert list(make_docs._prose(DOCSTRING)) == MARKDOWN.splitlines()


def test_signatures_keep_defaults_and_stars(make_docs: ModuleType) -> None:
    """On one line where it fits, else a parameter a line."""

    def short(*names: str, mode: str = "quick") -> None:
        """Do nothing."""

    def long(
        name: str, *, size_bytes: int = 3, listener_of_events: object = None, **options: object
    ) -> None:
        """Do nothing."""

    assert make_docs._signature("short", short) == "short(*names: str, mode: str = 'quick') -> None"
    assert make_docs._signature("long", long).splitlines() == [
        "long(",
        "    name: str,",
        "    *,",
        "    size_bytes: int = 3,",
        "    listener_of_events: object = None,",
        "    **options: object,",
        ") -> None",
    ]
