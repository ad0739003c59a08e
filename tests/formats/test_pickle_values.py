"""A checkpoint costs what its length allows: its pickle is followed, never run."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.checkpoint_programs import (
    ORDERED_DICT,
    archive,
    named,
    pairs,
    tensor,
    text,
    whole,
)
from zoo.errors import CheckpointError
from zoo.formats import checkpoint, pickle_values
from zoo.formats.description import TensorSpec
from zoo.formats.pickle_values import ProgramError, read_values
from zoo.loader.state_dicts import read_state_dict

if TYPE_CHECKING:
    from pathlib import Path

FLOATS = struct.pack("<4f", 1, 2, 3, 4)


def refused(path: Path) -> str:
    """Check that neither a scan nor the loader takes a file; return what the scan says."""
    found = checkpoint.scan(path)
    assert not found.is_safe
    with pytest.raises(CheckpointError):
        read_state_dict(path)
    return "; ".join(found.faults)


def test_a_program_gives_plain_values_and_descriptions() -> None:
    """Tensors are described: type, storage, place, shape and stride."""
    program = b"\x80\x02" + named(tensor()) + b"."
    spec = read_values(program).content["w"]
    assert isinstance(spec, TensorSpec)
    assert (spec.dtype, spec.storage.key, spec.shape, spec.stride) == ("float32", "0", (4,), (1,))


def test_a_storage_that_is_shorter_than_its_tensor_is_refused(tmp_path: Path) -> None:
    """Else the bytes behind it would become weights."""
    path = archive(tmp_path / "net.pt", named(tensor()), FLOATS[:4])
    assert "its storage '0' should have 16 bytes, the file has 4 for it" in refused(path)


@pytest.mark.parametrize("offset", [1, 4, 1 << 40])
def test_a_view_outside_of_its_storage_is_refused(tmp_path: Path, offset: int) -> None:
    """Whatever its offset, shape and stride would reach."""
    path = archive(tmp_path / "net.pt", named(tensor(offset=offset)), FLOATS)
    assert "its storage '0' has 4" in refused(path)


def test_b09_a_tensor_larger_than_its_storage_is_refused(tmp_path: Path) -> None:
    """B09: one value, expanded by a stride of nothing to four terabytes."""
    path = tmp_path / "net.pth"
    torch.save({"w": torch.ones(1).expand(1 << 40)}, path)
    assert "a tensor needs 1099511627776 values, its storage '0' has 1" in refused(path)


def test_b08_tensors_that_are_not_plain_are_named(tmp_path: Path) -> None:
    """B08: sparse tensors of several layouts, nested, meta and quantized ones."""
    kinds: dict[str, Any] = {
        "is sparse": torch.eye(3).to_sparse(),
        "has no values": torch.empty(2, device="meta"),
    }
    for fault, value in kinds.items():
        path = tmp_path / "net.pth"
        torch.save({"state_dict": {"conv.weight": torch.ones(2), "extra": value}}, path)
        assert f"extra {fault}" in refused(path)


def test_a_key_that_takes_for_ever_to_hash_is_refused(tmp_path: Path) -> None:
    """A tuple of a tuple of ... twice each: 2**60 steps for Python's hash."""
    path = archive(tmp_path / "net.pt", b"}" + pairs(60) + whole(1) + b"s")
    assert "a key of a dictionary is a tuple" in refused(path)


def test_memory_that_a_program_asks_for_is_not_taken(tmp_path: Path) -> None:
    """One kilobyte asks for four gigabytes."""
    path = archive(
        tmp_path / "net.pt", named(b"cbuiltins\nbytearray\n(" + whole(4 * 10**9) + b"tR")
    )
    assert "it asks for 4000000000 bytes of memory" in refused(path)


def test_containers_nested_without_end_are_a_sentence(tmp_path: Path) -> None:
    """20,000 tuples within each other: whoever called itself for each would run out of stack."""
    body = b")" + b"\x85" * 20_000
    path = archive(tmp_path / "net.pt", named(body))
    with pytest.raises(CheckpointError, match="nests more than 100 containers"):
        read_state_dict(path)


@pytest.mark.parametrize("name", ["numel", "is_floating_point", "detach", "items"])
def test_a_tensor_with_attributes_of_its_own_is_refused(tmp_path: Path, name: str) -> None:
    """They would stand in for its methods."""
    state = b"}(" + text(name) + whole(5) + b"u"
    function = b"ctorch._utils\n_rebuild_parameter_with_state\n("
    first = named(function + tensor() + b"\x89" + ORDERED_DICT + state + b"tR")
    assert "w has attributes of its own" in refused(archive(tmp_path / "a.pt", first))
    built = named(tensor() + state + b"b")
    assert "w has attributes of its own" in refused(archive(tmp_path / "b.pt", built))


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A lone surrogate."""
    body = b"}X" + struct.pack("<I", 3) + b"\xed\xa0\x80" + tensor() + b"s"
    assert "no whole pickle" in refused(archive(tmp_path / "net.pt", body))


def test_b10_a_packed_pickle_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """B10: what it would unpack to does not count, for nothing is unpacked."""
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a/data.pkl", b"\x80\x02" + b"N0" * 5_000_000 + b"N.")
    assert "a/data.pkl is compressed" in refused(path)


def test_a_program_has_a_stated_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its length."""
    monkeypatch.setattr(pickle_values, "MOST_STEPS", 100)
    with pytest.raises(ProgramError, match="more than 100 steps"):
        read_values(b"\x80\x02" + b"N" * 200 + b".")


def legacy(content: Any) -> bytes:
    """Write a file as torch did before 1.6."""
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def test_the_older_format_is_read_as_torch_reads_it(tmp_path: Path) -> None:
    """Types, views that share a storage, scalars."""
    base = torch.arange(12.0)
    content = {
        "whole": base,
        "view": base[2:8].view(2, 3).t(),
        "half": torch.ones(3).half(),
        "count": torch.tensor(7),
        "empty": torch.empty(0),
    }
    path = tmp_path / "net.pth"
    path.write_bytes(legacy(content))
    read = read_state_dict(path)
    for name, expected in content.items():
        assert torch.equal(read[name], expected), name
        assert read[name].dtype == expected.dtype
    assert read["whole"].data_ptr() + 8 == read["view"].data_ptr()


@pytest.mark.parametrize("percent", [10, 25, 50, 75, 90, 99])
def test_a_cut_file_of_the_older_format_is_refused(tmp_path: Path, percent: int) -> None:
    """Its values are held against the file's length."""
    data = legacy({"a": torch.randn(500), "b": torch.randn(500)})
    path = tmp_path / "net.pth"
    path.write_bytes(data[: len(data) * percent // 100])
    refused(path)


def test_the_older_format_without_its_storages_is_refused(tmp_path: Path) -> None:
    """Else its tensors would be whatever memory holds."""
    data = legacy({"w": torch.arange(4.0)})
    path = tmp_path / "net.pth"
    path.write_bytes(data[: data.rindex(b"\x80\x02]")] + b"\x80\x02].")
    assert "no values for its storage" in refused(path)


def test_the_zip_format_is_read_as_torch_reads_it(tmp_path: Path) -> None:
    """Types without a storage of their own, conjugates, parameters, ties, an optimizer's state."""
    tied = torch.nn.Parameter(torch.randn(3, 4))
    content = {
        "a": tied,
        "b": tied,
        "t": torch.randn(2, 3).t(),
        "u": torch.tensor([1, 2, 3], dtype=torch.uint16),
        "z": torch.tensor([1 + 2j]).conj(),
        "f": torch.ones(4).to(torch.float8_e4m3fn),
    }
    path = tmp_path / "net.pth"
    torch.save(content, path)
    for is_mapped in (False, True):
        read = read_state_dict(path, is_mapped=is_mapped)
        expected = torch.load(path, weights_only=True)
        for name in content:
            got, wanted = read[name], expected[name].detach()
            assert got.dtype == wanted.dtype
            same = torch.equal(got.to(torch.complex64), wanted.to(torch.complex64))
            assert same, name
        assert read["a"].data_ptr() == read["b"].data_ptr()


def test_a_hidden_gap_in_an_archive_is_refused(tmp_path: Path) -> None:
    """Bytes between members that belong to none: room to hide something."""
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a/data.pkl", pickle.dumps({}, 2))
        made.fp.write(b"hidden" * 100)  # type: ignore[union-attr]  # it is open
        made.start_dir = made.fp.tell()  # type: ignore[union-attr]  # where zipfile goes on
        made.writestr("a/version", b"3")
    assert "belong to none" in refused(path)


def test_b21_an_archive_without_checksums_loads_and_says_so(tmp_path: Path) -> None:
    """B21: torch can leave them out; that is no damage."""
    path = tmp_path / "net.pth"
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"w": torch.arange(4.0)}, path)
    finally:
        torch.serialization.set_crc32_options(before)
    found = checkpoint.scan(path)
    assert found.is_safe
    assert found.notes == ("it has no checksums, so damage to its values would not show",)
    assert read_state_dict(path)["w"].tolist() == [0, 1, 2, 3]


def test_b23_a_type_that_is_not_known_is_named(tmp_path: Path) -> None:
    """B23: a newer type of safetensors is no damage."""
    header = b'{"w":{"dtype":"F8_E8M0","shape":[4],"data_offsets":[0,4]}}'
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"1234")
    fault = refused(path)
    assert "'w' has the type 'F8_E8M0', which is not read" in fault
    assert "not a sound" not in fault


@given(st.binary(max_size=200))
def test_whatever_the_bytes_are_a_program_is_read_or_refused(data: bytes) -> None:
    """No other exception comes out."""
    try:
        read_values(b"\x80\x02" + data)
    except ProgramError:
        return


@given(st.data())
def test_a_program_with_any_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    """Starting from a real one, so that its deeper steps are reached."""
    program = bytearray(b"\x80\x02" + named(tensor()) + b".")
    for _ in range(data.draw(st.integers(1, 5))):
        program[data.draw(st.integers(0, len(program) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_values(bytes(program))
    except ProgramError:
        return
