"""Whether an engine answers as the network does: its output beside that of eager fp32."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zoo.engines.outputs import main_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import nn

    from zoo.engines.record import Call

CHECKED_ITEMS = 2
_FAR = 1e9
"""Stands for whatever is further away, and for what JSON cannot write: infinite, no number."""
_TINY = 1e-30


def outputs_of(
    call: Call,
    inputs: Sequence[torch.Tensor],
) -> list[torch.Tensor]:
    """Take the first items of the output for each input to the host, at once.

    An engine may use their memory again.
    """
    outputs = []
    for x in inputs:
        result = main_tensor(call(x))
        outputs.append(result[:CHECKED_ITEMS].cpu().double())
    return outputs


def measure_sensitivity(
    model: nn.Module,
    x: torch.Tensor,
    reference: torch.Tensor,
) -> float:
    """Round the parameters to bf16 for one call and tell how far that moves the output."""
    parameters = list(model.parameters())
    exact = [parameter.clone() for parameter in parameters]
    for parameter in parameters:
        parameter.copy_(parameter.bfloat16())
    moved, _ = compare_outputs(outputs_of(model, [x]), [reference])
    for parameter, value in zip(parameters, exact, strict=True):
        parameter.copy_(value)
    return moved


def compare_outputs(
    outputs: list[torch.Tensor],
    references: list[torch.Tensor],
) -> tuple[float, bool]:
    """Hold what an engine puts out for several inputs against the reference for each.

    Returns:
        The largest distance from the right reference, relative to its norm, and whether each output
        is nearer to its own input's reference than to another's: an engine that answers every input
        alike can be near to all of them.
    """
    wanted: list[torch.Tensor] = []
    for output, reference in zip(outputs, references, strict=True):
        images = len(output)
        wanted.append(reference[:images])

    error = 0.0
    follows_input = True
    for index, output in enumerate(outputs):
        distances = [(output - other).norm().item() for other in wanted]
        own = distances[index]
        norm = wanted[index].norm()
        length = max(norm.item(), _TINY)
        relative = own / length
        if not math.isfinite(relative):
            relative = _FAR
        error = max(error, min(relative, _FAR))
        follows_input = follows_input and own <= min(distances)
    return error, follows_input
