"""Repositories of PyTorch Hub: records against the cards, names in any spelling, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zoo.catalog.hub_repositories import (
    HubRepository,
    current_name,
    find_repository,
    load_repository,
    parse_repository,
    repository_of_spec,
)
from zoo.catalog.index import load_index
from zoo.catalog.query import Selection, select
from zoo.catalog.resolver import find_architecture
from zoo.catalog.specs import find_spec, match_names
from zoo.curator.plain import to_text
from zoo.curator.sources import hub as hub_source
from zoo.errors import RegistryError, UsageError

CARDS = Path(__file__).parents[3] / "shared" / "data" / "hub" / "cards.json"


def records() -> list[HubRepository]:
    """Every record of the index."""
    names = [name for name in load_index().by_name if name.startswith("hub/")]
    found = [repository_of_spec(name) for name in names]
    return [record for record in found if record is not None]


@pytest.mark.skipif(not CARDS.exists(), reason="the cards are not beside this checkout")
def test_every_image_card_and_its_hubconf_stand_in_the_registry() -> None:
    """41 cards of 20 repositories, each with entry points, dependencies and addresses as read."""
    content = json.loads(CARDS.read_text(encoding="utf-8"))
    image_cards = {card["url"] for card in content["cards"] if "vision" in card["tags"]}
    known = records()
    assert len(known) == 20
    assert {card.url for record in known for card in record.cards} == image_cards
    assert len(image_cards) == 41

    by_commit = {facts["commit"]: facts for facts in content["hubconf"]}
    compared = 0
    for record in known:
        if record.commit is None:
            continue
        facts = by_commit[record.commit]
        assert list(record.entry_points) == facts["entry_points"]
        dependencies = facts["dependencies"]
        assert record.dependencies == (dependencies and tuple(dependencies))
        stated = [url.partition(" ")[0] for url in facts["weights_urls"]]
        assert [weights.url for weights in record.weights] == stated or not stated
        compared += 1
    assert compared == 19


def test_the_registry_has_an_entry_for_each_entry_point() -> None:
    """Nothing that only built networks could tell is made up."""
    entries = [entry for entry in load_index().entries if entry.source == "hub"]
    assert len(entries) == sum(len(record.entry_points) for record in records())
    assert {entry.parameters for entry in entries} == {None}
    (wide,) = [entry for entry in entries if entry.tag == "resnext101_32x48d_wsl"]
    assert (wide.top1_error, wide.top5_error, wide.license) == (14.6, 2.4, "CC-BY-NC-4.0")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("intel-isl/MiDaS", "isl-org/MiDaS"),
        ("huawei-noah/ghostnet", "huawei-noah/Efficient-AI-Backbones"),
        ("mit-han-lab/ProxylessNAS", "mit-han-lab/proxylessnas"),
        ("hustvl/yolop", "hustvl/YOLOP"),
        ("datvuthanh/hybridnets", "datvuthanh/HybridNets"),
        ("coderx7/simplenet_pytorch", "Coderx7/SimpleNet_Pytorch"),
        ("pytorch/fairseq", "facebookresearch/fairseq"),
        ("huggingface/pytorch-transformers", "huggingface/transformers"),
        ("someone/Else", "someone/Else"),
    ],
)
def test_repositories_are_found_under_the_names_they_had(typed: str, name: str) -> None:
    """Eight were renamed or are spelled otherwise on cards; the case of letters never matters."""
    assert current_name(typed) == name
    assert current_name(typed.upper()).lower() == name.lower()
    if find_repository(name) is not None:
        assert find_spec(typed).name == f"hub/{name}"
        assert find_spec(f"HUB/{typed.upper()}").name == f"hub/{name}"


def test_what_file_names_and_addresses_tell_is_said() -> None:
    """Digests in names, dates that are none, addresses of branches and of other repositories."""
    weights = {each.url.rpartition("/")[2]: each for record in records() for each in record.weights}
    assert weights["ig_resnext101_32x8-c38310e5.pth"].sha256_prefix == "c38310e5"
    assert weights["nvidia-efficientnet-quant-b0-130421.pth"].sha256_prefix is None
    assert "branch" in str(weights["proxyless_cpu.pth"].issue)
    assert "another repository" in str(weights["nts_net_cub200.pt"].issue)
    once_for_all = find_repository("mit-han-lab/once-for-all")
    assert once_for_all is not None
    assert "resnet50D_MAC_4_1B" in once_for_all.issues[0]


def test_repositories_are_listed_for_their_source_alone() -> None:
    """Lists of models are lists of what zoo builds."""
    everything = select(Selection())
    assert "hub" not in {row.entry.source for row in everything}
    listed = select(Selection(source="hub", sort="top1"))
    assert len(listed) == 20
    assert listed[0].entry.top1_error is not None
    assert [row.name for row in select(Selection("midas", source="hub"))] == ["hub/isl-org/MiDaS"]
    assert match_names("hub/*midas") == ["hub/isl-org/MiDaS"]


def test_a_repository_is_no_architecture() -> None:
    """Whoever wants to build one is told what shows it, and what runs it."""
    with pytest.raises(UsageError, match='"zoo hub load isl-org/MiDaS DPT_Hybrid" runs it'):
        find_architecture("intel-isl/midas:DPT_Hybrid")


FAULTS: dict[str, tuple[str, Any]] = {
    "commit": ("commit", "main"),
    "repository": ("repository", "../etc"),
    "name": ("name", "hub/some/other"),
    "entry_points": ("entry_points", {}),
    "url": ("weights", [{"url": "file:///etc/passwd"}]),
    "unknown field": ("color", "red"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_malformed_record_is_refused(fault: str) -> None:
    """With the place of the fault in the file."""
    (entry,) = load_index().by_name["hub/datvuthanh/HybridNets"]
    document = {"schema_version": 1, "repository": json.loads(to_text(load_repository(entry)))}
    parse_repository(json.dumps(document), "hybridnets.json")
    key, value = FAULTS[fault]
    document["repository"][key] = value
    with pytest.raises(RegistryError, match=r"\$\.repository"):
        parse_repository(json.dumps(document), "hybridnets.json")


def test_the_source_answers_as_all_others_do() -> None:
    """Names, records and labels."""
    from zoo.curator.facts import load_facts

    names = hub_source.list_names()
    assert names == [record.name for record in records()]
    assert [hub_source.describe(name, load_facts()) for name in names] == records()
    assert hub_source.categories() == {}
