"""Quantities as people read and write them: ``11.7 M``, ``46.8 MB``, ``100MB``.

Prefixes are powers of 1,000, for bytes as well: 1 MB is 1,000,000 bytes, 1 G multiply-adds are
1,000,000,000.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = "-"
FACTORS = {
    "": 1,
    "k": 1_000,
    "M": 1_000_000,
    "G": 1_000_000_000,
    "T": 1_000_000_000_000,
}
"""What each prefix multiplies by; written by a person, ``K`` is ``k``."""
_PREFIXES = tuple(FACTORS)
_QUANTITY = re.compile(r"\s*(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*(?P<prefix>[kKMGT]?)B?\s*")
_SIDE = r"[1-9]\d{0,5}"
_SHAPE = re.compile(rf"{_SIDE}(x{_SIDE}){{1,4}}")
_EXACT_BELOW = 10_000


def count(value: float | None) -> str:
    """Write a number with three digits and a prefix; below 10,000 exactly.

    >>> count(11_689_512), count(9_408), count(999_999), count(None)
    ('11.7 M', '9,408', '1.00 M', '-')
    """
    if value is None:
        return UNKNOWN
    if value < _EXACT_BELOW:
        return f"{value:,.0f}"
    return _with_prefix(value)


class About(int):
    """A length in bytes that is computed and not measured."""


def size(value_bytes: float | None) -> str:
    """Write a length in bytes with three digits.

    >>> size(46_830_571), size(250_000), size(999), size(About(46_800_000))
    ('46.8 MB', '250 kB', '999 B', '~46.8 MB')
    """
    if value_bytes is None:
        return UNKNOWN
    if isinstance(value_bytes, About):
        return "~" + size(int(value_bytes))
    if value_bytes < 1000:
        return f"{value_bytes:.0f} B"
    return _with_prefix(value_bytes) + "B"


def _with_prefix(value: float) -> str:
    """Round to three digits first, so that 999,999 becomes 1.00 M and not 1000 k."""
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    power = int(exponent)
    largest = len(_PREFIXES) - 1
    thousands = min(power // 3, largest)
    prefix = _PREFIXES[thousands]

    digits = mantissa.replace(".", "")
    before_point = power - 3 * thousands + 1
    if before_point >= len(digits):
        padded = digits.ljust(before_point, "0")
        return f"{padded} {prefix}"

    whole = digits[:before_point]
    decimals = digits[before_point:]
    return f"{whole}.{decimals} {prefix}"


def percent(value: float | None) -> str:
    """Write a percentage with two decimals.

    >>> percent(30.242), percent(None)
    ('30.24', '-')
    """
    if value is None:
        return UNKNOWN
    return f"{value:.2f}"


def digits(value: float | None) -> str:
    """Write three significant digits without an exponent.

    >>> digits(1234.6), digits(0.012345), digits(None)
    ('1,235', '0.0123', '-')
    """
    if value is None:
        return UNKNOWN
    if value >= 1000:
        return f"{value:,.0f}"
    rounded = float(f"{value:.3g}")
    return f"{rounded:g}"


def shape(value: Sequence[int] | None) -> str:
    """Write a shape as options take it.

    >>> shape((3, 224, 224))
    '3x224x224'
    """
    if value is None:
        return UNKNOWN
    return "x".join(map(str, value))


def text(value: object) -> str:
    """Write anything; what is not known is a dash, a truth is yes or no.

    >>> text(None), text(True), text("bsd")
    ('-', 'yes', 'bsd')
    """
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        if value:
            return "yes"
        return "no"
    return str(value)


def parse_quantity(option: str, given: str | None) -> float | None:
    """Read a limit such as ``10M``, ``4G``, ``100MB`` or ``1.5e6``.

    >>> parse_quantity("--max-size", "100MB")
    100000000.0

    Raises:
        UsageError: It is not a number with one of these endings.
    """
    if given is None:
        return None
    found = _QUANTITY.fullmatch(given)
    if found is None:
        raise UsageError(f"{option} takes a number such as 800k, 10M or 1.5G, got {given!r:.40}")

    number = float(found["number"])
    prefix = found["prefix"].replace("K", "k")
    return number * FACTORS[prefix]


def parse_shape(option: str, given: str) -> tuple[int, ...]:
    """Read a shape such as ``3x512x512``.

    >>> parse_shape("--input", "3x512x512")
    (3, 512, 512)

    Raises:
        UsageError: It is not whole numbers from 1 on, joined by ``x``.
    """
    found = _SHAPE.fullmatch(given)
    if found is None:
        raise UsageError(f"{option} takes a shape such as 3x512x512, got {given!r:.40}")
    sides = given.split("x")
    return tuple(map(int, sides))
