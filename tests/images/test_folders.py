"""Folders of labelled images as people have them (B02, B03, B13, B14, B15)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from zoo.errors import DatasetError
from zoo.images.folders import find_parts, read_folder
from zoo.trainer.data import Split, split_images
from zoo.trainer.recipe import Recipe

if TYPE_CHECKING:
    from pathlib import Path


def make(root: Path, **classes: int) -> Path:
    """Make folders with so many images each; a double underscore in a name stands for a slash."""
    for name, count in classes.items():
        folder = root / name.replace("__", "/")
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("L", (8, 8), number).save(folder / f"{number}.png")
    return root


def split(root: Path, **choices: float) -> Split:
    """Split with a recipe."""
    return split_images(root, Recipe(**choices))  # type: ignore[arg-type]  # values of the recipe by name


@pytest.mark.parametrize("train", ["train", "Train", "TRAINING"])
@pytest.mark.parametrize("validation", ["val", "valid", "Validation", "DEV"])
def test_b02_usual_names_of_parts_are_known(tmp_path: Path, train: str, validation: str) -> None:
    """B02: in any case of letters; what is learnt are the classes, not the parts."""
    make(tmp_path, **{f"{train}__cat": 3, f"{train}__dog": 3, f"{validation}__cat": 1})
    found = split(tmp_path)
    assert found.labels == ("cat", "dog")
    assert len(found.train) == 6
    assert len(found.validation) == 1
    assert any("no images of dog" in note for note in found.notes)


def test_b02_a_test_part_never_chooses(tmp_path: Path) -> None:
    """Without a validation part a share of the training part is held out, and that is said."""
    make(tmp_path, train__cat=5, train__dog=5, test__cat=2, test__dog=2)
    found = split(tmp_path, hold_out=0.2)
    assert (len(found.train), len(found.validation)) == (8, 2)
    assert all("test" not in path.parts for path, _ in found.train + found.validation)
    assert any("test is left alone" in note for note in found.notes)


@pytest.mark.parametrize("names", [("first", "second"), ("A", "B", "C")])
def test_b02_parts_of_other_names_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Folders that all hold the same subfolders would be learnt as classes."""
    for name in names:
        make(tmp_path / name, cat=2, dog=2)
    with pytest.raises(DatasetError, match="look like parts of a data set, not like classes"):
        split(tmp_path)
    with pytest.raises(DatasetError, match="all hold the folders cat, dog"):
        read_folder(tmp_path)


def test_classes_with_folders_inside_are_no_parts(tmp_path: Path) -> None:
    """Deeper folders belong to their class, as with torchvision's ImageFolder."""
    make(tmp_path, cat__indoors=2, dog__outdoors=2)
    assert split(tmp_path).labels == ("cat", "dog")


def test_two_parts_of_one_kind_are_refused(tmp_path: Path) -> None:
    """Which of the two is meant?"""
    make(tmp_path, train__cat=2, Training__cat=2)
    with pytest.raises(DatasetError, match="called like the train part"):
        find_parts(tmp_path)


def test_b03_hidden_folders_are_no_classes(tmp_path: Path) -> None:
    """B03: what notebooks, archives and file managers leave."""
    make(tmp_path, cat=2, dog=2)
    make(tmp_path / ".ipynb_checkpoints", x=1)
    make(tmp_path / "__MACOSX", cat=1)
    (tmp_path / "cat" / "._0.png").write_bytes(b"x")
    found = read_folder(tmp_path)
    assert found.folders == ("cat", "dog")
    assert len(found.images) == 4
    assert found.left_out == ()


def test_b13_no_class_is_held_out_whole(tmp_path: Path) -> None:
    """B13: one image is learnt, and said not to be judged."""
    make(tmp_path, cat=5, dog=5, rare=1)
    found = split(tmp_path)
    assert {label for _, label in found.train} == {0, 1, 2}
    assert any("only one image in rare" in note for note in found.notes)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_b13_something_of_every_class_is_learnt(tmp_path: Path, share: float) -> None:
    """Whatever the share."""
    make(tmp_path, cat=3, dog=2)
    assert {label for _, label in split(tmp_path, hold_out=share).train} == {0, 1}


def test_b13_zero_is_zero(tmp_path: Path) -> None:
    """B13: ``--hold-out 0`` holds out nothing."""
    make(tmp_path, cat=3, dog=3)
    found = split(tmp_path, hold_out=0.0)
    assert (len(found.train), found.validation) == (6, ())


def test_b14_what_is_left_out_is_reported(tmp_path: Path) -> None:
    """B14: a class without images, files of other kinds."""
    make(tmp_path, cat=2, dog=2, empty=0)
    (tmp_path / "dog" / "notes.txt").write_text("x")
    (tmp_path / "dog" / "README").write_text("x")
    notes = split(tmp_path).notes
    assert "no images in empty: not a class" in notes
    assert any("1 file ending in .txt" in note for note in notes)
    assert any("1 file without an ending" in note for note in notes)


def test_b15_linked_folders_are_entered_once(tmp_path: Path) -> None:
    """B15: data sets are often links to other disks; a circle ends."""
    real = make(tmp_path / "real", cats=3, dogs=2)
    root = tmp_path / "root"
    root.mkdir()
    (root / "cat").symlink_to(real / "cats")
    (root / "dog").symlink_to(real / "dogs")
    (real / "cats" / "again").symlink_to(real / "cats")
    assert len(read_folder(root).images) == 5


@pytest.mark.parametrize("target", [".", "..", "../dog", "../.."])
def test_b15_a_link_never_brings_the_images_of_another_class(tmp_path: Path, target: str) -> None:
    """B15: to the folder above, to itself, to another class: each image has one label."""
    root = make(tmp_path / "above" / "root", cat=3, dog=2)
    (root / "cat" / "link").symlink_to(target)
    labels = [folder for _, folder in read_folder(root).images]
    assert (labels.count("cat"), labels.count("dog")) == (3, 2)


def test_b14_links_to_nothing_pipes_and_loose_images_are_reported(tmp_path: Path) -> None:
    """B14: what lies beside the classes or the parts, too."""
    root = make(tmp_path / "train", cat=2, dog=2)
    (root / "cat" / "gone.png").symlink_to("nowhere")
    os.mkfifo(root / "dog" / "pipe.png")
    (root / "loose.png").hardlink_to(root / "cat" / "0.png")
    make(tmp_path / "eval", cat=1, dog=1)
    notes = split(tmp_path).notes
    odd = "cat/gone.png, dog/pipe.png passed over: a link to nothing, a pipe or a device"
    assert odd in notes
    assert "loose.png passed over: beside the class folders, not in one" in notes
    assert "eval is left alone: no usual name of a part" in notes


def test_b15_names_that_are_no_utf8_work(tmp_path: Path) -> None:
    """B15: from disks of other systems."""
    make(tmp_path, cat=2, dog=2)
    bad = os.fsencode(tmp_path / "cat") + b"/\xe9t\xe9.png"
    os.rename(tmp_path / "cat" / "1.png", os.fsdecode(bad))  # noqa: PTH104  (bytes that are no text)
    found = read_folder(tmp_path)
    assert len(found.images) == 4
    assert len(found.digest) == 16


def test_an_unreadable_folder_is_a_sentence(tmp_path: Path) -> None:
    """A link to nothing in the place of a data set, or a file."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatasetError, match="no such folder"):
        read_folder(tmp_path / "file")
