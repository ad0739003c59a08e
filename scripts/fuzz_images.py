"""Open mutated images of ten formats; anything but an ``ImageError`` is a fault.

python scripts/fuzz_images.py --count 100000 --seed 7
"""

from __future__ import annotations

import argparse
import io
import random
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.support.broken_images import mutate, sound_images  # noqa: E402 - the repository comes first on the path
from zoo.errors import ImageError  # noqa: E402
from zoo.images.files import decode_image  # noqa: E402


def main() -> int:
    """Run the fuzzer and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for inputs that are faults")
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311  (no secret)
    images = list(sound_images().items())
    opened = 0
    refused = 0
    faults = 0
    for number in range(options.count):
        name, data = images[number % len(images)]
        changed = mutate(data, chance)
        try:
            decode_image(io.BytesIO(changed), name)
            opened += 1
        except ImageError:
            refused += 1
        except BaseException as error:  # noqa: BLE001 - that is what is looked for
            faults += 1
            kind = type(error).__name__
            print(f"{number} {name}: {kind}: {error}")
            if options.keep is None:
                continue
            options.keep.mkdir(parents=True, exist_ok=True)
            file = options.keep / f"{number}.{name.lower()}"
            file.write_bytes(changed)
    outcome = f"{opened} opened, {refused} refused, {faults} faults"
    print(f"{options.count} files: {outcome}")
    if faults:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
