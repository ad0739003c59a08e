"""What a network costs is known before it is trained."""

from __future__ import annotations

import pytest

from zoo.errors import UsageError
from zoo.searcher.limits import Cost, Gauge, Limits, count
from zoo.searcher.space import Space
from zoo.searcher.stack import Stack

STACK = Stack(channels=1, pixels=8, num_classes=10, cells_per_stage=1, filters=4)
CELLS = Space(1).all()


def test_parameters_are_those_of_the_built_network() -> None:
    """Counted on the meta device, they are the same."""
    genotype = CELLS[20]
    built = sum(parameter.numel() for parameter in STACK.build(genotype).parameters())
    assert count(STACK, genotype).parameters == built


def test_multiply_adds_of_a_cell_without_convolutions_are_those_of_its_projections() -> None:
    """By hand: stem 3x3 at 8x8, 1x1 convolutions of five cells, the last layer."""
    (identities,) = [one for one in CELLS if one.to_text().count("identity(0) + identity(0)") == 2]
    stem, pixels = 12, (64, 16, 4)
    by_hand = 64 * 9 * 1 * stem
    # cell_0 reads the stem twice, projects it once; block: identity of its state 0.
    by_hand += 64 * stem * 4
    # reduction_cell_0 reads cell_0 (4) and the stem (12) at 8x8, then two identities of stride 2.
    by_hand += 64 * (4 * 8 + 12 * 8) + 2 * 16 * 8 * 8
    # cell_6 reads reduction_cell_0 (8) at 4x4 and cell_0 (4), halved by two paths of 4 each.
    by_hand += 16 * (8 * 8 + 4 * 8)
    # reduction_cell_1 reads cell_6 (8) and reduction_cell_0 (8).
    by_hand += 16 * (8 * 16 + 8 * 16) + 2 * 4 * 16 * 16
    # cell_12 reads reduction_cell_1 (16) and cell_6 (8), halved.
    by_hand += pixels[2] * (16 * 16 + 8 * 16)
    by_hand += 16 * 10
    assert count(STACK, identities).multiply_adds == by_hand


@pytest.mark.parametrize("field", ["max_parameters", "max_multiply_adds"])
def test_a_limit_takes_what_equals_it_and_refuses_what_is_above(field: str) -> None:
    """Both counts, at the limit and one below."""
    genotype = CELLS[7]
    name = field.removeprefix("max_")
    exact = getattr(count(STACK, genotype), name)
    assert Gauge(STACK, Limits(**{field: exact})).accepts(genotype)
    assert not Gauge(STACK, Limits(**{field: exact - 1})).accepts(genotype)


def test_a_latency_is_measured_once_and_told() -> None:
    """What was measured before decides, and is not measured again."""
    told = []
    gauge = Gauge(
        STACK,
        Limits(max_latency_ms=1e6),
        {CELLS[0].name: 2e6},
        lambda genotype, _latency_ms: told.append(genotype),
    )
    assert not gauge.accepts(CELLS[0])
    assert gauge.accepts(CELLS[1])
    assert gauge.accepts(CELLS[1])
    assert told == [CELLS[1]]
    assert gauge.latencies[CELLS[1].name] > 0


def test_limits_that_no_cell_keeps_to_are_refused_with_what_there_is() -> None:
    """After 200 cells, none of which was accepted; one that is accepted ends the counting."""
    cells = Space(2, ("identity", "max_pool_3x3", "separable_3x3")).all()[:300]
    sizes = {cell.name: Cost(5000 + number, 9) for number, cell in enumerate(cells)}
    impossible = Gauge(STACK, Limits(max_parameters=100), costs=sizes)
    refused = [impossible.accepts(cell) for cell in cells[:199]]
    assert not any(refused)
    with pytest.raises(UsageError, match=r"none of 200 cells .* smallest has 5,000 parameters"):
        impossible.accepts(cells[199])

    rare = Gauge(STACK, Limits(max_parameters=5000), costs=sizes)
    assert [rare.accepts(cell) for cell in cells].count(True) == 1


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"pixels": 2}, "--image-size"),
        ({"filters": 3}, "--filters"),
        ({"cells_per_stage": 0}, "-stage"),
    ],
)
def test_a_network_that_cannot_be_is_refused(change: dict[str, int], option: str) -> None:
    """The message names the option."""
    values = {"channels": 1, "pixels": 8, "num_classes": 10, **change}
    with pytest.raises(UsageError, match=option):
        Stack(**values)
