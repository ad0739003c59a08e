"""NASNet-A and PNASNet-5 a second time: slow, obvious, and without a line of ``zoo``.

Written from the papers' figures and TensorFlow slim's numbering, for comparison only. Nothing is
shared or skipped: each branch rectifies its input again, padding is a padded copy, pools are loops
over windows, batch norm is its formula. Parameters come from a state dict under the released
PyTorch key names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    Design = tuple[list[str], list[int], list[int]]

    State = dict[str, Tensor]

# Slim's lists: operation and index of each branch, left and right in turn; index 0 is the nearer
# input, 1 the older.
NASNET_NORMAL = (
    ["sep5", "sep3", "sep5", "sep3", "avg", "none", "avg", "avg", "sep3", "none"],
    [0, 1, 1, 1, 0, 1, 1, 1, 0, 0],
    [1, 2, 3, 4, 5, 6],
)
NASNET_REDUCTION = (
    ["sep5", "sep7", "max", "sep7", "avg", "sep5", "none", "avg", "sep3", "max"],
    [0, 1, 0, 1, 0, 1, 3, 2, 2, 0],
    [3, 4, 5, 6],
)
PNASNET = (
    ["sep5", "max", "sep7", "max", "sep5", "sep3", "sep3", "max", "sep3", "none"],
    [1, 1, 0, 0, 0, 0, 4, 0, 1, 0],
    [2, 3, 4, 5, 6],
)


def with_statistics(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give batch norms the numbers of a trained network, and one that shows a wrong epsilon.

    Variances from 0.01.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for norm in model.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                for name, low, high in (("running_mean", -0.5, 0.5), ("running_var", 0.01, 2.0)):
                    norm.get_buffer(name).uniform_(low, high, generator=generator)
                norm.weight.uniform_(0.5, 1.5, generator=generator)
                norm.bias.uniform_(-0.5, 0.5, generator=generator)
    return model.double().eval()


def relative_error(got: Tensor, expected: Tensor) -> float:
    """Length of the difference over the length of what was expected."""
    return float((got.detach() - expected.detach()).norm() / expected.detach().norm())


def cell_keys(
    prefix: str, design: Design, *, halves: str | None, is_first: bool, stride: int
) -> Iterator[str]:
    """List the keys of one cell's state; ``halves`` is the prefix of its factorized reduction."""
    operations, indices, _ = design
    yield from projection_keys(f"{prefix}conv_1x1.")
    if halves is not None:
        yield from (f"{prefix}{halves}path_1.conv.weight", f"{prefix}{halves}path_2.conv.weight")
        yield from norm_keys(f"{prefix}{halves}final_path_bn.")
    elif not is_first:
        yield from projection_keys(f"{prefix}conv_prev_1x1.")
    for number, (kind, index) in enumerate(zip(operations, indices, strict=True)):
        branch = f"{prefix}comb_iter_{number // 2}_{('left', 'right')[number % 2]}."
        changes_channels = is_first and index == 1
        if kind.startswith("sep"):
            for i in (1, 2):
                yield from (
                    f"{branch}separable_{i}.{part}_conv2d.weight"
                    for part in ("depthwise", "pointwise")
                )
                yield from norm_keys(f"{branch}bn_sep_{i}.")
        elif changes_channels or (kind == "none" and stride == 2 and index < 2):
            yield from projection_keys(branch)


def projection_keys(prefix: str) -> Iterator[str]:
    """List the keys of a 1x1 convolution with batch norm."""
    yield f"{prefix}conv.weight"
    yield from norm_keys(f"{prefix}bn.")


def norm_keys(prefix: str) -> Iterator[str]:
    """List the keys of a batch norm."""
    yield from (
        prefix + name
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    )


def nasnet_logits(
    state: State, image: Tensor, cells: int, *, skips_reduction_input: bool
) -> Tensor:
    """Run NASNet-A with ``cells`` normal cells in each stage."""
    outputs = stem_outputs(state, image, "conv0", NASNET_REDUCTION)
    for stage in range(3):
        older = outputs[-2]
        if stage > 0:
            outputs.append(
                cell(
                    state,
                    f"reduction_cell_{stage - 1}.",
                    NASNET_REDUCTION,
                    outputs[-1],
                    outputs[-2],
                    2,
                )
            )
            if not skips_reduction_input:
                older = outputs[-2]
        for place in range(cells):
            if place > 0:
                older = outputs[-2]
            outputs.append(
                cell(state, f"cell_{6 * stage + place}.", NASNET_NORMAL, outputs[-1], older, 1)
            )
    return head(state, outputs[-1])


def pnasnet_logits(state: State, image: Tensor, cells: int) -> Tensor:
    """Run PNASNet-5 with ``cells`` cells in each stage."""
    outputs = stem_outputs(state, image, "conv_0", PNASNET)
    for number in range(3 * cells):
        stride = 2 if number in {cells, 2 * cells} else 1
        outputs.append(cell(state, f"cell_{number}.", PNASNET, outputs[-1], outputs[-2], stride))
    return head(state, outputs[-1])


def stem_outputs(state: State, image: Tensor, name: str, design: Design) -> list[Tensor]:
    """Run the first convolution and the two stem cells."""
    first = torch.nn.functional.conv2d(image, state[f"{name}.conv.weight"], stride=2)
    first = norm(state, f"{name}.bn.", first)
    second = cell(state, "cell_stem_0.", design, first, None, 2)
    third = cell(state, "cell_stem_1.", design, second, first, 2)
    return [first, second, third]


def head(state: State, x: Tensor) -> Tensor:
    """Rectify, take the mean over the image, multiply by the last matrix."""
    return rectify(x).mean(3).mean(2) @ state["last_linear.weight"].T + state["last_linear.bias"]


def cell(
    state: State,
    prefix: str,
    design: Design,
    nearer: Tensor,
    older: Tensor | None,
    stride: int,
) -> Tensor:
    """Run one cell on the unrectified outputs of the cells before it."""
    operations, indices, output = design
    states = [convolve_and_norm(state, prefix + "conv_1x1.", nearer, 1)]
    if older is None:
        states.append(nearer)
    elif older.shape[2:] == nearer.shape[2:]:
        states.append(convolve_and_norm(state, prefix + "conv_prev_1x1.", older, 1))
    else:
        nested = f"{prefix}conv_prev_1x1.path_1.conv.weight" in state
        states.append(halve(state, prefix + "conv_prev_1x1." * nested, older))
    for number in range(5):
        added = []
        for side, name in enumerate(("left", "right")):
            index = indices[2 * number + side]
            branch = f"{prefix}comb_iter_{number}_{name}."
            added.append(
                apply(
                    state,
                    branch,
                    operations[2 * number + side],
                    states[index],
                    stride if index < 2 else 1,
                )
            )
        states.append(added[0] + added[1])
    return torch.cat([states[index] for index in output], 1)


def apply(state: State, prefix: str, operation: str, x: Tensor, stride: int) -> Tensor:
    """Apply one operation of a branch."""
    if operation.startswith("sep"):
        for number in (1, 2):
            x = rectify(x)
            x = depthwise(
                x,
                state[f"{prefix}separable_{number}.depthwise_conv2d.weight"],
                stride if number == 1 else 1,
            )
            x = pointwise(x, state[f"{prefix}separable_{number}.pointwise_conv2d.weight"])
            x = norm(state, f"{prefix}bn_sep_{number}.", x)
        return x
    if operation == "none":
        return convolve_and_norm(state, prefix, x, stride) if f"{prefix}conv.weight" in state else x
    x = pool(x, operation, stride)
    if f"{prefix}conv.weight" in state:
        x = norm(state, prefix + "bn.", pointwise(x, state[f"{prefix}conv.weight"]))
    return x


def halve(state: State, prefix: str, x: Tensor) -> Tensor:
    """Take the even rows and columns, and the odd ones of the image moved by one; convolve each.

    Join; normalise.
    """
    x = rectify(x)
    moved = torch.zeros_like(x)
    moved[:, :, :-1, :-1] = x[:, :, 1:, 1:]
    paths = [
        pointwise(part[:, :, ::2, ::2], state[f"{prefix}path_{i}.conv.weight"])
        for i, part in ((1, x), (2, moved))
    ]
    return norm(state, prefix + "final_path_bn.", torch.cat(paths, 1))


def convolve_and_norm(state: State, prefix: str, x: Tensor, stride: int) -> Tensor:
    """Rectify, keep every ``stride``-th pixel, multiply by a matrix, normalise."""
    return norm(
        state,
        prefix + "bn.",
        pointwise(rectify(x)[:, :, ::stride, ::stride], state[prefix + "conv.weight"]),
    )


def rectify(x: Tensor) -> Tensor:
    """Cut negative values off."""
    return torch.where(x > 0, x, torch.zeros_like(x))


def norm(state: State, prefix: str, x: Tensor) -> Tensor:
    """Normalise with the running statistics; epsilon is 0.001."""
    mean, variance, weight, bias = (
        state[prefix + name][None, :, None, None]
        for name in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / torch.sqrt(variance + 0.001) * weight + bias


def pointwise(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply each pixel's channels by a matrix."""
    return torch.einsum("nchw,oc->nohw", x, weight[:, :, 0, 0])


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pad so that ``size / stride`` places, rounded up, come out.

    An odd number pads more at the end.
    """
    places = -(-size // stride)
    total = max((places - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def depthwise(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Add up shifted and weighted copies of a padded image, one per place of the kernel."""
    height, width, kernel = x.shape[2], x.shape[3], weight.shape[2]
    top, bottom = same_padding(height, kernel, stride)
    left, right = same_padding(width, kernel, stride)
    padded = x.new_zeros(*x.shape[:2], height + top + bottom, width + left + right)
    padded[:, :, top : top + height, left : left + width] = x
    rows, columns = -(-height // stride), -(-width // stride)
    total = x.new_zeros(*x.shape[:2], rows, columns)
    for i in range(kernel):
        for j in range(kernel):
            shifted = padded[
                :,
                :,
                i : i + stride * (rows - 1) + 1 : stride,
                j : j + stride * (columns - 1) + 1 : stride,
            ]
            total += shifted * weight[None, :, 0, i, j, None, None]
    return total


def pool(x: Tensor, kind: str, stride: int) -> Tensor:
    """Take the maximum or the mean of each 3x3 window, cut at the edges of the image."""
    height, width = x.shape[2:]
    top, left = same_padding(height, 3, stride)[0], same_padding(width, 3, stride)[0]
    result = x.new_zeros(*x.shape[:2], -(-height // stride), -(-width // stride))
    for i in range(result.shape[2]):
        for j in range(result.shape[3]):
            first_row, first_column = i * stride - top, j * stride - left
            window = x[
                :, :, max(first_row, 0) : first_row + 3, max(first_column, 0) : first_column + 3
            ].flatten(2)
            result[:, :, i, j] = window.amax(2) if kind == "max" else window.mean(2)
    return result
