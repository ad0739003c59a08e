"""Quantities as people read and write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.catalog import quantities
from zoo.errors import UsageError

PREFIXES = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10.0 k"),
        (61_706, "61.7 k"),
        (999_499, "999 k"),
        (999_500, "1.00 M"),
        (11_689_512, "11.7 M"),
        (1_814_073_344, "1.81 G"),
        (1_016_716_764_160, "1.02 T"),
        (None, "-"),
    ],
)
def test_counts_have_three_digits_and_a_prefix(value: int | None, shown: str) -> None:
    """Powers of 1,000; exact where the number is short."""
    assert quantities.count(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(999, "999 B"), (1_000, "1.00 kB"), (46_830_571, "46.8 MB"), (2_534_033_850, "2.53 GB")],
)
def test_sizes_are_decimal(value: int, shown: str) -> None:
    """1 MB is 1,000,000 bytes, as the limits and conditions read it."""
    assert quantities.size(value) == shown


@given(st.integers(0, 10**15 - 1))
def test_a_count_says_the_number_within_half_a_percent(value: int) -> None:
    """Reading what was written gives the number back, up to rounding to three digits."""
    digits, _, prefix = quantities.count(value).partition(" ")
    read = float(digits.replace(",", "")) * PREFIXES[prefix]
    assert abs(read - value) <= 0.005 * value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10M", 10e6),
        ("10 M", 10e6),
        ("1.5G", 1.5e9),
        ("100MB", 100e6),
        ("800k", 800e3),
        ("800K", 800e3),
        ("7", 7),
        ("1e6", 1e6),
    ],
)
def test_limits_are_read_with_their_endings(text: str, value: float) -> None:
    """K, M, G and T, with or without B."""
    assert quantities.parse_quantity("--max-size", text) == value


@pytest.mark.parametrize("text", ["", "M", "ten", "10X", "-5", "10MiB", "nan", "1,000", "10M5"])
def test_other_limits_are_refused_by_name(text: str) -> None:
    """The message names the option and shows what it takes."""
    with pytest.raises(UsageError, match=r"--max-size takes a number such as 800k, 10M or 1\.5G"):
        quantities.parse_quantity("--max-size", text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("3x512x512", (3, 512, 512)), ("1x28", (1, 28)), ("3x16x112x112", (3, 16, 112, 112))],
)
def test_shapes_are_numbers_joined_by_x(text: str, value: tuple[int, ...]) -> None:
    """What shape() writes, parse_shape() reads."""
    assert quantities.parse_shape("--input", text) == value
    assert quantities.shape(value) == text


@pytest.mark.parametrize(
    "text", ["", "3", "3x", "x3", "3x0x5", "3x-1", "3X4", "axb", "3x9999999", "1x1x1x1x1x1"]
)
def test_other_shapes_are_refused(text: str) -> None:
    """No zeros, no negatives, nothing beyond reason."""
    with pytest.raises(UsageError, match="--input takes a shape such as 3x512x512"):
        quantities.parse_shape("--input", text)
