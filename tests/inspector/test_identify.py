"""What a weights file holds and which architectures of the registry it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import safetensors.torch
import torch
from torchvision.models import get_model

from zoo.errors import CheckpointError
from zoo.inspector import identify
from zoo.inspector.identify import Fit, TensorFacts
from zoo.loader import load_model

if TYPE_CHECKING:
    from pathlib import Path


def state_dict_of(name: str, **options: object) -> dict[str, torch.Tensor]:
    """Return the state dict of a torchvision network whose values take no memory."""
    with torch.device("meta"):
        state_dict: dict[str, torch.Tensor] = get_model(name, weights=None, **options).state_dict()
    return state_dict


def names(fits: list[Fit]) -> set[str]:
    """Return the models that fit."""
    return {fit.model for fit in fits}


def test_tensors_are_described_in_their_order(tmp_path: Path) -> None:
    """Names, types, shapes, and values that are no numbers."""
    path = tmp_path / "net.pth"
    weight = torch.tensor([[1.0, float("nan")], [float("inf"), float("-inf")]])
    torch.save({"b.weight": weight, "a.steps": torch.tensor(3)}, path)
    contents, state_dict = identify.read_contents(path)
    assert contents.tensors == (
        TensorFacts("b.weight", "float32", (2, 2), 4, nan=1, infinite=2),
        TensorFacts("a.steps", "int64", (), 1, nan=0, infinite=0),
    )
    assert (contents.count, contents.bad_count) == (5, 3)
    assert contents.format == "zip archive of torch.save"
    assert list(state_dict) == ["b.weight", "a.steps"]


def test_values_are_not_read_if_nobody_asks(tmp_path: Path) -> None:
    """Then nothing is said about them."""
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_file({"a": torch.ones(2)}, path, {"license": "CC0-1.0"})
    contents, _ = identify.read_contents(path, values=False)
    assert contents.tensors == (TensorFacts("a", "float32", (2,), 2, nan=None, infinite=None),)
    assert contents.bad_count is None
    assert contents.metadata == {"license": "CC0-1.0"}


def test_a_file_that_is_not_safe_is_not_described(tmp_path: Path) -> None:
    """It is refused as for loading."""
    path = tmp_path / "net.pth"
    path.write_bytes(b"\x80\x02cos\nsystem\n.")
    with pytest.raises(CheckpointError, match=r"os\.system"):
        identify.read_contents(path)


@pytest.mark.parametrize(
    "name", ["alexnet", "vgg16_bn", "squeezenet1_1", "swin_t", "raft_large", "resnet50"]
)
def test_a_network_is_recognised_by_its_names_and_shapes(name: str) -> None:
    """It fits itself, as it is."""
    exact = [fit for fit in identify.find_fits(state_dict_of(name)) if fit.is_exact]
    assert name in names(exact)
    assert names(exact) <= {name, f"quantized_{name}"}, (
        "its quantized twin has the same tensors before quantizing"
    )


def test_another_number_of_classes_is_found() -> None:
    """The file says which."""
    fits = identify.find_fits(state_dict_of("mobilenet_v3_small", num_classes=3))
    assert fits[0] == Fit("mobilenet_v3_small", {"num_classes": 3}, (), None)


def test_another_number_of_channels_is_found() -> None:
    """In a network of our own and in one of torchvision's."""
    ours = load_model("lenet5", weights=None, in_channels=3).state_dict()
    assert Fit("lenet5", {"in_channels": 3}, (), None) in identify.find_fits(ours)
    theirs = state_dict_of("resnet18")
    theirs["conv1.weight"] = torch.empty(64, 1, 7, 7, device="meta")
    assert Fit("resnet18", {"in_channels": 1}, (), None) in identify.find_fits(theirs)


def test_half_precision_is_said() -> None:
    """The names and shapes fit, the type does not."""
    halves = {name: tensor.half() for name, tensor in state_dict_of("alexnet").items()}
    assert Fit("alexnet", {}, (), "float16") in identify.find_fits(halves)


def test_keys_that_a_record_knows_how_to_change_are_found() -> None:
    """GoogLeNet's published file has the auxiliary heads, which inference does not use."""
    fits = identify.find_fits(state_dict_of("googlenet", aux_logits=True, init_weights=False))
    assert Fit("googlenet", {}, ("drop-auxiliary-heads",), None) in fits


def test_files_without_the_counters_of_old_torch_fit() -> None:
    """Batch normalisation counted nothing before 0.4.1."""
    old = {
        key: value
        for key, value in state_dict_of("resnet18").items()
        if "num_batches_tracked" not in key
    }
    assert "resnet18" in names(identify.find_fits(old))


@pytest.mark.parametrize("drop", ["features.0.weight", "classifier.6.bias"])
def test_a_missing_tensor_fits_nothing(drop: str) -> None:
    """Whether a whole layer is missing or a part of one."""
    state_dict = state_dict_of("alexnet")
    del state_dict[drop]
    assert identify.find_fits(state_dict) == []


def test_a_stranger_fits_nothing() -> None:
    """Nor does an empty file."""
    assert identify.find_fits({"encoder.weight": torch.zeros(2)}) == []
    assert identify.find_fits({}) == []
    assert identify.find_fits(state_dict_of("alexnet") | {"stranger.weight": torch.zeros(1)}) == []


def test_the_real_weights_are_recognised(shared_data: Path) -> None:
    """The exported SqueezeNet 1.1 is whole and fits its architecture and no other."""
    contents, state_dict = identify.read_contents(shared_data / "weights" / "squeezenet1_1.pth")
    assert (
        contents.count == 1_235_496
    )  # parameters of SqueezeNet 1.1, Iandola et al. and torchvision
    assert contents.bad_count == 0
    assert identify.find_fits(state_dict) == [Fit("squeezenet1_1", {}, (), None)]
