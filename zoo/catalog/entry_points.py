"""What a record may name as its builder: a registry is data, and must never choose code to run.

An entry point lies under the root of its provider and ends in the architecture's own name, so that
``os.system`` or a helper function of a trusted package is refused when a registry is read. The
loader checks further: there must be a builder of that name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.catalog.records import Scalar

ROOTS = {"zoo": "zoo.models", "torchvision": "torchvision.models", "timm": "timm.models"}
"""The package below which each provider's builders lie."""

LOADING_OPTIONS = frozenset({"weights", "weights_backbone", "pretrained", "progress"})
"""Options that make a builder download or read files: the loader's business, never a record's."""

SWITCHES = ("aux_logits", "aux_loss", "init_weights", "quantize", "transform_input")
"""Options of builders that a record may give, and that are true or false."""
NUMBERS = {"image_size": 16_384, "num_classes": 1_000_000}
"""Options that are numbers, and the most that they may be."""

_MODULES = re.compile(r"(\.[a-z][a-z0-9_]*)*")


def entry_point_fault(
    provider: str,
    name: str,
    entry_point: str,
) -> str | None:
    """Say why a record's entry point is refused, or ``None`` if it may be looked up.

    >>> entry_point_fault("torchvision", "resnet18", "torchvision.models.resnet18")
    >>> entry_point_fault("zoo", "system", "os.system")
    "expected a builder called system in zoo.models, got 'os.system'"
    """
    root = ROOTS.get(provider)
    if root is None:
        return f"no builders are known of the provider {provider!r:.40}"

    # torchvision registers ``quantization.googlenet`` as ``quantized_googlenet``.
    prefix = f"{provider}/"
    without_provider = name.removeprefix(prefix)
    function = without_provider.removeprefix("quantized_")

    module, _, called = entry_point.rpartition(".")
    is_there = module.startswith(root)
    below = module.removeprefix(root)
    is_below = _MODULES.fullmatch(below) is not None
    if is_there and is_below and called == function:
        return None
    return f"expected a builder called {name} in {root}, got {entry_point!r:.80}"


def options_fault(options: Mapping[str, Scalar]) -> str | None:
    """Say which option a record must not give to a builder, or ``None``.

    What else builders take is for who calls them; a record needs what its publisher does.

    >>> options_fault({"num_classes": 10, "weights": "DEFAULT"})
    "the option 'weights' would load files while the network is built"
    >>> options_fault({"num_classes": 10**12})
    'expected num_classes from 1 to 1000000, got 1000000000000'
    """
    refused = LOADING_OPTIONS.intersection(options)
    if refused:
        first = min(refused)
        return f"the option {first!r} would load files while the network is built"

    for name, value in options.items():
        is_switch = name in SWITCHES
        if is_switch and isinstance(value, bool):
            continue

        most = NUMBERS.get(name)
        if most is None or type(value) is not int:
            names = (*SWITCHES, *NUMBERS)
            known = ", ".join(names)
            given = f"{name!r:.40}: {value!r:.40}"
            return f"expected options of {known} with their type, got {given}"
        if not 1 <= value <= most:
            return f"expected {name} from 1 to {most}, got {value}"
    return None
