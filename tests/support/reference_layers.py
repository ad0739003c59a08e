"""Layers of the papers, slow and obvious, in float64 numpy; they share no code with torch or ``zoo``.

Every map is an array ``(N, C, H, W)``. The tests of ``zoo.models`` build each paper's network from these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Margins = tuple[int, int, int, int]


def arrays(state: Mapping[str, torch.Tensor]) -> dict[str, Array]:
    """Turn a state dict into float64 arrays."""
    return {name: value.detach().double().numpy() for name, value in state.items()}


def relative_error(got: torch.Tensor, expected: Array) -> float:
    """Divide the largest difference by the largest expected value."""
    assert tuple(got.shape) == expected.shape
    return float(np.abs(got.detach().numpy() - expected).max() / np.abs(expected).max())


def pad(x: Array, margins: Margins, value: float = 0.0) -> Array:
    """Put ``value`` around each map: top, bottom, left, right."""
    top, bottom, left, right = margins
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def conv2d(x: Array, weight: Array, bias: Array | None = None, stride: int = 1, groups: int = 1) -> Array:
    """Convolve without padding: for each filter place, the sum of products, one kernel position after the other."""
    out_channels, in_channels, kernel_h, kernel_w = weight.shape
    out_h = (x.shape[2] - kernel_h) // stride + 1
    out_w = (x.shape[3] - kernel_w) // stride + 1
    filters = out_channels // groups
    out = np.zeros((x.shape[0], out_channels, out_h, out_w))
    for group in range(groups):
        seen = x[:, group * in_channels : (group + 1) * in_channels]
        made = slice(group * filters, (group + 1) * filters)
        for i in range(kernel_h):
            for j in range(kernel_w):
                places = seen[
                    :, :, i : i + stride * (out_h - 1) + 1 : stride, j : j + stride * (out_w - 1) + 1 : stride
                ]
                out[:, made] += np.moveaxis(np.tensordot(weight[made, :, i, j], places, axes=(1, 1)), 0, 1)
    return out if bias is None else out + bias[:, None, None]


def _windows(x: Array, kernel: int, stride: int) -> tuple[int, int, list[Array]]:
    """Cut each map into its pooling windows, row by row."""
    out_h = (x.shape[2] - kernel) // stride + 1
    out_w = (x.shape[3] - kernel) // stride + 1
    corners = [(i * stride, j * stride) for i in range(out_h) for j in range(out_w)]
    return out_h, out_w, [x[:, :, top : top + kernel, left : left + kernel] for top, left in corners]


def max_pool(x: Array, kernel: int, stride: int, margins: Margins = (0, 0, 0, 0)) -> Array:
    """Take the largest value of each window; outside the map lies minus infinity."""
    out_h, out_w, windows = _windows(pad(x, margins, -np.inf), kernel, stride)
    return np.stack([window.max(axis=(2, 3)) for window in windows], axis=-1).reshape(*x.shape[:2], out_h, out_w)


def sum_pool(x: Array, kernel: int, stride: int) -> Array:
    """Add up each window."""
    out_h, out_w, windows = _windows(x, kernel, stride)
    return np.stack([window.sum(axis=(2, 3)) for window in windows], axis=-1).reshape(*x.shape[:2], out_h, out_w)


def adaptive_mean(x: Array, side: int) -> Array:
    """Cut each map into ``side`` by ``side`` pieces that cover it, rounded outwards, and take the mean of each."""
    height, width = x.shape[2:]
    rows = [slice(i * height // side, -(-(i + 1) * height // side)) for i in range(side)]
    columns = [slice(j * width // side, -(-(j + 1) * width // side)) for j in range(side)]
    means = [x[:, :, row, column].mean(axis=(2, 3)) for row in rows for column in columns]
    return np.stack(means, axis=-1).reshape(*x.shape[:2], side, side)


def relu(x: Array) -> Array:
    """Cut off what is below zero."""
    return np.maximum(x, 0.0)


def linear(x: Array, weight: Array, bias: Array) -> Array:
    """Multiply ``(N, inputs)`` by the weights and add the bias."""
    return np.asarray(x @ weight.T + bias)


def batch_norm(x: Array, state: Mapping[str, Array], prefix: str, eps: float) -> Array:
    """Normalise with the stored statistics."""
    mean, var = state[f"{prefix}.running_mean"], state[f"{prefix}.running_var"]
    scale = state[f"{prefix}.weight"] / np.sqrt(var + eps)
    return (x - mean[:, None, None]) * scale[:, None, None] + state[f"{prefix}.bias"][:, None, None]


def response_norm(x: Array, n: int, k: float, alpha: float, beta: float) -> Array:
    """Divide each map by a power of the squares in itself and its neighbours, by the formula of AlexNet's paper."""
    maps = x.shape[1]
    out = np.empty_like(x)
    for i in range(maps):
        squares = sum(x[:, j] ** 2 for j in range(max(0, i - n // 2), min(maps - 1, i + n // 2) + 1))
        out[:, i] = x[:, i] / (k + alpha * squares) ** beta
    return out
