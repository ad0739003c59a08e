"""Find the batch with the best throughput.

Doubling, then bisection between what fits and what does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_CALL_S = 1.0
"""A batch whose call takes longer is not tried any larger: nobody waits for it, and the search must
end."""
_LEAST_GAIN = 1.05
_PATIENCE = 2
_GOOD_ENOUGH = 0.97


def find_best(call_s: Callable[[int], float | None]) -> int:
    """Find the smallest batch whose throughput is within 3 % of the best.

    Doubles until two doublings in a row gain less than 5 %, a call takes longer than
    :data:`LONGEST_CALL_S`, or a batch does not fit; in the last case the limit is found by
    bisection to within an eighth.

    Args:
        call_s: Tries a batch and returns the seconds that one call takes, or ``None`` where it does
            not fit.

    Raises:
        MemoryError: Not even a batch of one fits.
    """
    rates: dict[int, float] = {}
    too_large = None
    batch = 1
    without_gain = 0
    while without_gain < _PATIENCE:
        seconds = call_s(batch)
        if seconds is None:
            too_large = batch
            break

        rate = batch / seconds
        best_before = max(rates.values(), default=0.0)
        rates[batch] = rate
        if rate > best_before * _LEAST_GAIN:
            without_gain = 0
        else:
            without_gain += 1

        if seconds > LONGEST_CALL_S:
            break
        batch *= 2

    if not rates:
        raise MemoryError("not even a batch of one fits")
    if too_large is not None:
        _bisect(call_s, rates, too_large)

    good_enough = max(rates.values()) * _GOOD_ENOUGH
    return min(batch for batch, rate in rates.items() if rate >= good_enough)


def _bisect(
    call_s: Callable[[int], float | None],
    rates: dict[int, float],
    too_large: int,
) -> None:
    fits = max(rates)
    while too_large - fits > max(1, fits // 8):
        middle = (fits + too_large) // 2
        seconds = call_s(middle)
        if seconds is None:
            too_large = middle
        else:
            fits = middle
            rates[middle] = middle / seconds
