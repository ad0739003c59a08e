"""LeNet-5 against a slow float64 network written from the paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support import reference_layers as ref
from zoo.models.lenet import lenet5

# Table I of the paper as printed: a row for each S2 map, a column for each C3 map.
TABLE_I = """
    X...XXX..XXXX.XX
    XX...XXX..XXXX.X
    XXX...XXX..X.XXX
    .XXX..XXXX..X.XX
    ..XXX..XXXX.XX.X
    ...XXX..XXXX.XXX
"""


def _parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_lenet5_has_the_parameters_of_its_layer_table() -> None:
    """Each filter and each unit has its inputs and one bias: 61,706."""
    c1 = 6 * (1 * 5 * 5 + 1)
    c3 = 16 * (6 * 5 * 5 + 1)
    c5 = 120 * (16 * 5 * 5 + 1)
    f6 = 84 * (120 + 1)
    output = 10 * (84 + 1)
    assert _parameters(lenet5()) == c1 + c3 + c5 + f6 + output == 61_706


def test_classic_lenet5_has_the_papers_60000_parameters_and_a_linear_output() -> None:
    """The paper counts 156, 12, 1,516, 32, 48,120 and 10,164 up to F6.

    A linear output for ten classes adds 850.
    """
    connections = TABLE_I.count("X")
    layers = {
        "c1": 156,
        "s2": 2 * 6,
        "c3": connections * 25 + 16,
        "s4": 2 * 16,
        "c5": 48_120,
        "f6": 10_164,
    }
    assert layers["c3"] == 1_516
    assert sum(layers.values()) == 60_000
    model = lenet5(variant="classic")
    assert {name: _parameters(model.get_submodule(name)) for name in layers} == layers
    assert _parameters(model) == 60_000 + 10 * (84 + 1) == 60_850


def test_lenet5_computes_what_the_slow_network_computes() -> None:
    """Relative error under 1e-9 in float64."""
    torch.manual_seed(1)
    model = lenet5(num_classes=7, in_channels=2).double().eval()
    x = torch.randn(3, 2, 32, 32, dtype=torch.float64)
    w = ref.arrays(model.state_dict())
    y = np.tanh(ref.conv2d(x.numpy(), w["c1.weight"], w["c1.bias"]))
    y = ref.sum_pool(y, 2, 2) / 4
    y = np.tanh(ref.conv2d(y, w["c3.weight"], w["c3.bias"]))
    y = ref.sum_pool(y, 2, 2) / 4
    y = np.tanh(ref.conv2d(y, w["c5.weight"], w["c5.bias"])).reshape(3, 120)
    y = np.tanh(ref.linear(y, w["f6.weight"], w["f6.bias"]))
    y = ref.linear(y, w["output.weight"], w["output.bias"])
    assert ref.relative_error(model(x), y) < 1e-9


def _squash(a: ref.Array) -> ref.Array:
    return 1.7159 * np.tanh(2 / 3 * a)


def _subsample(x: ref.Array, w: dict[str, ref.Array], name: str) -> ref.Array:
    return (
        ref.sum_pool(x, 2, 2) * w[f"{name}.weight"][:, None, None]
        + w[f"{name}.bias"][:, None, None]
    )


def _c3(x: ref.Array, w: dict[str, ref.Array]) -> ref.Array:
    """Make each C3 map from the S2 maps that its column of table I marks."""
    rows = TABLE_I.split()
    filters = [*w["c3.three.weight"], *w["c3.four.weight"], *w["c3.all.weight"]]
    biases = np.concatenate([w["c3.three.bias"], w["c3.four.bias"], w["c3.all.bias"]])
    maps = []
    for column in range(16):
        seen = [row for row in range(6) if rows[row][column] == "X"]
        assert len(filters[column]) == len(seen)
        maps.append(ref.conv2d(x[:, seen], filters[column][None], biases[column : column + 1]))
    return np.concatenate(maps, axis=1)


def test_classic_lenet5_computes_what_the_slow_network_computes() -> None:
    """Relative error under 1e-9 in float64, with table I read from its printed form."""
    torch.manual_seed(2)
    model = lenet5(variant="classic").double().eval()
    x = torch.randn(3, 1, 32, 32, dtype=torch.float64)
    w = ref.arrays(model.state_dict())
    y = _squash(ref.conv2d(x.numpy(), w["c1.weight"], w["c1.bias"]))
    y = _squash(_subsample(y, w, "s2"))
    y = _squash(_c3(y, w))
    y = _squash(_subsample(y, w, "s4"))
    y = _squash(ref.conv2d(y, w["c5.weight"], w["c5.bias"])).reshape(3, 120)
    y = _squash(ref.linear(y, w["f6.weight"], w["f6.bias"]))
    y = ref.linear(y, w["output.weight"], w["output.bias"])
    assert ref.relative_error(model(x), y) < 1e-9


def test_classic_lenet5_draws_weights_within_the_bound_of_appendix_a() -> None:
    """A unit with ``F`` inputs starts within 2.4 / F; the C3 maps have 75, 100 and 150 inputs."""
    model = lenet5(variant="classic")
    for name, fan_in in {
        "c1": 25,
        "s2": 4,
        "c3.three": 75,
        "c3.four": 100,
        "c3.all": 150,
        "c5": 400,
        "f6": 120,
    }.items():
        bound = 2.4 / fan_in
        largest = max(
            float(value.detach().abs().max()) for value in model.get_submodule(name).parameters()
        )
        assert bound / 4 < largest <= bound, name


def test_lenet5_refuses_an_unknown_variant() -> None:
    """The message names the two that exist."""
    with pytest.raises(ValueError, match="variant: expected one of 'usual', 'classic', got 'rbf'"):
        lenet5(variant="rbf")  # type: ignore[arg-type]  # the point of the test
