"""Numbers and their layout: bring a network into a precision and a memory format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from zoo.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from zoo.engines.record import Call

_AUTOCAST = {"fp16-autocast": torch.float16, "bf16-autocast": torch.bfloat16}
_NATIVE = {"fp16": torch.float16, "bf16": torch.bfloat16}
_SHOWN_CHARACTERS = 100
_TF32_CAPABILITY = 8


def set_precision(precision: str) -> None:
    """Let matrix products and convolutions of fp32 numbers round to TF32, or forbid it."""
    is_allowed = precision == "tf32"
    # The newer fp32_precision makes torch.export 2.14 fail: "mix of APIs".
    torch.backends.cuda.matmul.allow_tf32 = is_allowed
    torch.backends.cudnn.allow_tf32 = is_allowed


def precision_of_fp32(device: torch.device) -> str:
    """Tell what convolutions of fp32 numbers are computed in on a device, as torch is set now.

    On NVIDIA's devices since Ampere torch lets them round to TF32 unless it is told otherwise.
    """
    if device.type != "cuda" or torch.version.cuda is None:
        return "fp32"
    major, _ = torch.cuda.get_device_capability(device)
    has_tf32 = major >= _TF32_CAPABILITY
    return "tf32" if has_tf32 and torch.backends.cudnn.allow_tf32 else "fp32"


def tensor_type(precision: str) -> torch.dtype:
    """Tell the type of parameters and inputs in a precision."""
    return _NATIVE.get(precision, torch.float32)


def low_precision(precision: str) -> torch.dtype:
    """Tell the type that matrix products and convolutions are computed in."""
    return _AUTOCAST.get(precision) or tensor_type(precision)


def memory_format(
    name: str,
    dimensions: int,
) -> torch.memory_format:
    """Tell torch's memory format for so many dimensions; only images and clips have channels."""
    if name != "channels-last":
        return torch.contiguous_format
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return formats.get(dimensions, torch.contiguous_format)


def convert(
    model: nn.Module,
    precision: str,
    layout: str,
    probes: Sequence[torch.Tensor],
) -> nn.Module:
    """Give a network its precision and memory format, in place where that is possible.

    Args:
        model: A network in fp32.
        precision: As ``zoo bench`` names them.
        layout: Name of the memory format.
        probes: Inputs to learn the ranges of activations from, for int8.

    Raises:
        BenchError: No int8 can be made of this network.
    """
    if precision == "int8":
        return _quantized(model, probes)
    converted = model.to(dtype=tensor_type(precision))
    dimensions = probes[0].dim()
    return converted.to(memory_format=memory_format(layout, dimensions))


def _quantized(
    model: nn.Module,
    probes: Sequence[torch.Tensor],
) -> nn.Module:
    """Quantize for the CPU: weights by channel, activations by the ranges that the probes show.

    This is FX graph mode, old and still the only one in torch 2.14 that takes convolutional
    networks as they are: the quantizer of torchao 0.18 refuses ResNet-18.
    """
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    mapping = get_default_qconfig_mapping(torch.backends.quantized.engine)
    try:
        observed = prepare_fx(model, mapping, (probes[0],))
        for probe in probes:
            observed(probe)
        converted: nn.Module = convert_fx(observed)
    except Exception as error:
        # A tracer meets every kind of code, and what it raises is any kind of error.
        cause = f"{type(error).__name__}: {str(error)[:_SHOWN_CHARACTERS]}"
        fault = f"torch's quantizer cannot take this network apart ({cause})"
        raise BenchError(f"no int8: {fault}; measure it in another precision") from error
    return converted


def with_precision(
    call: Call,
    precision: str,
    device: str,
) -> Call:
    """Wrap a call in autocast where the precision asks for it, around each call."""
    if precision not in _AUTOCAST:
        return call
    kind = torch.device(device).type
    dtype = _AUTOCAST[precision]

    def autocast_call(x: torch.Tensor) -> Any:
        with torch.autocast(kind, dtype=dtype):
            return call(x)

    return autocast_call
