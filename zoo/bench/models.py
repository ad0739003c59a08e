"""The network of a case, with random parameters: their values do not matter to the speed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from zoo.bench.plan import is_path
from zoo.cache import paths
from zoo.catalog.resolver import resolve, resolve_loosely
from zoo.errors import CacheError, OptionError
from zoo.formats.files import names_a_file
from zoo.loader import load_model
from zoo.loader.construction import build_model

if TYPE_CHECKING:
    from torch import nn

    from zoo.bench.records import Case

_SEED = 0
_SMALL = 0.1


def build(case: Case) -> nn.Module:
    """Build the network of a case in eval mode, with the same random parameters every time.

    A name with a dot is the path of a function that returns a module, ``"mypackage.nets.small"``;
    the name of a weights file is that network with its own weights; any other is a name of the
    registry.
    """
    torch.manual_seed(_SEED)
    if names_a_file(case.model):
        return load(case)
    if is_path(case.model):
        model = _call_path(case.model)
    else:
        architecture, weights = resolve_loosely(case.model)
        model = build_model(architecture, weights)
    return model.to(case.device).eval()


def load(case: Case) -> nn.Module:
    """Load the network of a case with its published weights, from the cache only, or a file.

    Raises:
        CheckpointError: The file cannot be used, or reveals no classifier.
        CacheError: The weights are not in the cache; a download would be timed with it.
    """
    if names_a_file(case.model):
        # It brings Pillow and what opens images, which no other case needs.
        from zoo.classifier import load_classifier

        return load_classifier(case.model, device=case.device, purpose="bench").model
    architecture, weights = resolve(case.model)
    for file in weights.files:
        if paths.cached_path(file) is None:
            raise CacheError(
                file.file_name, "it is not in the cache", f'first run "zoo download {case.model}"'
            )
    return load_model(architecture.name, weights.tag, device=case.device, progress=False)


def _call_path(path: str) -> nn.Module:
    module_name, _, function = path.rpartition(".")
    try:
        builder = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError) as error:
        raise OptionError(
            path, "its path", f"{error}; name a function that can be imported here"
        ) from error
    model: nn.Module = builder()
    return model


def make_typical(
    model: nn.Module,
    x: torch.Tensor,
) -> None:
    """Make a fresh network behave like a trained one, so that a check of its output can fail.

    A fresh network hides faults: batch normalisation is the identity, layer scales are 1e-6 and
    some heads are zero. It also overflows in fp16, since nothing keeps its activations small.
    Constant parameters get noise here, and the statistics of batch normalisation are taken from
    ``x``.
    """
    generator = torch.Generator().manual_seed(_SEED)
    with torch.no_grad():
        for parameter in model.parameters():
            constant = parameter.flatten()[0].item()
            if (parameter == constant).all():
                noise = torch.randn(parameter.shape, generator=generator).to(parameter)
                if abs(constant) > _SMALL:
                    typical = constant * (1 + 0.1 * noise)
                else:
                    typical = 0.05 * noise
                parameter.copy_(typical)

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
