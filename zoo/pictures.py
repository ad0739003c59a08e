"""Find pictures and open them, whatever a folder of real pictures holds.

Handled: every colour mode, 16-bit grey, EXIF rotation, animations (their first frame). Named and refused: files that
are no picture, broken or cut ones, and pictures so large that decoding them would exhaust the memory.
"""

from __future__ import annotations

import glob
import io
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from zoo.errors import PictureError

if TYPE_CHECKING:
    from collections.abc import Iterable

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
"""What counts as a picture in a folder; a file that is named is opened whatever it is called."""
MOST_PIXELS = 128 << 20
"""Decoded, such a picture takes about 400 MB."""
STDIN = "-"


@dataclass(frozen=True, slots=True)
class OpenPicture:
    """A decoded picture, upright, in a mode that a network's preprocessing takes."""

    image: Image.Image
    note: str | None = None
    """What was done to it that a user may want to know: ``"first of 12 frames"``."""


def find_pictures(places: Iterable[str]) -> list[str]:
    """List the pictures that files, folders, shell patterns, URLs and ``-`` (stdin) stand for, without opening them.

    Raises:
        PictureError: A place does not exist, or holds no picture.
    """
    found: list[str] = []
    for place in places:
        path = Path(place)
        if place == STDIN or is_url(place) or path.is_file():
            found.append(place)
        elif path.is_dir():
            inside = sorted(str(file) for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            if not inside:
                raise PictureError(place, f"the folder holds no file that ends in {', '.join(sorted(SUFFIXES))}")
            found += inside
        else:
            pattern = glob.glob(place, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
            matches = sorted(match for match in pattern if Path(match).is_file())
            if not matches:
                raise PictureError(place, "there is no such file, folder or pattern with a match")
            found += matches
    return found


def is_url(place: str) -> bool:
    """Tell an address from a path."""
    return place.startswith(("https://", "http://"))


def open_picture(place: str) -> OpenPicture:
    """Open one picture.

    Args:
        place: A file, a URL, or ``-`` for stdin.

    Raises:
        PictureError: It cannot be had, is no picture, is broken, or is too large.
    """
    try:
        if place == STDIN:
            return decode_picture(io.BytesIO(sys.stdin.buffer.read()), "stdin")
        if is_url(place):
            return _download(place)
        with Path(place).open("rb") as stream:
            return decode_picture(stream, place)
    except OSError as error:
        raise PictureError(place, error.strerror or str(error)) from error


def _download(url: str) -> OpenPicture:
    """Fetch a picture into a temporary folder, with the downloader's deadlines and retries."""
    from zoo.catalog.records import WeightsFile
    from zoo.weights import fetcher
    from zoo.weights.options import FetchOptions

    with tempfile.TemporaryDirectory(prefix="zoo-picture-") as folder:
        options = FetchOptions(folder=Path(folder), lock_file=Path(folder) / "zoo.lock", allow_private_addresses=True)
        fetched = fetcher.fetch(WeightsFile("picture", url, None), options=options)
        return decode_picture(io.BytesIO(fetched.path.read_bytes()), url)


def decode_picture(stream: BinaryIO, place: str) -> OpenPicture:
    """Decode a picture from a stream; ``place`` is for messages.

    Raises:
        PictureError: See :func:`open_picture`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is ours
            image = Image.open(stream)
        if image.width * image.height > MOST_PIXELS:
            size = f"{image.width}x{image.height}"
            raise PictureError(place, f"{size} is more than {MOST_PIXELS >> 20} million pixels; make it smaller")
        frames = getattr(image, "n_frames", 1)
        image.load()
    except UnidentifiedImageError as error:
        raise PictureError(place, "it is no picture that Pillow knows") from error
    except Image.DecompressionBombError as error:
        raise PictureError(place, "it is too large to decode; make it smaller") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise PictureError(place, f"it is broken: {error}") from error  # what Pillow's decoders raise on bad bytes
    upright = ImageOps.exif_transpose(image)
    notes = [f"first of {frames} frames"] if frames > 1 else []
    if upright.size != image.size:
        notes.append("turned upright")
    if upright.mode.startswith("I") or upright.mode == "F":
        upright = _to_eight_bits(upright)
        notes.append("16 bits a pixel scaled to 8")
    return OpenPicture(upright, ", ".join(notes) or None)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale a 16-bit grey picture to 8 bits; Pillow's own conversion cuts everything above 255 to white."""
    if image.mode == "F":
        return image.convert("L")
    return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
