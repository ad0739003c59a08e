"""Draw a set of images to search architectures on: ten shapes on noisy grounds, one folder a class.

Each image of 16x16 shows one shape of random size, place, angle and color, with a line across it
that means nothing, on a ground that shades from one color to another, under noise. The same count
and seed draw the same images.

    python -m scripts.draw_shapes FOLDER --images 4000
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Sequence

PIXELS = 16
IMAGES = 4000
OVERSAMPLING = 4
NOISE = 16.0
"""Standard deviation, of 255."""
MOST_TURNED = 0.6
"""Radians."""
DARKEST_SHAPE = 110
"""Grounds are darker, shapes brighter, in each channel."""

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Shape:
    """An outline around the origin, about as large as the unit circle.

    Args:
        radii: Of its corners, which lie at equal angles; repeated around the outline.
        corners: How many.
        hole: Scale of the part that is cut out of the middle; 0 leaves it whole.
        width: How wide it is beside its height.
    """

    radii: tuple[float, ...]
    corners: int
    hole: float = 0.0
    width: float = 1.0

    def outline(self, turn: float) -> Points:
        """List the corners, turned by an angle."""
        cosine = math.cos(turn)
        sine = math.sin(turn)
        points = []
        for number in range(self.corners):
            place = number % len(self.radii)
            radius = self.radii[place]
            share = number / self.corners
            angle = 2 * math.pi * share
            height = radius * math.sin(angle)
            width = radius * math.cos(angle)
            x = self.width * width
            turned_x = x * cosine - height * sine
            turned_y = x * sine + height * cosine
            point = (turned_x, turned_y)
            points.append(point)
        return points


SHAPES = {
    "circle": Shape((1.0,), 32),
    "ellipse": Shape((1.0,), 32, width=0.5),
    "frame": Shape((1.0,), 4, hole=0.6),
    "hexagon": Shape((1.0,), 6),
    "ring": Shape((1.0,), 32, hole=0.6),
    "square": Shape((1.0,), 4),
    "star-4": Shape((1.0, 0.35), 8),
    "star-5": Shape((1.0, 0.45), 10),
    "triangle": Shape((1.0,), 3),
    "triangle-open": Shape((1.0,), 3, hole=0.5),
}


def _ground(
    chance: np.random.Generator,
    size: int,
) -> np.ndarray:
    """Shade from one dark color to another in a random direction: ``(size, size, 3)``."""
    first, second = chance.uniform(0, DARKEST_SHAPE, (2, 3))
    turn = chance.uniform(0, 2 * math.pi)
    steps = np.linspace(-0.5, 0.5, size)
    columns, rows = np.meshgrid(steps, steps)
    downwards = rows * math.sin(turn)
    sideways = columns * math.cos(turn)
    slope = downwards + sideways + 0.5
    shares = np.clip(slope, 0, 1)
    of_second = np.expand_dims(shares, 2)
    of_first = 1 - of_second
    ground: np.ndarray = first * of_first + second * of_second
    return ground


def _place(
    points: Points,
    center: Sequence[float],
    scale: float,
) -> Points:
    """Move an outline to its place in the image."""
    center_x, center_y = center
    placed = []
    for x, y in points:
        placed_x = center_x + scale * x
        placed_y = center_y + scale * y
        point = (placed_x, placed_y)
        placed.append(point)
    return placed


def _mask(
    shape: Shape,
    chance: np.random.Generator,
    size: int,
) -> Image.Image:
    """Draw where the shape is."""
    turn = chance.uniform(0, MOST_TURNED)
    scale = chance.uniform(0.28, 0.46) * size
    shares = chance.uniform(0.42, 0.58, 2)
    center = (shares * size).tolist()
    outline = shape.outline(turn)
    mask = Image.new("L", (size, size))
    draw = ImageDraw.Draw(mask)
    corners = _place(outline, center, scale)
    draw.polygon(corners, fill=255)
    if shape.hole:
        corners = _place(outline, center, scale * shape.hole)
        draw.polygon(corners, fill=0)
    return mask


def draw_shape(
    shape: Shape,
    chance: np.random.Generator,
) -> Image.Image:
    """Draw one image."""
    size = PIXELS * OVERSAMPLING
    ground = _ground(chance, size)
    image = _image_of(ground)
    colors = chance.integers(DARKEST_SHAPE, 256, (2, 3))
    color, line_color = map(tuple, colors.tolist())
    mask = _mask(shape, chance, size)
    image.paste(color, mask=mask)

    ends = chance.uniform(0, size, 4)
    draw = ImageDraw.Draw(image)
    width = OVERSAMPLING // 2
    draw.line(ends.tolist(), fill=line_color, width=width)

    small = image.resize((PIXELS, PIXELS), Image.Resampling.BOX)
    noise = chance.normal(0, NOISE, (PIXELS, PIXELS, 3))
    noisy = np.asarray(small) + noise
    return _image_of(noisy)


def _image_of(values: np.ndarray) -> Image.Image:
    """Make an image of values ``(height, width, 3)`` from 0 to 255."""
    rounded = values.clip(0, 255).round()
    return Image.fromarray(rounded.astype(np.uint8))


def write_shapes(
    folder: Path,
    images: int = IMAGES,
    seed: int = 0,
) -> Path:
    """Write so many images, the shapes in turn, each as a PNG file in the folder of its shape."""
    chance = np.random.default_rng(seed)
    names = list(SHAPES)
    for number in range(images):
        place = number % len(names)
        name = names[place]
        file_name = f"{number:05}.png"
        file = folder / name / file_name
        file.parent.mkdir(parents=True, exist_ok=True)
        image = draw_shape(SHAPES[name], chance)
        image.save(file)
    return folder


def main() -> None:
    """Draw the set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    write_shapes(arguments.folder, arguments.images, arguments.seed)


if __name__ == "__main__":
    main()
