"""The cited facts: every architecture has a family and a paper, and papers' figures are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo.catalog.registry import load_registry
from zoo.curator.facts import FACTS, load_facts
from zoo.errors import RegistryError

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.catalog.records import PublishedError


def published(name: str, **facts: object) -> list[PublishedError]:
    """Find the published errors of a model that have all these values."""
    entries = load_registry().architectures[name].published
    return [
        entry
        for entry in entries
        if all(getattr(entry, key) == value for key, value in facts.items())
    ]


@pytest.mark.parametrize(
    ("name", "error_percent", "metric", "split", "models"),
    [
        ("alexnet_2012", 15.3, "top5", "test", 7),
        ("alexnet_2012", 18.2, "top5", "validation", 1),
        ("googlenet_2014", 6.67, "top5", "test", 7),
        ("vgg16", 8.8, "top5", "validation", 1),
        ("vgg16", 7.5, "top5", "validation", 1),
        ("resnet152", 4.49, "top5", "validation", 1),
        ("resnet152", 3.57, "top5", "test", 6),
    ],
)
def test_errors_that_are_often_quoted_wrong(
    name: str, error_percent: float, metric: str, split: str, models: int
) -> None:
    """Each figure stands with its split and with the number of networks that were averaged."""
    found = published(name, error_percent=error_percent, metric=metric, split=split, models=models)
    assert len(found) == 1
    assert found[0].source


def test_torchvisions_own_networks_do_not_claim_the_papers_errors() -> None:
    """One-tower AlexNet, GoogLeNet with batch norm, ResNet-18 with projections are others."""
    architectures = load_registry().architectures
    for name in ("alexnet", "googlenet", "resnet18"):
        assert architectures[name].published == ()
        assert architectures[name].note


def test_an_architecture_in_no_family_is_refused() -> None:
    """A new model needs its facts first."""
    with pytest.raises(RegistryError, match="newnet stands in 0 families"):
        load_facts().describe("newnet")


def test_every_paper_can_be_found() -> None:
    """Title, year, and at least one of arXiv, DOI and URL."""
    for architecture in load_registry().architectures.values():
        assert architecture.paper is not None
        assert architecture.paper.title
        assert architecture.paper.reference
        assert 1980 < architecture.paper.year <= 2026


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("= nothing", "$"),
        ("papers = 5", "$.papers"),
        ('[papers.x]\ntitle = "X"', "$.papers.x"),
        ('[papers.x]\ntitle = "X"\nyear = "2015"', "$.papers.x.year"),
        ('[papers.x]\ntitle = "X"\nyear = 2015\ncolor = "red"', "$.papers.x.color"),
    ],
)
def test_malformed_facts_are_refused_with_their_path(tmp_path: Path, text: str, path: str) -> None:
    """Not TOML, wrong types, missing and unknown fields."""
    file = tmp_path / "facts.toml"
    file.write_text(text)
    with pytest.raises(RegistryError) as caught:
        load_facts(file)
    assert caught.value.json_path == path
    assert str(file) in str(caught.value)


def test_facts_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 end in the same kind of error."""
    file = tmp_path / "facts.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(RegistryError, match="cannot be read"):
        load_facts(file)


def test_unverified_figures_say_so() -> None:
    """What was not looked up is marked, and is the exception."""
    entries = [entry for a in load_registry().architectures.values() for entry in a.published]
    unverified = [entry for entry in entries if not entry.is_verified]
    assert len(unverified) < len(entries) / 2
    assert FACTS.read_text(encoding="utf-8").count("is_verified = false") >= len(
        {e.source for e in unverified}
    )
