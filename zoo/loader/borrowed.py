"""Options as users of timm and torchvision type them, in the words of :func:`zoo.load_model`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from zoo.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

_DEFAULT = "default"
_ADVICE = {
    "global_pool": "num_classes=0 gives pooled features, features_only=True the maps",
    "scriptable": "script what load_model returns with torch.jit.script",
    "exportable": "export what load_model returns with torch.onnx.export",
    "pretrained_cfg": "pass weights= a tag, or checkpoint= a file",
    "cache_dir": "set $TORCH_HOME",
    "progress_bar": "write progress=False",
}
"""Options that have no meaning here, and what to type instead."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller of :func:`zoo.load_model` means."""

    weights: str | None
    checkpoint: Path | str | None
    in_channels: int | None
    options: dict[str, Any]


def translate(
    name: str,
    request: Request,
) -> Request:
    """Turn foreign options into ours.

    ``pretrained=``, ``in_chans=``, ``checkpoint_path=`` and torchvision's enums of weights are
    understood.

    Raises:
        OptionError: An option means nothing here, or contradicts another; says what to type.
    """
    options = dict(request.options)
    weights = weights_tag(request.weights)
    checkpoint = options.pop("checkpoint_path", "") or request.checkpoint
    in_channels = options.pop("in_chans", None) or request.in_channels

    if "pretrained" in options:
        weights = _weights_of(name, weights, is_pretrained=bool(options.pop("pretrained")))
    for option, advice in _ADVICE.items():
        if option in options:
            fault = "load_model has no such option"
            raise OptionError(
                name,
                f"{option}={options[option]!r}",
                fault,
                advice,
            )
    return Request(
        weights,
        checkpoint,
        in_channels,
        options,
    )


def weights_tag(weights: Any) -> str | None:
    """Name weights by their tag: torchvision's enum ``ResNet18_Weights.IMAGENET1K_V1`` has one.

    >>> weights_tag("IMAGENET1K_V1"), weights_tag(None)
    ('imagenet1k_v1', None)
    """
    if weights is None or weights is False:
        return None
    if weights is True:
        return _DEFAULT
    if isinstance(weights, type) and issubclass(weights, Enum):
        return _DEFAULT
    if isinstance(weights, Enum):
        return weights.name.lower()
    text = str(weights)
    owner, _, member = text.rpartition(".")
    if owner.endswith("_Weights") or text.isupper():
        return member.lower()
    return text


def _weights_of(
    name: str,
    weights: str | None,
    *,
    is_pretrained: bool,
) -> str | None:
    """Combine ``pretrained=`` with ``weights=``.

    Raises:
        OptionError: They contradict each other.
    """
    if is_pretrained:
        return weights or _DEFAULT
    if weights not in (None, _DEFAULT):
        fault = f"it contradicts weights={weights!r}"
        advice = "leave one of them out"
        raise OptionError(
            name,
            "pretrained=False",
            fault,
            advice,
        )
    return None
