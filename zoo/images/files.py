"""Find images and open them, whatever a folder of real images holds.

Handled: every color mode, EXIF rotation, animations (their first frame), values of 16 and 32 bits
and with a fraction (:mod:`zoo.images.pixels`). Named and refused: files that are no image, broken
or cut ones, and images so large that decoding them would exhaust the memory. Whatever a decoder
raises on bad bytes becomes an :class:`~zoo.errors.ImageError` that names the file, so that the
others go on.
"""

from __future__ import annotations

import contextlib
import glob
import io
import logging
import os
import sys
import tempfile
import threading
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from zoo.errors import ImageError
from zoo.images import pixels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_PIXELS = 128 << 20
"""Decoded, such an image takes about 400 MB."""
STDIN = "-"
logging.getLogger("PIL").addHandler(logging.NullHandler())  # decoders' remarks are no talk of ours
_NO_IMAGES = frozenset({"__MACOSX"})
"""What archives and file managers leave beside images."""
_FOREIGN_FORMATS = frozenset({"EPS", "MPEG", "WMF", "HDF5", "GRIB", "BUFR"})
"""Pillow knows these by name, but hands them to other programs, or cannot decode them."""
_USUAL_FORMATS = ("JPEG", "PNG", "WEBP")
"""Tried first: some of the others read on before they know that a file is not theirs."""
_AT_ONCE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
"""How a file is opened: a FIFO or a device would wait, or never end."""


class _Silence:
    """No warnings while any thread decodes; ``warnings.catch_warnings`` is not made for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._catching = contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._catching.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._catching.close()


_SILENCE = _Silence()


@dataclass(frozen=True, slots=True)
class OpenImage:
    """A decoded image, upright, in a mode that a network's preprocessing takes."""

    image: Image.Image
    note: str | None = None
    """What was done to it that a user may want to know: ``"first of 12 frames"``."""


@cache
def formats() -> tuple[str, ...]:
    """Name the formats that Pillow decodes here, without another program, in the order to try."""
    Image.init()
    ours = set(Image.OPEN) - _FOREIGN_FORMATS
    usual = [name for name in _USUAL_FORMATS if name in ours]
    others = sorted(ours.difference(usual))
    return (*usual, *others)


@cache
def suffixes() -> frozenset[str]:
    """List the endings by which a file in a folder counts as an image: ``".jpg"``, ``".avif"`` ...

    A file that is named is opened whatever it is called.
    """
    known = set(formats())
    by_suffix = Image.registered_extensions()
    ours: set[str] = set()
    for suffix, kind in by_suffix.items():
        if kind in known:
            ours.add(suffix)
    return frozenset(ours)


def is_image_name(path: Path) -> bool:
    """Tell by its name whether a file in a folder is meant as an image."""
    if is_hidden(path.name):
        return False
    return path.suffix.lower() in suffixes()


def is_hidden(name: str) -> bool:
    """Tell names that no person gave: hidden ones, AppleDouble files, and what archives leave."""
    return name.startswith(".") or name in _NO_IMAGES


Identity = tuple[int, int]
"""What a folder is, whatever leads to it."""


def identity_of(folder: Path) -> Identity:
    """Tell a folder from others, also where links lead to it."""
    facts = folder.stat()
    return facts.st_dev, facts.st_ino


def walk(
    folder: Path,
    passed_over: Iterable[Identity] = (),
) -> Iterator[Path]:
    """List what lies below a folder in the order of its names; linked folders are entered once.

    Hidden files and folders are passed over, and so is a link to where one came from. What is
    neither a folder nor a file (a link to nothing, a pipe) is listed too.

    Args:
        folder: Where to begin.
        passed_over: Folders that are not entered, though links may lead to them.
    """
    above = map(identity_of, folder.resolve().parents)
    entered = {*passed_over, *above} - {identity_of(folder)}

    def enter(place: Path) -> Iterator[Path]:
        identity = identity_of(place)
        if identity in entered:
            return

        entered.add(identity)
        inside = sorted(place.iterdir())
        for path in inside:
            if is_hidden(path.name):
                continue
            if path.is_dir():
                yield from enter(path)
            else:
                yield path

    yield from enter(folder)


def find_images(places: Iterable[str]) -> list[str]:
    """List the images that files, folders, shell patterns, URLs and ``-`` (stdin) stand for.

    None is opened.

    Raises:
        ImageError: A place does not exist, or holds no image.
    """
    found: list[str] = []
    for place in places:
        path = Path(place)
        is_named = place == STDIN or is_url(place)
        if is_named or path.is_file():
            found.append(place)
        elif path.is_dir():
            found += _inside(path)
        else:
            found += _matching(place)
    return found


def _inside(folder: Path) -> list[str]:
    """List the images below a folder.

    Raises:
        ImageError: There are none.
    """
    files = filter(Path.is_file, walk(folder))
    images = filter(is_image_name, files)
    found = list(map(str, images))
    if not found:
        fault = "the folder holds no image, whose name would end in .jpg, .png or the like"
        raise ImageError(str(folder), fault)
    return found


def _matching(pattern: str) -> list[str]:
    """List the files that a shell pattern stands for.

    Raises:
        ImageError: There are none.
    """
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute one
    files = [match for match in matches if Path(match).is_file()]
    if not files:
        fault = "there is no such file, folder or pattern with a match"
        raise ImageError(pattern, fault)
    return sorted(files)


def is_url(place: str) -> bool:
    """Tell an address from a path."""
    return place.startswith(("https://", "http://"))


def open_image(
    place: str,
    *,
    background: str | None = None,
) -> OpenImage:
    """Open one image.

    Args:
        place: A file, a URL, or ``-`` for stdin.
        background: Color that transparent images are laid on, as Pillow names colors: ``"white"``,
            ``"#808080"``. By default transparency is dropped, as torchvision's loader does, and
            noted.

    Raises:
        ImageError: It cannot be had, is no image, is broken, or is too large.
    """
    try:
        if place == STDIN:
            content = sys.stdin.buffer.read()
            return decode_image(io.BytesIO(content), "stdin", background)

        if is_url(place):
            content = _download(place)
            return decode_image(io.BytesIO(content), place, background)

        return _open_file(place, background)
    except OSError as error:
        fault = error.strerror or str(error)
        raise ImageError(place, fault) from error


def _open_file(
    place: str,
    background: str | None,
) -> OpenImage:
    """Decode a file, but no device and no pipe."""
    handle = os.open(place, _AT_ONCE)
    with os.fdopen(handle, "rb") as stream:
        if not Path(place).is_file():
            fault = "it is a device or a pipe, not a file"
            raise ImageError(place, fault)
        return decode_image(stream, place, background)


def _download(url: str) -> bytes:
    """Fetch an image into a temporary folder, with the downloader's deadlines and retries."""
    from zoo.catalog.records import WeightsFile
    from zoo.download import fetcher
    from zoo.download.options import FetchOptions

    file = WeightsFile("image", url, None)
    with tempfile.TemporaryDirectory(prefix="zoo-image-") as name:
        folder = Path(name)
        options = FetchOptions(
            folder=folder,
            lock_file=folder / "zoo.lock",
            allow_private_addresses=True,
        )
        fetched = fetcher.fetch(file, options=options)
        return fetched.path.read_bytes()


def decode_image(
    stream: BinaryIO,
    place: str,
    background: str | None = None,
) -> OpenImage:
    """Decode an image from a stream.

    Args:
        stream: Of the bytes of a file.
        place: Where it is from, for messages.
        background: As for :func:`open_image`.

    Raises:
        ImageError: See :func:`open_image`.
    """
    color = None
    if background is not None:
        color = pixels.read_color(background)

    try:
        # Of size the limit below is ours, and of damage an error tells.
        with _SILENCE:
            return _decode(stream, place, color)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(place, "it is no image that Pillow knows") from error
    except (Image.DecompressionBombError, MemoryError) as error:
        raise ImageError(place, "it is too large to decode; make it smaller") from error
    except Exception as error:  # what decoders and the EXIF code raise is not listed anywhere
        said = str(error)
        first_line, _, _ = said.partition("\n")
        reason = first_line[:120] or type(error).__name__
        raise ImageError(place, f"it is broken: {reason}") from error


def _decode(
    stream: BinaryIO,
    place: str,
    background: pixels.Color | None,
) -> OpenImage:
    """Decode, turn upright, and bring the values to 8 bits."""
    known = formats()
    image: Image.Image = Image.open(stream, formats=known)
    _refuse_large(image, place)

    notes: list[str | None] = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        notes.append(f"first of {frames} frames")
    image.load()

    upright = ImageOps.exif_transpose(image)
    if upright.size != image.size:
        notes.append("turned upright")

    plain, note = pixels.to_eight_bits(upright)
    notes.append(note)
    opaque, note = pixels.without_alpha(plain, background)
    notes.append(note)

    said = ", ".join(filter(None, notes))
    return OpenImage(opaque, said or None)


def _refuse_large(
    image: Image.Image,
    place: str,
) -> None:
    """Refuse an image by its size, before it is decoded.

    Raises:
        ImageError: It has too many pixels.
    """
    size = image.width * image.height
    if size <= MOST_PIXELS:
        return

    limit = MOST_PIXELS >> 20
    dimensions = f"{image.width}x{image.height}"
    fault = f"{dimensions} is more than {limit} million pixels; make it smaller"
    raise ImageError(place, fault)
