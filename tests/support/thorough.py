"""Proofs that are worth their time only now and then.

``make test`` takes a few of many like cases, chosen because each can break alone; ``make
test-thorough`` sets `ZOO_TEST_THOROUGH` and takes all of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

Case = TypeVar("Case")

THOROUGH = bool(os.environ.get("ZOO_TEST_THOROUGH"))
"""Whether this run takes every case and the full number of repetitions."""


def few_of(cases: Iterable[Case], *few: Case) -> list[Case]:
    """Choose the few cases that every run takes, or all when it is thorough.

    Raises:
        ValueError: One of the few is no longer among the cases.
    """
    every = list(cases)
    if gone := [case for case in few if case not in every]:
        raise ValueError(f"{gone} are not among the cases, so nothing would test them")
    return every if THOROUGH else list(few)


def repeated(few: int, many: int) -> int:
    """Say how often to repeat what is repeated to meet bad luck."""
    return many if THOROUGH else few
