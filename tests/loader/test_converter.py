"""Safetensors copies: equal to their originals, the same from all makers, used when vouched for."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.hostile_files import ATTACKS, write_zip
from tests.support.small_registry import file_of
from zoo.cache import lockfile, paths, safetensors_copies
from zoo.catalog.registry import load_registry
from zoo.download.options import FetchOptions
from zoo.errors import CacheError, CheckpointError, FetchError, WriteError
from zoo.loader import converter, load_model
from zoo.loader.loading import load_weights

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.catalog.records import Architecture, Weights, WeightsFile

TENSORS = {
    "conv.weight": torch.arange(24.0).reshape(2, 3, 4),
    "conv.transposed": torch.arange(6.0).reshape(2, 3).t(),
    "half": torch.tensor([1.5, -2.0], dtype=torch.half),
    "bfloat16": torch.tensor([3.0], dtype=torch.bfloat16),
    "steps": torch.tensor(7),
    "mask": torch.tensor([True, False]),
    "empty": torch.zeros(0, 4),
    "complex": torch.tensor([1 + 2j]),
    "slice": torch.arange(100.0)[10:20],
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Save tensors of many kinds as torch does."""
    path = tmp_path / "net.pth"
    torch.save(TENSORS, path)
    return path


def test_a_copy_holds_the_same_tensors(saved: Path) -> None:
    """The reference library reads from the copy what torch reads from the original."""
    converted = converter.convert_file(saved)
    assert converted.path == saved.with_name("net.safetensors")
    loaded = safetensors.torch.load_file(converted.path)
    assert set(loaded) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor), name
    assert converted.tensors == len(TENSORS)
    assert not converted.was_there
    assert not converted.is_locked


def test_a_copy_is_the_same_whoever_makes_it(saved: Path, tmp_path: Path) -> None:
    """Neither the order of the tensors nor the place of the file nor the day counts."""
    first = converter.convert_file(saved)
    second = converter.convert_file(saved, tmp_path / "again.safetensors")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == second.sha256


def test_a_copy_says_what_it_was_made_from(saved: Path) -> None:
    """Name and digest of the original, and the digest of the tensors."""
    from zoo.cache.digests import sha256_file
    from zoo.formats.safetensors_file import read_header

    converted = converter.convert_file(saved)
    assert read_header(converted.path).metadata == {
        "format": "pt",
        "source_file": "net.pth",
        "source_sha256": sha256_file(saved),
        "tensors_sha256": converted.tensors_sha256,
    }


def test_an_equal_copy_is_left_alone_and_another_file_is_not_replaced(saved: Path) -> None:
    """Only with force."""
    path = converter.convert_file(saved).path
    inode = path.stat().st_ino
    assert converter.convert_file(saved).was_there
    assert path.stat().st_ino == inode
    path.write_bytes(b"something else")
    with pytest.raises(
        CacheError, match=r"holds something else than net\.pth; replace it with --force"
    ):
        converter.convert_file(saved)
    assert path.read_bytes() == b"something else"
    assert not converter.convert_file(saved, force=True).was_there
    assert converter.tensors_digest(safetensors.torch.load_file(path)) == converter.tensors_digest(
        TENSORS
    )


@pytest.mark.parametrize(
    "change",
    [
        {"steps": torch.tensor(8)},
        {"steps": torch.tensor([7])},
        {"steps": torch.tensor(7, dtype=torch.int32)},
        {"half": torch.tensor([1.5, 2.0], dtype=torch.half)},
        {"another": torch.zeros(0)},
        {"conv.transposed": torch.arange(6.0).reshape(3, 2)},
    ],
)
def test_the_digest_of_tensors_counts_names_types_shapes_and_values(
    change: dict[str, torch.Tensor],
) -> None:
    """Each of them changes it."""
    assert converter.tensors_digest(TENSORS | change) != converter.tensors_digest(TENSORS)


@given(st.permutations(list(TENSORS)))
def test_the_digest_of_tensors_does_not_count_order_or_layout(order: list[str]) -> None:
    """A transposed view and its copy are equal."""
    shuffled = {name: TENSORS[name].clone(memory_format=torch.contiguous_format) for name in order}
    assert converter.tensors_digest(shuffled) == converter.tensors_digest(TENSORS)


def test_a_hostile_file_is_not_converted(tmp_path: Path) -> None:
    """Nothing runs, nothing is written."""
    canary = tmp_path / "canary"
    path = write_zip(tmp_path / "net.pth", ATTACKS["os.system"](canary).pickled)
    with pytest.raises(CheckpointError, match="system"):
        converter.convert_file(path)
    assert sorted(tmp_path.iterdir()) == [path]


def test_tensors_that_safetensors_cannot_hold_are_refused(tmp_path: Path) -> None:
    """A quantized tensor is more than its values; nothing is left behind."""
    path = tmp_path / "net.pth"
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # torch's quantized types are deprecated, the files are not gone
        torch.save({"weight": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, path)
        with pytest.raises(CheckpointError, match="weight is quantized; only dense"):
            converter.convert_file(path)
    assert sorted(tmp_path.iterdir()) == [path]


def test_safetensors_and_missing_files_are_refused(tmp_path: Path) -> None:
    """There is nothing to convert."""
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="it is safetensors already"):
        converter.convert_file(path)
    with pytest.raises(CheckpointError, match="there is no file"):
        converter.convert_file(tmp_path / "missing.pth")


def test_a_target_that_cannot_be_written_is_a_plain_error(saved: Path, tmp_path: Path) -> None:
    """The folder does not exist."""
    with pytest.raises(WriteError, match="nowhere"):
        converter.convert_file(saved, tmp_path / "nowhere" / "net.safetensors")


@dataclass
class Published:
    """A small network whose weights lie in the cache, and the record that says so."""

    architecture: Architecture
    weights: Weights
    file: WeightsFile
    tensors: dict[str, torch.Tensor]
    options: FetchOptions

    @property
    def copy(self) -> Path:
        """Where the copy lies."""
        return safetensors_copies.copy_path(paths.target_path(self.file))


@pytest.fixture
def published(torch_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """Put a pickle of LeNet-5 into the cache as if downloaded, with a record of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    folder = torch_home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    model = load_model("lenet5", weights=None)
    torch.save(model.state_dict(), tmp_path / "lenet5.pth")
    data = (tmp_path / "lenet5.pth").read_bytes()
    file = file_of("lenet5", data, "https://publisher.invalid")
    (folder / file.file_name).write_bytes(data)
    architecture = load_registry().architectures["lenet5"]
    weights = replace(next(iter(architecture.weights.values())), files=(file,))
    return Published(architecture, weights, file, model.state_dict(), FetchOptions(upstream=False))


def test_a_copy_in_the_lock_file_is_loaded_instead_of_its_original(published: Published) -> None:
    """Even after the original is gone."""
    (converted,) = converter.convert_weights(published.weights)
    assert converted.is_locked
    assert converted.path == published.copy
    assert safetensors_copies.find_copy(published.file) == published.copy
    paths.target_path(published.file).unlink()
    loaded = load_weights(published.architecture, published.weights).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in published.tensors.items())


def test_a_copy_that_nobody_vouches_for_is_not_loaded(published: Published) -> None:
    """Anyone could have put it there."""
    safetensors.torch.save_file(
        {name: tensor + 1 for name, tensor in published.tensors.items()}, published.copy
    )
    assert safetensors_copies.find_copy(published.file) is None
    loaded = load_weights(published.architecture, published.weights).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in published.tensors.items())


@pytest.mark.parametrize("verify", ["quick", "full"])
def test_a_copy_that_was_changed_is_not_loaded(
    published: Published, verify: safetensors_copies.Verify
) -> None:
    """The digest in the lock file decides; the original still loads."""
    converter.convert_weights(published.weights)
    data = bytearray(published.copy.read_bytes())
    data[-1] ^= 1
    published.copy.write_bytes(data)
    assert safetensors_copies.find_copy(published.file, verify=verify) is None
    loaded = load_weights(published.architecture, published.weights, verify=verify).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in published.tensors.items())


def test_a_copy_is_trusted_unread_only_when_that_is_asked_for(published: Published) -> None:
    """``verify="off"`` looks at the length alone."""
    converter.convert_weights(published.weights)
    data = bytearray(published.copy.read_bytes())
    data[-1] ^= 1
    published.copy.write_bytes(data)
    assert safetensors_copies.find_copy(published.file, verify="off") == published.copy
    published.copy.write_bytes(bytes(data) + b"x")
    assert safetensors_copies.find_copy(published.file, verify="off") is None


def test_without_copy_and_original_the_file_is_fetched(published: Published) -> None:
    """Here it cannot be: the publisher does not exist."""
    paths.target_path(published.file).unlink()
    with pytest.raises(FetchError):
        converter.convert_weights(published.weights, options=published.options)


def test_a_lock_file_that_demands_another_copy_is_an_error(published: Published) -> None:
    """The team's copy and ours differ: one of them was made from other bytes."""
    other = lockfile.LockedFile("0" * 64, 1)
    lockfile.write(
        safetensors_copies.lock_path(paths.checkpoints_folder()), {published.copy.name: other}
    )
    with pytest.raises(CacheError, match="demands sha256 0000"):
        converter.convert_weights(published.weights)


def test_a_packaged_file_is_safetensors_already() -> None:
    """LeNet-5 as it ships."""
    with pytest.raises(CheckpointError, match="it is safetensors already"):
        converter.convert_model("lenet5")


def test_names_of_copies_lead_back_to_their_originals() -> None:
    """By suffix alone."""
    names = {"a-12345678.pth", "b.bin", "c.safetensors"}
    assert safetensors_copies.original_name("a-12345678.safetensors", names) == "a-12345678.pth"
    assert safetensors_copies.original_name("b.safetensors", names) == "b.bin"
    assert safetensors_copies.original_name("c.safetensors", names) is None
    assert safetensors_copies.original_name("a-12345678.pth", names) is None


def test_pickles_of_the_old_format_are_converted_too(tmp_path: Path) -> None:
    """What the format was does not show in the copy's tensors."""
    path = tmp_path / "net.pth"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=False)
    assert path.read_bytes()[:2] == pickle.PROTO + b"\x02"
    assert converter.convert_file(path).tensors_sha256 == converter.tensors_digest(TENSORS)
