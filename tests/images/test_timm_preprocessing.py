"""Preprocessing for weights of timm, pixel for pixel what timm does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image

import zoo
from zoo.catalog.families import load_record
from zoo.catalog.index import load_index

if TYPE_CHECKING:
    from pathlib import Path

timm_data = pytest.importorskip("timm.data")
timm_models = pytest.importorskip("timm.models")


def one_of_each_mode() -> list[str]:
    """Find weights for every crop mode with every interpolation and both kinds of crop ratio."""
    found: dict[tuple[object, ...], str] = {}
    names = [name for name in load_index().by_name if name.startswith("timm/")]
    for name in names:
        for weights in load_record(name).weights.values():
            steps = weights.preprocessing
            assert steps is not None
            is_resized_larger = steps.resize_size != steps.crop_size
            key = (steps.crop_mode, steps.interpolation, is_resized_larger)
            found.setdefault(key, f"{name}:{weights.tag}")
    return list(found.values())


@pytest.fixture
def images(shared_data: Path) -> list[Image.Image]:
    """Real images, wide and tall, and one that is smaller than any crop."""
    paths = sorted((shared_data / "imagenet-sample").rglob("*.JPEG"))
    paths = paths or sorted((shared_data / "imagenet-sample").rglob("*.jp*g"))
    opened = [Image.open(path).convert("RGB") for path in paths[:6]]
    assert opened
    wide = next((image for image in opened if image.width > image.height), opened[0])
    tall = wide.rotate(90, expand=True)
    return [wide, tall, wide.resize((97, 53))]


@pytest.mark.parametrize("spec", one_of_each_mode())
def test_pixels_are_timms(spec: str, images: list[Image.Image]) -> None:
    """``timm.data.create_transform`` of the weights' own configuration gives the same tensor."""
    name, _, tag = spec.removeprefix("timm/").partition(":")
    cfg = timm_models.get_pretrained_cfg(f"{name}.{tag}")
    config = timm_data.resolve_data_config(pretrained_cfg=cfg.to_dict())
    theirs, ours = timm_data.create_transform(**config), zoo.transform(spec)
    for image in images:
        assert torch.equal(ours(image), theirs(image)), image.size
