"""Train LeNet-5 on scikit-learn's digits and write the weights that ship with ``zoo``.

    python scripts/train_lenet5.py              writes weights and record to zoo/pretrained
    python scripts/train_lenet5.py --validate   counts errors by five-fold cross-validation

The test part is set aside by a fixed seed before anything else and is counted once, after training:
nothing is chosen by it. Settings were chosen by ``--validate``, which never sees the test part. On
the same processor and version of torch the file comes out the same byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors.torch
import sklearn
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn import functional

from zoo.models.lenet import lenet5

if TYPE_CHECKING:
    from torch import Tensor, nn

REPOSITORY = Path(__file__).resolve().parents[1]
PRETRAINED = REPOSITORY / "zoo" / "pretrained"
SPLIT_SEED = 0
TEST_IMAGES = 450
TRAIN_IMAGES = 1_347
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """What the training depends on besides the data."""

    epochs: int = 100
    batch_size: int = 64
    seed: int = 0
    optimizer: str = "AdamW"
    peak_learning_rate: float = 0.004
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    rotation_degrees: float = 12.0
    shift_pixels: float = 2.0
    scale: float = 0.12
    shear: float = 0.15


@dataclass(frozen=True, slots=True)
class Digits:
    """Images ``(N, 1, 32, 32)`` from 0 (paper) to 1 (ink), and their labels ``(N,)``."""

    images: Tensor
    labels: Tensor

    def take(self, places: Tensor) -> Digits:
        """Pick some of them."""
        return Digits(self.images[places], self.labels[places])

    def split(self) -> tuple[Digits, Digits]:
        """Set aside the test part, with the classes in proportion, by the fixed seed."""
        places = range(len(self.labels))
        kept, aside = train_test_split(
            places,
            test_size=TEST_IMAGES,
            random_state=SPLIT_SEED,
            stratify=self.labels,
        )
        train_part = self.take(torch.tensor(kept))
        test_part = self.take(torch.tensor(aside))
        return train_part, test_part


def load_images() -> Digits:
    """Read the 1,797 digits of scikit-learn, 8x8 with ink 0 to 16, and enlarge them to 32x32."""
    digits = load_digits()
    ink = torch.as_tensor(digits.images, dtype=torch.float32)  # (N, 8, 8)
    small = ink[:, None] / 16  # (N, 1, 8, 8)
    images = functional.interpolate(
        small,
        size=(32, 32),
        mode="bilinear",
        align_corners=False,
    )  # (N, 1, 32, 32)
    return Digits(images, torch.as_tensor(digits.target))


def distort(
    images: Tensor,
    settings: Settings,
    generator: torch.Generator,
) -> Tensor:
    """Turn, shift, scale and shear each image a little, at random."""
    chances = torch.rand(6, len(images), generator=generator)
    signed = chances * 2 - 1
    turn, shift_x, shift_y, scale_x, scale_y, shear = signed
    angle = turn * math.radians(settings.rotation_degrees)
    shift = (
        settings.shift_pixels / 16
    )  # in the units of affine_grid, where an image of 32 pixels goes from -1 to 1
    width = 1 + scale_x * settings.scale
    height = 1 + scale_y * settings.scale
    cosine = angle.cos()
    sine = angle.sin()
    first_row = [
        width * cosine,
        shear * settings.shear - sine,
        shift_x * shift,
    ]
    second_row = [
        sine,
        height * cosine,
        shift_y * shift,
    ]
    rows = [torch.stack(row, dim=1) for row in (first_row, second_row)]
    matrices = torch.stack(rows, dim=1)  # (N, 2, 3)
    size = list(images.shape)
    grid = functional.affine_grid(matrices, size, align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and standard deviation of the training images.

    With the digits that the record states.
    """

    mean: float
    std: float

    @classmethod
    def of(cls, data: Digits) -> Normalisation:
        """Measure them."""
        mean = float(data.images.mean())
        std = float(data.images.std())
        return cls(round(mean, 4), round(std, 4))

    def __call__(self, images: Tensor) -> Tensor:
        """Subtract and divide."""
        return (images - self.mean) / self.std


def train(
    data: Digits,
    settings: Settings,
    normalise: Normalisation,
) -> nn.Module:
    """Train a new LeNet-5 for the whole number of epochs; there is no early stop to choose by."""
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    model = lenet5()
    count = len(data.labels)
    steps_per_epoch = math.ceil(count / settings.batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        settings.peak_learning_rate,
        epochs=settings.epochs,
        steps_per_epoch=steps_per_epoch,
    )
    for _ in range(settings.epochs):
        order = torch.randperm(count, generator=generator)
        for batch in torch.split(order, settings.batch_size):
            images = distort(data.images[batch], settings, generator)
            logits = model(normalise(images))
            loss = functional.cross_entropy(
                logits,
                data.labels[batch],
                label_smoothing=settings.label_smoothing,
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.no_grad()
def count_errors(
    model: nn.Module,
    data: Digits,
    normalise: Normalisation,
    best: int = 1,
) -> int:
    """Count the images whose label is not among the ``best`` best predictions."""
    logits = model(normalise(data.images))
    predictions = logits.topk(best).indices
    is_other = predictions != data.labels[:, None]
    is_error = is_other.all(dim=1)
    return int(is_error.sum())


def wilson_interval(errors: int, images: int) -> tuple[float, float]:
    """Bound the true error rate in percent at 95 % confidence (Wilson 1927)."""
    z = 1.959964
    squared = z**2
    rate = errors / images
    shift = squared / (2 * images)
    variance = rate * (1 - rate) / images
    correction = squared / (4 * images**2)
    half = z * math.sqrt(variance + correction)
    scale = 1 + squared / images

    middle = rate + shift
    low = 100 * (middle - half) / scale
    high = 100 * (middle + half) / scale
    at_least_zero = max(low, 0.0)
    return round(at_least_zero, 2), round(high, 2)


def cross_validate(data: Digits, settings: Settings) -> int:
    """Train on four fifths and count errors on the last, for each fifth in turn."""
    generator = torch.Generator().manual_seed(settings.seed)
    order = torch.randperm(len(data.labels), generator=generator)
    folds = [order[number::FOLDS] for number in range(FOLDS)]

    errors = 0
    for number, fold in enumerate(folds):
        others = folds[:number] + folds[number + 1 :]
        kept = data.take(torch.cat(others))
        aside = data.take(fold)
        normalise = Normalisation.of(kept)
        model = train(kept, settings, normalise)
        errors += count_errors(model, aside, normalise)
    return errors


def describe_data(test_images: int) -> dict[str, object]:
    """Say what was trained on and how the test part was set aside."""
    images = TRAIN_IMAGES + test_images
    return {
        "name": "scikit-learn digits",
        "source": (
            "sklearn.datasets.load_digits: the test set of UCI's Optical Recognition of "
            "Handwritten Digits "
            "(Alpaydin, Kaynak 1998), doi:10.24432/C50P49"
        ),
        "license": "CC-BY-4.0",
        "images": images,
        "train_images": TRAIN_IMAGES,
        "test_images": test_images,
        "split": (
            f"sklearn.model_selection.train_test_split(range({images}), test_size={test_images}, "
            f"random_state={SPLIT_SEED}, stratify=labels)"
        ),
        "split_seed": SPLIT_SEED,
        "note": "The data name no writers: both parts hold digits of the same 13 people.",
    }


def describe_preprocessing(normalise: Normalisation) -> dict[str, object]:
    """Say what stands between an image and the network."""
    return {
        "input_size": [1, 32, 32],
        "mean": [normalise.mean],
        "std": [normalise.std],
        "resize_size": [32, 32],
        "crop_size": None,
        "interpolation": "bilinear",
        "note": "Grey images scaled to 0..1, bright ink on a dark ground.",
    }


def measure(
    model: nn.Module,
    test: Digits,
    normalise: Normalisation,
) -> dict[str, object]:
    """Count the errors on the test part."""
    errors = count_errors(model, test, normalise)
    images = len(test.labels)
    return {
        "test_images": images,
        "test_errors": errors,
        "test_errors_top5": count_errors(model, test, normalise, best=5),
        "top1_error_percent": round(100 * errors / images, 2),
        "interval_95_percent": wilson_interval(errors, images),
    }


def describe(file: Path, settings: Settings) -> dict[str, object]:
    """Say which file it is and how to make it again."""
    options = ""
    if settings != Settings():
        options = f" --epochs {settings.epochs}"
    return {
        "architecture": "lenet5",
        "tag": "digits",
        "file_name": file.name,
        "size_bytes": file.stat().st_size,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "num_classes": 10,
        "categories": [str(digit) for digit in range(10)],
        "license": "Apache-2.0",
        "command": f"python scripts/train_lenet5.py{options}",
        "training": asdict(settings),
        "versions": {
            "torch": torch.__version__.partition("+")[0],
            "scikit-learn": sklearn.__version__,
        },
    }


def write(model: nn.Module, folder: Path) -> Path:
    """Write the parameters under a name with the digest, in the place of older ones."""
    data = safetensors.torch.save(model.state_dict(), metadata={"format": "pt"})
    digest = hashlib.sha256(data).hexdigest()
    file = folder / f"lenet5-digits-{digest[:8]}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    for older in folder.glob("lenet5-digits-*.safetensors"):
        older.unlink()
    file.write_bytes(data)
    return file


def main() -> None:
    """Read the options, train, write and say what came out."""
    first, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=first)
    parser.add_argument(
        "--epochs",
        type=int,
        default=Settings().epochs,
        help="default: %(default)s",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=PRETRAINED,
        help="folder to write to; default: zoo/pretrained",
    )
    parser.add_argument(
        "--validate",
        action="store_true",
        help="cross-validate on the training part and write nothing",
    )
    options = parser.parse_args()
    settings = Settings(epochs=options.epochs)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)  # more threads add up in another order
    kept, test = load_images().split()
    if options.validate:
        errors = cross_validate(kept, settings)
        count = len(kept.labels)
        print(f"{errors} errors in {count} images, five-fold cross-validation")
        return
    normalise = Normalisation.of(kept)
    model = train(kept, settings, normalise)
    file = write(model, options.output)
    record = describe(file, settings)
    record["preprocessing"] = describe_preprocessing(normalise)
    record["data"] = describe_data(len(test.labels))
    record["measured"] = measure(model, test, normalise)

    text = json.dumps(record, indent=2)
    card = options.output / "lenet5-digits.json"
    card.write_text(text + "\n", encoding="utf-8")
    measured = record["measured"]
    print(f"{file.name}: {measured}")


if __name__ == "__main__":
    main()
