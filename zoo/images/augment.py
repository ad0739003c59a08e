"""Random changes to images, for training.

torchvision, whose import takes as long as torch's, is imported where changes are wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from zoo.errors import OptionError
from zoo.images.given import open_given
from zoo.images.preprocess import Transform, color_mode, transform

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from zoo.catalog.records import Preprocessing
    from zoo.images.given import Given

    Augment = Callable[[Image.Image], Image.Image]


def augmentation(
    name: str,
    prepare: Transform,
) -> Augment | None:
    """Make the random changes that a recipe names, on Pillow images."""
    is_grey = prepare.channels == 1
    if name == "auto":
        name = "affine" if is_grey else "crop-flip"

    if name == "affine":
        return _affine()
    if name == "crop-flip":
        return _crop_and_flip(prepare.preprocessing)
    return None


def _affine() -> Augment:
    """Turn, shift, scale and shear a little: what a hand that writes does."""
    from torchvision.transforms import InterpolationMode, v2

    turn: Augment = v2.RandomAffine(
        degrees=12,
        translate=(0.06, 0.06),
        scale=(0.88, 1.12),
        shear=8,
        interpolation=InterpolationMode.BILINEAR,
    )
    return turn


def _crop_and_flip(preprocessing: Preprocessing) -> Augment | None:
    """Cut a part of any place and size, mirrored half the time; none without a size to cut to."""
    if not preprocessing.crop_size:
        return None
    from torchvision.transforms import InterpolationMode, v2

    cut = v2.RandomResizedCrop(
        size=list(preprocessing.crop_size),
        scale=(0.3, 1.0),
        interpolation=InterpolationMode(preprocessing.interpolation),
        antialias=True,
    )
    flip = v2.RandomHorizontalFlip()
    both: Augment = v2.Compose([cut, flip])
    return both


class TrainingTransform(nn.Module):
    """Change an image at random, then prepare it as for inference.

    Args:
        prepare: The preprocessing.
        name: Which changes, as ``zoo train --augmentation`` names them.
    """

    def __init__(
        self,
        prepare: Transform,
        name: str = "auto",
    ) -> None:
        super().__init__()
        self.prepare = prepare
        self.augment: Any = augmentation(name, prepare)

    def forward(self, image: Given) -> Tensor:
        """Turn one image into input; takes what the transform for inference takes."""
        if not isinstance(image, Tensor):
            opened = open_given(image)
            mode = color_mode(self.prepare.channels)
            image = opened.image.convert(mode)

        if self.augment is not None:
            image = self.augment(image)

        prepared: Tensor = self.prepare(image)
        return prepared


def transforms(
    name: str,
    weights: str = "default",
    *,
    is_training: bool = False,
) -> Any:
    """Return the preprocessing of a model's weights, for inference or for training.

    Args:
        name: ``"resnet18"``, or ``"resnet50:imagenet1k_v1"``.
        weights: A tag; ``"default"`` also works for a model without weights.
        is_training: Change images at random first, as ``zoo train`` does: a random crop and flip of
            colored images, a small turn and shift of grey ones.

    Returns:
        A transform from an image to an input; errors are those of :func:`zoo.transform`.

    >>> import torch, zoo
    >>> image = torch.zeros(3, 300, 400, dtype=torch.uint8)
    >>> zoo.transforms("resnet18", is_training=True)(image).shape
    torch.Size([3, 224, 224])
    """
    prepare = transform(name, weights)
    if not is_training:
        return prepare

    if not isinstance(prepare, Transform):
        model, _, _ = name.partition(":")
        fault = "images for other tasks must be changed together with their targets"
        raise OptionError(model, "is_training=True", fault)

    return TrainingTransform(prepare)
