"""The site builds without a warning, and shows everything from its own files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

REPOSITORY = Path(__file__).parents[2]
LOADED = re.compile(r"<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)=\"?([^\"\s>]+)")
"""What a browser fetches by itself; a link in the text it does not."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning, such as of a dead link, ends the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    """No page is left out."""
    docs = REPOSITORY / "docs"
    pages = {path.relative_to(docs).with_suffix("") for path in docs.rglob("*.md")}
    built = {path.parent.relative_to(site) for path in site.rglob("index.html")}
    assert {page.parent if page.name == "index" else page for page in pages} == built


def test_pages_load_only_files_of_the_site(site: Path) -> None:
    """A reader in a closed network sees fonts, scripts and pictures; nothing is fetched from elsewhere."""
    loaded = {
        (page, address)
        for page in site.rglob("index.html")
        for address in LOADED.findall(page.read_text(encoding="utf-8"))
    }
    foreign = {address for _, address in loaded if urlsplit(address).netloc}
    assert foreign == set()
    absent = {address for page, address in loaded if not (page.parent / urlsplit(address).path).exists()}
    assert absent == set()
    assert len(loaded) > 100
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*[\"']?https?:[^\"')]*", styles) == []
