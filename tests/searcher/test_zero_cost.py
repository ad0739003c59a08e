"""Zero-cost scores against values worked out by hand, and what their papers say of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from zoo.models.nasnet import nasnet_a_mobile
from zoo.searcher import zero_cost
from zoo.searcher.space import Space


def _chain() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Linear(6, 5, bias=False), nn.ReLU(), nn.Linear(5, 4, bias=False)]
    return nn.Sequential(*layers)


def test_synflow_of_two_layers_is_the_sum_over_all_paths() -> None:
    """By hand: each weight's share, summed, is every path's product once for each of its layers."""
    first, second = nn.Linear(2, 1, bias=False), nn.Linear(1, 1, bias=False)
    model = nn.Sequential(first, second)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, -2.0]]))
        second.weight.copy_(torch.tensor([[-3.0]]))
    # Paths: 1 * 3 and 2 * 3, so 9 in each of the two layers.
    found = zero_cost.synflow(model, (2,))
    assert found == pytest.approx(math.log(18))
    assert first.weight.tolist() == [[1.0, -2.0]]


def test_synflow_is_conserved_from_layer_to_layer() -> None:
    """Tanaka et al., theorem 1: what flows into a layer's parameters flows out of them."""
    shares = zero_cost.synflow_shares(_chain(), (6,))
    assert shares["0.weight"] == pytest.approx(shares["2.weight"])


def test_naswot_counts_where_codes_agree() -> None:
    """Mellor et al., section 3: equal codes make the matrix singular, unlike ones do not."""
    alike = torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0]])
    assert zero_cost.code_score(alike) == -math.inf
    opposite = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    assert zero_cost.code_score(opposite) == pytest.approx(math.log(9))


@pytest.mark.parametrize("rectify", [nn.ReLU(), nn.ReLU(inplace=True)])
def test_naswot_sees_rectifiers_however_they_are_written(rectify: nn.Module) -> None:
    """Of images that make different values positive; in place or not."""
    model = nn.Sequential(nn.Identity(), rectify)
    images = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    assert zero_cost.naswot(model, images) == pytest.approx(math.log(4))


def test_jacob_cov_prefers_gradients_that_have_nothing_to_do_with_each_other() -> None:
    """Abdelfattah et al., equation 3: the largest value, -N, is that of no correlation."""
    apart = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])
    near = torch.tensor([[1.0, -1.0, 0.1, 0.0], [1.0, -1.0, 0.0, 0.1]])
    assert zero_cost.correlation_score(apart) == pytest.approx(-2.0, abs=1e-3)
    assert zero_cost.correlation_score(near) < zero_cost.correlation_score(apart)


@pytest.mark.parametrize("gradients", [torch.zeros(3, 4), torch.ones(1, 4), torch.rand(1, 4)])
def test_gradients_without_a_correlation_have_the_least_score(gradients: torch.Tensor) -> None:
    """They are no reason to end a search: such a network is only the last to be proposed."""
    assert zero_cost.correlation_score(gradients) == -math.inf


def test_scores_leave_a_network_of_cells_as_it_was() -> None:
    """Parameters, running statistics, mode and type come back; scores are numbers."""
    genotype = Space(2).all()[5]
    torch.manual_seed(0)
    model = nasnet_a_mobile(
        num_classes=3, genotype=genotype, cells_per_stage=1, filters=4, stem="cifar"
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    scores = zero_cost.all_scores(model, torch.randn(4, 3, 8, 8))
    assert all(math.isfinite(score) for score in scores)
    assert model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
