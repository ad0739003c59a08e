"""Choosing a model: limits, the front, and the reasons."""

from __future__ import annotations

import re
from itertools import pairwise
from math import inf

import pytest

from zoo.catalog.chooser import Limits, choose, column_of, label
from zoo.catalog.index import load_index
from zoo.catalog.registry import load_registry
from zoo.errors import UnknownNameError, UsageError


def test_every_place_is_beaten_by_nothing_that_fits() -> None:
    """Checked against the definition, pair by pair, for each cost."""
    for cost in ("parameters", "multiply_adds", "size"):
        choice = choose(Limits(), cost)
        for place in choice.places:
            column = column_of(cost)
            mine = (place.row.number(column), place.row.number("top5_error"))
            for other in choice.fitting:
                theirs = (other.number(column), other.number("top5_error"))
                assert theirs == mine or theirs[0] > mine[0] or theirs[1] > mine[1]  # type: ignore[operator]  # known numbers


def test_the_front_goes_from_cheap_to_accurate() -> None:
    """Costs rise and errors fall from place to place."""
    places = choose(Limits()).places
    costs = [place.row.number("multiply_adds") for place in places]
    errors = [place.row.number("top5_error") for place in places]
    assert costs == sorted(costs)  # type: ignore[type-var]  # known numbers
    assert errors == sorted(errors, reverse=True)  # type: ignore[type-var]  # known numbers
    assert len(places) > 5


def test_limits_are_kept() -> None:
    """What fits has a known value within each limit."""
    choice = choose(
        Limits(parameters=10e6, multiply_adds=2e9, size_bytes=40e6, top5_error_percent=10)
    )
    assert choice.fitting
    for row in choice.fitting:
        assert (row.number("parameters") or 1e99) <= 10e6
        assert (row.number("multiply_adds") or 1e99) <= 2e9
        assert (row.number(column_of("size")) or 1e99) <= 40e6
        assert (row.number("top5_error") or 1e99) <= 10


def test_first_and_last_reason_name_the_extremes() -> None:
    """The cheapest and the most accurate say so."""
    choice = choose(Limits(parameters=10e6), "parameters")
    assert f"fewest parameters of all {len(choice.fitting)} that fit" in choice.places[0].reason
    assert "lowest error" in choice.places[-1].reason
    assert not any("lowest error" in place.reason for place in choice.places[:-1])


def test_each_reason_gives_the_step_from_the_place_before() -> None:
    """The points and the ratio are those of the two rows."""
    places = choose(Limits(parameters=10e6), "parameters").places
    for before, place in pairwise(places):
        points = (before.row.number("top5_error") or 0) - (place.row.number("top5_error") or 0)
        ratio = (place.row.number("parameters") or 0) / (before.row.number("parameters") or 1)
        gain = f"{points:.2f} points less error than {label(before.row)}"
        expected = f"{gain} for {ratio:.2f} times the parameters"
        assert place.reason.startswith(expected)


def test_every_row_is_on_the_front_or_beaten_by_one_place() -> None:
    """The numbers of beaten rows add up to all that fit."""
    choice = choose(Limits())
    beaten = 0
    for place in choice.places:
        found = re.search(
            r"beats \S+ \([\d.]+ times the multiply-adds\)(?: and (\d+) more)?", place.reason
        )
        beaten += 1 + int(found[1] or 0) if found else 0
    assert beaten + len(choice.places) == len(choice.fitting)


def test_the_only_one_that_fits_says_so() -> None:
    """Limits just around SqueezeNet 1.1 leave nothing else."""
    record = load_registry().architectures["squeezenet1_1"]
    choice = choose(Limits(parameters=record.parameters), registry=load_registry())
    assert [(label(place.row), place.reason) for place in choice.places] == [
        ("squeezenet1_1", "the only one that fits")
    ]


def test_limits_that_nothing_keeps_leave_an_empty_front() -> None:
    """No model errs less than nothing."""
    choice = choose(Limits(top5_error_percent=0))
    assert (choice.places, choice.fitting) == ((), ())


@pytest.mark.parametrize(
    ("patterns", "allowed"),
    [
        ("cc-by-nc-4.0", {"CC-BY-NC-4.0"}),
        ("none", {None}),
        ("NONE, cc*", {None, "CC-BY-NC-4.0"}),
        ("mit", set()),
    ],
)
def test_licenses_are_patterns(patterns: str, allowed: set[str | None]) -> None:
    """Any case, several joined by commas, and a word for none."""
    choice = choose(Limits(license=patterns), registry=load_registry())
    assert {row["license"] for row in choice.fitting} == allowed


@pytest.mark.parametrize(
    ("limits", "column", "values"),
    [
        (Limits(source="zoo"), "source", {"zoo"}),
        (Limits(dataset="imagenet22k"), "dataset", {"imagenet22k"}),
        (
            Limits(license="permissive"),
            "license",
            {"Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "MIT"},
        ),
    ],
)
def test_sources_data_sets_and_license_words_are_limits(
    limits: Limits, column: str, values: set[str]
) -> None:
    """What does not state them is not admitted."""
    found = {row[column] for row in choose(limits).fitting}
    assert found <= values
    assert found or column == "dataset"


def test_the_best_of_all_sources_is_chosen() -> None:
    """Compared with the definition over every entry: nothing permissive is cheaper and better."""
    limits = Limits(parameters=30e6, top5_error_percent=5, license="permissive")
    choice = choose(limits)
    rows = [
        entry
        for entry in load_index().entries
        if (entry.parameters or inf) <= 30e6
        and entry.task == "classification"
        and (entry.dataset or "").startswith("imagenet")
        and (entry.top5_error or 100) <= 5
        and entry.license in {"Apache-2.0", "MIT", "BSD-3-Clause", "CC-BY-4.0"}
    ]
    assert len(choice.fitting) == len(rows) > 100
    for place in choice.places:
        mine = (place.row.number("multiply_adds") or 0, place.row.number("top5_error") or 0)
        for entry in rows:
            theirs = (entry.multiply_adds or 0, entry.top5_error or 0)
            assert theirs == mine or theirs[0] > mine[0] or theirs[1] > mine[1]


def test_a_task_without_known_errors_is_refused() -> None:
    """Detectors have no top-5 error on ImageNet to compare."""
    with pytest.raises(
        UsageError, match="no model of the task detection has a published top-5 error"
    ):
        choose(Limits(task="detection"))


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        (Limits(source="hub"), "zoo list --source hub shows what they state"),
        (
            Limits(source="zoo", task="detection"),
            "in the source zoo has a published .* leave --source",
        ),
    ],
)
def test_a_source_that_cannot_be_weighed_says_why(limits: Limits, fault: str) -> None:
    """Not that the task is to blame, which its default is not."""
    with pytest.raises(UsageError, match=fault):
        choose(limits)


def test_an_unknown_task_offers_the_nearest() -> None:
    """A typo is answered."""
    with pytest.raises(UnknownNameError, match="did you mean classification"):
        choose(Limits(task="clasification"))


def test_other_data_sets_are_not_compared_with_imagenet() -> None:
    """LeNet-5's error on digits is no ImageNet error."""
    assert "lenet5" not in {row.name for row in choose(Limits()).considered}


def test_label_names_a_tag_only_where_it_is_not_the_default() -> None:
    """What is printed can be pasted into the next command."""
    labels = {label(row) for row in choose(Limits()).considered}
    assert {"resnet50", "resnet50:imagenet1k_v1"} <= labels
    assert "resnet50:imagenet1k_v2" not in labels
