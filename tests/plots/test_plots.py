"""Drawing error against cost."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from zoo.catalog.chooser import Limits, choose
from zoo.errors import UsageError, WriteError
from zoo.plots.choice import chart_of
from zoo.plots.drawing import draw
from zoo.plots.page import render_page
from zoo.plots.scatter import Point, Scatter, labels_with_room, render

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


def chart_with(*points: Point) -> Scatter:
    """Make a chart of some points."""
    return Scatter("title", "subtitle", "cost", "error", points)


CHART = chart_with(
    Point("cheap", "cheap:tag", 10.0, 20.0, (("top-5 error", "20 %"),), is_front=True),
    Point("good", "good:tag", 1000.0, 2.0, (), is_front=True),
    Point("beaten", "beaten:tag", 1000.0, 20.0),
    Point("outside", "outside:tag", 10_000.0, 10.0, is_faint=True),
)


def test_the_chart_of_a_choice_holds_every_weight_and_marks_the_front() -> None:
    """Those outside the limits are faint, those on the front are the places."""
    choice = choose(Limits(parameters=10e6), "parameters")
    chart = chart_of(choice)
    assert len(chart.points) == len(choice.considered)
    assert sum(not point.is_faint for point in chart.points) == len(choice.fitting)
    assert [point.label for point in chart.front] == [place.row.name for place in choice.places]
    squeezenet = next(point for point in chart.points if point.name == "squeezenet1_1")
    assert squeezenet.x == 1_235_496
    assert squeezenet.y == pytest.approx(19.376)
    assert ("parameters", "1.24 M") in squeezenet.facts


def test_points_lie_where_their_values_say() -> None:
    """Both axes are logarithmic: halves of the factors are halves of the way.

    Equal values share a line.
    """
    _, (cheap, good, beaten, outside) = render(CHART, "svg")
    assert good[0] == pytest.approx(beaten[0])
    assert cheap[1] == pytest.approx(beaten[1])
    assert (good[0] - cheap[0]) / (outside[0] - cheap[0]) == pytest.approx(2 / 3)
    assert cheap[1] < outside[1] < good[1], "fractions are counted from the top"
    assert all(0 < x < 1 and 0 < y < 1 for x, y in (cheap, good, beaten, outside))


def test_svg_has_text_that_can_be_searched() -> None:
    """Names of the front, titles of the axes; not those of beaten points."""
    drawing, _ = render(CHART, "svg")
    words = " ".join(element.text or "" for element in ET.fromstring(drawing).iter(f"{SVG}text"))  # noqa: S314 - our own drawing
    for text in ("title", "subtitle", "cost", "error", "cheap", "good"):
        assert text in words
    assert "beaten:tag" not in words


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_drawing_is_the_same_each_time(kind: str) -> None:
    """No date, no random names: a committed drawing changes only with its data."""
    assert render(CHART, kind)[0] == render(CHART, kind)[0]


def test_png_is_a_image_with_the_colors_of_the_front(tmp_path: Path) -> None:
    """1,440 by 900 pixels; the red of the front and the blue of the beaten are there."""
    file = tmp_path / "chart.png"
    draw(CHART, file)
    with Image.open(file) as image:
        assert image.size == (1440, 900)
        colors = {color for _, color in image.convert("RGB").getcolors(1 << 24) or []}
    assert (0xD1, 0x49, 0x5B) in colors


@pytest.mark.parametrize("name", ["chart.gif", "chart", "chart.png.txt"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    """The message lists the endings."""
    with pytest.raises(UsageError, match=r"\.png, \.svg or \.html"):
        draw(CHART, tmp_path / name)


def test_nothing_to_draw_is_refused(tmp_path: Path) -> None:
    """An empty drawing helps nobody."""
    with pytest.raises(UsageError, match="nothing to draw"):
        draw(chart_with(), tmp_path / "chart.png")


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """In words, with the file's name."""
    with pytest.raises(WriteError, match="cannot write"):
        draw(CHART, tmp_path / "missing" / "chart.png")


def points_of(page: str) -> list[dict[str, object]]:
    """Read the points that the page's script knows."""
    found = re.search(r"const points = (\[.*\]);", page)
    assert found is not None
    points: list[dict[str, object]] = json.loads(found[1])
    return points


def test_the_page_needs_nothing_from_outside() -> None:
    """One file: no script, style, font or image is fetched."""
    page = render_page(CHART)
    assert not re.findall(r"(?:src|href)\s*=\s*\"(?!#)", page)
    assert "@import" not in page
    assert "url(http" not in page
    assert [point["name"] for point in points_of(page)] == [
        "cheap:tag",
        "good:tag",
        "beaten:tag",
        "outside:tag",
    ]
    assert points_of(page)[0]["facts"] == [["top-5 error", "20 %"]]


def test_hostile_names_do_not_leave_the_page_script() -> None:
    """A name is data: it can neither end the script nor begin an element."""
    evil = "</script><script>alert(1)</script><!--"
    page = render_page(
        Scatter(
            evil, evil, evil, evil, (Point(evil, evil, 1.0, 1.0, ((evil, evil),), is_front=True),)
        )
    )
    assert page.count("<script>") == page.count("</script>") == 1
    assert "<!--" not in page.replace("<!-- ", "")
    assert points_of(page)[0]["name"] == evil


@pytest.mark.skipif(
    shutil.which("node") is None,
    reason="Node.js is not installed: the page's script cannot be parsed",
)
def test_the_page_script_is_javascript(tmp_path: Path) -> None:
    """A real parser accepts it."""
    script = render_page(CHART).partition("<script>")[2].partition("</script>")[0]
    file = tmp_path / "page.js"
    file.write_text(script)
    done = subprocess.run(
        ["node", "--check", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_names_on_the_front_do_not_cover_each_other() -> None:
    """Points closer than a line of text to the last named one stay without a name."""
    spots = [(0.0, 100.0), (1.0, 99.0), (20.0, 90.0), (25.0, 86.0), (33.0, 86.0)]
    assert labels_with_room(spots) == [True, False, True, False, True]
    assert labels_with_room([]) == []
