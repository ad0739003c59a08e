"""An image however a caller of the Python API has it.

A path, an address, bytes, an open file, an array, or an image that Pillow has opened.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from zoo.errors import ImageError
from zoo.images.files import OpenImage, decode_image, open_image

if TYPE_CHECKING:
    from collections.abc import Iterable

    Array = np.ndarray[Any, Any]

Given = Any
"""A path, a URL, a PIL image, an array, bytes or an open file."""
_PATHS = (str, os.PathLike)
_BYTES = (bytes, bytearray, memoryview)
_ONE_IMAGE = (
    *_PATHS,
    *_BYTES,
    np.ndarray,
    Image.Image,
)
"""Of these, those that can be walked through are one image all the same."""
_LAYOUT = "(H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
_MODES_OF_PNG = [
    *("1", "L", "I", "I;16"),
    *("P", "LA", "RGB", "RGBA"),
]


def open_given(
    given: Given,
    *,
    background: str | None = None,
) -> OpenImage:
    """Open an image, whatever it is given as.

    Args:
        given: A path or URL; a PIL image; an array of shape (H, W) or (H, W, C), of bytes or of
            fractions from 0 to 1; the bytes of a file; or a file that is open for reading bytes.
        background: As for :func:`zoo.images.files.open_image`.

    Raises:
        ImageError: It is none of these, or is broken.
    """
    if isinstance(given, OpenImage):
        return given

    if isinstance(given, _PATHS):
        place = os.fspath(given)
        return open_image(place, background=background)

    if isinstance(given, Image.Image):
        return _reopened(given, background)

    if isinstance(given, np.ndarray):
        image = _from_array(given)
        return OpenImage(image)

    name = name_of(given)
    stream = io.BytesIO(_content(given, name))
    return decode_image(stream, name, background)


def _content(
    given: Given,
    name: str,
) -> bytes:
    """Read the bytes of a file that is open, or is given as bytes.

    Raises:
        ImageError: It is neither.
    """
    if isinstance(given, _BYTES):
        return bytes(given)

    if not hasattr(given, "read"):
        expected = "expected a path, a URL, a PIL image, an array, bytes or an open file"
        kind = type(given).__name__
        fault = f"{expected}, got {kind}"
        raise ImageError(name, fault)

    content = given.read()
    if not isinstance(content, bytes):
        fault = 'it is open as text; open it with mode "rb"'
        raise ImageError(name, fault)
    return content


def name_of(
    given: Given,
    number: int | None = None,
) -> str:
    """Name an image for results and messages.

    >>> name_of("cat.jpg"), name_of(b"GIF", 3)
    ('cat.jpg', 'image 3')
    """
    if isinstance(given, _PATHS):
        return os.fspath(given)

    for attribute in ("filename", "name"):
        name = getattr(given, attribute, None)
        if isinstance(name, str) and name:
            return name

    if number is None:
        return "image"
    return f"image {number}"


def as_list(given: Given | Iterable[Given]) -> list[Given]:
    """Make a list of one image or of many; an array is one image."""
    if isinstance(given, list | tuple):
        return list(given)

    is_one = isinstance(given, _ONE_IMAGE)
    is_file = hasattr(given, "read")
    is_iterable = hasattr(given, "__iter__")
    if is_one or is_file or not is_iterable:
        return [given]

    return list(given)


def _reopened(
    image: Image.Image,
    background: str | None,
) -> OpenImage:
    """Bring a PIL image to what opening its file would have made of it."""
    name = name_of(image)
    exif = image.getexif()
    if image.mode not in _MODES_OF_PNG:
        image = image.convert("RGB")

    stream = io.BytesIO()
    image.save(
        stream,
        format="png",
        compress_level=1,
        exif=exif,
    )
    stream.seek(0)
    return decode_image(stream, name, background)


def _from_array(array: Array) -> Image.Image:
    """Make an image of an array.

    Raises:
        ImageError: Its shape, type or values are not those of an image.
    """
    pixels = _as_bytes(_as_image_shape(array))
    contiguous = np.ascontiguousarray(pixels)
    image = Image.fromarray(contiguous)
    if image.mode == "RGBA":
        return image.convert("RGB")
    return image


def _as_image_shape(array: Array) -> Array:
    """Take off the last axis of a grey image, ``(H, W, 1)`` to ``(H, W)``.

    Raises:
        ImageError: The shape is not that of an image.
    """
    expected = f"expected shape {_LAYOUT}"
    channels = 0
    if array.ndim == 3:
        channels = array.shape[2]

    is_grey = array.ndim == 2
    has_channels = channels in {1, 3, 4}
    shape = array.shape
    if not is_grey and not has_channels:
        raise ImageError("array", f"{expected}, got {shape}")

    if array.size == 0:
        raise ImageError("array", f"{expected}, got the empty {shape}")

    if channels == 1:
        return array[:, :, 0]
    return array


def _as_bytes(array: Array) -> Array:
    """Bring values to 0..255.

    Raises:
        ImageError: They are fractions beyond 0 to 1, or neither bytes nor fractions.
    """
    if array.dtype == np.uint8:
        return array

    if array.dtype == np.bool_:
        white_or_black = array.astype(np.uint8)
        return white_or_black * 255

    if array.dtype.kind != "f":
        fault = f"expected values of type uint8 or float, got {array.dtype}"
        advice = "pass array.astype('uint8')"
        raise ImageError("array", f"{fault}; {advice}")

    _require_fractions(array)
    scaled = array * 255
    rounded = scaled.round()
    return rounded.astype(np.uint8)


def _require_fractions(array: Array) -> None:
    """Refuse values beyond 0 to 1.

    Raises:
        ImageError: Says from where to where they go.
    """
    low = float(array.min())
    high = float(array.max())
    is_fraction = 0 <= low <= high <= 1  # never of NaN
    if is_fraction:
        return

    least = f"{low:.4g}"
    greatest = f"{high:.4g}"
    fault = f"expected fractions from 0 to 1, got {least} to {greatest}"
    advice = "pass bytes, as array.astype('uint8')"
    raise ImageError("array", f"{fault}; {advice}")
