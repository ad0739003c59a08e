"""Features of a classifier: pooled before its last layer, or as maps at several strides.

Both work for every classifier: the last layer is the last one with an output for each class, and
the maps are what the network holds when it halves its resolution. Networks of timm are cut by timm
itself.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from zoo.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch.utils.hooks import RemovableHandle

_GLOBAL_POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


class Layout(Enum):
    """How a module puts its map out."""

    MAP = "(N, C, H, W)"
    CHANNELS_LAST = "(N, H, W, C)"
    TOKENS = "(N, 1 + H * W, C), the first token being the class"


@dataclass(frozen=True, slots=True)
class Level:
    """One map that a network makes on its way."""

    path: str
    """Of the module that puts it out: ``"layer4"``."""
    channels: int
    stride: int
    """Pixels of the image from one place of the map to the next."""
    layout: Layout = Layout.MAP

    def to_map(
        self,
        output: Tensor,
        images: Tensor,
    ) -> Tensor:
        """Turn what the module put out for some images into ``(N, C, H, W)``."""
        if self.layout is Layout.CHANNELS_LAST:
            return output.permute(0, 3, 1, 2)
        if self.layout is Layout.TOKENS:
            height, width = (size // self.stride for size in images.shape[-2:])
            batch, _, channels = output.shape
            return output[:, 1:].transpose(1, 2).reshape(batch, channels, height, width)
        return output


class FeatureInfo:
    """What the maps are, as timm's networks say it."""

    def __init__(self, levels: Sequence[Level]) -> None:
        self.levels = tuple(levels)

    def channels(self) -> list[int]:
        """List the channels of each map."""
        return [level.channels for level in self.levels]

    def reduction(self) -> list[int]:
        """List the stride of each map."""
        return [level.stride for level in self.levels]

    def module_name(self) -> list[str]:
        """List the paths of the modules that put the maps out."""
        return [level.path for level in self.levels]


class FeatureMaps(nn.Module):
    """A network that returns its maps, the finest first, each ``(N, C, H, W)``.

    Args:
        model: The network.
        levels: The maps.
    """

    def __init__(
        self,
        model: nn.Module,
        levels: Sequence[Level],
    ) -> None:
        super().__init__()
        self.model = model
        self.feature_info = FeatureInfo(levels)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each map."""
        return tuple(self.feature_info.channels())

    @property
    def strides(self) -> tuple[int, ...]:
        """Stride of each map."""
        return tuple(self.feature_info.reduction())

    def forward(self, images: Tensor) -> list[Tensor]:
        """Run the network and return its maps.

        Args:
            images: Shape ``(N, C, H, W)``.
        """
        found = _outputs_of(self.model, self.feature_info.module_name(), images)
        levels = self.feature_info.levels
        return [level.to_map(found[level.path], images) for level in levels]


def find_head(
    model: nn.Module,
    classes: int | None,
) -> str:
    """Name the last layer, the one with an output for each class; auxiliary heads do not count.

    Args:
        model: The network.
        classes: How many outputs the layer must have; ``None`` if that is not known.

    Raises:
        OptionError: No layer has that many outputs.
    """
    found: str | None = None
    for path, layer in model.named_modules():
        if not isinstance(layer, nn.Linear | nn.Conv2d) or "aux" in path.lower():
            continue
        if classes is None or layer.weight.shape[0] == classes:
            found = path
    if found is None:
        fault = f"no layer of it has {classes} outputs"
        raise OptionError(type(model).__name__, "num_classes=0", fault)
    return found


def without_head(
    model: nn.Module,
    classes: int | None,
) -> nn.Module:
    """Take the last layer out, so that the network returns pooled features ``(N, D)``.

    Args:
        model: The network; it is changed.
        classes: How many outputs it has.

    Raises:
        OptionError: It has no such layer.
    """
    model.set_submodule(find_head(model, classes), nn.Identity())
    return model


def feature_maps(
    model: nn.Module,
    input_size: Sequence[int],
    classes: int | None,
    out_indices: Sequence[int] | None = None,
) -> FeatureMaps:
    """Make a network return its maps.

    Args:
        model: The network.
        input_size: ``(C, H, W)`` of one image.
        classes: How many outputs it has.
        out_indices: Which maps, counted from the finest; by default all.

    Raises:
        OptionError: It makes no maps, or there are not so many.
    """
    levels = find_levels(model, input_size, classes)
    name = type(model).__name__
    if not levels:
        fault = "it makes no maps whose resolution falls; use num_classes=0"
        raise OptionError(name, "features_only", fault)
    if out_indices is None:
        return FeatureMaps(model, levels)

    count = len(levels)
    if not out_indices or not all(-count <= index < count for index in out_indices):
        strides = ", ".join(str(level.stride) for level in levels)
        fault = f"it has {count} maps, 0 to {count - 1}, with strides {strides}"
        raise OptionError(name, f"out_indices={tuple(out_indices)}", fault)
    return FeatureMaps(model, [levels[index] for index in out_indices])


def find_levels(
    model: nn.Module,
    input_size: Sequence[int],
    classes: int | None,
) -> tuple[Level, ...]:
    """Find the last map of each resolution, the finest first.

    Only what lies on the way through the network counts: not what the branches of a block hold.
    """
    # Not imported here: torch.hub loads our networks where torchvision is not installed.
    torchvision_models = sys.modules.get("torchvision.models")
    if torchvision_models and isinstance(model, torchvision_models.VisionTransformer):
        return _token_levels(model)

    head = find_head(model, classes).partition(".")[0]
    outputs = _all_outputs(model, input_size)
    closed = _closed_blocks(model, outputs)
    last: dict[int, Level] = {}

    for path, output in outputs:
        is_inside = any(path.startswith(f"{block}.") for block in closed)
        is_part_of_head = path.partition(".")[0] == head
        is_pool = isinstance(model.get_submodule(path), _GLOBAL_POOLS)
        if is_inside or is_part_of_head or is_pool:
            continue
        level = _level(path, output.after, input_size)
        if level is not None:
            last[level.stride] = level
    return tuple(last[stride] for stride in sorted(last))


def _token_levels(model: Any) -> tuple[Level, ...]:
    """Take the tokens of a vision transformer after each quarter of its layers."""
    names = [name for name, _ in model.encoder.layers.named_children()]
    quarters = [names[(index + 1) * len(names) // 4 - 1] for index in range(4)]
    paths = [f"encoder.layers.{name}" for name in quarters]
    layout = Layout.TOKENS
    return tuple(
        Level(
            path,
            model.hidden_dim,
            model.patch_size,
            layout,
        )
        for path in paths
    )


def _closed_blocks(
    model: nn.Module,
    outputs: Sequence[tuple[str, _Passed]],
) -> set[str]:
    """Name the blocks that are not looked into.

    Plain containers are looked into, and so is what lowers the resolution more than once.
    """
    closed = set()
    for path, passed in outputs:
        is_container = type(model.get_submodule(path)) is nn.Sequential
        before = _height(passed.before)
        after = _height(passed.after)
        holds_levels = before is not None and after is not None and before >= 3 * after
        if not is_container and not holds_levels:
            closed.add(path)
    return closed


def _height(shape: tuple[int, ...] | None) -> int | None:
    if shape is not None and len(shape) == 4:
        return shape[2]
    return None


def _level(
    path: str,
    shape: tuple[int, ...] | None,
    input_size: Sequence[int],
) -> Level | None:
    """Describe the map that a module put out; ``None`` if it is none."""
    if shape is None or len(shape) != 4:
        return None
    _, first, second, third = shape
    # The image is square, and so are its maps: that tells which axis holds the channels.
    is_last = first == second != third
    height, channels = (first, third) if is_last else (second, first)
    if height <= 1:
        return None
    stride = 2 ** round(math.log2(input_size[1] / height))
    if stride == 1 and channels == input_size[0]:  # the image itself, padded
        return None
    return Level(
        path,
        channels,
        stride,
        Layout.CHANNELS_LAST if is_last else Layout.MAP,
    )


@dataclass(frozen=True, slots=True)
class _Passed:
    """Shapes of what went into a module and of what came out; ``None`` where it was no tensor."""

    before: tuple[int, ...] | None
    after: tuple[int, ...] | None


def _all_outputs(
    model: nn.Module,
    input_size: Sequence[int],
) -> list[tuple[str, _Passed]]:
    """Run a network once on an empty image, and list what passed each module, in order."""
    seen: list[tuple[str, _Passed]] = []

    def note(path: str) -> Callable[..., None]:
        def keep(
            _module: nn.Module,
            inputs: Any,
            output: Any,
        ) -> None:
            first = inputs[0] if inputs else None
            seen.append((path, _Passed(_shape(first), _shape(output))))

        return keep

    handles = [
        module.register_forward_hook(note(path)) for path, module in model.named_modules() if path
    ]
    _run_once(model, input_size, handles)
    return seen


def _shape(value: object) -> tuple[int, ...] | None:
    if isinstance(value, Tensor):
        return tuple(value.shape)
    return None


def _run_once(
    model: nn.Module,
    input_size: Sequence[int],
    handles: Sequence[RemovableHandle],
) -> None:
    was_training = model.training
    device = next(model.parameters()).device
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, *input_size, device=device))
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()


def _outputs_of(
    model: nn.Module,
    paths: Sequence[str],
    images: Tensor,
) -> dict[str, Tensor]:
    """Run a network and return what some of its modules put out."""
    found: dict[str, Tensor] = {}

    def keep(path: str) -> Callable[..., None]:
        def note(
            _module: nn.Module,
            _inputs: Any,
            output: Tensor,
        ) -> None:
            found[path] = output

        return note

    handles = [model.get_submodule(path).register_forward_hook(keep(path)) for path in paths]
    try:
        model(images)
    finally:
        for handle in handles:
            handle.remove()
    return found
