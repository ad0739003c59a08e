"""From an image to a network's input, as the record of its weights says.

Pillow and torch do it as torchvision's functions would. torchvision itself, whose import takes as
long as torch's, is needed only for tensors, and for networks that are no classifiers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from zoo.catalog.records import Preprocessing
from zoo.catalog.resolver import find_weights, resolve_loosely
from zoo.errors import OptionError, ShapeError, UsageError
from zoo.images.given import open_given

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.catalog.records import Architecture
    from zoo.images.given import Given

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
            return self._tensor_pixels(image)

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

        Raises:
            ShapeError: A plane alone, or one channel in the place of three.
        """
        values = pixels.to(torch.float32)
        kind = pixels.dtype
        is_scaled = kind.is_floating_point or kind == torch.bool
        if not is_scaled:
            limits = torch.iinfo(kind)
            largest = limits.max
            values = values / largest

        wanted = self.preprocessing
        mean = values.new_tensor(wanted.mean)
        std = values.new_tensor(wanted.std)
        mean_of_plane = mean.view(-1, 1, 1)
        std_of_plane = std.view(-1, 1, 1)
        centered = values - mean_of_plane
        is_spread = centered.shape != values.shape
        if is_spread:
            shape = tuple(pixels.shape)
            channels = len(mean)
            fault = f"expected pixels of {channels} channels, got shape {shape}"
            raise ShapeError(fault)
        return centered / std_of_plane

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

    def _tensor_pixels(self, image: Tensor) -> Tensor:
        """Resize and crop a tensor of shape ``(..., C, H, W)``."""
        from torchvision.transforms import InterpolationMode, functional

        wanted = self.preprocessing
        height, width = image.shape[-2:]
        is_resized = bool(wanted.resize_size)
        if is_resized:
            size = self._resize_arguments(height, width)
            interpolation = InterpolationMode(wanted.interpolation)
            image = functional.resize(
                image,
                size,
                interpolation=interpolation,
                antialias=True,
            )
        if not wanted.crop_size:
            return image

        height, width = image.shape[-2:]
        sides = self._sides_to_pad(height, width)
        if any(sides):
            color = self._mean_bytes()
            image = _pad_tensor(image, sides, color)
        crop = list(wanted.crop_size)
        cropped: Tensor = functional.center_crop(image, crop)
        return cropped

    def _resize(self, image: Image.Image) -> Image.Image:
        """Resize an image whole, where the record says to."""
        wanted = self.preprocessing
        if not wanted.resize_size:
            return image

        height, width = self._resized_size(image)
        size = (width, height)
        resample = _PILLOW_FILTERS[wanted.interpolation]
        return image.resize(size, resample)

    def _crop(self, image: Image.Image) -> Image.Image:
        """Take the center of an image, where the record says to; black is what it lacks."""
        crop = self.preprocessing.crop_size
        if not crop:
            return image

        sides = self._sides_to_pad(image.height, image.width)
        is_padded = any(sides)
        if is_padded:
            color = self._mean_bytes()
            fill = tuple(color[: self.channels])
            image = ImageOps.expand(image, sides, fill)

        height, width = crop
        top = _margin(image.height, height)
        left = _margin(image.width, width)
        right = left + width
        bottom = top + height
        box = (left, top, right, bottom)
        return image.crop(box)

    def _resize_arguments(
        self,
        height: int,
        width: int,
    ) -> list[int]:
        """Give what torchvision's resize takes: the shorter side, or height and width.

        The modes ``border`` and ``keep-ratio`` scale both sides by one ratio, as timm's
        ResizeKeepRatio does.
        """
        wanted = self.preprocessing
        size = list(wanted.resize_size or ())
        if wanted.crop_mode in {"center", "squash"}:
            return size

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

    def _sides_to_pad(
        self,
        height: int,
        width: int,
    ) -> tuple[int, int, int, int]:
        """Tell how much the mode ``border`` adds left, above, right and below in the mean color."""
        no_size = (0, 0)
        crop_height, crop_width = self.preprocessing.crop_size or no_size
        is_padded = self.preprocessing.crop_mode == "border"
        if not is_padded:
            return 0, 0, 0, 0

        down = max(0, crop_height - height)
        across = max(0, crop_width - width)
        return (
            across // 2,
            down // 2,
            (across + 1) // 2,
            (down + 1) // 2,
        )

    def _mean_bytes(self) -> list[int]:
        """Give the mean color in values from 0 to 255."""
        mean = self.preprocessing.mean
        scaled = [255 * value for value in mean]
        rounded = map(round, scaled)
        return list(rounded)

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

        top = _margin(height, crop_height)
        left = _margin(width, crop_width)
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
        height = image.height
        width = image.width
        resize = self._resize_arguments(height, width)
        if len(resize) == 2:
            height, width = resize
            return height, width

        short = resize[0]
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
    values = np.array(image)
    rows = torch.from_numpy(values)
    is_grey = rows.dim() == 2
    if is_grey:
        return rows.unsqueeze(0)
    return rows.permute(2, 0, 1)


def _margin(
    whole: int,
    part: int,
) -> int:
    """Tell where the middle of a side begins; before the side, where it is the shorter one.

    >>> _margin(9, 4), _margin(4, 9)
    (2, -2)
    """
    if whole < part:
        lack = part - whole
        return -(lack // 2)
    beyond = whole - part
    return round(beyond / 2)


def _pad_tensor(
    image: Tensor,
    sides: tuple[int, int, int, int],
    color: list[int],
) -> Tensor:
    """Pad each channel of ``(..., C, H, W)`` with its own value, as torchvision cannot."""
    left, top, right, bottom = sides
    torchs_sides = (left, right, top, bottom)
    padded: list[Tensor] = []
    channels = image.shape[-3]
    for channel, byte in enumerate(color[:channels]):
        value: float = byte
        is_scaled = image.dtype != torch.uint8
        if is_scaled:
            value = byte / 255

        plane = image[..., [channel], :, :]  # (..., 1, H, W)
        wide_plane = nn.functional.pad(plane, torchs_sides, value=value)
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
    from torchvision.models import get_model_weights

    entries = get_model_weights(name)
    member = tag.upper()
    entry = entries[member]
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
