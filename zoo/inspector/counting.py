"""Count the multiply-adds of one operator from its shapes; knows no torch.

Convention: one multiply together with its add counts once. Bias, normalisation, activation
functions, pooling, softmax and element-wise arithmetic count nothing. torchvision's column named
GFLOPS counts exactly this; FLOPs are twice as many.

Source:
    Howard et al. 2017, arXiv:1704.04861, section 3.1; Szegedy et al. 2015, arXiv:1409.4842, section
    6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from zoo.errors import ShapeError

Shape = Sequence[int]


def convolution_multiply_adds(
    x: Shape,
    weight: Shape,
    out: Shape,
    *,
    is_transposed: bool = False,
) -> int:
    """Count the multiply-adds of a convolution of any dimension.

    Args:
        x: Input shape, ``(N, C_in, *spatial)``.
        weight: Kernel shape, ``(C_out, C_in / groups, *kernel)``; transposed, ``(C_in, C_out /
            groups, *kernel)``.
        out: Output shape, ``(N, C_out, *spatial)``.
        is_transposed: Each *input* position is multiplied with the kernel instead of each output
            position.

    Returns:
        Multiply-adds for the whole batch, not for one image.

    Raises:
        ShapeError: The channels of ``weight`` do not fit those of ``out`` (of ``x`` if transposed).

    >>> convolution_multiply_adds((1, 3, 224, 224), (64, 3, 7, 7), (1, 64, 112, 112))
    118013952
    """
    positions = x if is_transposed else out
    channels = positions[1:2]
    expected = weight[:1]
    if not channels or tuple(channels) != tuple(expected):
        raise ShapeError(f"expected {expected} channels, got the shape {tuple(positions)}")

    batch, _, *spatial = positions
    kernels = batch * prod(spatial)
    return kernels * prod(weight)


def matrix_multiply_adds(
    a: Shape,
    b: Shape,
) -> int:
    """Count the multiply-adds of ``a @ b``.

    Args:
        a: Shape ``(..., M, K)``.
        b: Shape ``(..., K, N)``; leading axes equal to those of ``a``.

    Raises:
        ShapeError: ``K`` differs.

    >>> matrix_multiply_adds((1, 512), (512, 1000))
    512000
    """
    are_matrices = min(len(a), len(b)) >= 2

    if not are_matrices or a[-1] != b[-2]:
        shapes = f"{tuple(a)} and {tuple(b)}"
        raise ShapeError(f"cannot multiply matrices of shapes {shapes}")

    columns = b[-1]
    return prod(a) * columns


def attention_multiply_adds(
    query: Shape,
    key: Shape,
    value: Shape,
) -> int:
    """Count the multiply-adds of scaled dot-product attention: scores, then the weighted sum.

    Args:
        query: Shape ``(..., L, E)``.
        key: Shape ``(..., S, E)``.
        value: Shape ``(..., S, E_v)``.

    Raises:
        ShapeError: The shapes do not fit together.
    """
    *leading, queries, features = query
    keys, key_features = key[-2:]
    value_keys, values = value[-2:]
    if key_features != features or value_keys != keys:
        shapes = f"{tuple(query)}, {tuple(key)} and {tuple(value)}"
        raise ShapeError(f"attention over shapes {shapes}")

    scores = prod(leading) * queries * keys
    scoring = scores * features
    weighing = scores * values
    return scoring + weighing


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operator, as a counter sees it."""

    shapes: Sequence[Any]
    """Of each argument that is a tensor; ``None`` in place of the others."""
    out: Shape
    arguments: Sequence[Any]


def _convolution(call: Call) -> int:
    x, weight = call.shapes[:2]
    is_transposed = bool(call.arguments[6])
    return convolution_multiply_adds(x, weight, call.out, is_transposed=is_transposed)


def _product(call: Call) -> int:
    a, b = call.shapes[:2]
    return matrix_multiply_adds(a, b)


def _sum_and_product(call: Call) -> int:
    a, b = call.shapes[1:3]
    return matrix_multiply_adds(a, b)


def _attention(call: Call) -> int:
    query, key, value = call.shapes[:3]
    return attention_multiply_adds(query, key, value)


COUNTERS: dict[str, Callable[[Call], int]] = {
    "aten.convolution": _convolution,
    "aten.mm": _product,
    "aten.addmm": _sum_and_product,
    "aten.bmm": _product,
    "aten.baddbmm": _sum_and_product,
    "aten._scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten._scaled_dot_product_fused_attention_overrideable": _attention,
}
"""Operator -> how its multiply-adds are counted; every other operator counts nothing."""
