"""Draw the README's figure of the site: its own plot, as a browser draws it, in a fixed size.

Usage: python -m scripts.make_site_figure [FILE]

Needs Chromium and playwright; without them the figure stays as it is.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from zoo import atomic
from zoo.site.build import render_site
from zoo.site.data import Content
from zoo.site.server import SiteServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

REPOSITORY = Path(__file__).resolve().parents[1]
FIGURE = REPOSITORY / "docs" / "assets" / "site.svg"
BROWSERS = ("chromium-headless-shell", "chromium")
"""The first is the same engine without windows: a page costs it a third less."""
DRAW = """async () => {
  const { loadRows } = await import("./assets/rows.js");
  const { front, select } = await import("./assets/select.js");
  const { State } = await import("./assets/state.js");
  const { drawScatter, groupBy } = await import("./assets/scatter.js");
  const { asText } = await import("./assets/save.js");
  const rows = await loadRows();
  const [x, y] = [rows.column("multiply_adds"), rows.column("top1_error")];
  const ids = select(rows, new State(), rows.models.keys()).ids;
  const known = ids.filter((row) => x.values[row] !== null && y.values[row] !== null);
  const ink = {
    surface: "#ffffff", ink: "#18202c", soft: "#566173", line: "#e4e8ef", front: "#c02f45",
  };
  const { drawing } = drawScatter({
    rows, ids: known, frontIds: front(rows, known, x.key, y.key), x, y,
    width: 960, height: 540, zoom: null, groups: groupBy(rows.column("source"), known), ink,
  });
  return asText(drawing);
}"""


def find_browser() -> str | None:
    """Find the browser that costs least, or None where there is none."""
    found = (shutil.which(name) for name in BROWSERS)
    return next(filter(None, found), None)


def draw(page: Page, site: str) -> str:
    """Let a browser draw the plot of everything.

    Args:
        page: Of the browser.
        site: Address of the site of all that zoo knows.
    """
    page.goto(f"{site}history.html")
    drawing: str = page.evaluate(DRAW)
    # One element a line, so that a change shows as the lines it touches.
    return drawing.replace("><", ">\n<") + "\n"


def draw_with(program: str) -> str:
    """Open a browser, and a site for it to draw.

    Args:
        program: Path of Chromium.
    """
    from playwright.sync_api import sync_playwright

    server = SiteServer(render_site(Content()))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=program,
                args=["--no-sandbox", "--disable-gpu"],
            )
            drawing = draw(browser.new_page(), server.url)
            browser.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    return drawing


def main() -> None:
    """Write the figure."""
    program = find_browser()
    if program is None:
        print("Chromium is not installed: the figure of the site stays as it is", file=sys.stderr)
        return

    _, *places = sys.argv
    file = Path(places[0]) if places else FIGURE
    drawing = draw_with(program)
    atomic.write_text(file, drawing)


if __name__ == "__main__":
    main()
