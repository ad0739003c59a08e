"""The site builds without a warning, and shows everything from its own files."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from scripts.build_site import build

REPOSITORY = Path(__file__).parents[2]
LOADED = re.compile(r"<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)=\"?([^\"\s>]+)")
"""What a browser fetches by itself; a link in the text it does not."""
LINKED = re.compile(r"<a\b[^>]*?\bhref=\"?([^\"\s>]+)")
NAMED = re.compile(r"\b(?:id|name)=\"?([^\"\s>]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning, such as of a dead link, ends the build."""
    folder = tmp_path_factory.mktemp("site")
    build(folder)
    return folder


def test_every_page_is_built(site: Path) -> None:
    """No page is left out."""
    docs = REPOSITORY / "docs"
    pages = {path.relative_to(docs).with_suffix("") for path in docs.rglob("*.md")}
    built = {path.parent.relative_to(site) for path in site.rglob("index.html")}
    built.remove(Path("catalog"))  # the registry's own site, which tests/site tests
    assert {page.parent if page.name == "index" else page for page in pages} == built


def test_pages_load_only_files_of_the_site(site: Path) -> None:
    """A reader in a closed network sees fonts, scripts and images.

    Nothing is fetched from elsewhere.
    """
    loaded = {
        (page, address)
        for page in site.rglob("index.html")
        for address in LOADED.findall(page.read_text(encoding="utf-8"))
    }
    foreign = {address for _, address in loaded if urlsplit(address).netloc}
    assert foreign == set()
    absent = {
        address for page, address in loaded if not (page.parent / urlsplit(address).path).exists()
    }
    assert absent == set()
    assert len(loaded) > 100
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*[\"']?https?:[^\"')]*", styles) == []


@pytest.mark.parametrize("word", ["install", "FLOPs", "embedding", "offline", "Raspberry Pi"])
def test_the_search_knows_words_that_people_bring(word: str, site: Path) -> None:
    """Also where the documentation itself says it otherwise."""
    assert word in (site / "search.json").read_text(encoding="utf-8")


def test_no_link_is_dead(site: Path) -> None:
    """Of every page, to another page of the site, to a heading of it, or to a file."""
    texts = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    names = {page: set(NAMED.findall(text)) for page, text in texts.items()}
    dead: set[tuple[str, str]] = set()
    followed = 0

    for page, text in texts.items():
        if "catalog" in page.relative_to(site).parts or page.name == "404.html":
            continue  # tests/site follows the first; the other is served under any address
        for address in LINKED.findall(text):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = page if not parts.path else (page.parent / unquote(parts.path)).resolve()
            target = target / "index.html" if target.is_dir() else target
            is_there = target.is_file()
            has_name = not parts.fragment or unquote(parts.fragment) in names.get(target, ())
            followed += 1
            if not is_there or not has_name:
                dead.add((str(page.relative_to(site)), address))

    assert dead == set()
    assert followed > 1000
