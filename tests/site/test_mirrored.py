"""The site of a mirror: what it holds is marked, and the mirror serves it at its root."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.mirror_server import serving as serving_mirror
from zoo.mirror.index import Index, Item
from zoo.mirror.serve import ca
from zoo.mirror.settings import Settings
from zoo.mirror.store import Store
from zoo.site.mirrored import mirrored_site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    Open = Callable[..., Page]
    Look = Callable[..., None]

pytest.importorskip("aiohttp", reason="the mirror's packages are not installed")


def test_held_weights_of_every_kind_are_marked() -> None:
    """Weights by their spec, models of the Hub by their repository; a part is not held."""
    items = (
        Item("weights", "resnet18:imagenet1k_v1", ()),
        Item("weights", "resnet34:imagenet1k_v1", (), is_partial=True),
        Item("huggingface", "timm/resnet50.a1_in1k", (), revision="0" * 40),
        Item("repository", "pytorch/vision", (), revision="1" * 40),
    )
    document = json.loads(mirrored_site(Index(items))["data/rows.json"])
    columns = {column["key"]: column for column in document["columns"]}
    tags = [*columns["weights"]["choices"], None]
    held = [
        f"{name}:{tags[tag]}"
        for name, tag, is_held in zip(
            columns["name"]["values"],
            columns["weights"]["values"],
            columns["held"]["values"],
            strict=True,
        )
        if is_held
    ]
    assert columns["held"]["title"] == "on this mirror"
    assert held == ["resnet18:imagenet1k_v1", "timm/resnet50:a1_in1k"]


def test_mirror_serves_the_site_at_its_root(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: Look
) -> None:
    """A browser sees the table, a model, and the mirror's own page."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    ca.create(Store.create(tmp_path / "mirror", Settings()))
    with serving_mirror(tmp_path / "mirror") as mirror:
        page = open_page(f"{mirror.base}/")
        page.wait_for_selector("#table tbody th a")
        assert page.locator("fieldset[data-key=held] legend").inner_text() == "On this mirror"
        look(page)
        page.click("#table tbody th a >> nth=0")
        page.wait_for_selector("#model[aria-busy=false]")
        page.get_by_role("link", name="This mirror").click()
        assert "zoo mirror exec" in page.locator("pre").first.inner_text()
