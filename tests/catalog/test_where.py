"""The language of ``zoo list --where``."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.catalog.query import Selection, select
from zoo.catalog.rows import COLUMNS, Row
from zoo.catalog.where import parse_where
from zoo.errors import QueryError, UnknownNameError, ZooError

ROWS = select(Selection(has_all_weights=True))


def names(expression: str) -> set[str]:
    """Names of the default rows that fit."""
    return {str(row["name"]) for row in select(Selection(where=expression))}


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("parameters<10M", lambda r: r["parameters"] < 10_000_000),
        ("parameters <= 11689512", lambda r: r["parameters"] <= 11_689_512),
        ("multiply_adds>4G", lambda r: (r["multiply_adds"] or 0) > 4e9),
        ("size<50MB", lambda r: r["size"] is not None and r["size"] < 50_000_000),
        ("year=2015", lambda r: r["year"] == 2015),
        ("year==2015", lambda r: r["year"] == 2015),
        ("year!=2015", lambda r: r["year"] not in (None, 2015)),
        ("family=resnet", lambda r: r["family"] == "resnet"),
        ("family=RESNET", lambda r: r["family"] == "resnet"),
        ("family!=resnet", lambda r: r["family"] != "resnet"),
        ("title='ResNet-18'", lambda r: r["title"] == "ResNet-18"),
        ('title="ResNet-18"', lambda r: r["title"] == "ResNet-18"),
        ("name~vgg", lambda r: "vgg" in r["name"]),
        ("name~'vgg*_bn'", lambda r: r["name"].startswith("vgg") and r["name"].endswith("_bn")),
        ("name~vgg1?", lambda r: r["name"].startswith("vgg1") and len(r["name"]) == 5),
        ("not family=resnet", lambda r: r["family"] != "resnet"),
        ("not not year=2015", lambda r: r["year"] == 2015),
        (
            "year=2014 or year=2015 and family=resnet",
            lambda r: r["year"] == 2014 or (r["year"], r["family"]) == (2015, "resnet"),
        ),
        (
            "(year=2014 or year=2015) and family=vgg",
            lambda r: r["year"] == 2014 and r["family"] == "vgg",
        ),
        ("top5-error<5", lambda r: (r["top5_error"] or 99) < 5),
        ("top5_error_percent<5", lambda r: (r["top5_error"] or 99) < 5),
        ("cached=false", lambda r: r["cached"] is False),
    ],
)
def test_where_keeps_the_rows_that_the_condition_describes(expression: str, fits: object) -> None:
    """Comparisons, suffixes, quotes, patterns, precedence; held against the same in Python."""
    expected = {str(row["name"]) for row in select(Selection()) if fits(row)}  # type: ignore[operator]  # a lambda over rows
    assert names(expression) == expected
    assert expected, "the example must keep something"


def test_an_unknown_value_fits_no_comparison() -> None:
    """Detectors have no count of multiply-adds: neither below nor above any number, nor equal."""
    unknown = {str(row["name"]) for row in select(Selection()) if row["multiply_adds"] is None}
    for expression in (
        "multiply_adds<1T",
        "multiply_adds>=0",
        "multiply_adds=0",
        "multiply_adds!=0",
    ):
        assert not unknown & names(expression)


@pytest.mark.parametrize(
    ("expression", "position", "words"),
    [
        ("", 0, "expected a column"),
        ("parameters", 10, "expected one of <"),
        ("parameters <", 12, "expected a number or a word"),
        ("parameters < 10M and", 20, "expected a column"),
        ("parameters < 10M year=2015", 17, "expected 'and', 'or' or the end"),
        ("(year=2015", 10, "expected ')'"),
        ("year=2015)", 9, "expected 'and', 'or' or the end"),
        ("year=2015; drop", 9, "did not expect"),
        ("parameters<10Q", 11, "did not expect"),
        ("title='open", 6, "did not expect"),
        ("<5", 0, "expected a column"),
    ],
)
def test_an_unreadable_condition_says_where(expression: str, position: int, words: str) -> None:
    """The message points at the character and says what was expected there."""
    with pytest.raises(QueryError) as caught:
        parse_where(expression)
    assert caught.value.position == position
    assert words in str(caught.value)
    assert f"character {position + 1}" in str(caught.value)


def test_an_unknown_column_offers_the_nearest() -> None:
    """A typo in a column is answered with the column that was meant."""
    with pytest.raises(UnknownNameError, match="did you mean parameters"):
        parse_where("paramters<10M")


def test_a_column_from_elsewhere_can_be_filtered_on() -> None:
    """Columns of a benchmark file take part."""
    rows = [Row(ROWS[0].entry, extra={"p50": value}) for value in (5.0, 15.0)]
    fits = parse_where("p50_ms<10", ["p50"])
    assert [fits(row) for row in rows] == [True, False]


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    """Whatever is typed, nothing but a ZooError comes out."""
    with contextlib.suppress(ZooError):
        fits = parse_where(text)
        assert {fits(row) for row in ROWS} <= {True, False}


PIECES = [
    *COLUMNS,
    "and",
    "or",
    "not",
    "(",
    ")",
    "<",
    "<=",
    ">",
    "=",
    "!=",
    "~",
    "10M",
    "5",
    "1e3",
    "'a b'",
    "resnet",
    "*",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join))
def test_any_mixture_of_its_own_words_is_read_or_refused_in_words(expression: str) -> None:
    """Sentences made of the language's own words reach deeper than arbitrary text."""
    with contextlib.suppress(ZooError):
        fits = parse_where(expression)
        assert {fits(row) for row in ROWS} <= {True, False}


@pytest.mark.parametrize(
    "expression", ["(" * 10_000 + "year=2015" + ")" * 10_000, "not " * 10_000 + "year=2015"]
)
def test_deep_nesting_is_refused_in_words(expression: str) -> None:
    """Ten thousand levels are too deep to read, and that is said."""
    with pytest.raises(QueryError, match="nested too deeply"):
        parse_where(expression)


def test_many_conditions_side_by_side_are_not_nested() -> None:
    """A long list of alternatives is no deeper than one."""
    expression = " or ".join(f"(year={year})" for year in range(1900, 2100))
    dated = [row for row in select(Selection()) if row["year"] is not None]
    assert len(names(expression)) == len(dated)
