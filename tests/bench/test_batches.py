"""The search for the best batch, on devices whose speed and memory are formulas."""

import pytest

from zoo.bench.batches import find_best


class Simulated:
    """A device that takes a fixed time a call and one an item, and holds so many items."""

    def __init__(self, call_s: float, item_s: float, most: int = 10**9) -> None:
        self.call_s, self.item_s, self.most = call_s, item_s, most
        self.tried: list[int] = []

    def __call__(self, batch: int) -> float | None:
        """Try a batch."""
        self.tried.append(batch)
        return self.call_s + self.item_s * batch if batch <= self.most else None


def test_a_device_without_cost_of_calls_gets_batch_one() -> None:
    """Where a larger batch gains nothing, the smallest is the best.

    Two doublings are tried to see that.
    """
    device = Simulated(0, 0.01)
    assert find_best(device) == 1
    assert device.tried == [1, 2, 4]


def test_search_doubles_while_it_gains() -> None:
    """Calls cost ten items' time.

    The rate grows by 5 % until batch 256, and 512 is within 3 % of the limit.
    """
    best = find_best(Simulated(0.001, 0.0001))
    rate = best / (0.001 + 0.0001 * best)
    assert rate >= 0.95 * 10_000
    assert best & (best - 1) == 0


def test_search_bisects_to_the_limit_of_memory() -> None:
    """Calls cost so much that the largest batch is the best; 100 fit, found to within an eighth."""
    device = Simulated(0.5, 1e-6, most=100)
    assert 88 <= find_best(device) <= 100


def test_search_ends_when_a_call_takes_longer_than_a_second() -> None:
    """A slow device is not asked for a batch that takes minutes."""
    device = Simulated(1.2, 0.2)
    find_best(device)
    assert device.tried == [1]


def test_nothing_fits_is_an_error_of_memory() -> None:
    """Not even one item fits."""
    with pytest.raises(MemoryError):
        find_best(Simulated(1, 1, most=0))
