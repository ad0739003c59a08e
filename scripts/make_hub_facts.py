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
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).parents[1] / "zoo" / "curator" / "hub_facts.json"
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
SUFFIXES = {"semi-supervised": "_ssl", "semi-weakly supervised": "_swsl"}
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
    label = ROWS.get(row[0], row[0])
    if label in entries:
        return label
    plain = re.sub(r"[-_ ]", "", label).lower()
    suffix = SUFFIXES[row[1]] if "Supervision" in header and row[1] in SUFFIXES else "_wsl"
    wanted = plain + suffix
    return next(
        (name for name in entries if name.replace("_", "") == wanted.replace("_", "")), None
    )


def errors_of(cards: list[dict[str, Any]], entries: list[str]) -> dict[str, dict[str, float]]:
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
                    value = round(100 - float(text), 3) if is_accuracy else float(text)
                    found.setdefault(entry, {})[metric] = value
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
    return f"top{match[1]}_error_percent", match[2] == "acc"


def names_of(card: dict[str, Any], hubconfs: dict[str, dict[str, Any]]) -> tuple[str, set[str]]:
    """Give the name that a card's repository has now, and every name that the card uses."""
    used = {card["github_id"], *(call["repo"] for call in card["calls"])}
    for name in used:
        for known, facts in hubconfs.items():
            has_name = name.lower() == known.lower() or name.lower() in str(facts["repo"]).lower()
            moved = {"intel-isl/midas": "isl-org/MiDaS"}.get(name.lower()) == known
            if has_name or moved:
                return known, used
    return card["github_id"], used


def license_of(name: str, hubconf: dict[str, Any]) -> tuple[str | None, str | None]:
    """Read the license of a repository from the head of its license file."""
    if name in READ_BY_HAND:
        return READ_BY_HAND[name]
    head = hubconf.get("licence_head") or ""
    for words, identifier in LICENSES.items():
        if words in head:
            return identifier, f"LICENSE at {hubconf['commit'][:7]}"
    return None, None


def repository(
    name: str,
    used: set[str],
    cards: list[dict[str, Any]],
    hubconf: dict[str, Any],
) -> dict[str, Any]:
    """Join what is known of one repository."""
    calls = [call for card in cards for call in card["calls"]]
    called = list(dict.fromkeys(call["entry_point"] for call in calls))
    entries = hubconf.get("entry_points") or called
    card_refs = sorted({call["ref"] for call in calls if call["ref"]})
    ref = hubconf["ref"] if hubconf else card_refs[0]
    license, license_source = license_of(name, hubconf)
    papers = list(dict.fromkeys(paper for card in cards for paper in card["arxiv"]))
    urls = hubconf.get("weights_urls") or [url for card in cards for url in card["weights_urls"]]
    missing = [entry for entry in called if entry not in entries]
    issues = [
        f"a card calls {entry}, which this commit's hubconf.py does not have" for entry in missing
    ]
    issues += [
        f"a card names {other}, the commit is of the default branch"
        for other in card_refs
        if other != ref
    ]
    issues += ISSUES.get(name, ())
    fields = ("title", "url", "accelerator")
    return {
        "repository": name,
        "former_names": sorted(used - {name}),
        "ref": ref,
        "commit": hubconf.get("commit"),
        "dependencies": hubconf.get("dependencies"),
        "entry_points": entries,
        "called": [entry for entry in called if entry in entries],
        "also_listed": hubconf.get("also_listed_by_torch_hub_list", []),
        "license": license,
        "license_source": license_source,
        "papers": papers,
        "cards": [{field: card[field] for field in fields} for card in cards],
        "weights_urls": [url.partition(" (")[0] for url in urls],
        "errors": errors_of(cards, entries),
        "issues": issues,
    }


def main() -> None:
    """Write the facts."""
    content = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    hubconfs = {}
    for facts in content["hubconf"]:
        known = re.split(r" -> | and ", facts["repo"])[-1]
        hubconfs[known] = facts

    image_cards = [card for card in content["cards"] if "vision" in card["tags"]]
    grouped: dict[str, tuple[set[str], list[dict[str, Any]]]] = {}
    for card in image_cards:
        name, used = names_of(card, hubconfs)
        names, cards = grouped.setdefault(name, (set(), []))
        names |= used
        cards.append(card)

    repositories = [
        repository(name, used, cards, hubconfs.get(name, {}))
        for name, (used, cards) in sorted(grouped.items(), key=lambda item: item[0].lower())
    ]
    renamed: dict[str, str] = {}
    for card in content["cards"]:
        name, used = names_of(card, hubconfs)
        renamed |= {former: name for former in used if former != name}
    renamed["huggingface/pytorch-transformers"] = "huggingface/transformers"

    commit = content["commit"][:7]
    output = {
        "source": f"{content['source']} and the repositories' hubconf.py; cards at {commit}",
        "repositories": repositories,
        "renamed": dict(sorted(renamed.items())),
    }
    OUTPUT.write_text(json.dumps(output, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
