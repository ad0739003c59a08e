"""Selecting and ordering rows, and the Pareto front."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.catalog.query import Selection, pareto_front, parse_years, select
from zoo.catalog.registry import load_registry
from zoo.catalog.rows import Row, column_name
from zoo.errors import UnknownNameError, UsageError

ARCHITECTURE = load_registry().architectures["resnet18"]


def test_one_row_for_each_architecture_by_default() -> None:
    """The default weights stand for an architecture; with has_all_weights every set has a row."""
    registry = load_registry()
    assert [row["name"] for row in select(Selection(), registry)] == list(registry.architectures)
    sets = sum(
        max(len(architecture.weights), 1) for architecture in registry.architectures.values()
    )
    assert len(select(Selection(has_all_weights=True), registry)) == sets


def test_every_source_is_listed() -> None:
    """Torchvision's and ours first, then timm's, by default one row an architecture."""
    rows = select(Selection())
    sources = list(dict.fromkeys(row["source"] for row in rows))
    assert sources == ["torchvision", "zoo", "timm"]
    assert len(rows) == 1284
    assert len(select(Selection(has_all_weights=True))) == 2006
    assert {row["source"] for row in select(Selection(source="timm"))} == {"timm"}


def test_several_patterns_are_joined() -> None:
    """Each name once, in the order of the patterns."""
    rows = select(Selection(["vgg1[13]", "alexnet", "vgg11"], source="torchvision"))
    names = [row.name for row in rows]
    assert names[:3] == ["vgg11", "vgg13", "alexnet"]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("typed", "column"),
    [
        ("macs", "multiply_adds"),
        ("MACs", "multiply_adds"),
        ("FLOPs", "flops"),
        ("params", "parameters"),
        ("acc@1", "acc1"),
        ("acc5", "acc5"),
        ("top5", "top5_error"),
        ("provider", "source"),
        ("licence", "license"),
    ],
)
def test_columns_answer_to_the_fields_other_names(typed: str, column: str) -> None:
    """What timm, torchvision and papers call them."""
    assert column_name(typed) == column


def test_derived_columns_follow_from_the_others() -> None:
    """Two FLOPs a multiply-add; accuracy and error add up to 100."""
    (row,) = select(Selection("resnet18", source="torchvision", where="task=classification"))
    assert row["flops"] == 2 * (row.number("multiply_adds") or 0)
    assert row["acc1"] == 69.758
    assert row["acc5"] == 89.078


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection("resnet1*"), ["resnet101", "resnet152", "resnet18"]),
        (Selection("alexnet", source="torchvision"), ["alexnet"]),
        (Selection(family="squeezenet"), ["squeezenet1_0", "squeezenet1_1"]),
        (Selection(task="keypoint-detection"), ["keypointrcnn_resnet50_fpn"]),
        (Selection("vgg", year="2014", sort="-size", limit=2), ["vgg19_bn", "vgg19"]),
        (Selection("squeezenet", where="parameters<1.24M"), ["squeezenet1_1"]),
    ],
)
def test_filters_combine(selection: Selection, expected: list[str]) -> None:
    """Pattern, family, task, provider, year, condition, order and limit work together."""
    assert [row["name"] for row in select(selection)] == expected


@pytest.mark.parametrize(
    ("text", "years"),
    [
        (None, (0, 9999)),
        ("2015", (2015, 2015)),
        ("2012..2016", (2012, 2016)),
        ("2015..", (2015, 9999)),
        ("..2012", (0, 2012)),
    ],
)
def test_years_are_one_or_a_range(text: str | None, years: tuple[int, int]) -> None:
    """Both ends may be left open."""
    assert parse_years(text) == years


@pytest.mark.parametrize(
    "text", ["15", "2015-2016", "2016..2012", "20152016", "twenty", "2015..2016..2017"]
)
def test_other_years_are_refused(text: str) -> None:
    """The message says what is taken."""
    with pytest.raises(UsageError, match="--year takes"):
        parse_years(text)


def test_sorting_puts_unknown_values_last_in_both_directions() -> None:
    """A detector has no multiply-adds: it is neither the cheapest nor the dearest."""
    for sort, is_ordered in (("multiply-adds", 1), ("-multiply-adds", -1)):
        values = [row["multiply_adds"] for row in select(Selection(sort=sort))]
        known = [value for value in values if isinstance(value, int)]
        assert values[: len(known)] == known
        assert known == sorted(known, key=lambda value: is_ordered * value)


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    """No rows at all can be had without asking."""
    with pytest.raises(UsageError, match="--limit must be 1 or more"):
        select(Selection(limit=limit))


@pytest.mark.parametrize(
    ("selection", "nearest"),
    [
        (Selection("resnt18"), "resnet18"),
        (Selection(family="resnett"), "resnet"),
        (Selection(task="clasification"), "classification"),
        (Selection(source="torchvison"), "torchvision"),
        (Selection(sort="paramters"), "parameters"),
    ],
)
def test_unknown_names_offer_the_nearest(selection: Selection, nearest: str) -> None:
    """A typo anywhere is answered with what was meant."""
    with pytest.raises(UnknownNameError) as caught:
        select(selection)
    assert caught.value.nearest[0] == nearest


@pytest.mark.parametrize(
    "spelling", ["top5_error", "top5-error", "Top-5-Error", "top5_error_percent", " top5_error "]
)
def test_a_column_has_one_name_in_all_spellings(spelling: str) -> None:
    """Hyphens, capitals and units do not matter."""
    assert column_name(spelling) == "top5_error"


def test_columns_from_elsewhere_are_sorted_and_shown() -> None:
    """A benchmark's columns join the registry's."""
    extra = {"resnet18": {"p50": 9.0}, "resnet34": {"p50": 4.0}}
    rows = select(Selection("resnet*", sort="p50_ms"), extra=extra)
    assert [row["name"] for row in rows[:2]] == ["resnet34", "resnet18"]
    assert rows[0].as_dict()["p50"] == 4.0


def test_activations_are_not_claimed_for_weights_with_another_input() -> None:
    """The count is for the architecture's own input, 224 pixels; weights of 384 put out more."""
    rows = {
        row["weights"]: row["activations"]
        for row in select(Selection("vit_b_16", has_all_weights=True))
    }
    assert rows["imagenet1k_v1"] == load_registry().architectures["vit_b_16"].activations
    assert rows["imagenet1k_swag_e2e_v1"] is None


VALUE = st.one_of(st.none(), st.integers(0, 6))


def row_of(cost: int | None, error: int | None) -> Row:
    """Make a row with two made-up columns."""
    return Row.of(ARCHITECTURE, None, extra={"cost": cost, "error": error})


@given(st.lists(st.tuples(VALUE, VALUE), max_size=12))
def test_pareto_front_is_what_nothing_beats(pairs: list[tuple[int | None, int | None]]) -> None:
    """By definition, pair by pair: a point stays unless one is as good in both, better in one."""
    known = [(cost, error) for cost, error in pairs if cost is not None and error is not None]

    def is_beaten(one: tuple[int, int]) -> bool:
        return any(other != one and other[0] <= one[0] and other[1] <= one[1] for other in known)

    expected = sorted({pair for pair in known if not is_beaten(pair)})
    front = pareto_front([row_of(*pair) for pair in pairs], "cost", "error")
    assert [(row["cost"], row["error"]) for row in front] == expected


def test_pareto_front_keeps_the_first_of_equals() -> None:
    """Two rows alike in both columns are one place."""
    first = row_of(1, 1)
    second = replace(first, is_cached=True)
    assert pareto_front([first, second], "cost", "error") == [first]
