"""Building without initialisation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.support.families import one_of_each_kind
from tests.support.thorough import few_of
from zoo.catalog.registry import load_registry
from zoo.catalog.resolver import find_architecture
from zoo.loader.construction import build_model, without_initialisation

ARCHITECTURES = load_registry().architectures


@pytest.mark.parametrize("name", few_of(ARCHITECTURES, *one_of_each_kind(ARCHITECTURES.values())))
def test_network_is_built_without_memory_for_its_parameters(name: str) -> None:
    """No parameter of any network of the registry takes memory."""
    with without_initialisation():
        model = build_model(find_architecture(name))
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


def test_tables_that_a_network_computes_stay_real() -> None:
    """Swin's index tables are not parameters and keep their values."""
    with without_initialisation():
        model = build_model(find_architecture("swin_t"))
    table = model.get_buffer("features.1.0.attn.relative_position_index")
    assert table.device.type == "cpu"
    assert table.max() == (2 * 7 - 1) ** 2 - 1  # two coordinates, each from -6 to 6


def test_device_that_the_caller_names_is_respected() -> None:
    """Only factories without a device are redirected."""
    with without_initialisation():
        assert torch.zeros(2, device="cpu").device.type == "cpu"
        assert nn.Linear(2, 3).weight.requires_grad
    assert torch.zeros(2).device.type == "cpu"


def test_parameters_are_not_initialised_but_real_tensors_are() -> None:
    """torch.nn.init leaves out parameters without values, and works on others as ever."""
    with without_initialisation():
        empty, real = nn.Linear(4, 4).weight, torch.full((4, 4), 7.0, device="cpu")
        for initialise in (
            nn.init.kaiming_normal_,
            nn.init.xavier_uniform_,
            nn.init.trunc_normal_,
            nn.init.zeros_,
        ):
            assert initialise(empty) is empty
        nn.init.constant_(real, 3.0)
        real[0].mul_(2)
    assert empty.device.type == "meta"
    assert real.tolist() == [[6.0] * 4, *[[3.0] * 4] * 3]
