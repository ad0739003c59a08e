"""Checks of the options that every builder takes."""

from __future__ import annotations


def require_positive(**counts: int) -> None:
    """Refuse a number of classes or channels that no network can have.

    Raises:
        ValueError: A count is below one; torch itself would build a layer without values, or fail
            far from the cause.
    """
    for name, count in counts.items():
        if count < 1:
            expected = "expected a whole number of at least 1"
            raise ValueError(f"{name}: {expected}, got {count!r}")


def require_one_of(choices: tuple[str, ...], **option: str) -> None:
    """Refuse an option that is none of the words it may be.

    Raises:
        ValueError: The value is not among ``choices``.
    """
    for name, value in option.items():
        if value not in choices:
            words = ", ".join(map(repr, choices))
            raise ValueError(f"{name}: expected one of {words}, got {value!r}")
