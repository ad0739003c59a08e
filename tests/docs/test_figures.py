"""The images of the site are those that scripts/make_figures.py draws from today's registry."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import torch
from torch.nn import functional

from scripts.make_figures import ASSETS, EDGE, FIGURES, digit
from scripts.make_site_figure import FIGURE as SITE_FIGURE

REPOSITORY = Path(__file__).parents[2]


def facts(svg: str) -> str:
    """Give what a chart shows, which its description holds.

    A drawing without one is its own description.
    """
    found = re.search(r"<desc>(.*?)</desc>", svg, re.DOTALL)
    return found[1] if found else svg


@pytest.mark.parametrize("name", FIGURES)
def test_image_shows_what_would_be_drawn_today(name: str) -> None:
    """To renew: python -m scripts.make_figures.

    Charts are compared by their values, not by matplotlib's strokes.
    """
    assert facts((ASSETS / name).read_text(encoding="utf-8")) == facts(FIGURES[name]())


@pytest.mark.parametrize("name", FIGURES)
def test_image_is_a_small_file_that_follows_the_scheme_and_loads_nothing(name: str) -> None:
    """It is an XML document of its own, with colors for dark pages."""
    text = (ASSETS / name).read_text(encoding="utf-8")
    root = ET.fromstring(text)  # noqa: S314 - our own file
    assert root.tag.endswith("svg")
    assert "prefers-color-scheme: dark" in text
    assert not re.findall(r"(?:href|src)=\"(?!#|data:)[^\"]*\"|url\((?!#)", text)
    assert len(text) < 100_000


def test_all_images_are_generated_and_shown() -> None:
    """None lies in the folder that no script makes or no page shows."""
    there = {path.name for path in ASSETS.iterdir()}
    pages = "".join(path.read_text() for path in (REPOSITORY / "docs").rglob("*.md"))
    assert (
        there
        == {*FIGURES, SITE_FIGURE.name}
        == {*re.findall(r"\((?:\.\./)?assets/([\w.-]+)\)", pages)}
    )


def test_the_animation_ends_with_the_feature_map_of_the_digit() -> None:
    """Worked out by hand from the definition: products under the window, added up."""
    image = digit()
    expected = torch.stack(
        [
            torch.stack(
                [(image[row : row + 3, column : column + 3] * EDGE).sum() for column in range(6)]
            )
            for row in range(6)
        ]
    )
    assert torch.equal(expected, functional.conv2d(image[None, None], EDGE[None, None])[0, 0])
    drawing = FIGURES["convolution.svg"]()
    cells = re.findall(r'<g class="c\d+">.*?<text[^>]*>([^<]*)</text></g>', drawing)
    assert [
        float(value.replace("\N{MINUS SIGN}", "-")) for value in cells
    ] == expected.flatten().tolist()
    sums = re.findall(r'<text class="s\d+[^>]*>[^<]* = ([^<]*)</text>', drawing)
    assert sums == cells
