"""From the values that a file holds to red, green and blue (or grey) of 8 bits.

Each mode goes by a stated rule; "by extent": by the least and the greatest value that are there.

================  ==============================================================
values            rule
================  ==============================================================
16 bits           65,535 becomes 255
32 bits, whole    by extent: up to 255 as they are, up to 65,535 like 16 bits,
                  else from least to greatest
with a fraction   by extent: 0 to 1 becomes 0 to 255, 0 to 255 stays, else from
                  least to greatest; NaN becomes the least
Lab               converted to sRGB
palette           looked up
alpha             laid on a background where one is named, else dropped; noted
                  where something is transparent
================  ==============================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image, ImageColor

from zoo.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Color = tuple[int, int, int]
Noted = tuple[Image.Image, str | None]
"""An image, and what was done to it where something of it is lost."""
_WITH_ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")
_BYTE = 255.0
_TWO_BYTES = 65_535.0


def to_eight_bits(image: Image.Image) -> Noted:
    """Bring an image's values to 8 bits."""
    mode = image.mode
    if mode.startswith("I;16"):
        values = _values(image)
        scaled = _scaled(values, 0.0, _TWO_BYTES)
        return scaled, "16 bits a pixel scaled to 8"

    if mode == "I":
        return _by_extent(image, "32 bits a pixel")
    if mode == "F":
        return _by_extent(image, "values with a fraction")

    if mode == "LAB":
        converted = _from_lab(image)
        return converted, "Lab colors converted to sRGB"

    return image, None


def without_alpha(
    image: Image.Image,
    background: Color | None,
) -> Noted:
    """Lay a transparent image on a background, or drop its transparency."""
    has_alpha = image.mode in _WITH_ALPHA
    has_transparent_color = "transparency" in image.info
    if not has_alpha and not has_transparent_color:
        return image, None

    layered = image.convert("RGBA")
    alpha = layered.getchannel("A")
    lowest, _ = alpha.getextrema()
    if lowest == 255:
        return layered.convert("RGB"), None

    if background is None:
        note = "transparency dropped; --background white lays it on white"
        dropped = layered.convert("RGB")
        return dropped, note

    color = (*background, 255)
    ground = Image.new("RGBA", layered.size, color)
    laid = Image.alpha_composite(ground, layered)
    opaque = laid.convert("RGB")
    return opaque, "laid on the background"


def read_color(name: str) -> Color:
    """Read a color as Pillow names them: ``white``, ``#808080``.

    Raises:
        UsageError: It is none.
    """
    try:
        values = ImageColor.getrgb(name)
    except ValueError as error:
        got = f"{name!r:.40}"
        expected = "--background takes a name such as white, or #rrggbb"
        raise UsageError(f"{expected}, got {got}") from error

    red, green, blue = values[:3]
    return red, green, blue


def _by_extent(
    image: Image.Image,
    kind: str,
) -> Noted:
    """Choose the range of values by the least and the greatest that are there."""
    values = _values(image)
    low, high = _extent(values)
    is_positive = low >= 0
    is_fraction = image.mode == "F"

    if is_positive and is_fraction and high <= 1:
        first, last = 0.0, 1.0
    elif is_positive and high <= _BYTE:
        first, last = 0.0, _BYTE
    elif is_positive and high <= _TWO_BYTES:
        first, last = 0.0, _TWO_BYTES
    else:
        first, last = low, high

    scaled = _scaled(values, first, last)
    black = f"{first:g}"
    white = f"{last:g}"
    return scaled, f"{kind}, {black} to {white} scaled to 8 bits"


def _values(image: Image.Image) -> Array:
    """Read the values of an image without losing any."""
    import numpy as np

    return np.asarray(image, dtype=np.float64)


def _extent(values: Array) -> tuple[float, float]:
    """Find the least and the greatest value that are numbers."""
    import numpy as np

    is_finite = np.isfinite(values)
    finite = values[is_finite]
    if not finite.size:
        return 0.0, 0.0

    low = float(finite.min())
    high = float(finite.max())
    return low, high


def _scaled(
    values: Array,
    first: float,
    last: float,
) -> Image.Image:
    """Map ``first`` to black and ``last`` to white, cutting off what is outside.

    Pillow's own conversion cuts everything above 255 to white.
    """
    import numpy as np

    numbers = np.nan_to_num(values, nan=first)
    span = last - first
    if span == 0:
        span = 1.0

    above_black = numbers - first
    scaled = above_black * (255 / span)
    cut = np.clip(scaled, 0, 255)
    as_bytes = cut.astype(np.uint8)
    return Image.fromarray(as_bytes)


def _from_lab(image: Image.Image) -> Image.Image:
    """Convert colors of the CIE Lab space, which Pillow's plain conversion does not know."""
    from PIL import ImageCms

    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    made = ImageCms.profileToProfile(
        image,
        inputProfile=lab,
        outputProfile=srgb,
        outputMode="RGB",
    )
    if made is None:
        raise ValueError("its Lab colors cannot be converted")
    return made
