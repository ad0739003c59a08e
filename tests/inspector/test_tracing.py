"""The table of layers of small networks, against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zoo.errors import ShapeError
from zoo.inspector.layers import Layer
from zoo.inspector.tracing import trace_layers


class Small(nn.Module):
    """A convolution, a layer that is run twice, a layer that is never run, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()
        )
        self.twice = nn.Conv2d(4, 4, 1)
        self.idle = nn.Linear(5, 5)
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run all layers but the idle one."""
        x = self.twice(self.twice(self.body(x)))
        result: torch.Tensor = self.head(x.mean((2, 3)))
        return result


CONVOLUTION = 8 * 8 * 4 * 3 * 3 * 3
TWICE = 2 * 8 * 8 * 4 * 4
HEAD = 4 * 2
PARAMETERS = 4 * 3 * 3 * 3 + 2 * 4 + (4 * 4 + 4) + (5 * 5 + 5) + (4 * 2 + 2)


def test_a_small_network_is_counted_layer_by_layer() -> None:
    """Bias, batch norm, ReLU and means count nothing; a layer run twice counts twice.

    One not run counts zero.
    """
    table = trace_layers(Small(), (3, 8, 8), name="small")
    rows = {
        layer.path: (layer.output_shape, layer.parameters, layer.multiply_adds)
        for layer in table.layers
    }
    assert rows == {
        "": ((1, 2), PARAMETERS, CONVOLUTION + TWICE + HEAD),
        "body": ((1, 4, 8, 8), 108 + 8, CONVOLUTION),
        "body.0": ((1, 4, 8, 8), 108, CONVOLUTION),
        "body.1": ((1, 4, 8, 8), 8, 0),
        "body.2": ((1, 4, 8, 8), 0, 0),
        "twice": ((1, 4, 8, 8), 20, TWICE),
        "idle": (None, 30, 0),
        "head": ((1, 2), 10, HEAD),
    }
    assert (table.parameters, table.multiply_adds) == (PARAMETERS, CONVOLUTION + TWICE + HEAD)
    assert table.activations == 4 * 8 * 8 + 2 * (4 * 8 * 8) + 2


def test_types_and_details_are_those_that_print_shows() -> None:
    """The detail is what stands in the parentheses of print(model)."""
    model = Small()
    table = trace_layers(model, (3, 8, 8))
    layers = {layer.path: layer for layer in table.layers}
    assert layers["body"].type == "Sequential"
    assert f"(twice): {layers['twice'].type}({layers['twice'].detail})" in str(model)


def test_attention_is_counted_although_it_has_a_fused_path() -> None:
    """Self-attention of 6 over 5 tokens in 2 heads.

    Three projections, scores, weighted sum, output projection.
    """

    class Attention(nn.Module):
        """Self-attention and nothing else."""

        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Attend to the tokens themselves."""
            result: torch.Tensor = self.attention(x, x, x)[0]
            return result

    projections = 3 * 5 * 6 * 6
    heads = 2 * (5 * 5 * 3) + 2 * (5 * 5 * 3)
    output = 5 * 6 * 6
    assert trace_layers(Attention(), (5, 6)).multiply_adds == projections + heads + output
    assert torch.backends.mha.get_fastpath_enabled(), "the setting is put back"


def test_a_network_that_returns_no_single_tensor_has_no_output_shape() -> None:
    """Segmentation networks return a dictionary."""

    class Pair(nn.Module):
        """One layer, whose result is wrapped."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            """Return a dictionary."""
            return {"out": self.layer(x)}

    table = trace_layers(Pair(), (2,))
    assert [layer.output_shape for layer in table.layers] == [None, (1, 2)]


def test_a_network_that_cannot_run_still_has_its_parameters() -> None:
    """Detectors look at images before they know how much to do."""
    table = trace_layers(Small(), (3, 8, 8), is_runnable=False)
    assert (table.parameters, table.multiply_adds, table.activations) == (PARAMETERS, None, None)
    assert all(layer.output_shape is None for layer in table.layers)


def test_several_inputs_are_given_to_forward() -> None:
    """Optical flow compares two images."""

    class Difference(nn.Module):
        """No layer at all."""

        def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            """Subtract."""
            return one - other

    assert trace_layers(Difference(), (3, 4, 4), inputs=2).layers[0].output_shape == (1, 3, 4, 4)


def test_an_input_that_does_not_fit_is_refused_with_its_size() -> None:
    """The message names the network and the shape."""
    with pytest.raises(ShapeError, match="small cannot take an input of 1x8x8"):
        trace_layers(Small(), (1, 8, 8), name="small")


def test_hooks_are_removed_afterwards_even_after_an_error() -> None:
    """The network is left as it was."""
    model = Small()
    with pytest.raises(ShapeError):
        trace_layers(model, (1, 8, 8))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_depth_of_a_layer_is_its_place_in_the_tree() -> None:
    """0 is the network itself."""
    paths = {"": 0, "body": 1, "body.0": 2, "a.b.c": 3}
    assert {path: Layer(path, "", "", None, 0, 0).depth for path in paths} == paths


class Tied(nn.Module):
    """Two layers with one matrix, and one layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(8, 8, bias=False)
        self.decoder = nn.Linear(8, 8, bias=False)
        self.decoder.weight = self.encoder.weight
        self.head = nn.Linear(8, 8)
        self.again = self.head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run each of them."""
        result: torch.Tensor = self.again(self.head(self.decoder(self.encoder(x.flatten(1)))))
        return result


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_tied_parameters_and_shared_modules_count_once(device: str) -> None:
    """B27: as parameters() counts them; what is computed twice counts twice."""
    with torch.device(device):
        model = Tied()
    table = trace_layers(model, (8, 1, 1))
    assert table.parameters == 8 * 8 + 8 * 8 + 8
    assert table.multiply_adds == 4 * 8 * 8
    assert {layer.path: (layer.parameters, layer.multiply_adds) for layer in table.layers[1:]} == {
        "encoder": (64, 64),
        "decoder": (64, 64),
        "head": (72, 128),
    }
