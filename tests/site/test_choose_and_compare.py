"""The pages that choose and compare, held to the same answers as the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.site.conftest import Tab, layers_of, serving
from tests.support.big_registry import big_registry
from zoo.catalog.chooser import Limits, choose, label
from zoo.catalog.comparison import best_of, find_rows
from zoo.catalog.registry import load_registry
from zoo.errors import UsageError
from zoo.site.build import render_site
from zoo.site.data import Content

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playwright.sync_api import Browser, Page, Route

    from zoo.catalog.registry import Registry
    from zoo.catalog.rows import Value

    Open = Callable[..., Page]
    Look = Callable[..., None]

CASES = json.loads(Path(__file__).with_name("choose_cases.json").read_text(encoding="utf-8"))
MEASURED: dict[str, dict[str, Value]] = {
    "resnet18": {"p50": 11.5, "measured": "cpu eager fp32"},
    "resnet50": {"p50": 30.125, "measured": "cpu eager fp32"},
    "vgg16": {"p50": 60.0, "measured": "cpu eager fp32"},
    "squeezenet1_1": {"p50": 4.25, "measured": "cpu eager fp32"},
}
ASK = """async ([limits, cost]) => {
  const { choose } = await import("./assets/chooser.js");
  const { loadRows } = await import("./assets/rows.js");
  const rows = await loadRows();
  const { places, fitting, considered } = choose(rows, limits, cost);
  const said = places.map(({ row, reason }) => [rows.spec(row), reason]);
  return { places: said, fitting: fitting.length, considered: considered.length };
}"""


def answer_of_python(
    case: dict[str, Any],
    registry: Registry | None,
    extra: dict[str, dict[str, Value]] | None = None,
) -> dict[str, Any]:
    """Ask what zoo choose asks."""
    given = case["limits"]
    limits = Limits(
        parameters=given.get("parameters"),
        multiply_adds=given.get("multiply_adds"),
        top5_error_percent=given.get("top5_error"),
        size_bytes=given.get("size"),
        license=given.get("license"),
        source=given.get("source"),
        dataset=given.get("dataset"),
        task=given.get("task", "classification"),
        measured={"p50": given["p50"]} if "p50" in given else {},
    )
    try:
        choice = choose(limits, case.get("cost", "multiply_adds"), registry, extra=extra)
    except UsageError:  # nothing to weigh: the page says so instead
        return {"places": [], "fitting": 0, "considered": 0}
    places = [[label(place.row), place.reason] for place in choice.places]
    return {
        "places": places,
        "fitting": len(choice.fitting),
        "considered": len(choice.considered),
    }


def answers_of_page(page: Page) -> list[dict[str, Any]]:
    """Ask the page every case of the table."""
    found: list[dict[str, Any]] = []
    for case in CASES:
        arguments = [case["limits"], case.get("cost", "multiply_adds")]
        found.append(page.evaluate(ASK, arguments))
    return found


@pytest.fixture(scope="module")
def answers(browser: Browser, site: str) -> list[dict[str, Any]]:
    """Ask the page of the shipped registry, once."""
    tab = Tab(browser, {})
    tab.go_to(f"{site}choose.html")
    found = answers_of_page(tab.page)
    tab.context.close()
    assert tab.faults == []
    return found


@pytest.mark.parametrize("number", range(len(CASES)), ids=map(json.dumps, CASES))
def test_page_and_command_choose_the_same(answers: list[dict[str, Any]], number: int) -> None:
    """The same front, the same reasons, of the same rows."""
    assert answers[number] == answer_of_python(CASES[number], load_registry())


def test_page_and_command_choose_the_same_of_2000(
    open_page: Open, files_of_2000: Mapping[str, bytes]
) -> None:
    """With every case of the table."""
    registry = big_registry(2000)
    with serving(files_of_2000) as url:
        found = answers_of_page(open_page(f"{url}choose.html"))
    for case, answer in zip(CASES, found, strict=True):
        assert answer == answer_of_python(case, registry), case


def test_page_and_command_choose_the_same_of_everything(open_page: Open, full_site: str) -> None:
    """With every case of the table, of all sources."""
    found = answers_of_page(open_page(f"{full_site}choose.html"))
    for case, answer in zip(CASES, found, strict=True):
        assert answer == answer_of_python(case, None), case


def test_measured_latency_is_weighed_as_the_command_does(open_page: Open) -> None:
    """What zoo bench measured can be a limit, at once for some and for none, and a cost."""
    registry = load_registry()
    with serving(render_site(Content(registry, measured=MEASURED, layers=layers_of))) as url:
        page = open_page(f"{url}choose.html?cost=p50")
        for limits in ({}, {"p50": 30.125}, {"p50": 4}):
            case = {"limits": limits, "cost": "p50"}
            found = page.evaluate(ASK, [limits, "p50"])
            assert found == answer_of_python(case, registry, MEASURED), limits
        assert page.locator("#p50-label").is_visible()


def test_three_answers_give_a_short_list_with_reasons(
    open_page: Open, site: str, look: Look
) -> None:
    """A device, a license and a task set limits that are shown, and the command to take along."""
    page = open_page(f"{site}choose.html")
    page.get_by_role("button", name="Phone").click()
    page.get_by_role("button", name="Not forbidden").click()
    assert page.input_value("#multiply_adds") == "600M"
    case = {
        "limits": {
            "multiply_adds": 600e6,
            "parameters": 10e6,
            "license": page.input_value("#license"),
        }
    }
    wanted = answer_of_python(case, load_registry())["places"]
    cards = page.locator(".place")
    assert cards.locator("h2").all_inner_texts() == [name for name, _ in wanted]
    assert cards.locator("p").all_inner_texts() == [reason for _, reason in wanted]
    command = page.locator("#take code").inner_text()
    assert command.startswith(
        "zoo choose --max-multiply-adds 600M --max-parameters 10M --license '"
    )
    assert page.get_by_role("button", name="Phone").get_attribute("aria-pressed") == "true"
    look(page, whole=True)
    again = open_page(page.url)
    again.wait_for_selector(".place")
    assert again.locator(".place h2").all_inner_texts() == [name for name, _ in wanted]


def test_limits_that_nothing_meets_are_said(open_page: Open, site: str) -> None:
    """And what cannot be read is marked."""
    page = open_page(f"{site}choose.html")
    page.fill("#parameters", "1")
    page.wait_for_selector("#answer:has-text('None of')")
    page.fill("#parameters", "many")
    assert page.get_attribute("#parameters", "aria-invalid") == "true"
    assert page.locator(".place").count() > 5


@pytest.mark.parametrize(
    ("address", "field", "answer", "end"),
    [
        ("choose.html", "#parameters", "#answer:has-text('None of')", "parameters=1"),
        ("index.html", "#q", "#count:text-matches('^[0-9]+ model')", "q=1"),
        ("compare.html?compare=alexnet", "#spec", ".sides:has-text('alexnet')", "=alexnet"),
    ],
)
def test_what_is_typed_before_the_rows_are_here_counts(
    open_page: Open, site: str, address: str, field: str, answer: str, end: str
) -> None:
    """On a slow connection a person is quicker than the data, and presses Enter, too."""
    page = open_page("about:blank")
    held: list[Route] = []
    is_slow = [True]

    def hold(route: Route) -> None:
        if is_slow:
            held.append(route)
        else:
            route.continue_()

    page.route("**/data/rows.json", hold)
    page.goto(f"{site}{address}", wait_until="domcontentloaded")
    page.fill(field, "1")
    page.press(field, "Enter")
    is_slow.clear()
    for route in held:
        route.continue_()
    page.wait_for_selector(answer)
    assert page.input_value(field) == "1"
    assert page.url.endswith(end)


def test_task_without_published_top5_errors_is_said(open_page: Open, site: str) -> None:
    """Nothing to weigh is no empty page."""
    page = open_page(f"{site}choose.html?task=detection")
    page.wait_for_selector("#answer:has-text('No model for detection')")


def test_best_of_each_line_is_what_the_command_marks(
    open_page: Open, site: str, look: Look
) -> None:
    """The smallest of errors and costs; nothing where all are equal."""
    specs = ["resnet50", "resnet50:imagenet1k_v1", "efficientnet_b3", "vit_b_16"]
    page = open_page(f"{site}compare.html?compare={','.join(specs)}")
    page.wait_for_selector(".sides")
    rows = find_rows(specs, load_registry())
    titles = {
        "top-1 error": "top1_error",
        "top-5 error": "top5_error",
        "parameters": "parameters",
        "multiply-adds": "multiply_adds",
        "size": "size",
        "activations": "activations",
    }
    for title, column in titles.items():
        cells = page.locator(".sides tbody tr", has=page.get_by_text(title, exact=True))
        marks = cells.locator("td").evaluate_all(
            "cells => cells.map(cell => cell.classList.contains('best'))"
        )
        assert marks == best_of(rows, column), title
    assert page.locator("#take code").inner_text() == f"zoo compare {' '.join(specs)}"
    look(page, whole=True)


def test_of_map_the_largest_is_best(open_page: Open, site: str) -> None:
    """As zoo compare marks it."""
    page = open_page(f"{site}compare.html?compare=ssd300_vgg16,fcos_resnet50_fpn")
    cells = page.locator(".sides tbody tr", has=page.get_by_text("box mAP", exact=True))
    assert cells.locator("td.best").inner_text() == "best39.20"


def test_models_are_added_and_taken_out(open_page: Open, site: str) -> None:
    """Six at most; what does not exist is said; the address follows."""
    page = open_page(f"{site}compare.html")
    page.get_by_role("button", name="resnet50, efficientnet_b3").click()
    heads = page.locator(".sides thead a")
    assert heads.all_inner_texts() == ["resnet50", "efficientnet_b3", "convnext_tiny"]
    page.fill("#spec", "resnet")
    page.keyboard.press("Enter")
    assert "no model is called resnet" in page.locator("#add-said").inner_text()
    for name in ("resnet18", "vgg16", "alexnet", "vgg19"):
        page.fill("#spec", name)
        page.keyboard.press("Enter")
    assert heads.count() == 6
    assert "6 at most" in page.locator("#add-said").inner_text()
    page.get_by_role("button", name="Take resnet50 out").click()
    assert heads.count() == 5
    assert "compare=efficientnet_b3,convnext_tiny,resnet18,vgg16,alexnet" in page.url


def test_lines_that_do_not_differ_can_be_left_out(open_page: Open, site: str) -> None:
    """Two weights of one architecture differ in little."""
    page = open_page(f"{site}compare.html?compare=resnet50,resnet50:imagenet1k_v1")
    page.wait_for_selector(".sides")
    before = page.locator(".sides tbody tr").count()
    page.check("#differences")
    titles = page.locator(".sides tbody th").all_inner_texts()
    assert len(titles) < before
    assert "top-1 error" in titles
    assert "family" not in titles


def test_comparison_is_reached_from_the_table(open_page: Open, site: str) -> None:
    """Check two, follow the link."""
    page = open_page(site)
    page.wait_for_selector("#table tbody th a")
    boxes = page.locator("#table tbody input[type=checkbox]")
    boxes.nth(0).click()
    boxes.nth(1).click()
    page.get_by_role("link", name="Compare 2").click()
    page.wait_for_selector(".sides")
    assert page.locator(".sides thead a").count() == 2


def test_choosing_fits_a_phone(open_page: Open, full_site: str) -> None:
    """The longest names of all sources fold."""
    page = open_page(f"{full_site}choose.html", viewport={"width": 390, "height": 844})
    page.wait_for_selector(".place")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
