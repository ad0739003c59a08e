"""What a checker of accessibility finds on each page: nothing serious, in both color schemes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.site.conftest import layers_of, serving
from tests.site.test_choose_and_compare import MEASURED
from tests.site.test_gallery import RESULTS
from tests.support.thorough import few_of
from zoo.bench.sharing import export, read_gallery
from zoo.site.build import render_site
from zoo.site.data import Content, Held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    Open = Callable[..., Page]

REPOSITORY = Path(__file__).parents[2]
AXE = REPOSITORY / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
"""Of axe-core 4.14.1, which `make packages` fetches; it is used here and never shipped."""
EVERY_PAGE = (
    "index.html",
    "index.html?q=nothing+at+all",
    "index.html?compare=resnet50,vgg16",
    "plot.html",
    "compare.html",
    "compare.html?compare=resnet50,vgg16,resnet18",
    "choose.html",
    "history.html",
    "model.html?model=resnet50",
    "model.html?model=nasnet_a_large",
    "model.html?model=lenet5",
    "model.html?model=timm/resnet50",
    "model.html?model=nothing",
    "plain/timm-1.html",
    "plain/torchvision.html",
    "measured.html",
)
PAGES = few_of(
    EVERY_PAGE,
    *("index.html?compare=resnet50,vgg16", "plot.html", "choose.html", "history.html"),
    *("compare.html?compare=resnet50,vgg16,resnet18", "model.html?model=nasnet_a_large"),
    *("model.html?model=nothing", "plain/torchvision.html", "measured.html"),
)
"""Each kind of page, with the most on it."""
COLOR_RULES = ["color-contrast", "link-in-text-block"]
"""What the colors of a scheme can break: all else is the same in both."""


@pytest.fixture(scope="module")
def axe() -> str:
    """The checker's program."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make packages fetches it where npm is")
    program = AXE.read_bytes()
    assert hashlib.sha256(program).hexdigest() == AXE_SHA256
    return program.decode()


@pytest.fixture(scope="module")
def rich_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A site with every kind of column, and a gallery."""
    gallery = tmp_path_factory.mktemp("gallery")
    export(RESULTS, gallery, "A. Turing")
    held = Held("cached", lambda entry: entry.tag == "imagenet1k_v2")
    shown = read_gallery(gallery)
    content = Content(held=held, measured=MEASURED, gallery=shown, layers=layers_of)
    with serving(render_site(content)) as url:
        yield url


@pytest.mark.parametrize("path", PAGES)
def test_checker_finds_nothing(open_page: Open, rich_site: str, axe: str, path: str) -> None:
    """Names, roles, order of headings, contrast: all rules of axe-core, colors in both schemes."""
    page = open_page(f"{rich_site}{path}")
    page.wait_for_load_state("networkidle")
    page.evaluate(axe)
    check = "options => axe.run(options).then(result => result.violations)"
    found: list[dict[str, Any]] = page.evaluate(check, {})
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")  # no colors on their way
    found += page.evaluate(check, {"runOnly": COLOR_RULES})
    story = [(each["impact"], each["id"], each["nodes"][0]["html"]) for each in found]
    assert story == []


@pytest.mark.parametrize("path", PAGES)
def test_tab_reaches_something_that_can_be_seen(open_page: Open, rich_site: str, path: str) -> None:
    """The first stop skips to the content; each stop has a ring."""
    page = open_page(f"{rich_site}{path}")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):  # past the last stop
            break
        ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        focused = page.evaluate("document.activeElement.outerHTML.slice(0, 80)")
        assert ring != "none", focused
