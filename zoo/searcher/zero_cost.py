"""Zero-cost scores: what one batch through an untrained network says of it.

Papers:
    synflow: Tanaka et al. 2020, arXiv:2006.05467, section 4; as a score of architectures,
    Abdelfattah et al. 2021, arXiv:2101.08134.
    naswot: Mellor et al., arXiv:2006.04647, third version of 2021.
    jacob_cov: the same paper's first version of 2020, as Abdelfattah et al. write it.

A score says nothing alone; among networks of one space, higher is better.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

_TINY = 1e-5
_RECTIFIERS = {nn.functional.relu, torch.relu, torch.Tensor.relu}


def synflow(
    model: nn.Module,
    input_size: Sequence[int],
) -> float:
    """Sum how much each parameter takes part in the flow from input to output.

    The network runs on an image of ones with the absolute values of its parameters and without
    batch norm; a parameter's share is itself times the gradient of the summed output. Data play no
    part.

    Args:
        model: A network on the CPU; it is left as it was.
        input_size: ``(C, H, W)``.

    Returns:
        The natural logarithm of the sum, which may have dozens of digits.
    """
    shares = synflow_shares(model, input_size)
    total = sum(shares.values())
    return math.log(total) if total > 0 else -math.inf


def synflow_shares(
    model: nn.Module,
    input_size: Sequence[int],
) -> dict[str, float]:
    """Sum the shares of each parameter tensor; see :func:`synflow`."""
    names = [name for name, _ in model.named_parameters()]
    shares: dict[str, float] = {}
    with _linearised(model), torch.enable_grad():
        parameters = list(model.parameters())
        ones = torch.ones(1, *input_size, dtype=torch.float64)
        output = model(ones).sum()
        # What takes no part, such as a bias behind nothing, has a gradient of zeros.
        gradients = torch.autograd.grad(
            output,
            parameters,
            allow_unused=True,
            materialize_grads=True,
        )
        for name, parameter, gradient in zip(names, parameters, gradients, strict=True):
            taking_part = parameter.detach() * gradient
            shares[name] = float(taking_part.sum())
    return shares


@contextmanager
def _linearised(model: nn.Module) -> Iterator[None]:
    """Take the absolute value of every parameter in float64, and batch norm out, for a time."""
    kept: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        kept[name] = value.detach().clone()

    first = next(model.parameters())
    kind = first.dtype
    was_training = model.training
    handles = []
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            handle = module.register_forward_hook(_skip)
            handles.append(handle)
    model.eval().double()
    try:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.abs_()
        yield
    finally:
        for handle in handles:
            handle.remove()
        model.to(kind).train(was_training)
        model.load_state_dict(kept)


def _skip(
    _module: nn.Module,
    arguments: tuple[Tensor],
    _output: Tensor,
) -> Tensor:
    """Let a layer give what it was given."""
    (given,) = arguments
    return given


def naswot(
    model: nn.Module,
    images: Tensor,
) -> float:
    """Tell how differently a network sees different images.

    Each image has a code: which rectified values are positive. The score is the logarithm of the
    determinant of the matrix that counts, for each two images, where their codes agree.

    Args:
        model: A network, run in training mode as an untrained one must be; left as it was.
        images: A batch ``(N, C, H, W)``.
    """
    codes: list[Tensor] = []
    with _watching_rectifiers(codes), _kept_statistics(model), torch.no_grad():
        model(images)
    return code_score(torch.cat(codes, dim=1))


def code_score(codes: Tensor) -> float:
    """Compute the score of codes ``(images, values)`` of zeros and ones.

    >>> round(code_score(torch.tensor([[1.0, 0.0], [0.0, 0.0]])), 4)  # log(2 * 2 - 1 * 1)
    1.0986
    """
    codes = codes.double()
    opposites = 1 - codes
    agreements = codes @ codes.T + opposites @ opposites.T
    _, logarithm = torch.linalg.slogdet(agreements)
    return float(logarithm)


@contextmanager
def _watching_rectifiers(codes: list[Tensor]) -> Iterator[None]:
    """Note the code of everything that is rectified, by layers and by functions alike."""
    watch = _Rectifiers(codes)
    with watch:
        yield


class _Rectifiers(torch.overrides.TorchFunctionMode):
    """Note where results of ReLU are positive."""

    def __init__(self, codes: list[Tensor]) -> None:
        super().__init__()
        self.codes = codes

    def __torch_function__(
        self,
        func: object,
        types: object,
        args: tuple[Tensor, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> Tensor:
        result: Tensor = func(*args, **(kwargs or {}))  # type: ignore[operator]  # torch passes a function
        if func in _RECTIFIERS:
            is_positive = result > 0
            code = is_positive.flatten(1).float()
            self.codes.append(code)
        return result


@contextmanager
def _kept_statistics(model: nn.Module) -> Iterator[None]:
    """Run in training mode, and put mode and running statistics back."""
    kept = {name: value.clone() for name, value in model.named_buffers()}
    was_training = model.training
    model.train()
    try:
        yield
    finally:
        model.train(was_training)
        with torch.no_grad():
            for name, value in kept.items():
                model.get_buffer(name).copy_(value)


def jacob_cov(
    model: nn.Module,
    images: Tensor,
) -> float:
    """Tell how little the gradients at different images have to do with each other.

    The gradients of the summed outputs with respect to each image are correlated; the score is
    ``-sum(log(l + k) + 1 / (l + k))`` over the correlation matrix's eigenvalues ``l``, with ``k``
    one hundred-thousandth.

    Args:
        model: As for :func:`naswot`.
        images: A batch ``(N, C, H, W)``.
    """
    images = images.detach().clone().requires_grad_()
    with _kept_statistics(model), torch.enable_grad():
        output = model(images).sum()
        (gradients,) = torch.autograd.grad(output, images)
    return correlation_score(gradients.flatten(1))


def correlation_score(gradients: Tensor) -> float:
    """Compute the score of gradients ``(images, values)``.

    Of one image, or where a gradient is the same everywhere, there is no correlation: the score is
    the least that there is.

    >>> rows = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])
    >>> round(correlation_score(rows), 3)  # both eigenvalues are 1: -2 * (0 + 1)
    -2.0
    """
    correlations = torch.corrcoef(gradients.double())
    is_of_several = correlations.dim() == 2
    if not is_of_several or not correlations.isfinite().all():
        return -math.inf

    values = torch.linalg.eigvalsh(correlations) + _TINY
    terms = values.log() + 1 / values
    return -float(terms.sum())


def all_scores(
    model: nn.Module,
    images: Tensor,
) -> tuple[float, float, float]:
    """Compute synflow, naswot and jacob_cov."""
    return synflow(model, images.shape[1:]), naswot(model, images), jacob_cov(model, images)
