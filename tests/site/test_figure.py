"""The README's figure of the site is the plot that the site draws today."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from scripts.make_site_figure import FIGURE, find_browser

if TYPE_CHECKING:
    from pathlib import Path


def test_figure_is_what_the_site_draws(repository: Path, tmp_path: Path) -> None:
    """To renew: python -m scripts.make_site_figure."""
    if find_browser() is None:
        pytest.skip("Chromium is not installed: make packages installs it")
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    drawn = tmp_path / "site.svg"
    command = [sys.executable, "-m", "scripts.make_site_figure", str(drawn)]
    subprocess.run(command, cwd=repository, check=True)
    text = FIGURE.read_text(encoding="utf-8")
    assert text == drawn.read_text(encoding="utf-8")
    ET.fromstring(text)  # noqa: S314 - our own file
    assert len(text) < 100_000
