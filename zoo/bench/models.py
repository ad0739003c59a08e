"""The network of a cell, with random parameters: their values do not matter to the speed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from zoo.catalog.resolver import find_architecture, find_weights
from zoo.errors import CacheError, OptionError
from zoo.loader import load_model
from zoo.loader.construction import build_model
from zoo.weights import cache

if TYPE_CHECKING:
    from torch import nn

    from zoo.bench.records import Cell

_SEED = 0
_SMALL = 0.1


def build(cell: Cell) -> nn.Module:
    """Build the network of a cell on its device, in eval mode, with the same random parameters every time.

    A name with a dot is the path of a function that returns a module, ``"mypackage.nets.small"``; any other is a name
    of the registry.
    """
    torch.manual_seed(_SEED)
    name, _, tag = cell.model.partition(":")
    if "." in name:
        model = _call_path(name)
    else:
        architecture = find_architecture(name)
        model = build_model(architecture, find_weights(architecture, tag) if tag else None)
    return model.to(cell.device).eval()


def load(cell: Cell) -> nn.Module:
    """Load the network of a cell with its published weights, from the cache only.

    Raises:
        CacheError: The weights are not in the cache; a download would be timed with it.
    """
    name, _, tag = cell.model.partition(":")
    weights = find_weights(find_architecture(name), tag or "default")
    for file in weights.files:
        if cache.cached_path(file) is None:
            raise CacheError(file.file_name, "it is not in the cache", f'run "zoo download {cell.model}" first')
    return load_model(name, weights.tag, device=cell.device, progress=False)


def _call_path(path: str) -> nn.Module:
    module_name, _, function = path.rpartition(".")
    try:
        builder = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError) as error:
        raise OptionError(path, "its path", f"{error}; name a function that can be imported here") from error
    model: nn.Module = builder()
    return model


def make_typical(model: nn.Module, x: torch.Tensor) -> None:
    """Make a fresh network behave like a trained one, so that a check of its output can fail.

    A fresh network hides faults: batch normalisation is the identity, layer scales are 1e-6 and some heads are zero.
    It also overflows in fp16, since nothing keeps its activations small. Constant parameters get noise here, and the
    statistics of batch normalisation are taken from ``x``.
    """
    generator = torch.Generator().manual_seed(_SEED)
    with torch.no_grad():
        for parameter in model.parameters():
            constant = parameter.flatten()[0].item()
            if (parameter == constant).all():
                noise = torch.randn(parameter.shape, generator=generator).to(parameter)
                parameter.copy_(constant * (1 + 0.1 * noise) if abs(constant) > _SMALL else 0.05 * noise)
        normalisations = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        usual = [module.momentum for module in normalisations]
        for module in normalisations:
            module.momentum = 1.0  # keep this batch's statistics alone
            module.train()
        if normalisations:
            model(x)
        for module, momentum in zip(normalisations, usual, strict=True):
            module.momentum = momentum
            module.eval()


def output_tensor(output: Any) -> torch.Tensor:
    """Take the tensor out of what a network returns: its main output where there are several."""
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, dict):
        return output_tensor(next(iter(output.values())))
    return output_tensor(output[0])
