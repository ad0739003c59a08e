"""Rows 48 to 53 of the fault catalogue, through ``zoo.load_model``: nothing ever runs."""

from __future__ import annotations

import io
import json
import pickle
import struct
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import zoo
from tests.support.hostile_files import (
    ATTACKS,
    FORMATS,
    Attack,
    read_members,
    write_legacy,
    write_members,
    write_zip,
)
from zoo.errors import CheckpointError, MismatchError
from zoo.loader.finiteness import count_bad_values
from zoo.loader.state_dicts import read_state_dict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    """Return a state dict of LeNet-5 with random values."""
    torch.manual_seed(4)
    return zoo.load_model("lenet5", weights=None).state_dict()


@pytest.fixture
def saved(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    """Save the state dict as torch does."""
    path = tmp_path / "lenet5.pth"
    torch.save(tensors, path)
    return path


def load(path: Path, **options: Any) -> torch.nn.Module:
    """Load a file as LeNet-5."""
    return zoo.load_model("lenet5", checkpoint=path, **options)


def refusal(path: Path) -> str:
    """Load a file that must be refused and return why."""
    with pytest.raises(CheckpointError) as caught:
        load(path)
    return str(caught.value)


def assert_loads(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Load a file and compare every value."""
    loaded = load(path).state_dict()
    assert list(loaded) == list(tensors)
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)
    assert all(tensor.device.type == "cpu" for tensor in loaded.values())


# Row 48


@pytest.mark.parametrize("write", FORMATS.values(), ids=list(FORMATS))
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
def test_code_in_a_pickle_is_refused_by_name_and_does_not_run(
    tmp_path: Path, attack: Callable[[Path], Attack], write: Callable[[Path, bytes], Path]
) -> None:
    """Each of eight ways to run code, in each of three layouts."""
    canary = tmp_path / "canary"
    made = attack(canary)
    assert made.imports in refusal(write(tmp_path / "lenet5.pth", made.pickled))
    assert not canary.exists()


@pytest.mark.filterwarnings(
    "ignore:Detected pickle protocol 4"
)  # torch's remark, before it refuses
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
def test_code_does_not_run_even_where_nothing_is_looked_through_first(
    tmp_path: Path, attack: Callable[[Path], Attack]
) -> None:
    """The registry's files are loaded without a scan; torch's restricted reader is what holds."""
    canary = tmp_path / "canary"
    made = attack(canary)
    path = write_zip(tmp_path / "lenet5.pth", made.pickled)
    with pytest.raises(CheckpointError, match=made.imports):
        read_state_dict(path, is_verified=True)
    assert not canary.exists()


def test_code_behind_a_sound_state_dict_does_not_run(tmp_path: Path, saved: Path) -> None:
    """The tensors are real; one more entry of the dict is not."""
    canary = tmp_path / "canary"
    evil = ATTACKS["os.system"](canary)
    members = read_members(saved)
    sound = next(data for name, data in members if name.endswith("data.pkl"))
    call = evil.pickled.removeprefix(b"\x80\x02").removesuffix(b".")
    pickled = sound.removesuffix(b".") + b"X\x05\x00\x00\x00extra" + call + b"s."
    write_members(
        saved, [(name, pickled if name.endswith("data.pkl") else data) for name, data in members]
    )
    assert evil.imports in refusal(saved)
    assert not canary.exists()


# Row 49


def test_the_old_format_loads(saved: Path, tensors: dict[str, torch.Tensor]) -> None:
    """What torch saved before 1.6."""
    torch.save(tensors, saved, _use_new_zipfile_serialization=False)
    assert_loads(saved, tensors)


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict"])
@pytest.mark.parametrize("is_zip", [True, False])
def test_a_wrapped_state_dict_with_module_prefixes_loads(
    saved: Path, tensors: dict[str, torch.Tensor], wrapper: str, is_zip: bool
) -> None:
    """As training scripts save it, from nn.DataParallel."""
    content = {
        wrapper: {f"module.{name}": tensor for name, tensor in tensors.items()},
        "epoch": 90,
        "best": 0.76,
    }
    torch.save(content, saved, _use_new_zipfile_serialization=is_zip)
    assert_loads(saved, tensors)


@pytest.mark.parametrize("is_zip", [True, False])
def test_tensors_saved_from_a_gpu_load_on_a_cpu(
    saved: Path, tensors: dict[str, torch.Tensor], is_zip: bool
) -> None:
    """The location of every storage is rewritten to cuda:0, as a GPU writes it."""
    torch.save(tensors, saved, _use_new_zipfile_serialization=is_zip)
    here, there = b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"
    if is_zip:
        members = [(name, data.replace(here, there)) for name, data in read_members(saved)]
        write_members(saved, members)
        assert any(there in data for _, data in members)
    else:
        assert here in saved.read_bytes()
        saved.write_bytes(saved.read_bytes().replace(here, there))
    assert_loads(saved, tensors)


def test_a_torchscript_archive_is_refused_with_the_reason(saved: Path) -> None:
    """It is a program."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, the files are not gone
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), saved)
    assert "it holds code" in refusal(saved)


def test_a_whole_pickled_network_is_refused_by_the_name_of_its_class(saved: Path) -> None:
    """``torch.save(model)`` instead of ``torch.save(model.state_dict())``."""
    torch.save(zoo.load_model("lenet5", weights=None), saved)
    assert "it is a whole pickled model (zoo.models.lenet.LeNet5" in refusal(saved)


@pytest.mark.parametrize(
    "content", [[torch.zeros(1)], {"a": 1}, {}, torch.zeros(3), {1: torch.zeros(1)}]
)
def test_a_file_without_named_tensors_is_refused(saved: Path, content: object) -> None:
    """It loads, but it is no state dict."""
    torch.save(content, saved)
    assert "expected named tensors" in refusal(saved)


# Row 50


def test_an_archive_cut_anywhere_is_refused(saved: Path) -> None:
    """At forty lengths from nothing to one byte short."""
    content = saved.read_bytes()
    for length in {*range(0, len(content), len(content) // 40), len(content) - 1}:
        saved.write_bytes(content[:length])
        refusal(saved)


def test_an_old_file_cut_anywhere_is_refused(saved: Path, tensors: dict[str, torch.Tensor]) -> None:
    """In its pickles and in its values."""
    torch.save(tensors, saved, _use_new_zipfile_serialization=False)
    content = saved.read_bytes()
    for length in {*range(0, len(content), len(content) // 40), len(content) - 1}:
        saved.write_bytes(content[:length])
        refusal(saved)


def test_a_zip_bomb_is_refused(saved: Path) -> None:
    """A compressed archive of gigabytes of zeros would be read by torch, and fill the memory."""
    members = [
        (name, bytes(32 << 20) if "/data/" in name else data) for name, data in read_members(saved)
    ]
    write_members(saved, members, zipfile.ZIP_DEFLATED)
    assert saved.stat().st_size < 1 << 20
    assert "is compressed" in refusal(saved)


@pytest.mark.parametrize("name", ["../outside", "/outside", "lenet5/../../outside", "C:/outside"])
def test_an_entry_outside_is_refused_and_not_written(
    tmp_path: Path, saved: Path, name: str
) -> None:
    """The folder holds what it held."""
    write_members(saved, [*read_members(saved), (name, b"x")])
    before = sorted(tmp_path.rglob("*"))
    assert "the member name" in refusal(saved)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_flipped_bit_in_a_tensor_is_refused(
    saved: Path, tensors: dict[str, torch.Tensor]
) -> None:
    """torch.load itself does not look at the checksum."""
    values = next(iter(tensors.values())).numpy().tobytes()
    content = bytearray(saved.read_bytes())
    content[content.index(values) + 3] ^= 1
    saved.write_bytes(content)
    torch.load(saved, weights_only=True)
    assert "has the CRC" in refusal(saved)


# Row 51


def write_safetensors(
    path: Path, header: dict[str, Any] | bytes, data: bytes, length: int | None = None
) -> Path:
    """Write a safetensors file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


TWO = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HEADERS: dict[str, tuple[dict[str, Any] | bytes, int | None, str]] = {
    "longer than the file": ({"a": TWO}, 10_000, "claims 10000 bytes"),
    "overlapping": ({"a": TWO, "b": TWO}, None, "overlaps"),
    "out of range": (
        {"a": {**TWO, "shape": [4], "data_offsets": [0, 16]}},
        None,
        "describes a file of",
    ),
    "negative": ({"a": {**TWO, "data_offsets": [-8, 0]}}, None, "two rising whole numbers"),
    "a name twice": (
        f'{{"a": {json.dumps(TWO)}, "a": {json.dumps(TWO)}}}'.encode(),
        None,
        "stands twice",
    ),
    "an unknown type": ({"a": {**TWO, "dtype": "F33"}}, None, "has the type 'F33'"),
    "not JSON": (b"{nonsense}", None, "not JSON"),
}


@pytest.mark.parametrize(("header", "length", "reason"), HEADERS.values(), ids=list(HEADERS))
def test_a_hostile_safetensors_header_is_refused(
    tmp_path: Path, header: dict[str, Any] | bytes, length: int | None, reason: str
) -> None:
    """Each breach of the format is named."""
    assert reason in refusal(
        write_safetensors(tmp_path / "net.safetensors", header, bytes(8), length)
    )


def test_a_safetensors_header_of_100_megabytes_is_refused(tmp_path: Path) -> None:
    """The file is long enough for it (sparse, so that nothing is on the disk)."""
    path = write_safetensors(tmp_path / "net.safetensors", b"{", b"", 100_000_000)
    with path.open("r+b") as stream:
        stream.truncate(100_000_100)
    assert "more than the" in refusal(path)


# Row 52


def test_keys_that_do_not_fit_are_listed(saved: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Missing, unexpected and mis-shaped keys, a line each."""
    names = list(tensors)
    changed = {name: tensor for name, tensor in tensors.items() if name != names[0]}
    changed |= {names[1]: torch.zeros(3, 3), "stranger.weight": torch.zeros(1)}
    torch.save(changed, saved)
    with pytest.raises(MismatchError) as caught:
        load(saved)
    text = str(caught.value)
    expected_shape = list(tensors[names[1]].shape)
    assert f"missing: {names[0]}" in text
    assert "unexpected: stranger.weight" in text
    assert f"wrong shape: {names[1]}: expected {expected_shape}, got [3, 3]" in text


def test_another_number_of_classes_is_refused_unless_it_is_named(saved: Path) -> None:
    """A checkpoint of 11 classes, where 10 are expected, loads when the caller says 11."""
    torch.save(zoo.load_model("lenet5", weights=None, num_classes=11).state_dict(), saved)
    assert "wrong shape" in refusal(saved)
    assert load(saved, num_classes=11)(torch.zeros(1, 1, 32, 32)).shape == (1, 11)


# Row 53


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_load_with_a_warning(
    saved: Path, tensors: dict[str, torch.Tensor], value: float
) -> None:
    """The warning counts them and names the tensor."""
    name = next(iter(tensors))
    bad = {key: tensor.clone() for key, tensor in tensors.items()}
    bad[name].view(-1)[:2] = value
    torch.save(bad, saved)
    counts = "2 NaN and 0 infinite" if value != value else "0 NaN and 2 infinite"  # noqa: PLR0124  # NaN differs from itself
    with pytest.warns(UserWarning, match=f"lenet5.pth holds {counts} values, in {name}"):
        load(saved)


def test_bad_values_are_counted_in_every_type() -> None:
    """Whole numbers have none; complex numbers have two parts."""
    values = torch.tensor([1.0, float("nan"), 2.0])
    for dtype in (torch.float16, torch.bfloat16, torch.float64, torch.float8_e5m2):
        assert count_bad_values(values.to(dtype)).nan == 1
    assert count_bad_values(
        torch.tensor([complex(float("inf"), float("nan"))])
    ) == count_bad_values(torch.tensor([float("inf"), float("nan")]))
    assert not count_bad_values(torch.tensor([1, 2]))
    assert not count_bad_values(torch.zeros(0))


def test_the_restricted_reader_is_told_to_be_restricted(
    monkeypatch: pytest.MonkeyPatch, saved: Path
) -> None:
    """The variable that makes torch.load run anything has no effect on us."""
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    legacy = write_legacy(saved, pickle.dumps(io.BytesIO(b"x"), 2))
    with pytest.raises(CheckpointError, match=r"_io\.BytesIO"):
        read_state_dict(legacy, is_verified=True)


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("is_verified", [True, False])
@given(data=st.data())
def test_any_damage_is_a_state_dict_or_our_own_error(
    tmp_path_factory: pytest.TempPathFactory, is_zip: bool, is_verified: bool, data: st.DataObject
) -> None:
    """Bytes changed, removed or added anywhere: torch's many exceptions never come through."""
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    torch.save(
        {"a.weight": torch.arange(6.0), "b": torch.ones(2)},
        path,
        _use_new_zipfile_serialization=is_zip,
    )
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content) - 1))
        content[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch remarks on protocols before it refuses them
        try:
            state_dict = read_state_dict(path, is_verified=is_verified)
        except CheckpointError:
            return
    assert all(isinstance(tensor, torch.Tensor) for tensor in state_dict.values())
