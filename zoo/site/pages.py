"""The frame around every page: head, navigation, foot. What is put into it is escaped before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from string import Template

ASSETS = Path(__file__).parent / "assets"
FOLDER = Path(__file__).parent / "pages"
_IMPORT = re.compile(r'from "\./([a-z_-]+\.js)"')
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)
"""Nothing from elsewhere, nothing inline: a name with a script in it stays a name."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the site."""

    name: str
    """Of its file, its main script and its style, without the ending."""
    title: str
    in_navigation: str | None = None
    """What the navigation calls it."""
    keeps_query: bool = False
    """Whether a link to it carries filters along."""
    has_script: bool = True


MEASURED = Page("measured", "Measured on many machines", has_script=False)
"""Only sites that show a gallery have it."""
PAGES = (
    Page("index", "Models", "Table", keeps_query=True),
    Page("plot", "Error against cost", "Plot", keeps_query=True),
    Page("compare", "Models side by side", "Compare"),
    Page("choose", "Which model should I use?", "Choose"),
    Page("history", "From LeNet-5 to NASNet", "History", has_script=False),
    Page("model", "Model"),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every page of a site."""

    footer: str
    """One sentence, escaped."""
    links: tuple[tuple[str, str], ...] = ()
    """More places for the navigation: what each is called, and its address beside the pages."""


@cache
def _template(name: str) -> Template:
    return Template((FOLDER / f"{name}.html").read_text(encoding="utf-8"))


def render(page: Page, frame: Frame, **texts: str) -> str:
    """Write a page that scripts bring to life.

    Args:
        page: Which one.
        frame: What stands around it.
        texts: What its template asks for, escaped.
    """
    head = _scripts(page) if page.has_script else ""
    main = _template(page.name).substitute(_parts(), **texts)
    return _framed(page.name, page.title, main, frame, head=head)


def _scripts(page: Page) -> str:
    """Ask for a page's modules and for the rows, all at once."""
    script = f"{page.name}.js"
    lines = [
        '<link rel="preload" href="data/rows.json" as="fetch" crossorigin="anonymous">',
        f'<script type="module" src="assets/{script}"></script>',
    ]
    for module in _imported_by(script):
        address = f"assets/{module}"
        lines += [f'<link rel="modulepreload" href="{address}">']
    return "".join(f"{line}\n" for line in lines)


@cache
def _parts() -> dict[str, str]:
    """Read the parts that several pages share, by the name that their templates use."""
    files = sorted(FOLDER.glob("part-*.html"))
    names = [file.stem.removeprefix("part-") for file in files]
    texts = [file.read_text(encoding="utf-8").rstrip("\n") for file in files]
    return dict(zip(names, texts, strict=True))


@cache
def _imported_by(script: str) -> list[str]:
    """Name the modules that a script needs, so that a browser fetches them all at once."""
    needed: set[str] = set()
    waiting = [script]
    while waiting:
        text = (ASSETS / waiting.pop()).read_text(encoding="utf-8")
        found = set(_IMPORT.findall(text)) - needed
        needed |= found
        waiting += sorted(found)
    return sorted(needed)


def render_plain(title: str, main: str, frame: Frame) -> str:
    """Write a page in the folder ``plain`` that needs no scripts.

    Args:
        title: Its title.
        main: HTML, escaped.
        frame: What stands around it.
    """
    return _framed("plain-page", title, main, frame, root="../")


def _framed(
    name: str, title: str, main: str, frame: Frame, *, head: str = "", root: str = ""
) -> str:
    return _template("layout").substitute(
        policy=POLICY,
        title=f"{escape(title)} - zoo",
        head=head,
        nav=_navigation(name, root, frame),
        main=main,
        footer=frame.footer,
        root=root,
        name=name,
    )


def _navigation(current: str, root: str, frame: Frame) -> str:
    links = []
    for page in PAGES:
        if page.in_navigation is None:
            continue
        marks = ' aria-current="page"' if page.name == current else ""
        if page.keeps_query:
            marks += f' data-carries="{root}{page.name}.html"'
        links.append(f'<a href="{root}{page.name}.html"{marks}>{escape(page.in_navigation)}</a>')
    for title, address in frame.links:
        marks = ' aria-current="page"' if address == f"{current}.html" else ""
        links.append(f'<a href="{root}{escape(address)}"{marks}>{escape(title)}</a>')
    return "".join(links)
