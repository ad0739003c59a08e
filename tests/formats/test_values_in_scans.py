"""A scan looks at the values, too: cut files, bytes that hide, layers of nothing but zeros."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from zoo.errors import CheckpointError
from zoo.formats import checkpoint
from zoo.formats.zip_archive import read_archive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STATE = {"a.weight": torch.arange(1.0, 13).reshape(3, 4), "b": torch.zeros(5)}
ZERO = {**STATE, "head.weight": torch.zeros(10, 400), "z.bias": torch.zeros(10)}


def saved(state: dict[str, torch.Tensor], *, is_zip: bool) -> bytes:
    """Return what torch.save writes."""
    buffer = io.BytesIO()
    torch.save(state, buffer, _use_new_zipfile_serialization=is_zip)
    return buffer.getvalue()


def scan_of(path: Path, data: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Scan some bytes; return faults and notes."""
    path.write_bytes(data)
    found = checkpoint.scan(path)
    return found.faults, found.notes


@pytest.mark.parametrize("is_zip", [False, True])
def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path, *, is_zip: bool) -> None:
    """At every hundredth of its length; the whole file is sound."""
    data = saved(STATE, is_zip=is_zip)
    file = tmp_path / "f.pth"
    assert scan_of(file, data) == ((), ())
    for percent in range(1, 100):
        faults, _ = scan_of(file, data[: len(data) * percent // 100])
        assert faults, f"cut at {percent} %"


def test_bytes_behind_the_values_of_the_older_format_are_refused(tmp_path: Path) -> None:
    """They belong to no storage, so nobody has said what they are."""
    faults, _ = scan_of(tmp_path / "f.pth", saved(STATE, is_zip=False) + b"hidden")
    assert faults == ("6 bytes behind its values belong to none of them",)


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_a_layer_of_nothing_but_zeros_is_noted(tmp_path: Path, kind: str) -> None:
    """It is no fault, but such a network answers the same to every image; biases may be zero."""
    file = tmp_path / "f"
    if kind == "safetensors":
        save_file(ZERO, file)
    else:
        file.write_bytes(saved(ZERO, is_zip=kind == "zip"))
    found = checkpoint.scan(file)
    assert found.is_safe
    assert found.notes == ("head.weight holds nothing but zeros: was it ever filled?",)
    assert checkpoint.scan(file, sums=False).notes == ()


def test_many_layers_of_zeros_are_one_note(tmp_path: Path) -> None:
    """Three are named."""
    file = tmp_path / "f"
    save_file({f"{number}.weight": torch.zeros(2, 2) for number in range(5)}, file)
    (note,) = checkpoint.scan(file).notes
    assert "and 2 more hold nothing but zeros" in note


def torch_archive() -> bytearray:
    """Return an archive that torch wrote."""
    return bytearray(saved(STATE, is_zip=True))


def hide_in_padding(data: bytearray) -> None:
    """Write into what lies before a member's content, so that it begins at a round place."""
    at = data.index(b"ZZZZZZ")
    data[at : at + 6] = b"hidden"


def hide_in_descriptor(data: bytearray) -> None:
    """Write into the lengths that follow a member."""
    at = data.index(b"PK\x07\x08")
    data[at + 8 : at + 12] = b"hide"


def name_another_field(data: bytearray) -> None:
    """Let the padding be a field of another kind."""
    data[data.index(b"FB") : data.index(b"FB") + 2] = b"XY"


@pytest.mark.parametrize("change", [hide_in_padding, hide_in_descriptor, name_another_field])
def test_bytes_that_hide_in_an_archive_are_refused(
    tmp_path: Path, change: Callable[[bytearray], None]
) -> None:
    """Padding is padding, and what follows a member says its lengths once more."""
    data = torch_archive()
    change(data)
    faults, _ = scan_of(tmp_path / "f.pt", bytes(data))
    assert len(faults) == 1
    assert "belong" in faults[0]


def test_a_comment_of_a_member_is_refused(tmp_path: Path) -> None:
    """The directory has room for 64 kB beside each name."""
    source = zipfile.ZipFile(io.BytesIO(torch_archive()))
    file = tmp_path / "f.pt"
    with zipfile.ZipFile(file, "w") as copy:
        for info in source.infolist():
            plain = zipfile.ZipInfo(info.filename)
            plain.comment = b"hidden" if info.filename.endswith("data.pkl") else b""
            copy.writestr(plain, source.read(info))
    (fault,) = checkpoint.scan(file).faults
    assert "hides bytes that belong to nothing" in fault


def test_an_archive_that_another_program_packed_anew_is_read(tmp_path: Path) -> None:
    """Stored members with times in their extra fields, as zip programs write them."""
    source = zipfile.ZipFile(io.BytesIO(torch_archive()))
    file = tmp_path / "f.pt"
    with zipfile.ZipFile(file, "w") as copy:
        for info in source.infolist():
            plain = zipfile.ZipInfo(info.filename)
            plain.extra = struct.pack("<2HBI", 0x5455, 5, 1, 1_700_000_000)
            copy.writestr(plain, source.read(info))
    with file.open("rb") as stream:
        assert read_archive(stream, "f.pt").members
    assert checkpoint.scan(file).is_safe


@pytest.mark.parametrize("place", ["fifo", "/dev/zero", "folder", "nowhere"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, place: str) -> None:
    """A pipe would wait for a writer, a device would never end."""
    path = tmp_path / place  # an absolute path stays as it is
    if place == "fifo":
        os.mkfifo(path)
    elif place == "folder":
        path.mkdir()
    with pytest.raises(CheckpointError, match=r"no regular file|cannot be read"):
        checkpoint.scan(path)
