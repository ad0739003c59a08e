"""Count the multiply-adds of one operator from its shapes; knows no torch.

Convention: one multiply together with its add counts once. Bias, normalisation, activation functions, pooling, softmax
and element-wise arithmetic count nothing. torchvision's column named GFLOPS counts exactly this; FLOPs are twice as
many.

Source:
    Howard et al. 2017, arXiv:1704.04861, section 3.1; Szegedy et al. 2015, arXiv:1409.4842, section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from zoo.errors import ShapeError

Shape = Sequence[int]


def convolution_multiply_adds(x: Shape, weight: Shape, out: Shape, *, is_transposed: bool = False) -> int:
    """Count the multiply-adds of a convolution of any dimension.

    Args:
        x: Input shape, ``(N, C_in, *spatial)``.
        weight: Kernel shape, ``(C_out, C_in / groups, *kernel)``; transposed, ``(C_in, C_out / groups, *kernel)``.
        out: Output shape, ``(N, C_out, *spatial)``.
        is_transposed: Each *input* position is multiplied with the kernel instead of each output position.

    Returns:
        Multiply-adds for the whole batch, not for one image.

    Raises:
        ShapeError: The channels of ``weight`` do not fit those of ``out`` (of ``x`` if transposed).

    >>> convolution_multiply_adds((1, 3, 224, 224), (64, 3, 7, 7), (1, 64, 112, 112))
    118013952
    """
    positions = x if is_transposed else out
    if len(positions) < 2 or not weight or weight[0] != positions[1]:
        raise ShapeError(f"expected {weight[:1]} channels, got the shape {tuple(positions)}")
    return positions[0] * prod(positions[2:]) * prod(weight)


def matrix_multiply_adds(a: Shape, b: Shape) -> int:
    """Count the multiply-adds of ``a @ b``.

    Args:
        a: Shape ``(..., M, K)``.
        b: Shape ``(..., K, N)``; leading axes equal to those of ``a``.

    Raises:
        ShapeError: ``K`` differs.

    >>> matrix_multiply_adds((1, 512), (512, 1000))
    512000
    """
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
        raise ShapeError(f"cannot multiply matrices of shapes {tuple(a)} and {tuple(b)}")
    return prod(a) * b[-1]


def attention_multiply_adds(query: Shape, key: Shape, value: Shape) -> int:
    """Count the multiply-adds of scaled dot-product attention: scores, then the weighted sum.

    Args:
        query: Shape ``(..., L, E)``.
        key: Shape ``(..., S, E)``.
        value: Shape ``(..., S, E_v)``.

    Raises:
        ShapeError: The shapes do not fit together.
    """
    if query[-1] != key[-1] or key[-2] != value[-2]:
        raise ShapeError(f"attention over shapes {tuple(query)}, {tuple(key)} and {tuple(value)}")
    return prod(query) * key[-2] + prod(query[:-1]) * value[-2] * value[-1]


def _convolution(shapes: Sequence[Any], out: Shape, arguments: Sequence[Any]) -> int:
    return convolution_multiply_adds(shapes[0], shapes[1], out, is_transposed=bool(arguments[6]))


COUNTERS: dict[str, Callable[[Sequence[Any], Shape, Sequence[Any]], int]] = {
    "aten.convolution": _convolution,
    "aten.mm": lambda shapes, _out, _arguments: matrix_multiply_adds(shapes[0], shapes[1]),
    "aten.addmm": lambda shapes, _out, _arguments: matrix_multiply_adds(shapes[1], shapes[2]),
    "aten.bmm": lambda shapes, _out, _arguments: matrix_multiply_adds(shapes[0], shapes[1]),
    "aten.baddbmm": lambda shapes, _out, _arguments: matrix_multiply_adds(shapes[1], shapes[2]),
    "aten._scaled_dot_product_flash_attention_for_cpu": lambda s, _out, _arguments: attention_multiply_adds(*s[:3]),
    "aten._scaled_dot_product_fused_attention_overrideable": lambda s, _out, _arguments: attention_multiply_adds(
        *s[:3]
    ),
}
"""Operator -> function of (argument shapes, output shape, raw arguments). Every other operator counts nothing."""
