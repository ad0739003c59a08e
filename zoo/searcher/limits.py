"""What a network costs, known before it is trained; which costs are too high.

Only counting and measuring import torch: limits are read without it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zoo.models.genotype import Genotype
    from zoo.searcher.stack import Stack

WARM_UP_RUNS = 3
TIMED_RUNS = 15
MOST_REFUSED = 200
"""So many cells that all break a limit show that hardly one keeps to it."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one image through a network costs; counted, nothing is run."""

    parameters: int
    multiply_adds: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a network may cost; ``None`` sets no limit."""

    max_parameters: int | None = None
    max_multiply_adds: int | None = None
    max_latency_ms: float | None = None
    """Of one image on this machine's CPU, measured."""


class Gauge:
    """Tells which genotypes keep to the limits, and remembers.

    Args:
        stack: How they become networks.
        limits: The limits.
        latencies: Measured before, by the name of the genotype.
        on_measured: Told each latency that is measured: times differ from run to run, and an
            interrupted search must not decide otherwise when it goes on.
        costs: Counted before, likewise.
    """

    def __init__(
        self,
        stack: Stack,
        limits: Limits,
        latencies: dict[str, float] | None = None,
        on_measured: Callable[[Genotype, float], None] = lambda _genotype, _latency_ms: None,
        costs: Mapping[str, Cost] | None = None,
    ) -> None:
        self.stack = stack
        self.limits = limits
        self.latencies = dict(latencies or {})
        self._on_measured = on_measured
        self._costs = dict(costs or {})
        self._refused: list[Genotype] = []
        """Until the first is accepted."""
        self._has_accepted = False

    def cost(self, genotype: Genotype) -> Cost:
        """Count parameters and multiply-adds on the meta device."""
        if genotype.name not in self._costs:
            self._costs[genotype.name] = count(self.stack, genotype)
        return self._costs[genotype.name]

    def latency_ms(self, genotype: Genotype) -> float:
        """Measure how long one image takes, once."""
        if genotype.name not in self.latencies:
            measured_ms = measure_latency_ms(self.stack, genotype)
            self.latencies[genotype.name] = measured_ms
            self._on_measured(genotype, measured_ms)
        return self.latencies[genotype.name]

    def accepts(self, genotype: Genotype) -> bool:
        """Tell whether a genotype keeps to all limits.

        Raises:
            UsageError: None does, of many.
        """
        if self._keeps_to_limits(genotype):
            self._has_accepted = True
            return True

        if not self._has_accepted:
            self._refused.append(genotype)
        if len(self._refused) >= MOST_REFUSED and not self._has_accepted:
            raise UsageError(self.describe_refused())
        return False

    def describe_refused(self) -> str:
        """Say how far the limits are from what there is; nothing where none was refused."""
        if not self._refused or self._has_accepted:
            return ""
        limits = self.limits
        parameters = []
        multiply_adds = []
        times_ms = []
        for genotype in self._refused:
            name = genotype.name
            if name in self._costs:
                cost = self._costs[name]
                parameters.append(cost.parameters)
                multiply_adds.append(cost.multiply_adds)
            if name in self.latencies:
                time_ms = self.latencies[name]
                times_ms.append(time_ms)

        stories = []
        if limits.max_parameters is not None:
            fewest = min(parameters)
            story = f"the smallest has {fewest:,} parameters (--max-parameters)"
            stories.append(story)
        if limits.max_multiply_adds is not None:
            fewest = min(multiply_adds)
            story = f"the cheapest has {fewest:,} multiply-adds (--max-multiply-adds)"
            stories.append(story)
        if times_ms:
            least_ms = min(times_ms)
            story = f"the fastest takes {least_ms:.2g} ms (--max-latency)"
            stories.append(story)

        listed = ", ".join(stories)
        refused = len(self._refused)
        return f"none of {refused} cells keeps to the limits: {listed}"

    def _keeps_to_limits(self, genotype: Genotype) -> bool:
        """Compare with each limit; the cheap ones come first."""
        limits = self.limits
        if limits.max_parameters is not None or limits.max_multiply_adds is not None:
            cost = self.cost(genotype)
            if _is_above(cost.parameters, limits.max_parameters):
                return False
            if _is_above(cost.multiply_adds, limits.max_multiply_adds):
                return False
        if limits.max_latency_ms is None:
            return True
        return self.latency_ms(genotype) <= limits.max_latency_ms


def _is_above(
    value: int,
    limit: int | None,
) -> bool:
    return limit is not None and value > limit


def count(
    stack: Stack,
    genotype: Genotype,
) -> Cost:
    """Count what one image costs, on the meta device: no parameter takes memory or time."""
    from zoo.inspector.tracing import trace_layers
    from zoo.loader.construction import without_initialisation

    with without_initialisation():
        model = stack.build(genotype)
    table = trace_layers(model, stack.input_size, name=genotype.name)
    return Cost(table.parameters, table.multiply_adds or 0)


def measure_latency_ms(
    stack: Stack,
    genotype: Genotype,
) -> float:
    """Measure the median time of one image through a network with random parameters."""
    import torch

    model = stack.build(genotype).eval()
    image = torch.zeros(1, *stack.input_size)
    times_s = []
    with torch.inference_mode():
        for _ in range(WARM_UP_RUNS + TIMED_RUNS):
            began_s = time.perf_counter()
            model(image)
            times_s.append(time.perf_counter() - began_s)
    return 1000 * median(times_s[WARM_UP_RUNS:])
