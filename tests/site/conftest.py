"""A real Chromium for the pages, and sites served on loopback."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from scripts.make_site_figure import find_browser
from tests.support.big_registry import big_registry
from zoo.catalog.registry import load_registry
from zoo.site.build import render_site
from zoo.site.data import Content, shipped_table
from zoo.site.server import SiteServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from playwright.sync_api import Browser, Page

NOTHING = "about:blank"
layers_of = cache(shipped_table)
"""Reads each table of layers once: many sites have all of them, which is half of what they cost."""
SCREENSHOTS = os.environ.get("ZOO_SCREENSHOTS")
"""Folder in which tests leave what they saw, for people to look at."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a window."""
    program = find_browser()
    if program is None:
        pytest.skip("Chromium is not installed: make packages installs it")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=arguments)
        yield running
        running.close()


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[str]:
    """Serve a site; gives its address."""
    server = SiteServer(files)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def files() -> Mapping[str, bytes]:
    """Files of the site of the registry that ships with zoo."""
    return render_site(Content(load_registry(), layers=layers_of))


@pytest.fixture(scope="session")
def full_files() -> Mapping[str, bytes]:
    """Files of the site of all that zoo knows, of every source."""
    return render_site(Content(layers=layers_of))


@pytest.fixture(scope="session")
def files_of_2000() -> Mapping[str, bytes]:
    """Files of a site of 2,000 models."""
    return render_site(Content(big_registry(2000)))


@pytest.fixture(scope="session")
def site(files: Mapping[str, bytes]) -> Iterator[str]:
    """Address of the site of the registry that ships with zoo."""
    with serving(files) as url:
        yield url


@pytest.fixture(scope="session")
def full_site(full_files: Mapping[str, bytes]) -> Iterator[str]:
    """Address of the site of all that zoo knows, of every source."""
    with serving(full_files) as url:
        yield url


@pytest.fixture(scope="session")
def site_of_8000() -> Iterator[str]:
    """Address of a site of 8,000 models."""
    with serving(render_site(Content(big_registry(8000)))) as url:
        yield url


class Tab:
    """A page that says nothing wrong and asks no other host; else its faults are listed.

    Args:
        browser: Where it is opened, in a window of its own.
        options: Of that window.
    """

    def __init__(self, browser: Browser, options: Mapping[str, object]) -> None:
        shape: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, **options}
        self.context = browser.new_context(**shape)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self._origin: str | None = None
        self.page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        self.page.on("console", lambda line: self._note(line.type, line.text))
        self.page.on("request", lambda request: self._note_foreign(request.url))

    def go_to(self, address: str) -> None:
        """Open an address; its host is the only one that may be asked from then on."""
        origin = "/".join(address.split("/")[:3])
        self._origin = None if origin == NOTHING else origin
        self.page.goto(address)

    def forget(self) -> None:
        """Leave nothing of a test to the next one: what is open, kept, held or pointed at.

        What is cached may stay: servers of sites have each file asked for again.

        Raises:
            AssertionError: The test left a fault.
        """
        origin = self._origin
        self.go_to(NOTHING)  # first, as nothing costs little to draw anew
        if origin is not None:
            storage = self.context.new_cdp_session(self.page)
            wanted = {"origin": origin, "storageTypes": "all"}
            storage.send("Storage.clearDataForOrigin", wanted)
            storage.detach()

        self.page.unroute_all()
        self.page.emulate_media(media="null", color_scheme="null", reduced_motion="null")
        self.page.mouse.move(0, 0)
        faults, self.faults = self.faults, []
        assert faults == []

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.faults.append(f"console {kind}: {text}")

    def _note_foreign(self, url: str) -> None:
        is_own = self._origin is None or url.startswith((self._origin, "blob:", "data:"))
        if not is_own:
            self.faults.append(f"asked another host: {url}")


@pytest.fixture(scope="session")
def usual_tab(browser: Browser) -> Iterator[Tab]:
    """The tab that tests use one after the other: a new window costs as much as a page."""
    tab = Tab(browser, {})
    yield tab
    tab.context.close()


@pytest.fixture
def open_page(browser: Browser, usual_tab: Tab) -> Iterator[Callable[..., Page]]:
    """Open addresses: the first in the usual tab, others and those with options in new windows.

    Fails where a page said an error or asked another host.
    """
    tabs: list[Tab] = []

    def open_(address: str, *, is_fresh: bool = False, **options: object) -> Page:
        is_usual = not tabs and not is_fresh and not options
        tab = usual_tab if is_usual else Tab(browser, options)
        tabs.append(tab)
        tab.go_to(address)
        return tab.page

    yield open_
    faults: list[str] = []
    for tab in tabs:
        if tab is usual_tab:
            continue
        tab.context.close()
        faults += tab.faults
    if usual_tab in tabs:
        usual_tab.forget()
    assert faults == []


@pytest.fixture
def look(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keep a screenshot where ZOO_SCREENSHOTS names a folder."""

    def take(page: Page, name: str = "", *, whole: bool = False) -> None:
        if SCREENSHOTS:
            file = Path(SCREENSHOTS) / f"{request.node.name}{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=file, full_page=whole)

    return take
