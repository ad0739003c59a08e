"""Scanning what torch.save wrote: hostile pickles are named, damaged ones refused, nothing runs."""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import warnings
import zipfile
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import _weights_only_unpickler as torch_unpickler

from tests.support import hostile_files
from tests.support.hostile_files import ATTACKS, FORMATS, read_members, write_members
from zoo.errors import CheckpointError
from zoo.formats import checkpoint, opcodes, pickle_file
from zoo.formats.opcodes import ALLOWED_GLOBALS, ALLOWED_OPCODES, read_program
from zoo.formats.scan_result import Format

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EVERY_ATTACK = pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
EVERY_FORMAT = pytest.mark.parametrize("write", FORMATS.values(), ids=list(FORMATS))


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Return a small file as torch.save writes it."""
    path = tmp_path / "net.pth"
    torch.save({"conv.weight": torch.arange(6.0).reshape(2, 3), "steps": torch.tensor(7)}, path)
    return path


def faults_of(path: Path) -> str:
    """Scan a file that must be refused and return why."""
    found = checkpoint.scan(path)
    assert not found.is_safe
    with pytest.raises(CheckpointError):
        checkpoint.require_safe(path)
    return "; ".join(found.faults)


@EVERY_ATTACK
def test_an_attack_works_on_a_careless_reader(
    tmp_path: Path, attack: Callable[[Path], hostile_files.Attack]
) -> None:
    """The hostile files of these tests are hostile: unpickled without care, they leave a mark."""
    canary = tmp_path / "canary"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the files that the attacks leave open
        pickle.loads(attack(canary).pickled)  # noqa: S301  # made in this test
    assert canary.exists()


@EVERY_FORMAT
@EVERY_ATTACK
def test_a_hostile_pickle_is_named_and_does_not_run(
    tmp_path: Path,
    attack: Callable[[Path], hostile_files.Attack],
    write: Callable[[Path, bytes], Path],
) -> None:
    """The report says what would be imported; the mark is absent."""
    canary = tmp_path / "canary"
    made = attack(canary)
    path = write(tmp_path / "net.pth", made.pickled)
    found = checkpoint.scan(path)
    assert any(made.imports in name.name and not name.is_allowed for name in found.imports)
    assert made.imports in faults_of(path)
    assert not canary.exists()


def test_the_allowed_opcodes_are_those_that_torch_runs() -> None:
    """For each of the 68 opcodes, torch's own unpickler agrees."""
    for opcode in pickletools.opcodes:
        code = b"\x80\x02" + opcode.code.encode("latin-1") + b"\0" * 300
        try:
            torch_unpickler.load(io.BytesIO(code))
            fault = ""
        except Exception as error:  # noqa: BLE001  # torch raises whatever its operands lead to
            fault = str(error)
        assert (fault == f"Unsupported operand {ord(opcode.code)}") == (
            opcode.name not in ALLOWED_OPCODES
        ), opcode.name


def test_the_allowed_names_are_those_that_torch_allows() -> None:
    """The list is the installed torch's, name for name."""
    assert set(torch_unpickler._get_allowed_globals()) == ALLOWED_GLOBALS


def test_a_name_taken_from_the_memo_is_found() -> None:
    """Memo, duplicates and discarded values are followed to the name that pickle would import."""
    code = b"\x80\x04\x8c\x05split\x94(K\x01K\x02t0\x8c\x02re20\x8c\x09posixpath\x94h\x00\x93."
    module_first = b"\x80\x04\x8c\x05shlex\x94\x8c\x05split\x94\x93."
    assert [use.name for use in read_program(io.BytesIO(module_first)).imports] == ["shlex.split"]
    assert [use.name for use in read_program(io.BytesIO(code)).imports] == ["posixpath.split"]
    assert pickle.loads(code).__module__ == "posixpath"  # noqa: S301  # made above, a harmless import


def test_a_name_that_the_pickle_computes_is_not_guessed() -> None:
    """A module name that comes out of a call is shown as unknown, and refused."""
    code = b"\x80\x04cbuiltins\nstr\n(\x8c\x02ostR\x8c\x06system\x93."
    assert [use.name for use in read_program(io.BytesIO(code)).imports] == [
        "builtins.str",
        "?.system",
    ]


def test_names_of_python_2_are_shown_as_python_3_imports_them() -> None:
    """``__builtin__.eval`` is ``builtins.eval``; torch maps the same way."""
    assert read_program(io.BytesIO(b"c__builtin__\neval\n.")).imports[0].name == "builtins.eval"


def test_a_name_that_a_terminal_would_obey_is_escaped() -> None:
    """The report can be printed."""
    assert (
        read_program(io.BytesIO(b"cos\n\x1b[2Jsystem\n.")).imports[0].name == r"'os.\x1b[2Jsystem'"
    )


def test_a_pickle_that_breaks_off_still_names_what_ran_before() -> None:
    """Damage after the hostile part does not hide it."""
    program = read_program(io.BytesIO(b"\x80\x02cos\nsystem\n(X\xff\xff\xff\x7f"))
    assert [use.name for use in program.imports] == ["os.system"]
    assert program.fault is not None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_program_or_a_fault(data: bytes) -> None:
    """Whatever stands there, reading it raises nothing."""
    read_program(io.BytesIO(data))


@given(
    st.lists(
        st.sampled_from([opcode.code.encode("latin-1") for opcode in pickletools.opcodes]),
        max_size=60,
    )
)
def test_any_sequence_of_opcodes_is_a_program_or_a_fault(codes: list[bytes]) -> None:
    """Neither an empty stack nor a missing mark nor a strange memo raises anything."""
    read_program(io.BytesIO(b"".join(code + b"1\n" for code in codes)))


def test_what_torch_saves_is_safe(sound: Path) -> None:
    """A state dict imports three names, all allowed."""
    found = checkpoint.scan(sound)
    assert found.is_safe
    assert found.format is Format.ZIP
    assert {name.name for name in found.imports} >= {
        "torch._utils._rebuild_tensor_v2",
        "torch.FloatStorage",
    }
    assert checkpoint.require_safe(sound) is Format.ZIP


@pytest.mark.parametrize("is_zip", [True, False])
def test_every_kind_of_tensor_that_torch_saves_is_safe(tmp_path: Path, is_zip: bool) -> None:
    """Wrapped, half precision, quantized, shared: what weights_only loads is not refused here."""
    shared = torch.arange(10.0)
    content = {
        "state_dict": {
            "half": torch.ones(2, dtype=torch.half),
            "bfloat16": torch.ones(2, dtype=torch.bfloat16),
            "parameter": torch.nn.Parameter(torch.ones(2)),
            "whole": shared,
            "slice": shared[2:4],
            "bool": torch.tensor([True]),
            "complex": torch.ones(1, dtype=torch.complex64),
        },
        "epoch": 3,
        "name": "net",
    }
    path = tmp_path / "net.pth"
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    assert checkpoint.scan(path).faults == ()
    assert torch.load(path, weights_only=True)["epoch"] == 3


def test_the_real_weights_are_safe(shared_data: Path) -> None:
    """The exported SqueezeNet 1.1."""
    assert checkpoint.scan(shared_data / "weights" / "squeezenet1_1.pth").faults == ()


def test_every_single_changed_byte_of_an_archive_is_noticed_or_harmless(sound: Path) -> None:
    """With any one bit flipped the file is refused, or loads to the same tensors."""
    content = sound.read_bytes()
    expected = torch.load(sound, weights_only=True)
    refused = 0
    for place in range(len(content)):
        sound.write_bytes(content[:place] + bytes([content[place] ^ 0x04]) + content[place + 1 :])
        if not checkpoint.scan(sound).is_safe:
            refused += 1
            continue
        try:
            loaded = torch.load(sound, weights_only=True)
        except RuntimeError:  # a byte of the directory that only torch's reader minds
            continue
        assert list(loaded) == list(expected)
        assert all(torch.equal(loaded[name], expected[name]) for name in expected)
    assert refused > 300, "pickle, values, names and directory together have more bytes than that"


def test_a_flipped_bit_in_a_tensor_is_refused_by_its_checksum(sound: Path) -> None:
    """No reader but this one notices: torch loads the file without a word."""
    content = bytearray(sound.read_bytes())
    place = content.index(struct.pack("<6f", *range(6)))
    content[place + 5] ^= 1
    sound.write_bytes(content)
    assert torch.load(sound, weights_only=True)["conv.weight"].flatten().tolist() != [
        0,
        1,
        2,
        3,
        4,
        5,
    ]
    assert "the member net/data/0 has the CRC" in faults_of(sound)
    assert checkpoint.scan(sound, sums=False).is_safe


def test_an_archive_cut_anywhere_is_refused(sound: Path) -> None:
    """At every length short of the whole, or near it."""
    content = sound.read_bytes()
    for length in (*range(0, len(content), 7), *range(len(content) - 120, len(content))):
        sound.write_bytes(content[:length])
        assert not checkpoint.scan(sound).is_safe, length


def test_a_zip_bomb_is_refused_without_being_unpacked(sound: Path) -> None:
    """64 MB of zeros in 64 kB: torch.save never compresses."""
    bomb = [*read_members(sound), ("net/data/2", bytes(64 << 20))]
    write_members(sound, bomb, zipfile.ZIP_DEFLATED)
    assert sound.stat().st_size < 200_000
    assert "is compressed (altogether" in faults_of(sound)


def test_a_pickle_that_unpacks_without_end_is_refused(sound: Path) -> None:
    """Packed members are refused before they are read."""
    zeros = bytes(pickle_file.LARGEST_PICKLE_BYTES + 1)
    members = [
        (name, zeros if name.endswith(".pkl") else data) for name, data in read_members(sound)
    ]
    write_members(sound, members, zipfile.ZIP_DEFLATED)
    assert "data.pkl is compressed" in faults_of(sound)


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/evil",
        "net/../../evil",
        "net//evil",
        "net\\evil",
        "C:/evil",
        "evil",
        "net/\x1b[2J",
        "net/",
    ],
)
def test_an_entry_outside_the_folder_is_refused(sound: Path, name: str) -> None:
    """Nothing is extracted, but a reader that would do so must not be trusted with it either."""
    write_members(sound, [*read_members(sound), (name, b"")])
    assert "the member name" in faults_of(sound)


def test_a_second_folder_is_refused(sound: Path) -> None:
    """PyTorch takes the folder from the first member; another reader may not."""
    write_members(sound, [*read_members(sound), ("other/data.pkl", b".")])
    assert "expected one folder" in faults_of(sound)


@pytest.mark.parametrize("name", ["net/data.pkl", "net/DATA.PKL"])
def test_two_members_of_one_name_are_refused(sound: Path, name: str) -> None:
    """Readers differ in which of them they see; torch's does not mind the case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_members(sound, [*read_members(sound), (name, b"\x80\x02}.")])
    assert "stands twice" in faults_of(sound)


def test_bytes_before_or_after_the_archive_are_refused(sound: Path) -> None:
    """A zip may hide in another file; torch.save's do not."""
    content = sound.read_bytes()
    sound.write_bytes(content + b"more")
    assert "ends before its directory" in faults_of(sound)
    sound.write_bytes(b"PK\x03\x04" + content)
    assert "directory" in faults_of(sound)


def test_members_that_share_their_bytes_are_refused(sound: Path) -> None:
    """Overlapping members are how a small archive claims to be large."""
    write_members(sound, read_members(sound))
    content = bytearray(sound.read_bytes())
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4)
    content[second + 42 : second + 46] = bytes(4)  # the second member starts where the first does
    sound.write_bytes(content)
    assert "contradicts the directory" in faults_of(sound) or "overlaps" in faults_of(sound)


def test_an_encrypted_member_is_refused(sound: Path) -> None:
    """It cannot be checked."""
    write_members(sound, read_members(sound))
    content = bytearray(sound.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    sound.write_bytes(content)
    assert "is encrypted" in faults_of(sound)


def test_a_zip_that_torch_did_not_write_is_refused(sound: Path) -> None:
    """Any other zip archive has no data.pkl."""
    write_members(sound, [("net/readme.txt", b"hello")])
    assert "without net/data.pkl" in faults_of(sound)


def test_a_torchscript_archive_is_refused_with_the_reason(tmp_path: Path) -> None:
    """It holds code; its format is named, and what to do."""
    path = tmp_path / "net.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    found = checkpoint.scan(path)
    assert found.format is Format.TORCHSCRIPT
    assert "torch.jit.load" in faults_of(path)
    assert any(name.name.startswith("__torch__") for name in found.imports)


def test_a_tar_archive_of_the_oldest_torch_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Before 0.1.10."""
    path = tmp_path / "net.pth"
    path.write_bytes(b"storages".ljust(257, b"\0") + b"ustar\x0000".ljust(400, b"\0"))
    assert checkpoint.scan(path).format is Format.TAR
    assert "tar format" in faults_of(path)


@pytest.mark.parametrize(
    "content", [b"", b"<!DOCTYPE html><html>", b"\x89PNG\r\n", b"hello world", bytes(1000)]
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    """A login page saved as weights is the commonest of them."""
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    assert checkpoint.scan(path).format is Format.UNKNOWN
    assert faults_of(path)


def test_a_bare_pickle_is_refused_although_it_is_harmless(tmp_path: Path) -> None:
    """It is not what torch.save writes."""
    path = tmp_path / "net.pkl"
    path.write_bytes(pickle.dumps({"a": [1, 2]}, 2) * 2)
    assert checkpoint.scan(path).format is Format.PICKLE
    assert faults_of(path) == "it is a bare pickle, not a file that torch.save wrote"


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."]),
)
def test_any_file_is_scanned_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, start: bytes
) -> None:
    """Whatever its bytes are, a scan is a report."""
    path = tmp_path_factory.getbasetemp() / "any.pth"
    path.write_bytes(start + data)
    checkpoint.scan(path)


def test_a_missing_file_is_a_plain_error(tmp_path: Path) -> None:
    """The one thing that a scan raises."""
    with pytest.raises(CheckpointError, match="No such file"):
        checkpoint.scan(tmp_path / "net.pth")


def test_many_faults_are_counted_not_listed(tmp_path: Path) -> None:
    """The error stays readable."""
    code = b"".join(f"cmodule{number}\nname\n".encode() for number in range(50))
    path = hostile_files.write_zip(tmp_path / "net.pth", b"\x80\x02" + code + b".")
    with pytest.raises(
        CheckpointError, match=r"module0\.name.*module2\.name.*and 47 more; do not load it"
    ) as caught:
        checkpoint.require_safe(path)
    assert len(str(caught.value)) < 700
    assert opcodes.ALLOWED_GLOBALS.isdisjoint(use.name for use in checkpoint.scan(path).imports)
