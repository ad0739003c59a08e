"""From a picture to a network's input, as the record of its weights says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms import InterpolationMode, functional

from zoo.catalog.resolver import find_architecture, find_weights
from zoo.errors import OptionError

if TYPE_CHECKING:
    from PIL import Image

    from zoo.catalog.records import Preprocessing


class Transform(nn.Module):
    """Prepare pictures for a classifier: resize, cut out the middle, scale to 0..1, normalise.

    Args:
        preprocessing: The record.
        channels: 1 turns pictures grey, 3 makes them red, green and blue.
    """

    def __init__(self, preprocessing: Preprocessing, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.preprocessing = preprocessing

    def forward(self, picture: Image.Image | Tensor) -> Tensor:
        """Turn one picture, or a batch of tensors, into input.

        Args:
            picture: A PIL image of any mode, or a uint8 or 0..1 float tensor of shape ``(..., C, H, W)``.

        Returns:
            Shape ``(..., channels, crop height, crop width)``, float32.
        """
        wanted = self.preprocessing
        if not isinstance(picture, Tensor):
            picture = picture.convert("L" if self.channels == 1 else "RGB")
        if wanted.resize_size:
            mode = InterpolationMode(wanted.interpolation)
            picture = functional.resize(picture, list(wanted.resize_size), interpolation=mode, antialias=True)
        if wanted.crop_size:
            picture = functional.center_crop(picture, list(wanted.crop_size))
        values = picture if isinstance(picture, Tensor) else functional.pil_to_tensor(picture)
        values = functional.convert_image_dtype(values, torch.float32)
        normalised: Tensor = functional.normalize(values, list(wanted.mean), list(wanted.std))
        return normalised

    def extra_repr(self) -> str:
        """Show the record when printed."""
        return f"{self.preprocessing}, channels={self.channels}"


def transform(name: str, weights: str = "default") -> Any:
    """Return the preprocessing that belongs to a model's weights.

    Args:
        name: ``"resnet18"``, or ``"resnet50:imagenet1k_v1"``.
        weights: A tag; ``"default"`` also works for a model without weights.

    Returns:
        For classifiers a :class:`Transform`; for other tasks torchvision's own transform.

    Raises:
        UnknownNameError: No such model or weights.
        OptionError: Nothing is recorded about how to prepare pictures for it.

    >>> import zoo
    >>> zoo.transform("resnet18")(torch.zeros(3, 300, 400, dtype=torch.uint8)).shape
    torch.Size([3, 224, 224])
    """
    name, _, tag = name.partition(":")
    architecture = find_architecture(name)
    record = find_weights(architecture, tag or weights) if architecture.weights or weights != "default" else None
    if architecture.task not in {"classification", "quantized-classification"} and record is not None:
        return models.get_model_weights(name)[record.tag.upper()].transforms()
    preprocessing = record.preprocessing if record else architecture.preprocessing
    if preprocessing is None:
        raise OptionError(name, "transform", "its record has no preprocessing")
    return Transform(preprocessing, (record or architecture).input_size[0])
