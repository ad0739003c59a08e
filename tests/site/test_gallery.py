"""The page of a gallery: machines apart, the fastest first, and what strangers write is text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

import pytest

from tests.site.test_build import HOSTILE, Elements
from tests.support.bench_results import ENVIRONMENT, make_result, make_run
from tests.support.in_process import zoo
from zoo.bench.comparability import machine_key
from zoo.bench.records import Failure
from zoo.bench.sharing import export, read_gallery
from zoo.catalog.registry import load_registry
from zoo.devices import Device
from zoo.site.build import LIST, render_site
from zoo.site.data import Content

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PAGE = "measured.html"
FAST = replace(ENVIRONMENT, cpu="fast", device=Device("cpu", "Fast CPU", ("fp32",)))
SLOW = replace(ENVIRONMENT, cpu="slow", device=Device("cpu", "Slow CPU", ("fp32",)))
CRASHED = replace(
    make_result([], SLOW, engine="compile"),
    failure=Failure("crashed", "no compiler"),
)
RESULTS = [
    CRASHED,
    make_result([make_run([9.0] * 9)], SLOW),
    make_result([make_run([80.0] * 9, batch=8)], SLOW, mode="throughput", batch=8),
    make_result([make_run([3.0] * 9)], FAST),
    make_result([make_run([1.0, 3.0] * 3)], FAST, engine="compile"),
    make_result([make_run([4.0] * 9)], SLOW, model="mypackage.nets.small"),
]

CONTENT = Content(
    replace(
        load_registry(),
        architectures={"resnet18": load_registry().architectures["resnet18"]},
    )
)


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """A gallery of two unlike machines."""
    export(RESULTS, tmp_path / "gallery", "A. Turing", "water cooled")
    return tmp_path / "gallery"


def site_of(gallery: Path) -> Mapping[str, bytes]:
    """Make a site of one model with a gallery."""
    return render_site(replace(CONTENT, gallery=read_gallery(gallery)))


def lines_of(page: str, model: str) -> list[list[str]]:
    """Read the rows of a model's table as text."""
    table = page.partition(f'<h3 id="{model}">')[2].partition("</table>")[0]
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", table)
    cells = [re.findall(r"<t[hd].*?</t[hd]>", row) for row in rows]
    return [[re.sub(r"<[^>]*>", "", cell) for cell in row] for row in cells]


def test_machines_stand_apart_and_the_fastest_first(gallery: Path) -> None:
    """Latency before throughput, a crash last; 1,000 ms / 9 are 111 images a second."""
    files = site_of(gallery)
    page = files[PAGE].decode()
    fast, slow = machine_key(FAST), machine_key(SLOW)
    lines = lines_of(page, "resnet18")
    figures = [[*line[:2], line[3], *line[6:10]] for line in lines]
    assert figures == [
        [fast, "compile", "latency", "2", "3", "500", "unstable"],
        [fast, "eager", "latency", "3", "3", "333", "ok"],
        [slow, "eager", "latency", "9", "9", "111", "ok"],
        [slow, "eager", "throughput", "80", "80", "100", "ok"],
        [slow, "compile", "latency", "-", "-", "-", "crashed"],
    ]
    assert len(lines_of(page, "mypackage.nets.small")) == 1
    for text in ("Fast CPU", "Slow CPU", "A. Turing", "water cooled"):
        assert f"<dd>{text}</dd>" in page


def test_page_is_linked_listed_and_leads_to_models(gallery: Path) -> None:
    """Only models that the site has get links; everything else of the site is as without it."""
    files = site_of(gallery)
    plain = render_site(CONTENT)
    assert f"{PAGE}\n" in files[LIST].decode()
    assert f'href="{PAGE}"' in files["index.html"].decode()
    assert f'href="{PAGE}" aria-current="page"' in files[PAGE].decode()
    assert '<h3 id="resnet18"><a href="model.html?model=resnet18">' in files[PAGE].decode()
    assert '<h3 id="mypackage.nets.small">mypackage' in files[PAGE].decode()

    assert not any(b"measured.html" in content for content in plain.values())
    data = [name for name in plain if name.startswith(("data/", "assets/"))]
    assert all(files[name] == plain[name] for name in data)
    assert site_of(gallery) == files


def test_what_strangers_write_is_text(tmp_path: Path) -> None:
    """A note, a name, a machine, a model and a reason that are markup."""
    device = Device("cpu", HOSTILE, ("fp32",), driver=HOSTILE)
    strange = replace(ENVIRONMENT, cpu=HOSTILE, system=HOSTILE, device=device)
    failure = Failure("failed", HOSTILE)
    result = make_result([make_run([9.0] * 9)], strange, model=HOSTILE)
    result = replace(result, failure=failure)
    clean = make_result([make_run([9.0] * 9)], model="theme")
    export([result, clean], tmp_path, HOSTILE, HOSTILE)

    page = site_of(tmp_path)[PAGE].decode()
    assert page.count(escape(HOSTILE)) > 8
    parser = Elements()
    parser.feed(page)
    assert [tag for tag, _ in parser.found].count("script") == 1
    assert not any(key.startswith("on") for _, values in parser.found for key in values)
    ids = [values["id"] for _, values in parser.found if "id" in values]
    assert len(ids) == len(set(ids))


def test_two_who_vouch_for_one_kind_of_machine_stay_apart(tmp_path: Path) -> None:
    """The same case twice: a row each, with who it is of."""
    export([make_result([make_run([9.0] * 9)])], tmp_path, "A. Turing")
    export([make_result([make_run([7.0] * 9)])], tmp_path, "G. Hopper")
    key = machine_key(ENVIRONMENT)
    lines = lines_of(site_of(tmp_path)[PAGE].decode(), "resnet18")
    assert [(line[0], line[6]) for line in lines] == [
        (f"{key}, G. Hopper", "7"),
        (f"{key}, A. Turing", "9"),
    ]


def _change_a_value(gallery: Path) -> None:
    file = gallery / f"{machine_key(SLOW)}.json"
    file.write_text(file.read_text().replace("9000000", "1000000"))


def _change_the_note(gallery: Path) -> None:
    file = gallery / f"{machine_key(SLOW)}.json"
    file.write_text(file.read_text().replace("water cooled", "overclocked"))


def _remove_a_file(gallery: Path) -> None:
    (gallery / f"{machine_key(SLOW)}.json").unlink()


def _remove_the_index(gallery: Path) -> None:
    (gallery / "index.json").unlink()


def _change_the_index(key: str, value: object) -> Callable[[Path], None]:
    def change(gallery: Path) -> None:
        index = gallery / "index.json"
        content = json.loads(index.read_text())
        index.write_text(json.dumps(content | {key: value}))

    return change


def _lead_outside(gallery: Path) -> None:
    index = gallery / "index.json"
    index.write_text(index.read_text().replace('"file": "', '"file": "../gallery/'))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_change_a_value, "not those that A. Turing signed off"),
        (_change_the_note, "is not what index.json says of it"),
        (_remove_a_file, "No such file"),
        (_remove_the_index, "index.json cannot be read (No such file"),
        (_change_the_index("gallery_version", 2), "expected gallery version 1, got 2; update"),
        (_change_the_index("files", []), "lists no files"),
        (_lead_outside, "'../gallery/"),
    ],
)
def test_changed_gallery_is_refused_and_nothing_written(
    gallery: Path, change: Callable[[Path], None], fault: str
) -> None:
    """One error that names the file, and no half of a site."""
    change(gallery)
    folder = gallery.parent / "site"
    done = zoo("site", "build", str(folder), "--gallery", str(gallery))
    assert (done.returncode, done.stdout) == (1, "")
    assert fault in " ".join(done.stderr.split())
    assert not folder.exists()
