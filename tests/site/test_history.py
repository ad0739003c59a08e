"""The page of the history: whole without scripts, with each paper's protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.catalog.registry import load_registry
from zoo.site.history import HISTORY, best_errors, error_of_one, networks

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Open = Callable[..., Page]
    Look = Callable[..., None]


def test_networks_stand_in_the_order_of_their_years() -> None:
    """Those that a registry lacks are left out."""
    architectures = load_registry().architectures
    years = [architecture.year or 0 for architecture in networks(architectures.values())]
    assert len(years) == len(HISTORY)
    assert years == sorted(years)
    vgg16 = architectures["vgg16"]
    assert networks([vgg16]) == [vgg16]


def test_error_of_one_network_is_never_that_of_an_ensemble() -> None:
    """GoogLeNet's 6.67 % is of seven networks on the test set."""
    googlenet = load_registry().architectures["googlenet_2014"]
    single = error_of_one(googlenet)
    assert single is not None
    assert (single.error_percent, single.models) == (7.89, 1)
    assert best_errors(googlenet) == (
        "7.89 % (one network, validation, crops: 144); 6.67 % (7 networks, test, crops: 144)"
    )


def test_network_without_a_stated_error_has_none() -> None:
    """LeNet-5 knew no ImageNet."""
    lenet = load_registry().architectures["lenet5"]
    assert error_of_one(lenet) is None
    assert best_errors(lenet) is None


def test_page_needs_no_scripts(open_page: Open, site: str, look: Look) -> None:
    """Drawing and table are there, and links lead on."""
    page = open_page(f"{site}history.html", java_script_enabled=False)
    assert page.locator("svg.history circle").count() == len(HISTORY)
    assert page.locator("tbody tr").count() == len(HISTORY)
    look(page, whole=True)


def test_disc_leads_to_its_model(open_page: Open, site: str) -> None:
    """By its name, too."""
    page = open_page(f"{site}history.html")
    page.locator("svg.history a", has_text="ResNet-152").click()
    page.wait_for_url("**/model.html?model=resnet152")
    page.wait_for_selector("#model[aria-busy=false]")
