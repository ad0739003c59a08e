"""Make the cited facts of PyTorch Hub from cards and hubconf files that were read at one commit.

    python scripts/make_hub_facts.py ../shared/data/hub/cards.json

writes ``zoo/curator/hub_facts.json``: for each repository with an image card its names, the commit
at which its ``hubconf.py`` was read, entry points, dependencies, license, papers, addresses of
weights, the errors that cards state, and what does not fit together; for ``zoo registry build``.
"""

from __future__ import annotations

import json
import re
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Facts = dict[str, Any]
"""An object of JSON."""

REPOSITORY = Path(__file__).parents[1]
OUTPUT = REPOSITORY / "zoo" / "curator" / "hub_facts.json"
LICENSES = {
    "MIT License": "MIT",
    "Apache License Version 2.0": "Apache-2.0",
    "Attribution-NonCommercial 4.0": "CC-BY-NC-4.0",
    "GNU AFFERO GENERAL PUBLIC LICENSE Version 3": "AGPL-3.0",
    "Permission is hereby granted, free of c": "MIT",
}
"""What stands at the head of a license file -> its SPDX identifier."""
READ_BY_HAND = {"facebookresearch/pytorch_GAN_zoo": ("BSD-3-Clause", "LICENSE at 4219806")}
"""Licenses whose head alone does not tell, with where the whole text was read."""
ROWS = {
    "GhostNet 1.0x": "ghostnet_1x",
    "SNNMLP Tiny": "snnmlp_t",
    "SNNMLP Small": "snnmlp_s",
    "SNNMLP Base": "snnmlp_b",
    "ResNeSt-50": "resnest50",
    "ResNeSt-101": "resnest101",
    "ResNeSt-200": "resnest200",
    "ResNeSt-269": "resnest269",
    "proxylessnas_cpu": "proxyless_cpu",
    "proxylessnas_gpu": "proxyless_gpu",
    "proxylessnas_mobile": "proxyless_mobile",
    "proxylessnas_mobile_14": "proxyless_mobile_14",
}
"""What tables call an entry point, where they call it otherwise."""
CARD_FIELDS = ("title", "url", "accelerator")
MOVED = {"intel-isl/midas": "isl-org/MiDaS"}
"""A name that nothing in the files leads from, and the one that the repository has now."""
SUFFIXES = {
    "semi-supervised": "ssl",
    "semi-weakly supervised": "swsl",
}
ISSUES = {
    "pytorch/vision": (
        "the cards name the tag v0.10.0, whose commit they do not state",
        "the same networks stand in the registry under torchvision's own names",
    ),
    "huawei-noah/Efficient-AI-Backbones": (
        "for snnmlp_b the card states 85.59, its file's name 83.59: neither is taken over",
    ),
}
"""What a reader of the cards and files finds, beyond the rules below."""


def is_number(text: str) -> bool:
    """Tell a figure from words."""
    return re.fullmatch(r"\d+(\.\d+)?", text) is not None


def entry_of(
    row: list[str],
    header: list[str],
    entries: list[str],
) -> str | None:
    """Find the entry point that a row of a table is about."""
    title = row[0]
    label = ROWS.get(title, title)
    if label in entries:
        return label

    suffix = "wsl"
    if "Supervision" in header:
        suffix = SUFFIXES.get(row[1], suffix)
    letters = re.sub(r"[-_ ]", "", label)
    wanted = letters.lower() + suffix
    for name in entries:
        if name.replace("_", "") == wanted:
            return name
    return None


def errors_of(cards: list[Facts], entries: list[str]) -> dict[str, dict[str, float]]:
    """Read top-1 and top-5 errors on ImageNet from the tables of cards."""
    found: dict[str, dict[str, float]] = {}
    for card in cards:
        for header, *rows in card["tables"]:
            kinds = {name: column_kind(name, header) for name in header}
            for row in rows:
                entry = entry_of(row, header, entries)
                if entry is None or entry == "snnmlp_b":
                    continue
                for name, text in zip(header, row, strict=False):
                    kind = kinds[name]
                    if kind is None or not is_number(text):
                        continue
                    metric, is_accuracy = kind
                    value = float(text)
                    if is_accuracy:
                        value = round(100 - value, 3)
                    errors = found.setdefault(entry, {})
                    errors[metric] = value

    return found


def column_kind(name: str, header: list[str]) -> tuple[str, bool] | None:
    """Say which error a column holds, and whether as accuracy; ``None`` for any other."""
    if header == ["", "crop size", "PyTorch"]:
        if name == "PyTorch":
            return ("top1_error_percent", True)
        return None
    match = re.match(r"top-([15]) (acc|err)", name.lower())
    if match is None:
        return None
    digit, kind = match.groups()
    return f"top{digit}_error_percent", kind == "acc"


def names_of(card: Facts, hubconfs: dict[str, Facts]) -> tuple[str, set[str]]:
    """Give the name that a card's repository has now, and every name that the card uses."""
    used = {card["github_id"]}
    used.update(call["repo"] for call in card["calls"])
    for name in used:
        lowered = name.lower()
        moved_to = MOVED.get(lowered)
        for known, facts in hubconfs.items():
            words = str(facts["repo"])
            names = {known.lower(), known}
            if lowered in names or lowered in words.lower() or moved_to == known:
                return known, used
    return card["github_id"], used


def license_of(name: str, hubconf: Facts) -> tuple[str | None, str | None]:
    """Read the license of a repository from the head of its license file."""
    if name in READ_BY_HAND:
        return READ_BY_HAND[name]
    head = hubconf.get("licence_head") or ""
    for words, identifier in LICENSES.items():
        if words in head:
            commit = hubconf["commit"][:7]
            return identifier, f"LICENSE at {commit}"
    return None, None


def joined(cards: list[Facts], key: str) -> list[Any]:
    """Join what each card lists under a key."""
    lists = [card[key] for card in cards]
    return list(chain.from_iterable(lists))


def without_repeats(values: Iterable[Any]) -> list[Any]:
    """Keep the first of equal values."""
    return list(dict.fromkeys(values))


def repository(
    name: str,
    used: set[str],
    cards: list[Facts],
    hubconf: Facts,
) -> Facts:
    """Join what is known of one repository."""
    calls = joined(cards, "calls")
    called = without_repeats(call["entry_point"] for call in calls)
    entries = hubconf.get("entry_points") or called
    refs = {call["ref"] for call in calls}
    card_refs = sorted(filter(None, refs))
    ref = hubconf["ref"] if hubconf else card_refs[0]

    license, license_source = license_of(name, hubconf)
    papers = without_repeats(joined(cards, "arxiv"))
    urls = hubconf.get("weights_urls") or joined(cards, "weights_urls")

    there = [entry for entry in called if entry in entries]
    missing = [entry for entry in called if entry not in entries]
    others = [other for other in card_refs if other != ref]
    lacks = "which this commit's hubconf.py does not have"
    issues = [f"a card calls {entry}, {lacks}" for entry in missing]
    issues += [f"a card names {other}, the commit is of the default branch" for other in others]
    issues += ISSUES.get(name, ())

    kept = []
    for card in cards:
        facts = {field: card[field] for field in CARD_FIELDS}
        kept.append(facts)
    addresses = []
    for url in urls:
        address, _, _ = url.partition(" (")
        addresses.append(address)
    return {
        "repository": name,
        "former_names": sorted(used - {name}),
        "ref": ref,
        "commit": hubconf.get("commit"),
        "dependencies": hubconf.get("dependencies"),
        "entry_points": entries,
        "called": there,
        "also_listed": hubconf.get("also_listed_by_torch_hub_list", []),
        "license": license,
        "license_source": license_source,
        "papers": papers,
        "cards": kept,
        "weights_urls": addresses,
        "errors": errors_of(cards, entries),
        "issues": issues,
    }


def main() -> None:
    """Write the facts."""
    file = Path(sys.argv[1])
    text = file.read_text(encoding="utf-8")
    content = json.loads(text)
    hubconfs = {}
    for facts in content["hubconf"]:
        *_, known = re.split(r" -> | and ", facts["repo"])
        hubconfs[known] = facts

    every = content["cards"]
    image_cards = [card for card in every if "vision" in card["tags"]]
    grouped: dict[str, tuple[set[str], list[Facts]]] = {}
    for card in image_cards:
        name, used = names_of(card, hubconfs)
        names, cards = grouped.setdefault(name, (set(), []))
        names |= used
        cards.append(card)

    repositories = []
    for name in sorted(grouped, key=str.lower):
        used, cards = grouped[name]
        hubconf = hubconfs.get(name, {})
        facts = repository(name, used, cards, hubconf)
        repositories.append(facts)

    renamed: dict[str, str] = {}
    for card in every:
        name, used = names_of(card, hubconfs)
        formers = used - {name}
        renamed.update(dict.fromkeys(formers, name))
    renamed["huggingface/pytorch-transformers"] = "huggingface/transformers"

    commit = content["commit"][:7]
    source = content["source"]
    output = {
        "source": f"{source} and the repositories' hubconf.py; cards at {commit}",
        "repositories": repositories,
        "renamed": dict(sorted(renamed.items())),
    }
    written = json.dumps(output, indent=1, ensure_ascii=False)
    OUTPUT.write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
