"""From an image to a network's input, as the record of its weights says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms import InterpolationMode, functional

from zoo.catalog.records import Preprocessing
from zoo.catalog.resolver import find_weights, resolve_loosely
from zoo.errors import OptionError, UsageError
from zoo.images.given import open_given

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.catalog.records import Architecture
    from zoo.images.given import Given

Raster = TypeVar("Raster", Image.Image, Tensor)
"""What torchvision's functions take and give back."""
MOST_RESIZED_PIXELS = 16 << 20
"""Larger resized images are never made whole."""
_PILLOW_FILTERS = {"nearest": 0, "bilinear": 2, "bicubic": 3}
_CLASSIFIERS = frozenset({"classification", "quantized-classification"})


class Transform(nn.Module):
    """Prepare images for a classifier: resize, center crop, scale to 0..1, normalize.

    Args:
        preprocessing: The record.
        channels: 1 turns images grey, 3 makes them red, green and blue.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        channels: int,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.preprocessing = preprocessing

    def forward(self, image: Given) -> Tensor:
        """Turn one image, or a batch of tensors, into input.

        Args:
            image: A PIL image of any mode, or a uint8 or 0..1 float tensor of shape ``(..., C, H,
                W)``; a path, URL, array, bytes or open file is opened first.

        Returns:
            Shape ``(..., channels, crop height, crop width)``, float32.
        """
        pixels = self.pixels(image)
        return self.values(pixels)

    def pixels(self, image: Given) -> Tensor:
        """Resize and crop an image; of a PIL image the bytes, a quarter of the input's memory.

        No operation of torch takes part for a PIL image, so that threads can do this side by side.
        """
        if isinstance(image, Tensor):
            resized = self._resize(image)
            return self._crop(resized)

        if not isinstance(image, Image.Image):
            image = open_given(image).image

        converted = image.convert(color_mode(self.channels))
        cropped = self._resized_crop(converted)
        if cropped is None:
            whole = self._resize(converted)
            cropped = self._crop(whole)
        return pil_pixels(cropped)

    def values(self, pixels: Tensor) -> Tensor:
        """Scale what :meth:`pixels` made to 0..1, then normalize.

        Takes one image or a batch, on any device.
        """
        mean = list(self.preprocessing.mean)
        std = list(self.preprocessing.std)
        values = functional.convert_image_dtype(pixels, torch.float32)
        normalized: Tensor = functional.normalize(values, mean, std)
        return normalized

    def example(self, batch: int) -> Tensor:
        """Make an input of the usual shape.

        Raises:
            UsageError: The record leaves the size of images open.
        """
        wanted = self.preprocessing
        size = wanted.crop_size or wanted.resize_size
        if not size:
            raise UsageError("its inputs have no fixed size, which only the engine eager takes")

        height = size[0]
        width = size[-1]
        return torch.zeros(batch, self.channels, height, width)

    def _resize(self, image: Raster) -> Raster:
        """Resize an image whole, where the record says to."""
        if not self.preprocessing.resize_size:
            return image

        resized: Raster = functional.resize(
            image,
            self._resize_arguments(image),
            interpolation=InterpolationMode(self.preprocessing.interpolation),
            antialias=True,
        )
        return resized

    def _crop(self, image: Raster) -> Raster:
        """Take the center of an image, where the record says to."""
        crop = self.preprocessing.crop_size
        if not crop:
            return image

        if self.preprocessing.crop_mode == "border":
            image = self._pad(image)
        cropped: Raster = functional.center_crop(image, list(crop))
        return cropped

    def _resize_arguments(self, image: Raster) -> list[int]:
        """Give what torchvision's resize takes: the shorter side, or height and width.

        The modes ``border`` and ``keep-ratio`` scale both sides by one ratio, as timm's
        ResizeKeepRatio does.
        """
        wanted = self.preprocessing
        size = list(wanted.resize_size or ())
        if wanted.crop_mode in {"center", "squash"}:
            return size

        _, height, width = functional.get_dimensions(image)
        ratio_down = height / size[0]
        ratio_across = width / size[-1]
        if wanted.crop_mode == "border":
            ratio = max(ratio_down, ratio_across)
        else:
            ratio = min(ratio_down, ratio_across)

        return [
            round(height / ratio),
            round(width / ratio),
        ]

    def _pad(self, image: Raster) -> Raster:
        """Surround an image that is smaller than the crop with the mean color."""
        no_size = (0, 0)
        crop_height, crop_width = self.preprocessing.crop_size or no_size
        channels, height, width = functional.get_dimensions(image)
        down = max(0, crop_height - height)
        across = max(0, crop_width - width)
        is_large_enough = not across and not down
        if is_large_enough:
            return image

        sides = [
            across // 2,
            down // 2,
            (across + 1) // 2,
            (down + 1) // 2,
        ]
        color = self._mean_bytes()
        fill = color[:channels]
        if isinstance(image, Tensor):
            return _pad_tensor(image, sides, fill)

        padded: Image.Image = functional.pad(image, sides, fill=fill)
        return padded

    def _mean_bytes(self) -> list[int]:
        """Give the mean color in values from 0 to 255."""
        mean = self.preprocessing.mean
        scaled = [255 * value for value in mean]
        return list(map(round, scaled))

    def _resized_crop(self, image: Image.Image) -> Image.Image | None:
        """Make only that part of a resized image which the center crop keeps.

        Pillow computes each pixel from the same neighbours either way. It is done for images that
        resizing would make very large: a strip of 1x60,000 would become 256x15,360,000. ``None``
        for all others.
        """
        wanted = self.preprocessing
        crop = wanted.crop_size
        if not wanted.resize_size or not crop:
            return None
        if wanted.crop_mode == "border":
            return None

        height, width = self._resized_size(image)
        crop_height, crop_width = crop
        pixels = height * width
        if pixels <= MOST_RESIZED_PIXELS:
            return None
        is_too_low = height < crop_height
        is_too_narrow = width < crop_width
        if is_too_low or is_too_narrow:
            return None

        rows_beyond = height - crop_height
        columns_beyond = width - crop_width
        top = round(rows_beyond / 2)
        left = round(columns_beyond / 2)
        bottom = top + crop_height
        right = left + crop_width

        # Pixels of the image for each pixel of the resized one.
        down = image.height / height
        across = image.width / width
        box = (
            left * across,
            top * down,
            right * across,
            bottom * down,
        )
        size = (crop_width, crop_height)
        resample = _PILLOW_FILTERS[wanted.interpolation]
        return image.resize(size, resample, box=box)

    def _resized_size(self, image: Image.Image) -> tuple[int, int]:
        """Work out height and width after resizing, as torchvision does."""
        resize = self._resize_arguments(image)
        if len(resize) == 2:
            height, width = resize
            return height, width

        short = resize[0]
        height = image.height
        width = image.width
        if height > width:
            long = int(short * height / width)
            return long, short

        long = int(short * width / height)
        return short, long

    def extra_repr(self) -> str:
        """Show the record when printed."""
        return f"{self.preprocessing}, channels={self.channels}"


def color_mode(channels: int) -> str:
    """Name Pillow's mode for images of one channel or of three."""
    if channels == 1:
        return "L"
    return "RGB"


def pil_pixels(image: Image.Image) -> Tensor:
    """Take the bytes of a PIL image, shape ``(C, H, W)``."""
    pixels: Tensor = functional.pil_to_tensor(image)
    return pixels


def _pad_tensor(
    image: Tensor,
    sides: list[int],
    fill: list[int],
) -> Tensor:
    """Pad each channel of ``(..., C, H, W)`` with its own value, as torchvision cannot."""
    padded: list[Tensor] = []
    for channel, byte in enumerate(fill):
        value: float = byte
        if image.dtype != torch.uint8:
            value = byte / 255

        plane = image[..., [channel], :, :]  # (..., 1, H, W)
        wide_plane = functional.pad(plane, sides, fill=value)
        padded.append(wide_plane)

    return torch.cat(padded, dim=-3)


def _has_own_transform(architecture: Architecture) -> bool:
    """Tell networks of torchvision that are no classifiers."""
    if architecture.provider != "torchvision":
        return False
    return architecture.task not in _CLASSIFIERS


def _torchvision_transform(
    name: str,
    tag: str,
) -> Any:
    """Return what torchvision itself prepares images with, for networks that are no classifiers."""
    entries = models.get_model_weights(name)
    entry = entries[tag.upper()]
    return entry.transforms()


def plain_transform(input_size: Sequence[int]) -> Transform:
    """Return the preprocessing of a network of one's own: resized whole, values from -1 to 1.

    Args:
        input_size: ``(C, H, W)``.
    """
    channels, height, width = input_size
    halves = (0.5,) * channels
    size = (height, width)
    preprocessing = Preprocessing(
        mean=halves,
        std=halves,
        resize_size=size,
        crop_size=size,
        crop_mode="squash",
    )
    return Transform(preprocessing, channels)


def transform(
    name: str,
    weights: str = "default",
) -> Any:
    """Return the preprocessing that belongs to a model's weights.

    Args:
        name: ``"resnet18"``, or ``"resnet50:imagenet1k_v1"``.
        weights: A tag; ``"default"`` also works for a model without weights.

    Returns:
        For classifiers a :class:`Transform`; for other tasks torchvision's own transform.

    Raises:
        UnknownNameError: No such model or weights.
        OptionError: Nothing is recorded about how to prepare images for it.

    >>> import zoo
    >>> zoo.transform("resnet18")(torch.zeros(3, 300, 400, dtype=torch.uint8)).shape
    torch.Size([3, 224, 224])
    """
    architecture, record = resolve_loosely(name)
    is_named = weights != "default"
    can_be_found = is_named or architecture.weights
    if record is None and can_be_found:
        record = find_weights(architecture, weights)

    if record is not None and _has_own_transform(architecture):
        return _torchvision_transform(architecture.name, record.tag)

    described = record or architecture
    if described.preprocessing is None:
        raise OptionError(name, "transform", "its record has no preprocessing")

    channels = described.input_size[0]
    return Transform(described.preprocessing, channels)
