"""Labelled pictures: one folder a class, as ImageFolder and the ImageNet validation set lay them out."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import DatasetError
from zoo.pictures import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class PictureFolder:
    """The pictures of a data set, with the folder that each lies in."""

    root: Path
    folders: tuple[str, ...]
    """Names of the class folders, sorted."""
    pictures: tuple[tuple[str, str], ...]
    """(path below the root, class folder) of each picture, sorted."""

    @property
    def digest(self) -> str:
        """Name the data set by its files' paths and lengths: 16 hex digits; the bytes are not read."""
        lines = (f"{path}\t{(self.root / path).stat().st_size}\n" for path, _ in self.pictures)
        return sha256("".join(lines).encode()).hexdigest()[:16]


def read_folder(root: Path | str) -> PictureFolder:
    """List a data set; no picture is opened.

    Raises:
        DatasetError: The folder does not exist, or has no class folders with pictures.
    """
    root = Path(root)
    if not root.is_dir():
        raise DatasetError(str(root), "there is no such folder")
    found = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        inside = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        found += [(path.relative_to(root).as_posix(), folder.name) for path in inside]
    if not found:
        raise DatasetError(str(root), "expected one folder a class with pictures inside, as root/cat/1.jpg")
    return PictureFolder(root, tuple(sorted({folder for _, folder in found})), tuple(found))


def match_classes(
    folders: Sequence[str], labels: Sequence[str], identifiers: Sequence[str] | None = None
) -> Mapping[str, int]:
    """Map class folders to the outputs of a network, by what they are called and never by their position.

    Args:
        folders: Names of the class folders; they may be only some of the classes.
        labels: Name of each output. A label that two outputs share matches no folder.
        identifiers: Identifier of each output, such as WordNet's ``n01440764``.

    Raises:
        DatasetError: A folder is called like no output, or like two.
    """
    by_name: dict[str, int | None] = {}
    for index, label in enumerate(labels):
        by_name[_plain(label)] = None if _plain(label) in by_name else index
    by_name |= {identifier: index for index, identifier in enumerate(identifiers or ())}
    matched = {folder: by_name.get(folder, by_name.get(_plain(folder))) for folder in folders}
    unknown = [folder for folder, index in matched.items() if index is None]
    if unknown:
        shown = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        named = "WordNet identifiers (n01440764) or " if identifiers else ""
        raise DatasetError(
            shown, f"expected folders called by {named}labels of the network ({', '.join(labels[:3])}, ...)"
        )
    return {folder: index for folder, index in matched.items() if index is not None}


def _plain(name: str) -> str:
    """Drop what people write differently in the name of a class."""
    return name.lower().replace("_", " ").replace("-", " ").strip()
