"""A real Chromium for the pages, and sites served on loopback."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from tests.support.big_registry import big_registry
from zoo.catalog.registry import load_registry
from zoo.site.build import render_site
from zoo.site.data import Content
from zoo.site.server import SiteServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from playwright.sync_api import Browser, Page

SCREENSHOTS = os.environ.get("ZOO_SCREENSHOTS")
"""Folder in which tests leave what they saw, for people to look at."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a window."""
    program = shutil.which("chromium")
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
def site() -> Iterator[str]:
    """Address of the site of the registry that ships with zoo."""
    with serving(render_site(Content(load_registry()))) as url:
        yield url


@pytest.fixture(scope="session")
def full_site() -> Iterator[str]:
    """Address of the site of all that zoo knows, of every source."""
    with serving(render_site(Content())) as url:
        yield url


@pytest.fixture(scope="session")
def site_of_8000() -> Iterator[str]:
    """Address of a site of 8,000 models."""
    with serving(render_site(Content(big_registry(8000)))) as url:
        yield url


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open addresses in new windows; fail where a page said an error or asked another host."""
    contexts = []
    faults: list[str] = []

    def open_(address: str, **options: object) -> Page:
        shape = {"viewport": {"width": 1280, "height": 800}} | options
        context = browser.new_context(**shape)  # type: ignore[arg-type]  # the options of new_context
        contexts.append(context)
        page = context.new_page()
        origin = "/".join(address.split("/")[:3])
        page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
        page.on("console", lambda line: _note(faults, line.type, line.text))
        if origin != "about:blank":
            page.on("request", lambda request: _note_foreign(faults, origin, request.url))
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert faults == []


def _note(faults: list[str], kind: str, text: str) -> None:
    if kind in {"error", "warning"}:
        faults.append(f"console {kind}: {text}")


def _note_foreign(faults: list[str], origin: str, url: str) -> None:
    if not url.startswith((origin, "blob:", "data:")):
        faults.append(f"asked another host: {url}")


@pytest.fixture
def look(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keep a screenshot where ZOO_SCREENSHOTS names a folder."""

    def take(page: Page, name: str = "", *, whole: bool = False) -> None:
        if SCREENSHOTS:
            file = Path(SCREENSHOTS) / f"{request.node.name}{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=file, full_page=whole)

    return take
