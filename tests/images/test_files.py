"""Opening what real folders hold: handled or named, never a traceback."""

from __future__ import annotations

import http.server
import struct
import threading
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from zoo.errors import ImageError
from zoo.images.files import find_images, open_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def halves(width: int = 40, height: int = 20) -> Image.Image:
    """Paint an image whose left half is red and whose right half is blue."""
    image = Image.new("RGB", (width, height), (255, 0, 0))
    image.paste((0, 0, 255), (width // 2, 0, width, height))
    return image


def test_folder_is_searched_in_order_and_other_files_are_passed_over(tmp_path: Path) -> None:
    """Folders give their images, sorted, with those of folders inside."""
    (tmp_path / "in").mkdir()
    for name in ("b.png", "a.JPG", "in/c.webp"):
        halves().save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    expected = [str(tmp_path / name) for name in ("a.JPG", "b.png", "in/c.webp")]
    assert find_images([str(tmp_path)]) == expected
    assert find_images([str(tmp_path / "*.png")]) == [str(tmp_path / "b.png")]


@pytest.mark.parametrize("place", ["none.png", "none/*.png", "empty"])
def test_place_without_a_image_is_named(place: str, tmp_path: Path) -> None:
    """A path that leads nowhere is an error before anything runs."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="no"):
        find_images([str(tmp_path / place)])


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exif_rotation_is_undone(orientation: int, tmp_path: Path) -> None:
    """A camera's note about how it was held turns the image upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    halves().save(tmp_path / "turned.png", exif=exif)
    opened = open_image(str(tmp_path / "turned.png"))
    assert opened.image.size == ((20, 40) if orientation in {6, 8} else (40, 20))
    corner = opened.image.convert("RGB").getpixel((0, 0))
    assert corner == {3: (0, 0, 255), 6: (255, 0, 0), 8: (0, 0, 255)}[orientation]


def test_sixteen_bit_grey_keeps_its_shades(tmp_path: Path) -> None:
    """65,535 becomes 255 and half of it 127; Pillow's plain conversion would make both white."""
    values = np.array([[0, 32767, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    opened = open_image(str(tmp_path / "deep.png"))
    assert [opened.image.getpixel((x, 0)) for x in range(3)] == [0, 127, 255]
    assert opened.note == "16 bits a pixel scaled to 8"


def test_animation_gives_its_first_frame_and_says_so(tmp_path: Path) -> None:
    """Frames after the first are not looked at."""
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "green", "blue")]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    opened = open_image(str(tmp_path / "film.gif"))
    assert opened.image.convert("RGB").getpixel((0, 0)) == (255, 0, 0)
    assert opened.note == "first of 3 frames"


@pytest.mark.parametrize("mode", ["CMYK", "L", "1"])
def test_print_and_grey_images_open(mode: str, tmp_path: Path) -> None:
    """Modes other than red, green and blue are no fault."""
    halves().convert(mode).save(tmp_path / "image.tif")
    assert open_image(str(tmp_path / "image.tif")).image.convert("RGB").size == (40, 20)


def png_that_claims(width: int, height: int) -> bytes:
    """Write a PNG of a few bytes whose header claims any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


BAD: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _good: b"",
    "text": lambda _good: b"no image at all",
    "cut": lambda good: good[: len(good) // 2],
    "bomb": lambda _good: png_that_claims(60_000, 60_000),
    "large": lambda _good: png_that_claims(12_000, 12_000),
    "scrambled": lambda good: good[:200] + bytes(reversed(good[200:])),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_file_is_refused_with_its_name(kind: str, tmp_path: Path) -> None:
    """Nothing but a ImageError leaves the decoder."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "good.png")
    bad = tmp_path / f"{kind}.png"
    bad.write_bytes(BAD[kind]((tmp_path / "good.png").read_bytes()))
    with pytest.raises(ImageError) as caught:
        open_image(str(bad))
    assert caught.value.subject == str(bad)


@pytest.fixture
def image_server(tmp_path: Path) -> Iterator[str]:
    """Serve a folder with one image on loopback."""
    halves().save(tmp_path / "cat.png")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path), **options)  # type: ignore[arg-type]  # passed through

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name in the base class
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_image_is_fetched_from_a_url(image_server: str) -> None:
    """An address is opened like a file."""
    assert open_image(f"{image_server}/cat.png").image.size == (40, 20)
