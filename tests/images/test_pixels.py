"""Values of every kind become red, green and blue of 8 bits by a stated rule (B16, B17)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.errors import UsageError
from zoo.images.files import OpenImage, decode_image


def opened(image: Image.Image, form: str = "TIFF", background: str | None = None) -> OpenImage:
    """Write an image and open it again."""
    stream = io.BytesIO()
    image.save(stream, form)
    stream.seek(0)
    return decode_image(stream, "image", background)


FLOATS: dict[str, tuple[list[float], list[int]]] = {
    "0 to 1": ([0.0, 0.5, 1.0], [0, 127, 255]),
    "0 to 255": ([0.0, 100.0, 255.0], [0, 100, 255]),
    "0 to 65,535": ([0.0, 32767.5, 65535.0], [0, 127, 255]),
    "below zero": ([-1.0, 0.0, 1.0], [0, 127, 255]),
    "with NaN": ([float("nan"), 0.5, 1.0], [0, 127, 255]),
}


@pytest.mark.parametrize("kind", FLOATS)
def test_b16_values_with_a_fraction_are_scaled_by_their_extent(kind: str) -> None:
    """B16: 0 to 1 is no black image; what was done is said."""
    values, expected = FLOATS[kind]
    got = opened(Image.fromarray(np.array([values], dtype=np.float32)))
    assert [got.image.getpixel((x, 0)) for x in range(3)] == expected
    assert "scaled to 8 bits" in (got.note or "")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 100, 255], [0, 100, 255]),
        ([0, 32768, 65535], [0, 127, 255]),
        ([-10, 0, 10], [0, 127, 255]),
    ],
)
def test_b16_whole_numbers_of_32_bits_likewise(values: list[int], expected: list[int]) -> None:
    """By the least and the greatest that are there."""
    got = opened(Image.fromarray(np.array([values], dtype=np.int32)))
    assert [got.image.getpixel((x, 0)) for x in range(3)] == expected


def test_b16_lab_colors_are_converted() -> None:
    """Pillow's plain conversion does not know them."""
    got = opened(Image.new("LAB", (2, 2), (255, 128, 128)))
    pixel: Any = got.image.convert("RGB").getpixel((0, 0))
    assert min(pixel) > 245
    assert "Lab" in (got.note or "")


def ink_in_alpha() -> Image.Image:
    """Draw black ink on a transparent ground, as drawing programs save it."""
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.putpixel((1, 1), (0, 0, 0, 255))
    return image


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_b17_transparency_is_noted_or_laid_on_a_background(mode: str) -> None:
    """B17: as torchvision's loader sees it, with a note; or as people see it."""
    image = ink_in_alpha() if mode == "RGBA" else ink_in_alpha().convert("LA")
    if mode == "P":  # one entry of the palette is transparent, as in a GIF
        image = Image.new("P", (4, 4), 0)
        image.putpalette([0, 0, 0, 0, 0, 0])
        image.putpixel((1, 1), 1)
        image.info["transparency"] = 0
    form = "PNG"
    plain = opened(image, form)
    assert "--background" in (plain.note or "")
    white = opened(image, form, "white")
    corner: Any = white.image.convert("RGB").getpixel((0, 0))
    ink: Any = white.image.convert("RGB").getpixel((1, 1))
    assert (corner, ink) == ((255, 255, 255), (0, 0, 0))
    assert white.note == "laid on the background"


def test_b17_an_opaque_alpha_channel_is_nothing_to_note() -> None:
    """Nothing is lost."""
    got = opened(Image.new("RGBA", (2, 2), (10, 20, 30, 255)), "PNG")
    assert got.note is None
    assert got.image.getpixel((0, 0)) == (10, 20, 30)


def test_b17_a_background_that_is_no_color_is_named() -> None:
    """Before anything is painted."""
    with pytest.raises(UsageError, match="--background takes a name such as white"):
        opened(ink_in_alpha(), "PNG", "whiteish")
