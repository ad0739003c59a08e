"""Make a network faster for inference without changing its answers.

:func:`optimize` folds each batch norm into the convolution before it, lays weights and images out
channels-last, and runs the result with an engine; ``zoo bench --engine optimize:compile`` measures
the same. Some of the engines:

* ``"eager"``: operation by operation. Ready at once, takes any size of image.
* ``"compile"``: ``torch.compile`` with frozen weights. Takes a minute or two to prepare a large
  network and needs a C++ compiler on a CPU; packs weights once and joins small operations. Another
  size of image compiles again.
* ``"cudagraphs"``: one captured CUDA graph. Ready at once, takes images of the captured size only.
* ``"onnxruntime"``, ``"openvino"``: other programs than torch; often the fastest on a CPU.

The model itself is left as it is.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from zoo.engines.known import find_engine, known_engines
from zoo.engines.optimize import PREFIX
from zoo.engines.outputs import relative_distance, tensors
from zoo.engines.prepared import (
    PreparedModel,
    check_usage,
    choose_form,
    describe,
    make_ready,
)
from zoo.errors import OptimizeError, UsageError, ZooError

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-3}
_TOLERANCE_OF_HALVES = 0.1


def optimize(
    model: nn.Module,
    example: Tensor,
    *,
    engine: str = "eager",
    dtype: torch.dtype | None = None,
    channels_last: bool = True,
) -> PreparedModel:
    """Make a faster copy of a network for inference; check on an example that it answers the same.

    >>> import torch, torchvision
    >>> model = torchvision.models.resnet18().eval()
    >>> image = torch.rand(1, 3, 224, 224)
    >>> fast = optimize(model, image)
    >>> fast.folded
    20
    >>> torch.allclose(fast(image), model(image), atol=1e-4)
    True

    Args:
        model: Any network that takes one tensor; it is run as in evaluation mode and not changed.
        example: A typical input, on the device of the model.
        engine: ``"eager"``, ``"compile"``, ``"openvino"`` and so on: what may stand behind
            ``optimize:`` in the list of ``zoo bench engines``.
        dtype: Compute in this type, for example ``torch.bfloat16``; by default in the example's.
        channels_last: Lay weights and images out channels-last; on some GPUs, depthwise
            convolutions in 32 bits are faster without.

    Returns:
        The prepared network. Batch norms that do not follow a convolution, or of a network that
        ``torch.fx`` cannot trace, are not folded; ``folded`` counts the others.

    Raises:
        UsageError: There is no such engine, or it cannot work with this example.
        OptimizeError: The engine fails, or the result differs from the model's.
    """
    record = find_engine(_full_name(engine))
    form = choose_form(record, dtype=dtype or example.dtype, channels_last=channels_last)
    check_usage(model, example, form)
    evaluated = copy.deepcopy(model).eval()
    with torch.inference_mode():
        expected = evaluated(example)
    try:
        optimized = make_ready(evaluated, example, form)
        result = optimized(example)
    except OptimizeError as error:
        raise OptimizeError(engine, error.fault) from error
    except ZooError:
        raise
    except Exception as error:
        raise OptimizeError(engine, describe(error)) from error
    _check_result(result, expected, engine, form.dtype)
    return optimized


def choices() -> Sequence[str]:
    """List the engines that a folded network can be run with."""
    names = [name.partition(":")[2] for name in known_engines() if name.startswith(f"{PREFIX}:")]
    return ["eager", *names]


def _full_name(engine: str) -> str:
    """Name the engine as every other command does.

    Raises:
        UsageError: Nothing can run a folded network in this way.
    """
    if engine not in choices():
        raise UsageError(f"no engine is called {engine!r}; choose one of {', '.join(choices())}")
    if engine == "eager":
        return PREFIX
    return f"{PREFIX}:{engine}"


def _check_result(
    result: Any,
    expected: Any,
    engine: str,
    dtype: torch.dtype,
) -> None:
    """Compare an optimized network's answer with the model's."""
    tolerance = _TOLERANCES.get(dtype, _TOLERANCE_OF_HALVES)
    pairs = zip(tensors(result), tensors(expected), strict=True)
    for got, wanted in pairs:
        distance = relative_distance(got, wanted)
        # Also where it is no number.
        if not distance <= tolerance:
            fault = f"its answer to the example is {distance:.2g} away from the model's, by length"
            raise OptimizeError(engine, fault)
