"""Preprocessing equals torchvision's own for every set of classification weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from PIL import Image

import zoo
from zoo.catalog.records import Preprocessing
from zoo.catalog.registry import load_registry
from zoo.errors import ShapeError
from zoo.images.preprocess import Transform


def weights_with_different_transforms() -> list[tuple[str, str]]:
    """Name one set of weights for each pair of our record and torchvision's transform."""
    found: dict[Any, tuple[str, str]] = {}
    for name, architecture in load_registry().architectures.items():
        if architecture.provider == "torchvision" and architecture.task == "classification":
            for tag, record in architecture.weights.items():
                theirs = repr(torchvision.models.get_model_weights(name)[tag.upper()].transforms())
                found.setdefault((record.preprocessing, theirs), (name, tag))
    return list(found.values())


@pytest.fixture(scope="module")
def image() -> Image.Image:
    """Noise, larger than the smaller crops and smaller than the larger ones."""
    values = torch.randint(
        0, 256, (333, 471, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    return Image.fromarray(values.numpy())


@pytest.mark.parametrize(("name", "tag"), weights_with_different_transforms())
def test_transform_equals_torchvisions(name: str, tag: str, image: Image.Image) -> None:
    """The record alone is enough to prepare an image exactly as torchvision does."""
    theirs: Any = torchvision.models.get_model_weights(name)[tag.upper()].transforms()
    assert torch.equal(zoo.transform(name, tag)(image), theirs(image))


@pytest.mark.parametrize("size", [(9, 5), (7, 40), (50, 8), (50, 33)])
def test_center_of_a_small_image_is_torchvisions(size: tuple[int, int], image: Image.Image) -> None:
    """Black surrounds what is lower or narrower than the crop, by half a pixel to the same side."""
    whole = Preprocessing(mean=(0, 0, 0), std=(1, 1, 1), resize_size=None, crop_size=(20, 31))
    small = image.resize(size)
    theirs = torchvision.transforms.CenterCrop((20, 31))(small)
    expected = torchvision.transforms.functional.to_tensor(theirs)
    assert torch.equal(Transform(whole, 3)(small), expected)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_images_of_every_mode_become_three_channels(mode: str, image: Image.Image) -> None:
    """Grey, palette, transparent and print images are turned into red, green and blue."""
    assert zoo.transform("resnet18")(image.convert(mode)).shape == (3, 224, 224)


def test_grey_network_gets_one_channel(image: Image.Image) -> None:
    """LeNet-5 reads grey images of 32 by 32."""
    assert zoo.transform("lenet5")(image).shape == (1, 32, 32)


def test_uint8_tensor_and_image_give_nearly_the_same(image: Image.Image) -> None:
    """Their antialiased resizes round differently, by less than two grey levels."""
    tensor = torchvision.transforms.functional.pil_to_tensor(image)
    transform = zoo.transform("resnet18")
    largest = (transform(tensor) - transform(image)).abs().max()
    assert largest < 2 / 255 / 0.224


def test_detectors_use_torchvisions_own_transform() -> None:
    """Tasks with other outputs than one class have transforms of their own."""
    assert type(zoo.transform("fasterrcnn_resnet50_fpn")).__name__ == "ObjectDetection"


@pytest.mark.parametrize("shape", [(1, 300, 300), (300, 300), (2, 1, 300, 300)])
def test_channels_that_the_record_does_not_have_are_refused(shape: tuple[int, ...]) -> None:
    """Not spread over three."""
    preprocess = zoo.transform("resnet18")
    with pytest.raises(ShapeError, match="expected pixels of 3 channels"):
        preprocess.values(torch.zeros(shape))


def test_pixels_that_are_true_or_false_are_white_or_black() -> None:
    """As torchvision's conversion makes them."""
    preprocess = zoo.transform("resnet18")
    wanted = preprocess.values(torch.ones(3, 4, 4))
    assert torch.equal(preprocess.values(torch.ones(3, 4, 4, dtype=torch.bool)), wanted)
