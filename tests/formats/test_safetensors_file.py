"""The safetensors header reader: sound files are described exactly, hostile ones refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import CheckpointError, ZooError
from zoo.formats import safetensors_file
from zoo.formats.safetensors_file import (
    LARGEST_HEADER_BYTES,
    TensorEntry,
    parse_header,
    read_header,
)

if TYPE_CHECKING:
    from pathlib import Path

DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I16": torch.int16,
    "U16": torch.uint16,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I32": torch.int32,
    "U32": torch.uint32,
    "F32": torch.float32,
    "I64": torch.int64,
    "U64": torch.uint64,
    "F64": torch.float64,
    "C64": torch.complex64,
}


def write_raw(path: Path, header: bytes, data: bytes = b"", length: int | None = None) -> Path:
    """Write a file with any header, true or not."""
    count = len(header) if length is None else length
    path.write_bytes(count.to_bytes(8, "little") + header + data)
    return path


def entry(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, Any]:
    """Describe one tensor as a header does."""
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def refusal(header: object, data_bytes: int = 8) -> str:
    """Parse a header that must be refused and return the message."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    with pytest.raises(
        CheckpointError, match=r"^net\.safetensors is refused: .*; get the file again"
    ) as caught:
        parse_header(text, 8 + len(text) + data_bytes, "net.safetensors")
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_a_file_of_the_reference_library_is_described_exactly(tmp_path: Path) -> None:
    """Names, types, shapes, places, metadata are what safetensors wrote, for all torch's types."""
    tensors = {name: torch.ones(2, 3).to(dtype) for name, dtype in DTYPES.items()} | {
        "scalar": torch.tensor(1.5)
    }
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    header = read_header(path)
    assert {found.name for found in header.tensors} == set(tensors)
    assert header.metadata == {"format": "pt"}
    assert header.size_bytes == path.stat().st_size
    content = path.read_bytes()
    for found in header.tensors:
        expected = tensors[found.name]
        assert found.shape == tuple(expected.shape)
        assert found.count == expected.numel()
        assert DTYPES[found.dtype] == expected.dtype
        raw = expected.reshape(-1).view(torch.uint8).numpy().tobytes() if expected.ndim else None
        assert raw is None or content[found.begin : found.end] == raw


def test_every_type_has_the_item_size_that_torch_gives_it() -> None:
    """The table of item sizes is torch's."""
    assert {name: dtype.itemsize for name, dtype in DTYPES.items()} == safetensors_file.ITEM_BYTES


def test_an_empty_tensor_and_an_empty_file_are_sound() -> None:
    """No values take no bytes."""
    text = json.dumps({"a": entry(shape=[0, 3], offsets=[0, 0]), "b": entry()}).encode()
    header = parse_header(text, 8 + len(text) + 8, "net.safetensors")
    start = 8 + len(text)
    assert header.tensors == (
        TensorEntry("a", "F32", (0, 3), start, start),
        TensorEntry("b", "F32", (2,), start, start + 8),
    )
    assert parse_header(b"{}", 10, "net.safetensors").tensors == ()


def test_a_tensor_at_an_odd_place_is_sound() -> None:
    """Nothing in the format makes values begin at a multiple of their size."""
    text = (
        json.dumps({"a": entry("U8", [1], [0, 1]), "b": entry("F32", [1], [1, 5])}).encode()
        + b" " * 8
    )
    header = parse_header(
        text + b" " * (-len(text) % 8), 8 + len(text) + -len(text) % 8 + 5, "net.safetensors"
    )
    start = header.data_begin
    assert [found.begin - start for found in header.tensors] == [0, 1]


def test_a_header_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    """The claim is compared with the file before anything is read."""
    path = write_raw(tmp_path / "net.safetensors", b"{}", length=2**63)
    with pytest.raises(
        CheckpointError, match="claims 9223372036854775808 bytes, but the file has only 10"
    ):
        read_header(path)


def test_a_header_of_100_megabytes_is_refused_unread(tmp_path: Path) -> None:
    """The limit holds although the file is long enough (it is sparse: nothing is on disk)."""
    path = write_raw(tmp_path / "net.safetensors", b"{", length=100_000_000)
    with path.open("r+b") as stream:
        stream.truncate(100_000_100)
    with pytest.raises(
        CheckpointError, match=f"more than the {LARGEST_HEADER_BYTES} that are read"
    ):
        read_header(path)


@pytest.mark.parametrize("content", [b"", b"\2\0\0\0", b"\2\0\0\0\0\0\0\0"])
def test_a_file_cut_in_its_first_bytes_is_refused(tmp_path: Path, content: bytes) -> None:
    """Too short for its own beginning."""
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"expected at least 8 bytes|claims 2 bytes"):
        read_header(path)


def test_a_missing_file_is_a_plain_error(tmp_path: Path) -> None:
    """What the system says is passed on in a sentence."""
    with pytest.raises(
        CheckpointError, match="cannot be read: No such file or directory; check the path"
    ):
        read_header(tmp_path / "net.safetensors")


def test_overlapping_tensors_are_refused() -> None:
    """Two names for the same bytes."""
    assert "overlaps" in refusal({"a": entry(), "b": entry()})


def test_a_hole_between_tensors_is_refused() -> None:
    """Bytes that belong to no tensor could carry anything."""
    assert "hole" in refusal({"a": entry(offsets=[4, 12])}, data_bytes=12)
    assert "describes a file of" in refusal({"a": entry()}, data_bytes=9)


def test_offsets_past_the_end_are_refused() -> None:
    """The data must be there."""
    assert "describes a file of" in refusal({"a": entry(shape=[200], offsets=[0, 800])})


@pytest.mark.parametrize(
    "offsets",
    [[8, 0], [-8, 0], [0], [0, 8, 8], "08", None, [0, 8.0], [False, 8], [0, 2**64], {"0": 8}],
)
def test_offsets_that_are_not_two_rising_numbers_are_refused(offsets: object) -> None:
    """Every other spelling is refused, not guessed at."""
    assert "two rising whole numbers" in refusal({"a": entry(offsets=offsets)})


@pytest.mark.parametrize("shape", [[-2], [2.0], [True, 2], 2, None, "2", [2**63], [1] * 65, [[2]]])
def test_shapes_that_are_not_lists_of_counts_are_refused(shape: object) -> None:
    """A shape is a list of whole numbers."""
    assert "shape" in refusal({"a": entry(shape=shape)})


def test_a_shape_whose_product_overflows_is_refused() -> None:
    """2**32 * 2**32 wraps to 0 in 64 bits, which is what the offsets pretend."""
    assert "more values than fit" in refusal(
        {"a": entry(shape=[2**32, 2**32], offsets=[0, 0])}, data_bytes=0
    )
    assert "more values than fit" in refusal(
        {"a": entry(shape=[0, 2**62, 2**62], offsets=[0, 0])}, data_bytes=0
    )


def test_a_shape_that_disagrees_with_its_offsets_is_refused() -> None:
    """Three floats are twelve bytes, not eight."""
    assert "needs 12 bytes for F32 of shape [3], its offsets give 8" in refusal(
        {"a": entry(shape=[3])}
    )


@pytest.mark.parametrize("dtype", ["F31", "f32", 32, None, ["F32"], "F" * 10_000])
def test_an_unknown_type_is_refused(dtype: object) -> None:
    """Only the format's own names are types; a long one does not flood the screen."""
    text = json.dumps({"a": entry(dtype=dtype)}).encode()
    with pytest.raises(CheckpointError, match="which is not read; known are BOOL") as caught:
        parse_header(text, 8 + len(text) + 8, "net.safetensors")
    message = str(caught.value)
    assert len(message) < 500


def test_a_name_that_stands_twice_is_refused() -> None:
    """JSON readers keep the last and hide the first."""
    one = json.dumps(entry())
    assert "'a' stands twice" in refusal(f'{{"a": {one}, "a": {one}}}'.encode())
    assert "'dtype' stands twice" in refusal(
        b'{"a": {"dtype": "F32", "dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'
    )


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\nb", "nul\0", "\u202eright to left"])
def test_a_name_that_a_terminal_would_obey_is_refused(name: str) -> None:
    """The message itself shows it escaped."""
    assert "cannot be printed" in refusal({name: entry()})


def test_a_lone_surrogate_in_a_name_is_refused() -> None:
    """JSON can spell text that no encoding can write."""
    assert "cannot be printed" in refusal(
        b'{"\\ud800": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe{}",
        b'{"a": 1}',
        b'{"a": {}}',
        b"[" * 100_000,
        b'{"a": ' * 100_000,
        b'{"a": {"dtype": "F32", "shape": [' + b"9" * 5000 + b'], "data_offsets": [0, 8]}}',
        b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, Infinity]}}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], "code": "import os"}}',
        b'{"__metadata__": []}',
        b'{"__metadata__": {"step": 1}}',
    ],
)
def test_text_that_is_no_header_is_refused(text: bytes) -> None:
    """Not JSON, not an object, not the fields, or nested past any use."""
    refusal(text)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.sampled_from(list(DTYPES)),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.text(max_size=3)
                | st.sampled_from(["dtype", "shape", "data_offsets", "__metadata__"]),
                inner,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_described_or_refused(value: object) -> None:
    """Whatever the header holds, nothing but our own error comes out."""
    text = json.dumps(value).encode()
    try:
        header = parse_header(text, 8 + len(text) + 8, "net.safetensors")
    except ZooError:
        return
    assert sum(found.end - found.begin for found in header.tensors) == 8


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_sound_header_with_one_byte_changed_is_described_or_refused(
    place: int, flip: int
) -> None:
    """Damage is an error or another sound header, never anything else."""
    text = bytearray(json.dumps({"a": entry(), "b": entry("I64", [1, 2], [8, 24])}).encode())
    text[place % len(text)] ^= flip
    try:
        header = parse_header(bytes(text), 8 + len(text) + 24, "net.safetensors")
    except ZooError:
        return
    ends = [found.end for found in header.tensors]
    assert ends == sorted(ends)
    assert ends[-1] == header.size_bytes


def test_the_format_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    """A zip, a pickle and a missing file are not safetensors."""
    sound = write_raw(tmp_path / "a", b"{}")
    other = tmp_path / "b"
    torch.save({"a": torch.zeros(1)}, other)
    assert safetensors_file.is_safetensors(sound)
    assert not safetensors_file.is_safetensors(other)
    assert not safetensors_file.is_safetensors(tmp_path / "missing")


def test_a_new_file_is_the_one_that_the_reference_library_writes() -> None:
    """Byte for byte, for every type, awkward names, scalars and empty tensors."""
    tensors = {name: torch.ones(2, 3).to(dtype) for name, dtype in DTYPES.items()}
    tensors |= {
        "scalar": torch.tensor(1.5),
        "empty": torch.zeros(0, 3),
        "gruß": torch.ones(1),
        'q"\\': torch.ones(5),
    }
    names = {dtype: name for name, dtype in DTYPES.items()}
    facts = [(name, names[tensor.dtype], tuple(tensor.shape)) for name, tensor in tensors.items()]
    start, entries = safetensors_file.make_header(facts, {"format": "pt"})
    values = b"".join(
        tensors[entry.name].reshape(-1).view(torch.uint8).numpy().tobytes() for entry in entries
    )
    assert start + values == safetensors.torch.save(tensors, {"format": "pt"})


def test_a_new_file_does_not_depend_on_the_order_of_its_tensors() -> None:
    """The same tensors make the same file."""
    facts = [("b", "F32", (2,)), ("a", "F32", (3, 1)), ("c", "I64", ())]
    assert safetensors_file.make_header(
        facts, {"x": "1", "a": "2"}
    ) == safetensors_file.make_header(facts[::-1], {"a": "2", "x": "1"})


def test_a_name_that_no_reader_would_take_is_not_written() -> None:
    """What is written can be read."""
    with pytest.raises(CheckpointError, match="cannot be printed"):
        safetensors_file.make_header([("a\n", "F32", (1,))], {})
