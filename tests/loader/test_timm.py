"""Networks of timm, loaded by zoo, are what timm makes of the same files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save

import zoo
from tests.support import hub_cache
from zoo.cache import hub_files
from zoo.catalog.index import load_index
from zoo.catalog.resolver import resolve
from zoo.errors import CacheError, CheckpointError, OptionError
from zoo.inspector import live
from zoo.inspector.inspection import find_table
from zoo.inspector.made_tables import tables_folder

if TYPE_CHECKING:
    import os

    from torch import nn

timm = pytest.importorskip("timm")

TWENTY = (
    "test_byobnet",
    "mnasnet_small",
    "test_convnext",
    "test_convnext2",
    "test_convnext3",
    "test_efficientnet",
    "test_efficientnet_evos",
    "test_efficientnet_gn",
    "test_efficientnet_ln",
    "semnasnet_075",
    "test_nfnet",
    "test_resnet",
    "test_vit",
    "test_vit2",
    "test_vit3",
    "mobilevit_xxs",
    "lcnet_050",
    "mobilenetv3_small_050",
    "resnet10t",
    "tinynet_e",
)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let timm's own loading read its cache and ask nobody."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub_files.default_folder()))


def publish(name: str, seed: int = 0, **options: Any) -> nn.Module:
    """Make random weights of a network and put them where its published ones would be cached."""
    torch.manual_seed(seed)
    _, weights = resolve(f"timm/{name}")
    file = weights.files[0]
    assert file.hub is not None
    model: nn.Module = timm.create_model(f"{name}.{weights.tag}", pretrained=False, **options)
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    state_dict = {key: value.contiguous() for key, value in model.state_dict().items()}
    hub_cache.put(file.hub.repository, file.hub.path, save(state_dict))
    return model.eval()


@pytest.mark.parametrize("name", TWENTY)
def test_a_network_of_timm_equals_timms_own(name: str) -> None:
    """Same keys, same values, same outputs, from the one cache that both read."""
    publish(name)
    ours = zoo.load_model(f"timm/{name}", progress=False)
    theirs = timm.create_model(name, pretrained=True).eval()
    assert not ours.training
    own_state, their_state = ours.state_dict(), theirs.state_dict()
    assert list(own_state) == list(their_state)
    for key, value in own_state.items():
        assert torch.equal(value, their_state[key]), key

    _, weights = resolve(f"timm/{name}")
    x = torch.rand(1, *weights.input_size)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x))


def test_other_classes_and_channels_are_timms_own() -> None:
    """The head starts anew; kernels of the first layer are summed, as timm does."""
    publish("test_resnet")
    ours = zoo.load_model("timm/test_resnet", num_classes=7, in_channels=1, progress=False)
    theirs = timm.create_model(
        "test_resnet", pretrained=True, num_classes=7, in_chans=1
    )  # zoo: ignore[unpinned-weights]
    x = torch.rand(2, 1, 160, 160)
    with torch.inference_mode():
        assert torch.equal(ours.forward_features(x), theirs.eval().forward_features(x))  # type: ignore[operator]
        assert ours(x).shape == (2, 7)


def test_a_damaged_cached_file_is_named_and_left_alone() -> None:
    """The name of a blob is its digest; reading weights replaces nothing."""
    publish("test_resnet")
    _, weights = resolve("timm/test_resnet")
    assert weights.files[0].hub is not None
    path = hub_files.find_path(weights.files[0].hub.repository, "model.safetensors")
    assert path is not None
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.resolve().write_bytes(bytes(data))
    with pytest.raises(CacheError, match="does not match"):
        zoo.load_model("timm/test_resnet", progress=False)
    assert path.read_bytes() == bytes(data)


def test_weights_of_another_network_are_refused() -> None:
    """Timm's message is ours then."""
    _, weights = resolve("timm/test_resnet")
    assert weights.files[0].hub is not None
    hub_cache.put(weights.files[0].hub.repository, "model.safetensors", save({"x": torch.ones(2)}))
    with pytest.raises(CheckpointError, match="does not fit timm/test_resnet"):
        zoo.load_model("timm/test_resnet", progress=False)


@pytest.mark.parametrize("option", ["cache_dir", "pretrained_cfg", "nonsense"])
def test_options_that_timm_must_not_get_are_named(option: str) -> None:
    """Files are read by zoo alone, and unknown options are no traceback."""
    given: dict[str, Any] = {option: "x"}
    with pytest.raises(OptionError, match=option):
        zoo.load_model("timm/test_resnet", None, **given)


def sampled(count: int) -> list[str]:
    """Choose weights of timm, evenly spread over all, none of them large."""
    small = [
        entry
        for entry in load_index().entries
        if entry.source == "timm" and (entry.parameters or 0) < 60_000_000
    ]
    step = len(small) // count
    return [f"{entry.name}:{entry.tag}" for entry in small[::step][:count]]


@pytest.mark.slow
@pytest.mark.parametrize("spec", sampled(40))
def test_a_record_of_timm_says_what_timm_says(spec: str) -> None:
    """Parameters of the built network; preprocessing and classes of the configuration."""
    architecture, weights = resolve(spec)
    name = f"{architecture.name.removeprefix('timm/')}.{weights.tag}"
    cfg = timm.models.get_pretrained_cfg(name)
    assert weights.input_size == tuple(cfg.input_size)
    assert weights.num_classes == cfg.num_classes
    assert weights.preprocessing is not None
    assert weights.preprocessing.mean == tuple(cfg.mean)
    assert weights.preprocessing.std == tuple(cfg.std)
    assert weights.preprocessing.interpolation == cfg.interpolation

    model = live.build_bare(architecture, weights)
    assert weights.parameters == sum(parameter.numel() for parameter in model.parameters())


def test_figures_of_timm_are_those_of_its_tables(shared_data: os.PathLike[str]) -> None:
    """Every cited row, looked up in the table that is cited."""
    import csv
    from pathlib import Path

    with (Path(shared_data) / "timm" / "results-imagenet.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    by_spec = {f"{e.name}.{e.tag}": e for e in load_index().entries if e.source == "timm"}
    compared = 0
    for row in rows:
        entry = by_spec.get(f"timm/{row['model']}")
        if entry is None:
            continue
        errors = (float(row["top1_err"]), float(row["top5_err"]))
        own = (entry.top1_error, entry.top5_error)
        tested = (entry.top1_at_test_size, entry.top5_at_test_size)
        assert errors == (own if str(entry.input_size).endswith(f"x{row['img_size']}") else tested)
        compared += 1
    assert compared == 1556


def test_a_layer_table_is_made_once_and_kept() -> None:
    """The second look takes the kept one; a damaged one is made again."""
    architecture, weights = resolve("timm/test_resnet")
    made = find_table(architecture)
    assert (made.parameters, made.multiply_adds) == (weights.parameters, weights.multiply_adds)
    assert find_table(architecture, weights) == made
    (file,) = tables_folder(architecture).iterdir()
    file.write_text("{}", encoding="utf-8")
    assert find_table(architecture) == made
    assert find_table(architecture, weights, (3, 224, 224)).multiply_adds != made.multiply_adds
