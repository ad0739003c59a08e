"""Whether what a run kept of its optimizer fits: torch takes anything, and fails a step later."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    import torch

_NAMES = {
    "sgd": frozenset({"momentum_buffer"}),
    "adam": frozenset({"step", "exp_avg", "exp_avg_sq"}),
}
"""What an optimizer keeps of each parameter."""


def fault(
    state: dict[str, Any],
    optimizer: torch.optim.Optimizer,
    kind: str,
) -> str | None:
    """Say why a saved state cannot be that of an optimizer, or ``None``.

    Args:
        state: Its ``state_dict()``, as it was read.
        optimizer: A new one over the same parameters.
        kind: What the recipe calls it.
    """
    kept = state.get("state")
    if not isinstance(kept, dict):
        return "its optimizer has no state"

    parameters: list[Tensor] = []
    for group in optimizer.param_groups:
        parameters += group["params"]

    known = range(len(parameters))
    for number, entry in kept.items():
        is_known = type(number) is int and number in known
        if not is_known or not _fits(entry, parameters[number], _NAMES[kind]):
            return f"its optimizer's values of parameter {number!r:.20} do not fit"
    return None


def with_own_groups(
    state: dict[str, Any],
    optimizer: torch.optim.Optimizer,
) -> dict[str, Any]:
    """Give a saved state the settings that the recipe has given to the optimizer."""
    own = optimizer.state_dict()
    return {"state": state["state"], "param_groups": own["param_groups"]}


def _fits(
    entry: Any,
    parameter: Tensor,
    names: AbstractSet[str],
) -> bool:
    """Tell whether an optimizer can go on with what it has kept of a parameter."""
    if not isinstance(entry, dict):
        return False
    if entry and entry.keys() != names:
        return False

    for name, value in entry.items():
        if name == "momentum_buffer" and value is None:
            continue
        if not isinstance(value, Tensor):
            return False
        if name == "step" and not _counts_steps(value):
            return False
        is_like = value.shape == parameter.shape and value.dtype == parameter.dtype
        if name != "step" and not is_like:
            return False
    return True


def _counts_steps(value: Tensor) -> bool:
    """Tell whether a tensor is a number of steps."""
    if value.dim() != 0:
        return False
    steps = float(value)
    return math.isfinite(steps) and steps >= 1
