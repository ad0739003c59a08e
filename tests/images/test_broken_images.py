"""Whatever a decoder raises, one error names the file and the others go on (B04 to B06)."""

from __future__ import annotations

import contextlib
import io
import os
import random
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.support.broken_images import mutate, sound_images
from zoo.errors import ImageError
from zoo.images.files import decode_image, find_images, open_image, suffixes
from zoo.images.preprocess import MOST_RESIZED_PIXELS, Transform
from zoo.predictor import Predictor

if TYPE_CHECKING:
    from pathlib import Path

from zoo.catalog.records import Preprocessing

USUAL = Preprocessing(
    mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), resize_size=(32,), crop_size=(24, 24)
)


def test_b04_mutated_images_are_opened_or_refused() -> None:
    """A short form of ``scripts/fuzz_images.py``: eleven formats, no exception but ImageError."""
    chance = random.Random(11)  # noqa: S311  (test data)
    for name, data in sound_images().items():
        for _ in range(60):
            changed = mutate(data, chance)
            with contextlib.suppress(ImageError):
                decode_image(io.BytesIO(changed), name)


def odd_exif() -> bytes:
    """Make a JPEG whose orientation is said in a type that Pillow's EXIF code does not expect."""
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 8)).save(stream, "JPEG", exif=exif)
    data = stream.getvalue()
    at = data.index(b"\x12\x01\x03\x00") if b"\x12\x01\x03\x00" in data else data.index(b"\x01\x12")
    return data[: at + 2] + b"\x00\x05" + data[at + 4 :]


def test_b04_odd_exif_data_does_not_stop_the_others(tmp_path: Path) -> None:
    """Whatever EXIF holds: a picture is answered for, or named with a reason."""
    (tmp_path / "a.jpg").write_bytes(odd_exif())
    Image.new("L", (32, 32)).save(tmp_path / "b.png")
    images = find_images([str(tmp_path)])
    predictions = list(Predictor("lenet5").predict(images))
    assert [prediction.image for prediction in predictions] == images
    assert predictions[1].predictions


def test_b07_a_thin_image_costs_no_more_than_its_crop(tmp_path: Path) -> None:
    """B07: 1x60,000 would be resized to 32x1,920,000, of which the crop keeps 24x24."""
    Image.new("RGB", (60_000, 1), (200, 10, 10)).save(tmp_path / "thin.png")
    opened = open_image(str(tmp_path / "thin.png"))
    values = Transform(USUAL, 3)(opened.image)
    assert values.shape == (3, 24, 24)
    assert values[0].unique().numel() == 1


@pytest.mark.parametrize("size", [(301, 200), (200, 301), (97, 640), (640, 97), (64, 64)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
def test_b07_the_crop_alone_is_what_resizing_all_gives(
    size: tuple[int, int], interpolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short way changes no pixel by more than rounding."""
    chance = random.Random(3)  # noqa: S311  (test data)
    image = Image.frombytes("RGB", size, chance.randbytes(size[0] * size[1] * 3))
    wanted = Preprocessing(
        mean=(0.0,) * 3,
        std=(1 / 255,) * 3,
        resize_size=(32,),
        crop_size=(24, 24),
        interpolation=interpolation,  # type: ignore[arg-type]  # one of the three
    )
    usual = Transform(wanted, 3)(image)
    monkeypatch.setattr("zoo.images.preprocess.MOST_RESIZED_PIXELS", 0)
    assert MOST_RESIZED_PIXELS > 0
    assert (Transform(wanted, 3)(image) - usual).abs().max() <= 1


def test_a_pipe_under_an_images_name_is_refused(tmp_path: Path) -> None:
    """It would wait for a writer."""
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ImageError, match="device or a pipe"):
        open_image(str(tmp_path / "a.png"))


def test_b15_every_ending_that_pillow_opens_here_counts(tmp_path: Path) -> None:
    """B15: .jfif, .webp, .jp2 ... and not what other programs would have to open."""
    assert {".jpg", ".jfif", ".webp", ".jp2", ".tif", ".gif", ".bmp", ".ppm"} <= suffixes()
    assert not {".eps", ".ps", ".wmf", ".pdf", ".txt", ".mpg"} & suffixes()
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jfif", "JPEG")
    assert find_images([str(tmp_path)]) == [str(tmp_path / "a.jfif")]


def test_b03_what_nobody_made_is_no_image(tmp_path: Path) -> None:
    """B03: hidden files and folders, AppleDouble files, what archives and notebooks leave."""
    for name in (".hidden.png", "._a.png", ".ipynb_checkpoints/a.png", "__MACOSX/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    assert find_images([str(tmp_path)]) == [str(tmp_path / "a.png")]
