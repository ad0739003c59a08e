"""Labelled images: one folder a class, as ImageFolder and the ImageNet validation set lay them out.

::

    root/cat/1.jpg                     a class is a folder; deeper folders belong to it
    root/train/cat/1.jpg               parts: train, val (or valid, validation, dev), test,
                                       in any case of letters
    root/val/cat/2.jpg

Hidden files and folders, and what archives and file managers leave, are no images. What is left out
otherwise is reported: classes without images, and files of other kinds.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import DatasetError
from zoo.images.files import identity_of, is_hidden, is_image_name, walk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
_PART_NAMES = {
    TRAIN: ("train", "training"),
    VALIDATION: ("val", "valid", "validation", "dev"),
    TEST: ("test", "testing"),
}
_MOST_NAMED = 5

Names = tuple[str, ...]
ClassedPath = tuple[str, str]
"""A path below the root, and the class folder that it lies in."""


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """The images of a data set, with the folder that each lies in."""

    root: Path
    folders: Names
    """Names of the class folders with images, sorted."""
    images: tuple[ClassedPath, ...]
    """Sorted."""
    left_out: Names = ()
    """What was passed over and why, a sentence each."""

    @property
    def digest(self) -> str:
        """Name the data set by its files' paths and lengths, in 16 hex digits.

        The bytes are not read.
        """
        digest = sha256()
        for path, _ in self.images:
            file = self.root / path
            size_bytes = file.stat().st_size
            size = f"\t{size_bytes}\n"
            digest.update(os.fsencode(path))
            digest.update(size.encode())

        whole = digest.hexdigest()
        return whole[:16]


def find_parts(root: Path) -> dict[str, Path]:
    """Find the usual parts of a data set by their names: ``train``, ``validation``, ``test``.

    Raises:
        DatasetError: Two folders are called like one part.
    """
    if not root.is_dir():
        return {}

    parts: dict[str, Path] = {}
    for path in sorted(root.iterdir()):
        part = _part_called(path.name)
        if part is None or not path.is_dir():
            continue

        if part in parts:
            first = parts[part].name
            fault = f"both {first} and {path.name} are called like the {part} part"
            advice = "name one of them differently"
            raise DatasetError(str(root), f"{fault}; {advice}")
        parts[part] = path
    return parts


def beside_parts(root: Path) -> list[str]:
    """List the folders beside the parts of a data set that are called like none."""
    found: list[str] = []
    for folder in _folders_in(root):
        part = _part_called(folder.name)
        if part is None:
            found.append(folder.name)
    return found


def _part_called(name: str) -> str | None:
    """Tell which part of a data set a folder is, by its name in any case of letters."""
    lowered = name.lower()
    for part, names in _PART_NAMES.items():
        if lowered in names:
            return part
    return None


def read_folder(root: Path | str) -> ImageFolder:
    """List a data set; no image is opened.

    Raises:
        DatasetError: The folder does not exist, has no class folders with images, or holds the
            parts of a data set instead of classes.
    """
    root = Path(root)
    require_folder(root)

    try:
        return _read(root)
    except OSError as error:
        place = error.filename or root
        fault = f"{place} cannot be read: {error.strerror}"
        raise DatasetError(str(root), fault) from error


def require_folder(root: Path | str) -> None:
    """Refuse a data set that is not there, before anything is fetched for it.

    Raises:
        DatasetError: The folder does not exist.
    """
    if not Path(root).is_dir():
        raise DatasetError(str(root), "there is no such folder")


def _read(root: Path) -> ImageFolder:
    """List the classes of a folder that is there."""
    classes = _folders_in(root)
    _refuse_parts(root, classes)

    images: list[ClassedPath] = []
    empty: list[str] = []
    no_files: list[str] = []
    other: Counter[str] = Counter()
    others = {identity_of(root), *map(identity_of, classes)}
    for folder in classes:
        is_empty = True
        for path in walk(folder, passed_over=others):
            if not path.is_file():
                no_files.append(str(path.relative_to(root)))
                continue
            if not is_image_name(path):
                other[path.suffix.lower()] += 1
                continue

            is_empty = False
            relative = path.relative_to(root)
            images.append((str(relative), folder.name))
        if is_empty:
            empty.append(folder.name)

    if not images:
        fault = "expected one folder a class with images inside, as root/cat/1.jpg"
        raise DatasetError(str(root), fault)

    names = {folder for _, folder in images}
    left_out = _left_out(empty, other)
    if no_files:
        odd = _named(no_files)
        left_out.append(f"{odd} passed over: a link to nothing, a pipe or a device")

    loose = _images_in(root)
    if loose:
        beside = _named(loose)
        left_out.append(f"{beside} passed over: beside the class folders, not in one")
    return ImageFolder(
        root=root,
        folders=tuple(sorted(names)),
        images=tuple(images),
        left_out=tuple(left_out),
    )


def _folders_in(folder: Path) -> list[Path]:
    """List the folders in a folder, in the order of their names."""
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if is_hidden(path.name):
            continue
        if path.is_dir():
            found.append(path)
    return found


def _left_out(
    empty: Sequence[str],
    other: Mapping[str, int],
) -> list[str]:
    """Say what of a folder is no part of the data set."""
    sentences = []
    if empty:
        names = _named(empty)
        sentences.append(f"no images in {names}: not a class")

    for suffix, count in sorted(other.items()):
        kind = "without an ending"
        if suffix:
            kind = f"ending in {suffix}"
        files = "file" if count == 1 else "files"
        which = f"{count} {files} {kind}"
        sentences.append(f"{which} passed over: no image that Pillow opens here")
    return sentences


def _refuse_parts(
    root: Path,
    classes: Sequence[Path],
) -> None:
    """Refuse folders that hold the same subfolders.

    They are parts of a data set, and would be learnt as classes.

    Raises:
        DatasetError: Says which folders, and what they share.
    """
    # The first image answers it for nearly every data set, so that no folder is listed twice.
    if len(classes) < 2 or any(map(_holds_images, classes)):
        return

    inside = [_names_of_folders(path) for path in classes]
    shared = set.intersection(*inside)
    if not shared:
        return

    names = _named([path.name for path in classes])
    common = _named(sorted(shared))
    first = root / classes[0].name
    fault = f"{names} all hold the folders {common}"
    advice = f"they look like parts of a data set, not like classes; name one: {first}"
    raise DatasetError(str(root), f"{fault}: {advice}")


def _holds_images(folder: Path) -> bool:
    """Tell whether an image lies in a folder itself, not deeper."""
    images = filter(is_image_name, folder.iterdir())
    return any(map(Path.is_file, images))


def _images_in(folder: Path) -> list[str]:
    """List the images in a folder itself by name, not those that lie deeper."""
    inside = sorted(folder.iterdir())
    files = filter(Path.is_file, inside)
    images = filter(is_image_name, files)
    return [path.name for path in images]


def _names_of_folders(folder: Path) -> set[str]:
    """List the folders in a folder by name."""
    folders = _folders_in(folder)
    return {path.name for path in folders}


def _named(names: Sequence[str]) -> str:
    """List the first few names."""
    first = names[:_MOST_NAMED]
    shown = ", ".join(first)
    more = len(names) - len(first)
    if more:
        return f"{shown} and {more} more"
    return shown


def match_classes(
    folders: Sequence[str],
    labels: Sequence[str],
    identifiers: Sequence[str] | None = None,
) -> Mapping[str, int]:
    """Map class folders to the outputs of a network, by their names and never by their position.

    Args:
        folders: Names of the class folders; they may be only some of the classes.
        labels: Name of each output. A label that two outputs share matches no folder.
        identifiers: Identifier of each output, such as WordNet's ``n01440764``.

    Raises:
        DatasetError: A folder is called like no output, or like two.
    """
    by_name = _outputs_by_name(labels, identifiers or ())
    matched: dict[str, int] = {}
    unknown: list[str] = []
    for folder in folders:
        index = by_name.get(folder)
        if index is None:
            index = by_name.get(_plain(folder))

        if index is None:
            unknown.append(folder)
        else:
            matched[folder] = index

    if unknown:
        known = "WordNet identifiers (n01440764) or labels" if identifiers else "labels"
        first = ", ".join(labels[:3])
        fault = f"expected folders called by {known} of the network ({first}, ...)"
        raise DatasetError(_named(unknown), fault)
    return matched


def _outputs_by_name(
    labels: Sequence[str],
    identifiers: Sequence[str],
) -> dict[str, int | None]:
    """Map what an output may be called to its number; to none where two are called alike."""
    by_name: dict[str, int | None] = {}
    for index, label in enumerate(labels):
        name = _plain(label)
        if name in by_name:
            by_name[name] = None
        else:
            by_name[name] = index

    numbers = range(len(identifiers))
    pairs = zip(identifiers, numbers, strict=True)
    by_name.update(pairs)
    return by_name


def _plain(name: str) -> str:
    """Drop what people write differently in the name of a class."""
    plain = name.lower()
    for joint in "_-":
        plain = plain.replace(joint, " ")
    return plain.strip()
