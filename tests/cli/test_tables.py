"""One table, four formats: layout on narrow and wide terminals, CSV, Markdown, records."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.catalog import quantities
from zoo.cli.terminal.tables import (
    Column,
    Table,
    cell_width,
    to_csv,
    to_lines,
    to_markdown,
    to_records,
)

TABLE = Table(
    columns=(
        Column("name", "name", quantities.text),
        Column("size_bytes", "size", quantities.size, is_number=True),
        Column("year", "year", quantities.text, is_number=True),
        Column("note", "remark", quantities.text),
    ),
    rows=[["first", 1_500, 1998, "a|b"], ["the second", None, 2012, None]],
    optional=("note", "year", "size_bytes"),
)


def test_columns_are_as_wide_as_their_widest_cell_and_numbers_stand_right() -> None:
    """Two spaces apart; lines do not end in spaces."""
    lines, left_out = to_lines(TABLE)
    assert lines == [
        "name           size  year  remark",
        "first       1.50 kB  1998  a|b",
        "the second        -  2012  -",
    ]
    assert left_out == []


@pytest.mark.parametrize(
    ("width", "header", "left_out"),
    [
        (33, "name           size  year  remark", []),
        (32, "name           size  year", ["remark"]),
        (25, "name           size  year", ["remark"]),
        (24, "name           size", ["year", "remark"]),
        (18, "name        year", ["size", "remark"]),
        (10, "name", ["size", "year", "remark"]),
        (3, "name", ["size", "year", "remark"]),
    ],
)
def test_a_narrow_terminal_loses_columns_in_the_tables_order(
    width: int, header: str, left_out: list[str]
) -> None:
    """None is cut or wrapped; what was dropped first may come back where it is small enough."""
    lines, lost = to_lines(TABLE, width)
    assert lines[0] == header
    assert lost == left_out


def test_bonus_columns_are_not_missed() -> None:
    """A wide terminal shows them, a narrow one says nothing about them."""
    table = Table(TABLE.columns, TABLE.rows, TABLE.optional, bonus=frozenset({"note"}))
    assert to_lines(table, 25)[1] == []
    assert to_lines(table, 24)[1] == ["year"]


@given(
    width=st.integers(1, 60),
    names=st.lists(st.text(st.characters(categories=["L"]), max_size=12), min_size=1),
)
def test_no_line_is_wider_than_the_terminal_unless_one_column_is_left(
    width: int, names: list[str]
) -> None:
    """Whatever the cells hold."""
    table = Table(TABLE.columns, [[name, 5, 2000, name] for name in names], TABLE.optional)
    lines, left_out = to_lines(table, width)
    if len(left_out) < len(TABLE.optional):
        assert max(cell_width(line) for line in lines) <= width
    assert len(lines) == len(names) + 1


def test_wide_letters_take_two_columns() -> None:
    """East Asian letters fill two cells of a terminal, combining marks none."""
    table = Table(
        (Column("name", "n", str), Column("x", "x", str)), [["深層", "1"], ["e\u0301", "2"]]
    )
    assert to_lines(table)[0] == ["n     x", "深層  1", "e\u0301     2"]


def test_marked_cells_are_painted_and_keep_their_place() -> None:
    """Colors take no room."""
    table = Table(TABLE.columns, TABLE.rows, marked=frozenset({(0, 1)}))
    lines, _ = to_lines(table, paint=lambda text, style: f"<{text}>" if style == "marked" else text)
    assert lines[1] == "first       <1.50 kB>  1998  a|b"


def test_without_drops_columns_everywhere() -> None:
    """Rows, order of dropping and marks follow."""
    table = Table(
        TABLE.columns, TABLE.rows, TABLE.optional, marked=frozenset({(1, 1), (1, 2)})
    ).without(["size_bytes"])
    assert [column.key for column in table.columns] == ["name", "year", "note"]
    assert table.rows == [["first", 1998, "a|b"], ["the second", 2012, None]]
    assert table.optional == ("note", "year")
    assert table.marked == {(1, 1)}


def test_an_empty_table_is_its_header() -> None:
    """No rows are no error."""
    assert to_lines(Table(TABLE.columns, []))[0] == ["name  size  year  remark"]


def test_csv_holds_raw_values_under_keys_with_units() -> None:
    """What is not known is empty; shapes are written as options take them."""
    assert to_csv(TABLE) == "name,size_bytes,year,note\nfirst,1500,1998,a|b\nthe second,,2012,\n"
    assert to_csv(Table((Column("shape", "s", str),), [[(3, 224, 224)]])) == "shape\n3x224x224\n"


PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs"]))


@given(st.lists(st.lists(PRINTABLE, min_size=2, max_size=2)))
def test_csv_is_read_back_by_any_reader(rows: list[list[str]]) -> None:
    """Commas and quotes in cells are quoted."""
    table = Table((Column("a", "a", str), Column("b", "b", str)), rows)
    read = list(csv.reader(io.StringIO(to_csv(table), newline="")))
    assert read == [["a", "b"], *rows]


def test_markdown_escapes_bars_and_aligns_numbers() -> None:
    """A bar in a cell does not end it."""
    assert to_markdown(TABLE).splitlines() == [
        "| name | size | year | remark |",
        "| --- | ---: | ---: | --- |",
        r"| first | 1.50 kB | 1998 | a\|b |",
        "| the second | - | 2012 | - |",
    ]


def test_records_are_objects_of_raw_values() -> None:
    """One for each row."""
    assert to_records(TABLE)[1] == {
        "name": "the second",
        "size_bytes": None,
        "year": 2012,
        "note": None,
    }
