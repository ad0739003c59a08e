"""Pages write quantities as the command line does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo.catalog import quantities

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Open = Callable[..., Page]

VALUES = (0, 1, 9, 999, 1000, 9_408, 9_999, 10_000, 99_950, 999_499, 999_500, 999_999, 1_000_000)
LARGE = (11_689_512, 61_706, 1_814_073_344, 15_470_264_320, 46_830_571, 999_999_999_999, 3.1e12)
FRACTIONS = (0.0, 0.22, 4.566, 30.242, 99.999, 0.012345, 1.005, 12.5, 999.96, 1234.6)


@pytest.mark.parametrize(
    ("name", "write", "values"),
    [
        ("count", quantities.count, (*VALUES, *LARGE)),
        ("size", quantities.size, (*VALUES, *LARGE)),
        ("percent", quantities.percent, FRACTIONS),
        ("digits", quantities.digits, FRACTIONS),
    ],
)
def test_pages_write_as_the_command_line(
    open_page: Open,
    site: str,
    name: str,
    write: Callable[[float], str],
    values: tuple[float, ...],
) -> None:
    """A figure looks the same everywhere."""
    page = open_page(f"{site}plain/zoo.html")
    script = f"values => import('{site}assets/format.js').then(m => values.map(m.{name}))"
    assert page.evaluate(script, list(values)) == [write(value) for value in values]


@pytest.mark.parametrize("text", ["10M", "4G", "100MB", "1.5e6", "800k", " 7 ", "250K", "0"])
def test_pages_read_as_the_command_line(open_page: Open, site: str, text: str) -> None:
    """What --max-parameters takes, a filter takes."""
    page = open_page(f"{site}plain/zoo.html")
    script = f"text => import('{site}assets/format.js').then(m => m.parseQuantity(text))"
    assert page.evaluate(script, text) == quantities.parse_quantity("--max-size", text)
