"""Images of many formats, changed at random.

What a decoder meets on real disks and from hostile hands.
"""

from __future__ import annotations

import io
import random

from PIL import Image

FORMATS = (
    "PNG",
    "JPEG",
    "GIF",
    "BMP",
    "TIFF",
    "WEBP",
    "PPM",
    "ICO",
    "TGA",
    "PCX",
    "JPEG2000",
)
TAKE_EXIF = ("PNG", "JPEG", "WEBP", "TIFF")
WIDTH = 24
HEIGHT = 16
NUMBERS = (
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\x7f\xff\xff\xff",
)
"""Lengths and offsets that no image has."""


def sound_images() -> dict[str, bytes]:
    """Make one small image of each format, with EXIF data where the format takes it."""
    chance = random.Random(1)  # noqa: S311  (test data)
    pixels = chance.randbytes(WIDTH * HEIGHT * 3)
    image = Image.frombytes("RGB", (WIDTH, HEIGHT), pixels)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation
    exif[0x010E] = "a description"

    made = {}
    for name in FORMATS:
        stream = io.BytesIO()
        options = {}
        if name in TAKE_EXIF:
            options["exif"] = exif
        image.save(stream, name, **options)
        made[name] = stream.getvalue()
    return made


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change some bytes, cut, repeat, or splice."""
    changed = bytearray(data)
    times = chance.randint(1, 8)

    for _ in range(times):
        if not changed:
            break

        at = chance.randrange(len(changed))
        kind = chance.randrange(5)
        if kind == 0:
            changed[at] = chance.randrange(256)
        elif kind == 1:
            length = chance.randint(1, 64)
            del changed[at : at + length]
        elif kind == 2:
            length = chance.randint(1, 64)
            changed[at:at] = changed[at : at + length]
        elif kind == 3:
            number = chance.choice(NUMBERS)
            changed[at : at + 4] = number
        else:
            changed = changed[:at]

    return bytes(changed)
