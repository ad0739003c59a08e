"""CUDA graphs: one call captured, each later call replayed, for inputs of the captured shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.engines.record import Call, Engine, Request
from zoo.errors import ShapeError

if TYPE_CHECKING:
    from torch import Tensor

_WARM_UPS = 3
"""cuDNN chooses its algorithms and allocates before the capture."""


class CapturedGraph:
    """A network captured as one CUDA graph: fixed memory for the input and for the result."""

    def __init__(
        self,
        call: Call,
        example: Tensor,
    ) -> None:
        """Capture a call with an input like the example."""
        import torch

        self._input = example.clone()
        # Streams are those of the current device, which need not be the example's: a graph
        # captured there would be empty.
        with torch.cuda.device(example.device):
            self._capture(call)

    def _capture(self, call: Call) -> None:
        import torch

        warm_up = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        warm_up.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(warm_up), torch.inference_mode():
            for _ in range(_WARM_UPS):
                call(self._input)
        torch.cuda.current_stream().wait_stream(warm_up)

        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph), torch.inference_mode():
            self._result = call(self._input)

    def __call__(self, x: Tensor) -> Any:
        """Copy the input in and replay; the next call writes over the result."""
        if x.shape != self._input.shape:
            captured, given = tuple(self._input.shape), tuple(x.shape)
            raise ShapeError(
                f"this CUDA graph was captured for inputs of {captured}, got {given}; "
                "prepare the model again with such an example"
            )
        self._input.copy_(x)
        self._graph.replay()
        return self._result


def prepare(request: Request) -> Call:
    """Capture the network in its precision."""
    from zoo.engines.precision import with_precision

    call = with_precision(request.model, request.precision, request.example.device.type)
    return CapturedGraph(call, request.example)


ENGINES = (
    Engine(
        name="cudagraphs",
        summary="eager, captured once and replayed",
        prepare=prepare,
        devices=("cuda",),
        has_fixed_shape=True,
    ),
)
