"""The README's figure of the site is the plot that the site draws today."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from scripts.make_site_figure import FIGURE, draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page


def test_figure_is_what_the_site_draws(open_page: Callable[..., Page], full_site: str) -> None:
    """To renew: python -m scripts.make_site_figure."""
    drawn = draw(open_page("about:blank"), full_site)
    text = FIGURE.read_text(encoding="utf-8")
    assert text == drawn
    ET.fromstring(text)  # noqa: S314 - our own file
    assert len(text) < 100_000
