"""Files of a user's own: whatever wrapped them, whatever happens to them later."""

from __future__ import annotations

import json
import struct
import warnings
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.utils.prune
from safetensors.torch import save_file
from torch import nn
from torch.nn import utils

import zoo
from zoo.errors import CheckpointError, MismatchError
from zoo.formats import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def lenet() -> nn.Module:
    """Build a small network with random values."""
    torch.manual_seed(0)
    return zoo.load_model("lenet5", weights=None)


PREFIXES = ["module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.", "net."]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_b18_prefixes_of_wrappers_are_taken_off(tmp_path: Path, prefix: str, suffix: str) -> None:
    """B18: of one wrapper or several, in every format."""
    wanted = lenet().state_dict()
    wrapped = {prefix + key: value for key, value in wanted.items()}
    path = tmp_path / f"net{suffix}"
    if suffix == ".pth":
        torch.save({"epoch": 3, "state_dict": wrapped}, path)
    else:
        save_file(wrapped, path)
    got = zoo.load_model("lenet5", checkpoint=path).state_dict()
    assert all(torch.equal(got[key], wanted[key]) for key in wanted)


OTHER_PREFIXES = [
    *("_forward_module.", "_fsdp_wrapped_module.", "_module.", "ema_model.", "0."),
    *("backbone.", "encoder.", "student.", "base_model.model.", "what.ever.it.is."),
]


def is_read(path: Path) -> bool:
    """Tell whether a file is taken for the network that was saved."""
    got = zoo.load_model("lenet5", checkpoint=path).state_dict()
    wanted = lenet().state_dict()
    return all(torch.equal(got[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize("prefix", OTHER_PREFIXES)
def test_b18_whatever_all_names_begin_with_is_taken_off(tmp_path: Path, prefix: str) -> None:
    """B18: of wrappers that are known, and of attributes that have any name."""
    path = tmp_path / "net.pth"
    torch.save({prefix + key: value for key, value in lenet().state_dict().items()}, path)
    assert is_read(path)


@pytest.mark.parametrize("component", ["_checkpoint_wrapped_module", "_fsdp_wrapped_module"])
def test_b18_wrappers_of_single_layers_are_taken_out(tmp_path: Path, component: str) -> None:
    """B18: inside of names, where a wrapper stands around a layer."""
    state = lenet().state_dict()
    first = next(iter(state)).partition(".")[0]
    path = tmp_path / "net.pth"
    wrapped = {key.replace(f"{first}.", f"{first}.{component}."): state[key] for key in state}
    torch.save(wrapped, path)
    assert is_read(path)


def test_b18_counters_of_averaging_and_profilers_are_left_out(tmp_path: Path) -> None:
    """B18: AveragedModel's, and thop's on every layer."""
    path = tmp_path / "net.pth"
    torch.save(torch.optim.swa_utils.AveragedModel(lenet()).state_dict(), path)
    assert is_read(path)
    state = lenet().state_dict()
    first = next(iter(state)).partition(".")[0]
    torch.save(state | {f"{first}.total_ops": torch.zeros(1), "total_params": torch.zeros(1)}, path)
    assert is_read(path)


def wrapped_by(*keys: str, **others: object) -> dict[str, object]:
    """Put a state dict into dictionaries, the outermost key first, beside other things."""
    content: object = lenet().state_dict()
    for key in reversed(keys):
        content = {key: content}
    assert isinstance(content, dict)
    return content | others


OPTIMIZER = {"state": {0: {"step": torch.ones(1), "exp_avg": torch.ones(3)}}, "param_groups": []}
CONTAINERS = {
    "any name": wrapped_by("best_of_all", epoch=3, best=torch.ones(1)),
    "student": wrapped_by("student", optimizer=OPTIMIZER),
    "two deep": wrapped_by("checkpoint", "state_dict", epoch=1),
    "ema beside": wrapped_by("model", model_ema=lenet().state_dict(), optimizer=OPTIMIZER),
    "ema only": wrapped_by("state_dict_ema"),
    "usual name beside another": wrapped_by("state_dict", teacher=lenet().state_dict()),
    "a schedule": wrapped_by("model", lr_scheduler={"milestones": Counter({30: 1, 60: 1})}),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_b18_a_state_dict_is_found_in_what_a_program_saved(tmp_path: Path, name: str) -> None:
    """B18: where only one thing is a state dict, or is called as one usually is."""
    path = tmp_path / "net.pth"
    torch.save(CONTAINERS[name], path)
    assert is_read(path)


def test_b18_several_state_dicts_are_not_guessed_between(tmp_path: Path) -> None:
    """B18: two networks are named, and so is what keeps a dictionary from being a state dict."""
    path = tmp_path / "net.pth"
    torch.save({"netG": lenet().state_dict(), "netD": lenet().state_dict()}, path)
    with pytest.raises(CheckpointError, match="several state dicts: 'netG', 'netD'"):
        zoo.load_model("lenet5", checkpoint=path)
    torch.save({**lenet().state_dict(), "note": "mine"}, path)
    with pytest.raises(CheckpointError, match="'note' is of the type str"):
        zoo.load_model("lenet5", checkpoint=path)


def test_types_that_nothing_computes_with_are_a_sentence(tmp_path: Path) -> None:
    """Four bits a value: refused by what differs, wherever such a tensor stands."""
    path = tmp_path / "net.pth"
    state = lenet().state_dict()
    first = next(iter(state))
    odd = torch.empty(state[first].shape, dtype=torch.float4_e2m1fn_x2)
    for changed in (state | {"extra": odd}, state | {first: odd}):
        torch.save(changed, path)
        with pytest.raises(CheckpointError, match="do not fit"):
            zoo.load_model("lenet5", checkpoint=path)


def test_b19_heads_for_training_are_left_out(tmp_path: Path) -> None:
    """B19: what the identifier can map, the loader maps."""
    from torchvision.models import googlenet

    model = googlenet(weights=None, init_weights=False, aux_logits=True)
    path = tmp_path / "net.pth"
    torch.save(model.state_dict(), path)
    got = zoo.load_model("googlenet", checkpoint=path).state_dict()
    assert torch.equal(got["fc.bias"], model.state_dict()["fc.bias"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_b20_other_precisions_are_converted_and_said(tmp_path: Path, dtype: torch.dtype) -> None:
    """B20: to the network's type."""
    path = tmp_path / "net.pth"
    torch.save(lenet().to(dtype).state_dict(), path)
    name = str(dtype).removeprefix("torch.")
    with pytest.warns(UserWarning, match=f"converted from {name} to float32"):
        model = zoo.load_model("lenet5", checkpoint=path)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def prune(layer: nn.Module) -> None:
    """Leave half of a layer's weights, and all but two of its biases."""
    utils.prune.l1_unstructured(layer, "weight", 0.5)  # type: ignore[no-untyped-call]
    utils.prune.random_unstructured(layer, "bias", 2)  # type: ignore[no-untyped-call]


def normalize_as_before(layer: nn.Module) -> None:
    """Split as torch did before parametrizations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        utils.weight_norm(layer)


SPLITS: dict[str, Callable[[nn.Module], object]] = {
    "pruned": prune,
    "normalized before 2.0": normalize_as_before,
    "normalized": utils.parametrizations.weight_norm,
    "normalized along the second dimension": lambda layer: utils.parametrizations.weight_norm(
        layer, dim=1
    ),
    "normalized as a whole": lambda layer: utils.parametrizations.weight_norm(
        layer,
        dim=None,  # type: ignore[arg-type]  # what torch documents
    ),
}


@pytest.mark.parametrize("kind", SPLITS)
@pytest.mark.parametrize("prefix", ["", "module.", "what.ever."])
def test_parameters_that_training_has_split_are_joined(
    tmp_path: Path, kind: str, prefix: str
) -> None:
    """Pruning keeps a mask beside the values, weight normalization a length beside a direction."""
    model = lenet().eval()
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            SPLITS[kind](layer)
    split = {prefix + key: value for key, value in model.state_dict().items()}
    torch.save(split, tmp_path / "net.pth")
    with pytest.warns(UserWarning, match=r"net\.pth: .* parameters were joined: .*weight"):
        got = zoo.load_model("lenet5", checkpoint=tmp_path / "net.pth")
    images = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(got(images), model(images))


def test_parts_that_may_mean_anything_are_not_joined(tmp_path: Path) -> None:
    """Spectral normalization needs more than two tensors, a mask of another shape none of these."""
    for part, other in (("weight_orig", "weight_u"), ("weight_orig", "weight_mask")):
        state = lenet().state_dict()
        state[f"output.{part}"] = state.pop("output.weight")
        state[f"output.{other}"] = torch.ones(3)
        torch.save(state, tmp_path / "net.pth")
        with pytest.raises(MismatchError, match=f"output.{part}"):
            zoo.load_model("lenet5", checkpoint=tmp_path / "net.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_may_be_written_over_while_its_weights_are_in_use(
    tmp_path: Path, suffix: str
) -> None:
    """As every training program does: the tensors are not looked at in the file."""
    path = tmp_path / f"best{suffix}"

    def save(state: dict[str, torch.Tensor]) -> None:
        torch.save(state, path) if suffix == ".pth" else save_file(state, path)

    save(lenet().state_dict())
    model = zoo.load_model("lenet5", checkpoint=path)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    path.write_bytes(b"")  # what any writer does first
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    save(model.state_dict())
    again = zoo.load_model("lenet5", checkpoint=path).state_dict()
    assert all(torch.equal(value, before[key]) for key, value in again.items())


def test_metadata_nested_without_end_is_a_sentence(tmp_path: Path) -> None:
    """A record of training that no JSON reader can hold."""
    deep = "[" * 100_000 + "]" * 100_000
    header = json.dumps(
        {
            "__metadata__": {"zoo": deep},
            "w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
        }
    ).encode()
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    assert "nested too deeply" in checkpoint.scan(path).faults[0]
    with pytest.raises(
        CheckpointError, match=r"record of training is malformed.*nested too deeply"
    ):
        zoo.load_model("lenet5", checkpoint=path)


def test_nothing_is_said_where_nothing_is_converted(tmp_path: Path) -> None:
    """A file of the network's own type loads without a word."""
    path = tmp_path / "net.pth"
    torch.save(lenet().state_dict(), path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zoo.load_model("lenet5", checkpoint=path)
