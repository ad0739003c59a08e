"""From images to features: a file of names and vectors, which an interrupted run goes on with.

``.npz`` holds the arrays ``images`` (names), ``features`` (one row each, float32) and ``model``;
``.parquet`` a column ``image`` and a column ``features``, with the model in its metadata.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zoo import atomic
from zoo.devices import usable_cpus
from zoo.errors import ImageError, MissingPackageError, UsageError
from zoo.images.given import open_given
from zoo.images.stream import grouped, stream
from zoo.loader.features import without_head

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

    from zoo.classifier import Classifier

    Progress = Callable[[str, int, int], None]

SUFFIXES = (".npz", ".parquet")
_SAVE_EVERY_S = 30.0
_MODEL_KEY = b"zoo.model"


@dataclass(frozen=True, slots=True)
class Features:
    """Names of images and their features."""

    model: str
    """What made them: the model, and the digest of its weights."""
    images: tuple[str, ...]
    vectors: np.ndarray[Any, Any]
    """Shape ``(images, D)``, float32."""

    @classmethod
    def none(cls, model: str) -> Features:
        """Begin without images."""
        return cls(model, (), _no_vectors())

    def with_more(
        self,
        images: Sequence[str],
        vectors: Sequence[np.ndarray[Any, Any]],
    ) -> Features:
        """Add images with their vectors."""
        if not images:
            return self

        joined = np.stack(vectors).astype(np.float32)
        if self.images:
            joined = np.concatenate([self.vectors, joined])
        names = (*self.images, *images)
        return Features(self.model, names, joined)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did."""

    features: Features
    """Of all images, those of earlier runs included."""
    added: int
    kept: int
    """Images that an earlier run had done."""
    faults: tuple[tuple[str, str], ...]
    """Images that could not be used, and why."""


def extract(
    classifier: Classifier,
    images: Sequence[str],
    path: Path,
    *,
    batch: int = 16,
    workers: int | None = None,
    background: str | None = None,
    progress: Progress = lambda _name, _done, _all: None,
) -> Outcome:
    """Write the pooled features of images into a file; go on with one that is there.

    Args:
        classifier: The network, with its preprocessing; its last layer is taken out.
        images: Files or URLs.
        path: A ``.npz`` or ``.parquet`` file. It is written every half minute and at the end, also
            of an interrupted run.
        batch: How many images go through the network at once.
        workers: Threads that decode images; as many as there are CPUs by default.
        background: Color that transparent images are laid on.
        progress: Called with how many images are done and how many there are.

    Raises:
        UsageError: The file has another ending, or holds features of another model.
        MissingPackageError: pyarrow, for ``.parquet``, is not installed.
        WriteError: The file cannot be written.
    """
    model = f"{classifier.title} {classifier.weights_sha256}"
    found = read(path, model) if path.exists() else Features.none(model)
    check_suffix(path)
    kept = set(found.images).intersection(images)
    missing = [image for image in dict.fromkeys(images) if image not in kept]

    network = without_head(classifier.model, None)
    prepare = _Preparation(classifier, background)
    threads = usable_cpus() if workers is None else workers
    prepared = stream(missing, prepare, workers=threads)
    faults: list[tuple[str, str]] = []
    count = 0
    saved_s = time.monotonic()

    try:
        for group in grouped(prepared, batch):
            names = []
            pixels = []
            for one in group:
                if one.fault is not None:
                    faults.append((one.image, one.fault))
                elif one.pixels is not None:
                    names.append(one.image)
                    pixels.append(one.pixels)

            vectors = _run(network, classifier, pixels)
            found = found.with_more(names, vectors)
            count += len(group)
            last = group[-1]
            progress(last.image, count, len(missing))

            # A killed process loses half a minute at most.
            if time.monotonic() - saved_s > _SAVE_EVERY_S:
                write(path, found)
                saved_s = time.monotonic()
    finally:
        write(path, found)

    return Outcome(
        features=found,
        added=len(missing) - len(faults),
        kept=len(kept),
        faults=tuple(faults),
    )


def check_suffix(path: Path) -> None:
    """Refuse another kind of file.

    Raises:
        UsageError: Names the kinds there are.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"--features takes a file ending in .npz or .parquet, got {path.name!r}")


def read(path: Path, model: str | None = None) -> Features:
    """Read a file of features.

    Args:
        path: The file.
        model: What must have made them.

    Raises:
        UsageError: It is no such file, or of another model.
    """
    check_suffix(path)
    try:
        found = _read_parquet(path) if _is_parquet(path) else _read_npz(path)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{path} holds no features that zoo wrote: name a new file") from error

    if model is None or found.model == model:
        return found

    other, _, _ = found.model.partition(" ")
    wanted, _, _ = model.partition(" ")
    fault = f"{path} holds features of {other}"
    raise UsageError(f"{fault}, and not of the same {wanted}: name another file")


def write(path: Path, features: Features) -> None:
    """Write a file of features whole.

    Raises:
        WriteError: The file system refuses.
    """
    content = io.BytesIO()
    if _is_parquet(path):
        _write_parquet(content, features)
    else:
        _write_npz(content, features)
    atomic.write_bytes(path, content.getvalue())


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _no_vectors() -> np.ndarray[Any, Any]:
    return np.empty((0, 0), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """One image on its way, or why it cannot be used."""

    image: str
    pixels: Tensor | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class _Preparation:
    """Decode, resize and crop one image."""

    classifier: Classifier
    background: str | None

    def __call__(self, image: str) -> _Prepared:
        """Do it."""
        try:
            opened = open_given(image, background=self.background)
        except ImageError as error:
            return _Prepared(
                image,
                pixels=None,
                fault=error.fault,
            )

        pixels = self.classifier.transform.pixels(opened.image)
        return _Prepared(image, pixels)


def _run(
    network: torch.nn.Module,
    classifier: Classifier,
    pixels: Sequence[Tensor],
) -> list[np.ndarray[Any, Any]]:
    """Run prepared images through the network."""
    if not pixels:
        return []

    device = next(network.parameters()).device
    stacked = torch.stack(list(pixels))
    inputs = classifier.transform.values(stacked)
    with torch.inference_mode():
        features = network(inputs.to(device))
    vectors = features.float().cpu().numpy()
    return list(vectors)


def _read_npz(path: Path) -> Features:
    with np.load(path, allow_pickle=False) as arrays:
        return Features(
            model=str(arrays["model"]),
            images=tuple(map(str, arrays["images"])),
            vectors=arrays["features"],
        )


def _write_npz(content: io.BytesIO, features: Features) -> None:
    np.savez(
        content,
        images=np.array(features.images, dtype=np.str_),
        features=features.vectors,
        model=np.array(features.model),
    )


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPackageError("pyarrow", "a .parquet file", "parquet") from error
    return pa, parquet


def _read_parquet(path: Path) -> Features:
    _, parquet = _pyarrow()
    table = parquet.read_table(path)
    model = table.schema.metadata[_MODEL_KEY]
    images = table.column("image").to_pylist()
    rows = table.column("features").to_pylist()

    vectors = _no_vectors()
    if rows:
        vectors = np.array(rows, dtype=np.float32)
    return Features(model.decode(), tuple(images), vectors)


def _write_parquet(content: io.BytesIO, features: Features) -> None:
    pa, parquet = _pyarrow()
    rows = list(features.vectors)
    columns = {
        "image": pa.array(features.images, type=pa.string()),
        "features": pa.array(rows, type=pa.list_(pa.float32())),
    }
    metadata = {_MODEL_KEY: features.model.encode()}

    table = pa.table(columns)
    with_model = table.replace_schema_metadata(metadata)
    parquet.write_table(with_model, content)
