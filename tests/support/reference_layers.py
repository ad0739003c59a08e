"""Layers of the papers, slow and obvious, in float64 numpy.

They share no code with torch or ``zoo``.

Every map is an array ``(N, C, H, W)``. The tests of ``zoo.models`` build each paper's network from
these.
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
    found = {}
    for name, value in state.items():
        exact = value.detach().double()
        found[name] = exact.numpy()
    return found


def relative_error(got: torch.Tensor, expected: Array) -> float:
    """Divide the largest difference by the largest expected value."""
    assert tuple(got.shape) == expected.shape
    values = got.detach().numpy()
    difference = np.abs(values - expected).max()
    largest = np.abs(expected).max()
    return float(difference / largest)


def pad(
    x: Array,
    margins: Margins,
    value: float = 0.0,
) -> Array:
    """Put ``value`` around each map: top, bottom, left, right."""
    top, bottom, left, right = margins
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int = 1,
    groups: int = 1,
) -> Array:
    """Convolve without padding.

    For each filter place, the sum of products, one kernel position after the other.
    """
    images, _, height, width = x.shape
    out_channels, in_channels, kernel_h, kernel_w = weight.shape
    out_h = (height - kernel_h) // stride + 1
    out_w = (width - kernel_w) // stride + 1
    reach_h = stride * (out_h - 1) + 1
    reach_w = stride * (out_w - 1) + 1
    filters = out_channels // groups
    out = np.zeros((images, out_channels, out_h, out_w))

    for group in range(groups):
        first_in = group * in_channels
        first_out = group * filters
        seen = x[:, first_in : first_in + in_channels]
        made = slice(first_out, first_out + filters)

        for i in range(kernel_h):
            rows = slice(i, i + reach_h, stride)
            for j in range(kernel_w):
                columns = slice(j, j + reach_w, stride)
                places = seen[:, :, rows, columns]
                factors = weight[made, :, i, j]
                products = np.tensordot(factors, places, axes=(1, 1))
                out[:, made] += np.moveaxis(products, 0, 1)

    if bias is None:
        return out
    return out + bias[:, None, None]


def _windows(
    x: Array,
    kernel: int,
    stride: int,
) -> tuple[int, int, list[Array]]:
    """Cut each map into its pooling windows, row by row."""
    _, _, height, width = x.shape
    out_h = (height - kernel) // stride + 1
    out_w = (width - kernel) // stride + 1

    windows = []
    for i in range(out_h):
        top = i * stride
        for j in range(out_w):
            left = j * stride
            window = x[:, :, top : top + kernel, left : left + kernel]
            windows.append(window)

    return out_h, out_w, windows


def _laid_out(
    values: list[Array],
    height: int,
    width: int,
) -> Array:
    """Put one value ``(N, C)`` for each window into maps, row by row."""
    images, channels = values[0].shape
    stacked = np.stack(values, axis=-1)
    return stacked.reshape(images, channels, height, width)


def max_pool(
    x: Array,
    kernel: int,
    stride: int,
    margins: Margins = (0, 0, 0, 0),
) -> Array:
    """Take the largest value of each window; outside the map lies minus infinity."""
    padded = pad(x, margins, -np.inf)
    out_h, out_w, windows = _windows(padded, kernel, stride)
    largest = [window.max(axis=(2, 3)) for window in windows]
    return _laid_out(largest, out_h, out_w)


def sum_pool(
    x: Array,
    kernel: int,
    stride: int,
) -> Array:
    """Add up each window."""
    out_h, out_w, windows = _windows(x, kernel, stride)
    sums = [window.sum(axis=(2, 3)) for window in windows]
    return _laid_out(sums, out_h, out_w)


def adaptive_mean(x: Array, side: int) -> Array:
    """Take the means of ``side`` by ``side`` pieces that cover a map, rounded outwards."""
    _, _, height, width = x.shape
    means = []
    for row in _pieces(height, side):
        for column in _pieces(width, side):
            piece = x[:, :, row, column]
            means.append(piece.mean(axis=(2, 3)))
    return _laid_out(means, side, side)


def _pieces(length: int, count: int) -> list[slice]:
    """Cut a length into pieces that cover it, rounded outwards."""
    pieces = []
    for index in range(count):
        start = index * length // count
        beyond = (index + 1) * length
        end = -(-beyond // count)
        pieces.append(slice(start, end))
    return pieces


def relu(x: Array) -> Array:
    """Cut off what is below zero."""
    return np.maximum(x, 0.0)


def linear(
    x: Array,
    weight: Array,
    bias: Array,
) -> Array:
    """Multiply ``(N, inputs)`` by the weights and add the bias."""
    return np.asarray(x @ weight.T + bias)


def batch_norm(
    x: Array,
    state: Mapping[str, Array],
    prefix: str,
    eps: float,
) -> Array:
    """Normalise with the stored statistics."""
    mean = state[f"{prefix}.running_mean"]
    var = state[f"{prefix}.running_var"]
    weight = state[f"{prefix}.weight"]
    bias = state[f"{prefix}.bias"]

    scale = weight / np.sqrt(var + eps)
    centered = x - mean[:, None, None]
    scaled = centered * scale[:, None, None]
    return scaled + bias[:, None, None]


def response_norm(
    x: Array,
    n: int,
    k: float,
    alpha: float,
    beta: float,
) -> Array:
    """Divide each map by a power of the squares in it and its neighbours, as AlexNet's paper."""
    maps = x.shape[1]
    half = n // 2
    out = np.empty_like(x)

    for i in range(maps):
        first = max(0, i - half)
        last = min(maps - 1, i + half)
        neighbours = x[:, first : last + 1]
        squares = (neighbours**2).sum(axis=1)
        out[:, i] = x[:, i] / (k + alpha * squares) ** beta

    return out
