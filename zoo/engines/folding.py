"""Fold batch norms into the layers before them: the same function in fewer steps."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

if TYPE_CHECKING:
    from collections.abc import Iterator

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_FOLDABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED, nn.Linear)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def fold_batch_norms(model: nn.Module) -> tuple[nn.Module, int]:
    """Fold each batch norm into the layer before it, where nothing else reads that layer.

    Args:
        model: A network in evaluation mode. Its modules may end up in the result.

    Returns:
        The folded network and the number of batch norms that are gone; ``model`` itself and 0 if
        ``torch.fx`` cannot trace it.
    """
    try:
        traced = fx.symbolic_trace(model)
    except Exception:  # noqa: BLE001 - the model's code runs on stand-ins for tensors, where anything may fail
        return model, 0

    pairs = list(_foldable_pairs(traced))
    for before, norm in pairs:
        name = str(before.target)
        layer = traced.get_submodule(name)
        batch_norm = traced.get_submodule(str(norm.target))
        traced.set_submodule(name, _fuse(layer, batch_norm))
        norm.replace_all_uses_with(before)
        traced.graph.erase_node(norm)

    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced, len(pairs)


def _foldable_pairs(traced: fx.GraphModule) -> Iterator[tuple[fx.Node, fx.Node]]:
    """Yield each layer that only one batch norm reads, with that batch norm; both run once."""
    modules = [node for node in traced.graph.nodes if node.op == "call_module"]
    calls = Counter(node.target for node in modules)
    for norm in modules:
        before = norm.args[0]
        if not isinstance(before, fx.Node) or before.op != "call_module":
            continue
        runs_once = calls[norm.target] == 1 and calls[before.target] == 1
        if not runs_once or len(before.users) > 1:
            continue
        layer = traced.get_submodule(str(before.target))
        batch_norm = traced.get_submodule(str(norm.target))
        if type(layer) in _FOLDABLE and _has_statistics(batch_norm):
            yield before, norm


def _has_statistics(layer: nn.Module) -> bool:
    """Tell whether a layer is a batch norm that keeps statistics of its own."""
    return type(layer) in _BATCH_NORMS and getattr(layer, "running_var", None) is not None


def _fuse(
    layer: nn.Module,
    norm: nn.Module,
) -> nn.Module:
    """Join two layers; the products are formed in 64 bits, so that each weight is rounded once."""
    dtype = next(layer.parameters()).dtype
    wide: Any = copy.deepcopy(layer).double()
    wide_norm: Any = copy.deepcopy(norm).double()
    if isinstance(layer, nn.Linear):
        fused: nn.Module = fuse_linear_bn_eval(wide, wide_norm)
    else:
        fused = fuse_conv_bn_eval(wide, wide_norm, isinstance(layer, _TRANSPOSED))
    return fused.to(dtype)
