"""Loading models: bit-equal to torchvision, adapted where asked, refused where it does not fit."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torchvision
from PIL import Image
from torch import nn

import zoo
from tests.support.thorough import few_of
from zoo.catalog.records import WeightsFile
from zoo.catalog.resolver import find_architecture, find_weights
from zoo.errors import CheckpointError, MismatchError, OptionError, UnknownNameError
from zoo.loader.loading import load_checkpoint, load_weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.catalog.records import Architecture, Weights

    Publish = Callable[[str, dict[str, torch.Tensor]], tuple[Architecture, Weights]]

NETWORKS = [
    "alexnet",
    "densenet121",
    "googlenet",
    "inception_v3",
    "mnasnet0_5",
    "swin_v2_t",
    "regnet_y_400mf",
    "vit_b_32",
]


def torchvision_model(name: str, **options: Any) -> nn.Module:
    """Build torchvision's network with random weights, and with the training heads of its files."""
    torch.manual_seed(0)
    if name in {"googlenet", "inception_v3"}:
        options = {"init_weights": False, "aux_logits": True, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision warns of its own default initialisation
        model: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    return model.eval()


@pytest.fixture
def published(torch_home: Path) -> Publish:
    """Put a state dict into the cache as if published, and return the records that describe it."""

    def put(name: str, state_dict: dict[str, torch.Tensor]) -> tuple[Architecture, Weights]:
        folder = torch_home / "hub" / "checkpoints"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}-published.pth"
        torch.save(state_dict, path)
        digest = sha256(path.read_bytes()).hexdigest()
        file = WeightsFile(
            path.name, f"https://example.org/{path.name}", path.stat().st_size, sha256=digest
        )
        architecture = find_architecture(name)
        return architecture, replace(find_weights(architecture, "default"), files=(file,))

    return put


# The two large ones are loaded as any network of which nothing is said here.
@pytest.mark.parametrize("name", few_of(NETWORKS, *NETWORKS[1:-1]))
def test_loaded_network_answers_bit_for_bit_like_torchvisions(
    name: str, published: Publish
) -> None:
    """The same file in torchvision's network and in ours gives equal logits."""
    reference = torchvision_model(name)
    model = load_weights(*published(name, reference.state_dict()))
    if name in {"googlenet", "inception_v3"}:
        reference.transform_input = True  # type: ignore[assignment]  # what torchvision sets for its published weights
    image = torch.rand(1, *find_architecture(name).input_size)
    with torch.inference_mode():
        assert torch.equal(model(image), reference(image))


def test_loaded_network_is_in_eval_mode_and_a_random_one_in_train_mode(published: Publish) -> None:
    """Weights are for use, random parameters for training."""
    assert not load_weights(
        *published("squeezenet1_1", torchvision_model("squeezenet1_1").state_dict())
    ).training
    assert zoo.load_model("squeezenet1_1", weights=None).training


def test_old_densenet_key_names_are_mapped(published: Publish) -> None:
    """A file from before torch 0.4 calls a layer `norm.1`, which is no legal name any more."""
    reference = torchvision_model("densenet121")
    old = {
        key.replace("norm1", "norm.1")
        .replace("norm2", "norm.2")
        .replace("conv1", "conv.1")
        .replace("conv2", "conv.2"): t
        for key, t in reference.state_dict().items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    model = load_weights(*published("densenet121", old))
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(model(image), reference(image))


def test_background_row_of_a_1001_class_file_is_dropped(published: Publish) -> None:
    """Row 0 of the last layer is TensorFlow's background class; row k+1 becomes row k."""
    model = zoo.load_model("nasnet_a_mobile", weights=None)
    state_dict = model.state_dict()
    weight, bias = state_dict["last_linear.weight"], state_dict["last_linear.bias"]
    made_up = {
        **state_dict,
        "last_linear.weight": torch.cat([torch.full_like(weight[:1], 9.0), weight]),
        "last_linear.bias": torch.cat([torch.full_like(bias[:1], 9.0), bias]),
    }
    architecture, record = published("nasnet_a_mobile", made_up)
    loaded = load_weights(architecture, replace(record, key_mappings=("drop-background-row",)))
    assert torch.equal(loaded.state_dict()["last_linear.weight"], weight)
    assert torch.equal(loaded.state_dict()["last_linear.bias"], bias)


def test_1001_classes_are_refused_where_the_record_names_no_background_row(
    published: Publish,
) -> None:
    """Nothing is adapted that the record does not mention."""
    state_dict = torchvision_model("mnasnet0_5", num_classes=1001).state_dict()
    with pytest.raises(
        MismatchError, match=r"wrong shape: classifier.1.bias: expected \[1000\], got \[1001\]"
    ):
        load_weights(*published("mnasnet0_5", state_dict))


def test_other_number_of_classes_keeps_the_body_and_renews_the_head(published: Publish) -> None:
    """Only the last layer is new; it is finite and not on the meta device."""
    reference = torchvision_model("squeezenet1_1")
    model = load_weights(*published("squeezenet1_1", reference.state_dict()), num_classes=7)
    state_dict = model.state_dict()
    assert torch.equal(state_dict["features.0.weight"], reference.state_dict()["features.0.weight"])
    assert state_dict["classifier.1.weight"].shape == (7, 512, 1, 1)
    assert all(torch.isfinite(tensor).all() for tensor in state_dict.values())


def test_one_channel_answers_a_grey_image_as_three_equal_channels_do(published: Publish) -> None:
    """The kernel over one channel is the sum over red, green and blue."""
    reference = torchvision_model("squeezenet1_1").double()
    model = load_weights(
        *published("squeezenet1_1", reference.float().state_dict()), in_channels=1
    ).double()
    grey = torch.rand(1, 1, 64, 64, dtype=torch.float64)
    with torch.inference_mode():
        expected = reference.double()(grey.expand(1, 3, 64, 64))
        assert torch.allclose(model(grey), expected, rtol=1e-5)


def test_six_channels_keep_the_answer_to_equal_channels(published: Publish) -> None:
    """Repeated kernels are scaled so that equal channels give what three equal channels gave."""
    reference = torchvision_model("squeezenet1_1")
    model = load_weights(*published("squeezenet1_1", reference.state_dict()), in_channels=6)
    grey = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(
            model(grey.expand(1, 6, 64, 64)),
            reference(grey.expand(1, 3, 64, 64)),
            rtol=1e-4,
            atol=1e-6,
        )


def test_channels_of_weights_that_transform_their_input_cannot_change(published: Publish) -> None:
    """GoogLeNet's published weights recompute red, green and blue."""
    records = published("googlenet", torchvision_model("googlenet").state_dict())
    with pytest.raises(OptionError, match="red, green and blue"):
        load_weights(*records, in_channels=1)


def test_batch_norm_counters_may_be_missing(published: Publish) -> None:
    """Files from before torch 0.4.1 have no num_batches_tracked."""
    state_dict = torchvision_model("resnet18").state_dict()
    old = {
        key: tensor for key, tensor in state_dict.items() if not key.endswith("num_batches_tracked")
    }
    assert len(old) < len(state_dict)
    assert load_weights(*published("resnet18", old)).state_dict().keys() == state_dict.keys()


def test_training_a_loaded_network_does_not_change_its_file(published: Publish) -> None:
    """Parameters are private views of a mapped file."""
    architecture, record = published(
        "squeezenet1_1", torchvision_model("squeezenet1_1").state_dict()
    )
    model = load_weights(architecture, record)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    again = load_weights(architecture, record, verify="full")
    first, changed = next(again.parameters()), next(model.parameters())
    assert torch.equal(first + 1.0, changed)


def test_file_that_does_not_fit_is_refused_with_a_readable_list(tmp_path: Path) -> None:
    """Missing, unexpected, mis-shaped and mistyped keys are each named."""
    state_dict = torchvision_model("squeezenet1_1").state_dict()
    state_dict["extra.weight"] = torch.zeros(1)
    state_dict["features.0.bias"] = torch.zeros(65)
    state_dict["features.3.squeeze.bias"] = state_dict["features.3.squeeze.bias"].half()
    del state_dict["features.0.weight"]
    torch.save(state_dict, tmp_path / "mine.pth")
    with pytest.raises(MismatchError) as caught:
        load_checkpoint("squeezenet1_1", tmp_path / "mine.pth")
    assert caught.value.differences == (
        "missing: features.0.weight",
        "unexpected: extra.weight",
        "wrong shape: features.0.bias: expected [64], got [65]",
        "wrong type: features.3.squeeze.bias: expected torch.float32, got torch.float16",
    )


def test_wrapped_and_prefixed_state_dict_loads(tmp_path: Path) -> None:
    """What training scripts save: {"state_dict": ...} with names from DataParallel."""
    reference = torchvision_model("squeezenet1_1")
    wrapped = {
        "epoch": 3,
        "state_dict": {f"module.{key}": value for key, value in reference.state_dict().items()},
    }
    torch.save(wrapped, tmp_path / "training.pth")
    model = zoo.load_model("squeezenet1_1", checkpoint=tmp_path / "training.pth")
    assert torch.equal(next(model.parameters()), next(reference.parameters()))


def test_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A wrong path is said as such."""
    with pytest.raises(CheckpointError, match="there is no file"):
        load_checkpoint("alexnet", tmp_path / "none.pth")


def test_unknown_weights_offer_the_ones_that_exist() -> None:
    """A typo in a tag gets the nearest tag."""
    with pytest.raises(UnknownNameError, match="did you mean imagenet1k_v1 or imagenet1k_v2"):
        zoo.load_model("resnet50:imagenet_v1")


def test_unknown_option_names_the_model_and_the_options_it_takes() -> None:
    """A builder's TypeError does not reach the user."""
    with pytest.raises(OptionError, match=r"lenet5 cannot be built with color: it takes .*variant"):
        zoo.load_model("lenet5", weights=None, color="red")


def test_real_squeezenet_gives_the_reference_guesses_on_real_images(shared_data: Path) -> None:
    """Five best classes of the first 20 images, in order, with torchvision's preprocessing."""
    model = zoo.load_model(
        "squeezenet1_1", checkpoint=shared_data / "weights" / "squeezenet1_1.pth"
    )
    transform = zoo.transform("squeezenet1_1")
    expected = json.loads((shared_data / "squeezenet1_1_top5.json").read_text())
    images = sorted((shared_data / "imagenet-sample" / "val").glob("*/*.JPEG"))[:20]
    for path in images:
        with Image.open(path) as image, torch.inference_mode():
            guesses = model(transform(image)[None]).topk(5).indices[0].tolist()
        assert guesses == expected[path.name]
