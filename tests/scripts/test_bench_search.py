"""The larger set of images to search on, and the page that the searches are written into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from scripts.bench_search import IMAGE_SETS, put_section
from scripts.draw_shapes import SHAPES, write_shapes

if TYPE_CHECKING:
    from pathlib import Path


def _pixels(folder: Path) -> dict[str, bytes]:
    """Read each image by its place in the folder."""
    found = {}
    for file in sorted(folder.rglob("*.png")):
        with Image.open(file) as image:
            assert image.size == (16, 16)
            found[f"{file.parent.name}/{file.name}"] = image.tobytes()
    return found


def test_the_same_seed_draws_the_same_images_and_another_one_others(tmp_path: Path) -> None:
    """Twenty images of ten shapes, two each; no two are equal."""
    first = _pixels(write_shapes(tmp_path / "first", 20))
    again = _pixels(write_shapes(tmp_path / "again", 20))
    other = _pixels(write_shapes(tmp_path / "other", 20, seed=1))
    assert first == again
    assert first.keys() == other.keys()
    assert not set(first.values()) & set(other.values())
    assert len(set(first.values())) == 20
    assert {name.split("/")[0] for name in first} == set(SHAPES)


def test_a_section_replaces_the_one_of_its_set_alone() -> None:
    """What stands before, between and after stays; a new one comes last."""
    page = "# Search\n\n<!-- digits: x -->\nold\n<!-- end of digits -->\n\nlast\n"
    section = "<!-- digits: x -->\nnew\n<!-- end of digits -->"
    replaced = put_section(page, "digits", section)
    assert replaced == page.replace("old", "new")
    shapes = "<!-- shapes: x -->\n1\n<!-- end of shapes -->"
    longer = put_section(replaced, "shapes", shapes)
    assert longer == f"{replaced}\n{shapes}\n"
    assert put_section(longer, "shapes", shapes) == longer


def test_each_set_has_as_many_classes_as_its_networks() -> None:
    """Both have ten; the shapes are what the script draws."""
    assert IMAGE_SETS["shapes"].stack.num_classes == len(SHAPES)
    assert IMAGE_SETS["digits"].stack.num_classes == 10
