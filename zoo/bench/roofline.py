"""How near a model comes to what the device reaches on plain work, and what holds it back. Pure.

Three times no eager call can undercut, each from a ceiling measured in the same process:

- *compute*: its multiply-adds at the rate of the faster of matrix product and convolution;
- *memory*: its parameters read once, its activations written and read once, at a copy's rate;
- *dispatch*: its layers, at the time that an operation on one number takes.

The roofline is the larger of the first two (Williams, Waterman and Patterson 2009). It is an
estimate: a cache can serve memory faster than a copy of many megabytes, so small models on CPUs can
exceed 100 percent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.engines.known import known_engines

if TYPE_CHECKING:
    from zoo.bench.records import Case, Ceilings

_VALUE_BYTES = {"fp32": 4, "tf32": 4}
_HALF_BYTES = 2


@dataclass(frozen=True, slots=True)
class Roofline:
    """A call held against the ceilings."""

    percent: float
    """Of the speed that the roofline allows."""
    bound_by: str
    """What takes longest of ``compute``, ``memory`` and ``dispatch``."""


def roofline(
    case: Case,
    ceilings: Ceilings,
    *,
    call_ns: float,
    batch: int,
    parameters: int,
    layers: int,
) -> Roofline | None:
    """Hold one call against the ceilings; ``None`` where the model's work is not known.

    Args:
        case: The case, for its work, precision and engine.
        ceilings: Of its device.
        call_ns: Time of one call.
        batch: Items in a call.
        parameters: Count.
        layers: Modules without children.
    """
    if case.multiply_adds is None or case.activations is None:
        return None
    value_bytes = _VALUE_BYTES.get(case.precision, _HALF_BYTES)
    moved_bytes = (parameters + 2 * case.activations * batch) * value_bytes
    floors_ns = {
        "compute": 2e9
        * case.multiply_adds
        * batch
        / max(ceilings.matmul_flops, ceilings.convolution_flops),
        "memory": 1e9 * moved_bytes / ceilings.copy_bytes,
    }
    percent = max(floors_ns.values()) / call_ns * 100
    # A file of others may name an engine that this zoo lacks.
    engine = known_engines().get(case.engine)
    if engine is not None and engine.is_layer_by_layer:
        floors_ns["dispatch"] = float(layers * ceilings.dispatch_ns)
    return Roofline(percent, max(floors_ns, key=lambda name: floors_ns[name]))
