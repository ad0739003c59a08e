"""What timm says about its weights, in the registry's words.

An architecture of timm with pretrained weights becomes ``timm/NAME``; its weights are known by
timm's tags. Figures of published errors are timm's own tables at one commit, papers are believed
only where their number stands in the source of the architecture's module (``timm_facts``).

The file is long because it answers for all that timm writes in places of its own: tags, tables,
papers.
"""

from __future__ import annotations

import csv
import inspect
import json
import re
import sys
import warnings
from functools import cache
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import timm
from timm.models import get_pretrained_cfg, is_model, list_pretrained, model_entrypoint

from zoo.catalog.records import (
    Architecture,
    HubFile,
    Paper,
    Preprocessing,
    TestSet,
    Weights,
    WeightsError,
    WeightsFile,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.curator.facts import Facts

PREFIX = "timm/"
_FACTS = Path(__file__).parents[1] / "timm_facts"
_RESULTS = "timm, results/ at aa4b585"
_HUB_URL = "https://huggingface.co/{repository}/resolve/main/{path}"
_HUB_PATH = "model.safetensors"
"""What timm looks for first in a repository of the Hub."""
_LICENSES = {
    "apache-2.0": "Apache-2.0",
    "mit": "MIT",
    "bsd-3-clause": "BSD-3-Clause",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc-by-4.0": "CC-BY-4.0",
    "apple-ascl": "LicenseRef-apple-ascl",
    "apple-amlr": "LicenseRef-apple-amlr",
    "dinov3-license": "LicenseRef-dinov3",
    "cvnets-license": "LicenseRef-cvnets",
    "fastvit-license": "LicenseRef-fastvit",
    "mobileone-license": "LicenseRef-mobileone",
    "sapiens2-license": "LicenseRef-sapiens2",
    "seer-license": "LicenseRef-seer",
    "nvidia-open-model-license": "LicenseRef-nvidia-open-model",
    "fair-noncommercial-research-license": "LicenseRef-fair-noncommercial-research",
    "qwen-community-1.0": "LicenseRef-qwen-community-1.0",
    "gemma": "LicenseRef-gemma",
}
"""timm's words -> SPDX identifiers, or references of ours for licenses that SPDX does not list."""
_DATASETS = {
    "in1k": "imagenet1k",
    "in12k": "imagenet12k",
    "in21k": "imagenet21k",
    "in22k": "imagenet22k",
    "inw21k": "imagenet21k-winter",
    "inat21": "inaturalist2021",
    "jft": "jft300m",
    "ig1b": "instagram1b",
    "swag": "instagram3.6b",
    "wsl": "instagram940m",
    "swsl": "instagram940m",
    "ssl": "yfcc100m",
    "yfcc100m": "yfcc100m",
    "yfcc15m": "yfcc15m",
    "cc12m": "cc12m",
    "openai": "openai-wit400m",
    "laion400m": "laion400m",
    "laion2b": "laion2b",
    "laiona": "laion-aesthetic",
    "datacomp1b": "datacomp1b",
    "datacompxl": "datacompxl",
    "dfn2b": "dfn2b",
    "dfn5b": "dfn5b",
    "dfndr2b": "dfndr2b",
    "webli": "webli",
    "lvd142m": "lvd142m",
    "lvd1689m": "lvd1689m",
    "sat493m": "sat493m",
    "sa1b": "sa1b",
    "m30m": "merged30m",
    "m38m": "merged38m",
    "merged2b": "merged2b",
    "bamboo": "bamboo",
}
"""Parts of tags -> data sets. A tag names them in the order of training."""


def list_names() -> list[str]:
    """Names of all architectures of timm that have pretrained weights."""
    return [PREFIX + name for name in _tags()]


def aliases() -> dict[str, str]:
    """Names that timm has given up -> the specs that replace them."""
    from timm.models._registry import _deprecated_models

    found = {}
    for old, new in _deprecated_models.items():
        name, _, tag = str(new or "").partition(".")
        if not is_model(name):
            continue
        spec = PREFIX + name
        if tag:
            spec = f"{spec}:{tag}"
        found[old] = spec
    return found


def describe(name: str, facts: Facts) -> Architecture:  # noqa: ARG001 - all sources are asked alike
    """Describe one architecture.

    Figures that are computed from the built model are left at zero.
    """
    plain = name.removeprefix(PREFIX)
    tags = _tags()[plain]
    default_tag = get_pretrained_cfg(plain).tag
    weights = {tag: _weights(plain, tag) for tag in tags}
    default = weights[default_tag]
    paper = _paper(plain)
    module = model_entrypoint(plain).__module__
    return Architecture(
        name=name,
        title=plain,
        family=module.rpartition(".")[2],
        task="classification" if default.num_classes else "features",
        year=paper.year if paper else None,
        paper=paper,
        provider="timm",
        entry_point=f"{module}.{plain}",
        input_size=default.input_size,
        preprocessing=default.preprocessing,
        num_classes=default.num_classes,
        parameters=0,
        multiply_adds=None,
        activations=None,
        auxiliary_parameters=0,
        counted="one image; heads as the weights have them",
        published=(),
        weights=weights,
        default_weights=default_tag,
    )


@cache
def _tags() -> dict[str, list[str]]:
    """Tags of the weights of each architecture."""
    tags: dict[str, list[str]] = {}
    for spec in list_pretrained():
        name, _, tag = spec.partition(".")
        tags.setdefault(name, []).append(tag)
    return tags


def _weights(
    name: str,
    tag: str,
) -> Weights:
    cfg = get_pretrained_cfg(f"{name}.{tag}")
    input_size = tuple(cfg.input_size)
    dataset, pretraining = datasets_of(tag)
    published = tuple(_published(f"{name}.{tag}", input_size))
    if dataset is None and cfg.num_classes == 1000 and published:
        dataset = "imagenet1k"  # its classes are ImageNet's, or timm could not have measured it
    has_imagenet_classes = cfg.num_classes == 1000 and dataset == "imagenet1k"
    license = _LICENSES.get(cfg.license or "")
    return Weights(
        tag=tag,
        dataset=dataset,
        files=(_file(f"{name}.{tag}", cfg),),
        input_size=input_size,
        preprocessing=_preprocessing(cfg),
        parameters=0,
        num_classes=cfg.num_classes,
        license=license,
        license_source=f"timm {timm.__version__}, pretrained_cfg" if license else None,
        recipe_url=cfg.origin_url,
        category_set="imagenet1k" if has_imagenet_classes else None,
        published=published,
        pretraining=pretraining,
        paper_ids=_paper_ids(cfg.paper_ids),
        same_as=_torchvision_twin(cfg.url),
        note=_note(cfg),
    )


def datasets_of(tag: str) -> tuple[str | None, str | None]:
    """Read the data set, and what came before it, from a tag; ``None`` where it does not say.

    >>> datasets_of("fb_in22k_ft_in1k"), datasets_of("a1_in1k"), datasets_of("mim")
    (('imagenet1k', 'imagenet22k'), ('imagenet1k', None), (None, None))
    """
    named: list[str] = []
    for part in tag.split("_"):
        dataset = _DATASETS.get(part)
        if dataset is None:
            continue
        if dataset in named:
            named.remove(dataset)
        named.append(dataset)

    if not named:
        return None, None
    *before, last = named
    return last, ", ".join(before) or None


def _file(
    spec: str,
    cfg: Any,
) -> WeightsFile:
    """Describe the file that timm loads: on the Hub where it has one, else at its own address."""
    addresses = [url for url in (cfg.url,) if url and url.startswith("https://")]
    if not cfg.hf_hub_id:
        file_name = cfg.url.rpartition("/")[2]
        prefix = re.search(r"-([0-9a-f]{8,})\.pth$", file_name)
        return WeightsFile(
            file_name=file_name,
            url=cfg.url,
            size_bytes=None,
            sha256_prefix=prefix[1] if prefix else None,
        )

    repository = f"timm/{spec}" if cfg.hf_hub_id == "timm/" else cfg.hf_hub_id
    return WeightsFile(
        file_name=f"{spec}.safetensors",
        url=_HUB_URL.format(repository=repository, path=_HUB_PATH),
        size_bytes=None,
        hub=HubFile(repository, _HUB_PATH),
        alternates=tuple(addresses),
    )


def _preprocessing(cfg: Any) -> Preprocessing:
    """Say what ``timm.data.create_transform`` does for evaluation with this configuration."""
    height, width = cfg.input_size[1:]
    resized_height = floor(height / cfg.crop_pct)
    resized_width = floor(width / cfg.crop_pct)
    resized = (resized_height, resized_width)
    is_square = height == width
    # Only for a square crop is the shorter side resized; else both ratios of the sides count.
    is_shorter_side = cfg.crop_mode == "center" and is_square
    crop_mode: Any = cfg.crop_mode
    if crop_mode == "center" and not is_square:
        crop_mode = "keep-ratio"

    return Preprocessing(
        mean=tuple(cfg.mean),
        std=tuple(cfg.std),
        resize_size=resized[:1] if is_shorter_side else resized,
        crop_size=(height, width),
        interpolation=cfg.interpolation,
        crop_mode=crop_mode,
    )


def _note(cfg: Any) -> str | None:
    notes = cfg.notes
    if not notes:
        return None
    if isinstance(notes, tuple | list):
        return "; ".join(notes)
    return str(notes)


def _paper_ids(given: Any) -> tuple[str, ...]:
    if not given:
        return ()
    if isinstance(given, tuple | list):
        return tuple(given)
    return (str(given),)


@cache
def _torchvision_files() -> dict[str, str]:
    """Spec of each weights file of torchvision's classifiers, by file name."""
    from torchvision import models

    found = {}
    for name in models.list_models(module=models):
        for member in models.get_model_weights(name):
            _, _, file_name = member.url.rpartition("/")
            found[file_name] = f"{name}:{member.name.lower()}"
    return found


def _torchvision_twin(url: str | None) -> str | None:
    """Find the weights of torchvision whose very file an address names."""
    if url is None or "download.pytorch.org/models/" not in url:
        return None
    _, _, file_name = url.rpartition("/")
    return _torchvision_files().get(file_name)


# --- published errors -----------------------------------------------------------------------------


@cache
def _results() -> dict[str, list[dict[str, str]]]:
    """Lines of timm's tables, by weights."""
    found: dict[str, list[dict[str, str]]] = {}
    path = _FACTS / "results.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        next(stream)  # where they come from
        for row in csv.DictReader(stream):
            weights = row["weights"]
            rows = found.setdefault(weights, [])
            rows.append(row)
    return found


def _published(
    spec: str,
    input_size: tuple[int, ...],
) -> Iterator[WeightsError]:
    """Give what timm's tables say of some weights, at their own input size first."""
    own_size = input_size[1]
    rows = _results().get(spec, [])
    at_own_size = [row for row in rows if int(row["image_size"]) == own_size]
    at_others = [row for row in rows if int(row["image_size"]) != own_size]

    for row in at_own_size + at_others:
        size = int(row["image_size"])
        for test_set in get_args(TestSet):
            top1 = row[f"{test_set}_top1"]
            top5 = row[f"{test_set}_top5"]
            if not top1:
                continue
            yield WeightsError(
                source=_RESULTS,
                top1_error_percent=float(top1),
                top5_error_percent=float(top5),
                test_set=test_set,
                input_size=None if size == own_size else (3, size, size),
            )


# --- papers ---------------------------------------------------------------------------------------


@cache
def _papers() -> dict[str, Any]:
    text = (_FACTS / "papers.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


@cache
def _module_source(module: str) -> str:
    return inspect.getsource(sys.modules[module])


def _paper(name: str) -> Paper | None:
    """Find the paper of an architecture, if timm's own source of it names that paper too."""
    papers = _papers()
    arxiv = papers["architectures"].get(name)
    if arxiv is None:
        return None

    module = model_entrypoint(name).__module__
    if arxiv not in _module_source(module):
        return None

    facts = papers["papers"][arxiv]
    return Paper(title=facts["title"], year=facts["year"], arxiv=arxiv)


def categories() -> dict[str, tuple[str, ...]]:
    """Names of classes that no other source has: none."""
    return {}


# --- figures --------------------------------------------------------------------------------------


def versions() -> dict[str, str]:
    """Name the versions that figures depend on."""
    import torch

    release, _, _ = torch.__version__.partition("+")
    return {"timm": timm.__version__, "torch": release}


def state_bytes(
    architecture: Architecture,
    weights: Weights,
) -> int:
    """Add up what the tensors of a network take; its file is about as long."""
    from zoo.inspector import live

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # timm speaks of its own deprecations
        return live.state_bytes(architecture, weights)


def trace(
    architecture: Architecture,
    weights: Weights,
) -> Any:
    """Count one set of weights: its network, with its classes and its input."""
    from zoo.inspector import live

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # timm speaks of its own deprecations
        return live.trace(architecture, weights)
