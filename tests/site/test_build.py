"""The files of a site: the same for the same registry, whole, safe and small."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo.catalog.registry import Registry, load_registry
from zoo.errors import UsageError
from zoo.site.build import LIST, compress, render_site, write_site
from zoo.site.data import Content

if TYPE_CHECKING:
    from collections.abc import Mapping

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
LARGEST_BYTES = 400_000


def hostile_registry() -> Registry:
    """Make a registry whose texts are markup."""
    registry = load_registry()
    resnet = registry.architectures["resnet18"]
    weights = replace(
        resnet.weights["imagenet1k_v1"],
        license=HOSTILE,
        note=HOSTILE,
        recipe_url=f"javascript:{HOSTILE}",
        dataset=HOSTILE,
    )
    assert resnet.paper is not None
    paper = replace(resnet.paper, title=HOSTILE, arxiv=None, url="javascript:alert(1)")
    hostile = replace(
        resnet,
        title=HOSTILE,
        family=HOSTILE,
        note=HOSTILE,
        paper=paper,
        weights={"imagenet1k_v1": weights},
    )
    return replace(registry, architectures={"resnet18": hostile})


class Elements(HTMLParser):
    """Collects the elements of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.found.append((tag, dict(attrs)))


def test_same_registry_gives_the_same_bytes(files: Mapping[str, bytes]) -> None:
    """A site can be signed, and its versions compared."""
    assert render_site(Content(load_registry())) == files


def test_markup_in_the_registry_stays_text() -> None:
    """Pages hold exactly the scripts and images that they hold without it."""
    clean = replace(
        load_registry(),
        architectures={"resnet18": load_registry().architectures["resnet18"]},
    )
    hostile_files = render_site(Content(hostile_registry()))
    clean_files = render_site(Content(clean))
    pages = [name for name in clean_files if name.endswith(".html")]
    assert len(pages) >= 2
    for name in pages:
        elements = [Elements(), Elements()]
        for parser, files in zip(elements, (hostile_files, clean_files), strict=True):
            parser.feed(files[name].decode())
        tags = [[tag for tag, _ in parser.found] for parser in elements]
        assert tags[0] == tags[1], name
        for _, attributes in elements[0].found:
            assert not any(key.startswith("on") for key in attributes)
            assert not (attributes.get("href") or "").startswith("javascript:")


def test_every_page_forbids_what_is_not_its_own(files: Mapping[str, bytes]) -> None:
    """The policy stands in each page, and no page has a script or a style inside."""
    for name, content in files.items():
        if not name.endswith(".html"):
            continue
        text = content.decode()
        assert "default-src 'none'; script-src 'self'" in text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=", text), name


def test_every_address_in_a_page_exists(files: Mapping[str, bytes]) -> None:
    """Pages ask for the site's own files, by relative addresses: a site works below any path."""
    for name, content in files.items():
        if not name.endswith(".html"):
            continue
        parser = Elements()
        parser.feed(content.decode())
        for tag, attributes in parser.found:
            address = attributes.get("href") or attributes.get("src") or ""
            is_outside = tag == "a" and address.startswith("http")
            if not address or address.startswith("#") or is_outside:
                continue
            folder = Path(name).parent
            parts = (folder / address.partition("?")[0]).as_posix()
            wanted = re.sub(r"[^/]+/\.\./", "", parts)
            assert wanted in files, f"{name} names {address}"


def test_site_of_everything_is_small(full_files: Mapping[str, bytes]) -> None:
    """All that ships: 2,000 sets of weights, their records, and the layers of 133 networks."""
    sizes = {name: len(compress(content)) for name, content in full_files.items()}
    assert sum(sizes.values()) < LARGEST_BYTES, sizes


def test_site_of_2000_models_is_small(files_of_2000: Mapping[str, bytes]) -> None:
    """Every file together, compressed, with a full digest for each set of weights."""
    sizes = {name: len(compress(content)) for name, content in files_of_2000.items()}
    assert sum(sizes.values()) < LARGEST_BYTES, sizes


def test_site_is_written_once_and_renewed_in_place(tmp_path: Path) -> None:
    """What has not changed is left alone; what an earlier site had is removed."""
    folder = tmp_path / "catalog"
    first = write_site(
        {"a.html": b"one", "old/b.html": b"two", LIST: b"a.html\nold/b.html\n"}, folder
    )
    before = (folder / "a.html").stat().st_mtime_ns
    second = write_site({"a.html": b"one", LIST: b"a.html\n"}, folder)
    assert (first.files, first.removed) == (3, 0)
    assert second.removed == 1
    assert not (folder / "old" / "b.html").exists()
    assert (folder / "a.html").stat().st_mtime_ns == before


def test_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    """Nothing of the user's is written over."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="neither empty nor a site"):
        write_site({"thesis.txt": b"", LIST: b""}, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_list_of_files_cannot_remove_anything_outside(tmp_path: Path) -> None:
    """A planted list names files that are not the site's."""
    outside = tmp_path / "keep.txt"
    outside.write_text("kept")
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / LIST).write_text(f"../keep.txt\n{outside}\n")
    write_site({"a.html": b"one", LIST: b"a.html\n"}, folder)
    assert outside.read_text() == "kept"
