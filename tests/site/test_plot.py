"""The plot in a real browser: its axes, its front, its zoom, its files."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from PIL import Image

from tests.site.conftest import layers_of, serving
from tests.site.test_choose_and_compare import MEASURED
from zoo.catalog.chooser import label
from zoo.catalog.query import Selection, pareto_front, select
from zoo.catalog.registry import load_registry
from zoo.site.build import render_site
from zoo.site.data import Content

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    Open = Callable[..., Page]
    Look = Callable[..., None]

LONGEST_FILTER_MS = 100


def front(page: Page) -> list[str]:
    """Names in the table of the front."""
    page.wait_for_selector("#front tbody")
    return page.locator("#front tbody th").all_inner_texts()


def test_front_is_that_of_the_filter(open_page: Open, site: str, look: Look) -> None:
    """The same that zoo computes of the same rows."""
    page = open_page(f"{site}plot.html?task=classification")
    rows = select(Selection(task="classification", has_all_weights=True), load_registry())
    assert front(page) == [label(row) for row in pareto_front(rows, "multiply_adds", "top1_error")]
    look(page)
    page.fill("#q", "resnet parameters<50M")
    some = [row for row in rows if "resnet" in row.name and (row.number("parameters") or 0) < 50e6]
    assert front(page) == [label(row) for row in pareto_front(some, "multiply_adds", "top1_error")]


def test_axes_are_chosen_and_stand_in_the_address(open_page: Open, site: str) -> None:
    """Size against top-5 error, for the next reader too."""
    page = open_page(f"{site}plot.html")
    page.select_option("#x", "size")
    page.select_option("#y", "top5_error")
    assert "x=size" in page.url
    other = open_page(page.url)
    rows = select(Selection(has_all_weights=True), load_registry())
    wanted = [label(row) for row in pareto_front(rows, "size", "top5_error")]
    assert front(other) == wanted == front(page)


def test_each_axis_says_whether_it_was_published_or_measured(open_page: Open) -> None:
    """The two are never mixed: an axis has one kind of figure, and only rows that have it."""
    rows = select(Selection(has_all_weights=True), load_registry(), extra=MEASURED)
    known = [row for row in rows if row["p50"] is not None and row["top1_error"] is not None]
    content = Content(load_registry(), measured=MEASURED, layers=layers_of)
    with serving(render_site(content)) as url:
        page = open_page(f"{url}plot.html?x=p50")
        assert front(page) == [label(row) for row in pareto_front(known, "p50", "top1_error")]
        titles = page.locator("#plot-region svg").text_content() or ""
        assert "p50 ms (measured)" in titles
        assert "top-1 error % (published)" in titles
        assert f"{len(known)} sets of weights" in page.locator("#plot-note").inner_text()
        options = page.locator("#x option").all_inner_texts()
        assert [option for option in options if "measured" in option]
        page.select_option("#x", "parameters")
        assert "measured" not in (page.locator("#plot-region svg").text_content() or "")


def point_of(page: Page, spec: str) -> tuple[float, float]:
    """Place of a front's point on the screen."""
    place = front(page).index(spec)
    ring = page.locator("#plot-region .front circle").nth(place).bounding_box()
    assert ring is not None
    return ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2


def test_hover_says_what_a_point_is_and_click_opens_it(
    open_page: Open, site: str, look: Look
) -> None:
    """Name and figures beside the pointer."""
    page = open_page(f"{site}plot.html?q=resnet&task=classification")
    x, y = point_of(page, "resnet50")
    page.mouse.move(x + 2, y + 2)
    tip = page.locator("#tip")
    assert tip.locator("strong").inner_text() == "resnet50"
    assert "4.09 G" in tip.inner_text()
    look(page)
    page.mouse.click(x + 2, y + 2)
    page.wait_for_url("**/model.html?model=resnet50")


def test_zoom_keeps_what_is_under_the_pointer(open_page: Open, site: str) -> None:
    """Buttons, wheel and drag change the part that is shown; a double click shows all again."""
    page = open_page(f"{site}plot.html?task=classification")
    x, y = point_of(page, "efficientnet_b1")
    page.focus("#plot-region")
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    page.wait_for_selector("#zoom-reset:not([hidden])")
    zoomed_x, zoomed_y = point_of(page, "efficientnet_b1")
    assert abs(zoomed_x - x) < 2
    assert abs(zoomed_y - y) < 2
    assert "zoom=" in page.url
    page.mouse.down()
    page.mouse.move(x + 60, y + 30, steps=4)
    page.mouse.up()
    moved_x, moved_y = point_of(page, "efficientnet_b1")
    assert abs(moved_x - x - 60) < 3
    assert abs(moved_y - y - 30) < 3
    assert "plot.html" in page.url
    page.click("#zoom-reset")
    assert "zoom=" not in page.url
    page.click("#zoom-in")
    page.click("#zoom-out")
    back_x, _ = point_of(page, "efficientnet_b1")
    assert abs(back_x - x) < 2


def test_keyboard_walks_along_the_front(open_page: Open, site: str) -> None:
    """Arrows point, c compares, Enter opens."""
    page = open_page(f"{site}plot.html")
    names = front(page)
    page.focus("#plot-region")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("#tip strong").inner_text() == names[1]
    page.keyboard.press("c")
    assert f"compare={names[1]}" in page.url
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/model.html?model=*")


def test_drawing_is_saved_as_svg_and_png(open_page: Open, site: str, tmp_path: Path) -> None:
    """Whole files with colors of their own, of what is shown."""
    page = open_page(f"{site}plot.html?q=resnet")
    names = front(page)
    with page.expect_download() as saving:
        page.click("#save-svg")
    saving.value.save_as(tmp_path / "plot.svg")
    assert saving.value.suggested_filename == "zoo-top1_error-multiply_adds.svg"
    text = (tmp_path / "plot.svg").read_text()
    root = ET.fromstring(text)  # noqa: S314 - our own file
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert names[0] in "".join(root.itertext())
    assert "var(" not in text
    assert "style" not in text
    with page.expect_download() as saving:
        page.click("#save-png")
    saving.value.save_as(tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        assert image.width == 2 * int(root.attrib["width"])
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 50


def test_drawing_follows_the_color_scheme(open_page: Open, site: str) -> None:
    """The ground turns dark with the page."""
    page = open_page(f"{site}plot.html")
    ground = "#plot-region svg > rect"
    assert page.get_attribute(ground, "fill") == "rgb(255, 255, 255)"
    page.click("#theme")
    page.wait_for_function(
        f"document.querySelector('{ground}').getAttribute('fill') === 'rgb(25, 29, 38)'"
    )


def test_plot_of_8000_follows_the_search(open_page: Open, site_of_8000: str) -> None:
    """The page measures each change with its layout; the best of some tries counts."""
    page = open_page(f"{site_of_8000}plot.html")
    front(page)
    costs = []
    for words in ("resnet", "", "r", "vgg params<30M", "") * 3:
        page.fill("#q", words)
        costs.append(float(page.evaluate("document.documentElement.dataset.drawnMs")))
        if costs[-1] < LONGEST_FILTER_MS:
            break
    assert min(costs) < LONGEST_FILTER_MS


def test_filters_go_along_between_table_and_plot(open_page: Open, site: str) -> None:
    """One selection, two views."""
    page = open_page(f"{site}?family=vgg&q=bn")
    page.wait_for_selector("#table tbody th a")
    page.get_by_role("link", name="Plot").click()
    assert set(front(page)) <= {"vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"}
    page.get_by_role("link", name="Table").click()
    page.wait_for_selector("#table tbody th a")
    assert page.locator("#table tbody th a").all_inner_texts()[0].endswith("_bn")


def test_plot_fits_a_phone(open_page: Open, site: str, look: Look) -> None:
    """And a first touch says what a point is."""
    size = {"width": 390, "height": 844}
    page = open_page(f"{site}plot.html?q=resnet", viewport=size, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    x, y = point_of(page, "resnet50")
    page.touchscreen.tap(x, y)
    assert page.locator("#tip strong").inner_text() == "resnet50"
    assert "plot.html" in page.url
    look(page, whole=True)
