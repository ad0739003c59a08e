"""Three parts without a common image."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from zoo.errors import DatasetError
from zoo.searcher.dataset import guess_size, read_parts

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.searcher.dataset import Parts


def _files(parts: Parts) -> list[set[Path]]:
    split = parts.split
    return [{path for path, _ in part} for part in (split.train, split.validation, parts.test)]


def test_a_folder_is_divided_three_to_one_to_one(digits: Path) -> None:
    """60, 20 and 20 of 100, class by class; another seed divides otherwise."""
    train, validation, test = _files(read_parts(str(digits), 0))
    assert (len(train), len(validation), len(test)) == (54, 18, 18)
    assert not train & validation
    assert not test & (train | validation)
    assert _files(read_parts(str(digits), 1))[2] != test


def test_a_test_folder_judges_and_nothing_else_does(digits: Path, tmp_path: Path) -> None:
    """What is called test is never learnt from."""
    shutil.copytree(digits, tmp_path / "train")
    shutil.copytree(digits, tmp_path / "test")
    train, validation, test = _files(read_parts(str(tmp_path), 0))
    assert all("train" in path.parts for path in train | validation)
    assert all("test" in path.parts for path in test)
    assert len(test) == 90


def test_a_test_folder_has_no_class_that_nothing_was_learnt_of(
    digits: Path,
    tmp_path: Path,
) -> None:
    """It is refused by name; one that it lacks is only said."""
    shutil.copytree(digits, tmp_path / "train")
    shutil.copytree(digits / "digit-0", tmp_path / "test" / "digit-0")
    notes = read_parts(str(tmp_path), 0).split.notes
    assert "test has no images of digit-1, digit-2" in notes

    shutil.copytree(digits / "digit-0", tmp_path / "test" / "digit-7")
    with pytest.raises(DatasetError, match="it has classes that train lacks: digit-7"):
        read_parts(str(tmp_path), 1)


def test_a_val_folder_without_a_test_folder_judges(digits: Path, tmp_path: Path) -> None:
    """Trials are then compared by a share of the training images."""
    shutil.copytree(digits, tmp_path / "train")
    shutil.copytree(digits, tmp_path / "val")
    train, validation, test = _files(read_parts(str(tmp_path), 0))
    assert all("train" in path.parts for path in train | validation)
    assert all("val" in path.parts for path in test)


def test_too_few_images_are_refused(digits: Path, tmp_path: Path) -> None:
    """One of a class can be in one part only."""
    for label in ("digit-0", "digit-1"):
        (tmp_path / label).mkdir()
        first = min((digits / label).iterdir())
        shutil.copy(first, tmp_path / label)
    with pytest.raises(DatasetError, match="too few images"):
        read_parts(str(tmp_path), 0)


def test_the_size_is_that_of_the_first_image(digits: Path) -> None:
    """Grey images of 8x8."""
    assert guess_size(str(digits)) == (1, 8)
