"""Networks of searched cells: what NASNet and PNASNet share.

A genotype (:mod:`zoo.models.genotype`) says what a cell is; this module turns it into layers and
runs them without wasted work:

* Every reader of a cell's output rectifies it first, so the cell rectifies it once, in place.
  Inside a cell each state is rectified once, however many convolutions read it, and pooled once
  where two branches ask for the same pool.
* On a CPU the activations lie in memory channels-last, whatever the layout of the input: there
  oneDNN need not reorder them for each convolution, and ATen's pools are vectorised. Other devices
  keep the layout of the input.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from zoo.models.cell_layers import FactorizedReduction, batch_norm, operation, projection
from zoo.models.genotype import POOLS, Branch, Genotype
from zoo.models.options import require_positive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo.models.genotype import Cell as CellDesign


class Previous(Enum):
    """What a cell does to the older of its two inputs before its blocks read it as state 1."""

    PROJECT = "1x1 convolution"
    REDUCE = "factorized reduction: the older input is twice as high and wide as the nearer one"
    KEEP = "nothing: the first stem cell has one input, and its state 1 is that input as it is"


@dataclass(frozen=True, slots=True)
class CellPlan:
    """Where one cell stands in its network.

    Args:
        name: Attribute of the network, hence the prefix of the keys.
        filters: Channels of each state in the cell.
        stride: 1 for a normal cell, 2 for a reduction cell.
        older: Which output the cell reads as its older input: 0 is the stem convolution, ``i`` the
            ``i``-th cell.
    """

    name: str
    filters: int
    stride: int
    older: int


class States:
    """The states of one cell while it runs.

    Each rectified once and pooled once, however many branches ask.
    """

    def __init__(
        self,
        plain: list[Tensor],
        rectified: dict[int, Tensor],
    ) -> None:
        self.plain = plain
        self._rectified = rectified
        self._pooled: dict[Branch, Tensor] = {}

    def rectified(self, index: int) -> Tensor:
        """Return a state with its negative values cut off."""
        if index not in self._rectified:
            self._rectified[index] = functional.relu(self.plain[index])
        return self._rectified[index]

    def pooled(
        self,
        branch: Branch,
        layer: nn.Module,
    ) -> Tensor:
        """Return a state after a layer without parameters."""
        if branch not in self._pooled:
            self._pooled[branch] = layer(self.plain[branch.state])
        return self._pooled[branch]


class Cell(nn.Module):
    """One searched cell: reads two rectified tensors and returns a rectified one.

    Args:
        design: The blocks.
        plan: Filters and stride.
        channels: Channels of the nearer and of the older input.
        previous: What happens to the older input.
    """

    def __init__(
        self,
        design: CellDesign,
        plan: CellPlan,
        channels: tuple[int, int],
        previous: Previous,
    ) -> None:
        super().__init__()
        self.design = design
        self.previous = previous
        nearer, older = channels
        self.conv_1x1 = projection(nearer, plan.filters)
        if previous is Previous.PROJECT:
            self.conv_prev_1x1: nn.Module = projection(older, plan.filters)
        elif previous is Previous.REDUCE:
            self.add_reduction(older, plan.filters)

        states = 2 + len(design.blocks)
        widths = [plan.filters] * states
        if previous is Previous.KEEP:
            widths[1] = older
        self.out_channels = sum(widths[index] for index in design.output)

        for name, branch in self._named_branches():
            reads_an_input = branch.state < 2
            layer = operation(
                branch.operation,
                in_channels=widths[branch.state],
                out_channels=plan.filters,
                stride=plan.stride if reads_an_input else 1,
            )
            if layer is not None:
                self.add_module(name, layer)

    def add_reduction(
        self,
        in_channels: int,
        out_channels: int,
    ) -> None:
        """Register the layers that halve the older input."""
        self.conv_prev_1x1 = FactorizedReduction(in_channels, out_channels)

    def reduce(self, older: Tensor) -> Tensor:
        """Halve the older input."""
        halved: Tensor = self.conv_prev_1x1(older)
        return halved

    def forward(
        self,
        nearer: Tensor,
        older: Tensor,
    ) -> Tensor:
        """Turn two inputs into ``(N, filters * outputs, H / stride, W / stride)``, rounded up.

        Both come rectified, except in the first stem cell: there ``older`` is ``nearer`` before its
            ReLU.
        """
        state_0 = self.conv_1x1(nearer)  # (N, filters, H, W), as state 1
        rectified: dict[int, Tensor] = {}
        if self.previous is Previous.KEEP:
            state_1 = older
            rectified[1] = nearer
        elif self.previous is Previous.REDUCE:
            state_1 = self.reduce(older)
        else:
            state_1 = self.conv_prev_1x1(older)

        states = States([state_0, state_1], rectified)
        branches = self._named_branches()
        for left, right in zip(branches, branches, strict=True):
            left_result = self._run(*left, states)
            right_result = self._run(*right, states)
            states.plain.append(left_result + right_result)

        outputs = [states.plain[index] for index in self.design.output]
        joined = torch.cat(outputs, 1)  # (N, filters * outputs, H / stride, W / stride)
        return functional.relu(joined, inplace=True)  # nothing else reads it

    def _run(
        self,
        name: str,
        branch: Branch,
        states: States,
    ) -> Tensor:
        """Run one branch on the states that exist so far."""
        layer = self._modules.get(name)
        if layer is None:
            return states.plain[branch.state]

        if branch.operation not in POOLS:
            result: Tensor = layer(states.rectified(branch.state))
        elif isinstance(layer, nn.Sequential):  # a pool with a projection of its own
            result = layer(states.plain[branch.state])
        else:
            result = states.pooled(branch, layer)
        return result

    def _named_branches(self) -> Iterator[tuple[str, Branch]]:
        """Yield each branch under its released name, left before right."""
        for number, block in enumerate(self.design.blocks):
            yield f"comb_iter_{number}_left", block.left
            yield f"comb_iter_{number}_right", block.right


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may ask of a network, whatever its cells.

    Args:
        num_classes: Outputs of the last layer.
        in_channels: Planes of the image.
        drop_rate: Probability that dropout zeroes a value before the last layer.
        grad_checkpointing: In training, keep only the cells' outputs and compute the rest again for
            the gradients.

    Raises:
        ValueError: A count is below one.
    """

    num_classes: int = 1000
    in_channels: int = 3
    drop_rate: float = 0.5
    grad_checkpointing: bool = False

    def __post_init__(self) -> None:
        """Refuse what no network can have."""
        require_positive(num_classes=self.num_classes, in_channels=self.in_channels)


class CellNetwork(nn.Module):
    """A 3x3 convolution, two reduction cells as stem, the planned cells, a mean, a linear layer.

    Args:
        genotype: What its normal and its reduction cells are.
        plans: The cells in the order in which they run.
        stem_filters: Channels of the first convolution.
        options: Classes, channels and the rest.
        stem_stride: Of the first convolution: 2 leaves the border out, as for ImageNet; 1 keeps
            height and width, as for CIFAR-10.

    Raises:
        ValueError: ``genotype`` is none.
    """

    stem_name: ClassVar[str]
    cell_type: ClassVar[type[Cell]] = Cell

    def __init__(
        self,
        genotype: Genotype,
        plans: Sequence[CellPlan],
        stem_filters: int,
        options: Options,
        stem_stride: int = 2,
    ) -> None:
        super().__init__()
        expected = "expected a zoo.models.genotype.Genotype"
        if not isinstance(genotype, Genotype):
            raise ValueError(f"genotype: {expected}, got {genotype!r}")  # noqa: TRY004 - as every option

        self.genotype = genotype
        self.plans = tuple(plans)
        self.grad_checkpointing = options.grad_checkpointing

        stem: OrderedDict[str, nn.Module] = OrderedDict()
        stem["conv"] = nn.Conv2d(
            options.in_channels,
            stem_filters,
            kernel_size=3,
            stride=stem_stride,
            padding=1 if stem_stride == 1 else 0,
            bias=False,
        )
        stem["bn"] = batch_norm(stem_filters)
        self.add_module(self.stem_name, nn.Sequential(stem))

        # Of each output that a cell can read: its channels, and how often it has been halved.
        channels = [stem_filters]
        halvings = [1]
        for number, plan in enumerate(self.plans):
            design = genotype.normal if plan.stride == 1 else genotype.reduction
            if number == 0:
                previous = Previous.KEEP
            elif halvings[plan.older] < halvings[-1]:
                previous = Previous.REDUCE
            else:
                previous = Previous.PROJECT

            inputs = (channels[-1], channels[plan.older])
            cell = self.cell_type(design, plan, inputs, previous)
            self.add_module(plan.name, cell)
            channels.append(cell.out_channels)
            halvings.append(halvings[-1] + plan.stride - 1)

        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(options.drop_rate)
        self.last_linear = nn.Linear(channels[-1], options.num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        """Turn images ``(N, in_channels, H, W)`` into the last ``(N, C, H / 32, W / 32)``.

        With a stem for small images, ``(N, C, H / 4, W / 4)``.
        """
        x = channels_last_on_cpu(x)
        stem_layers = self.get_submodule(self.stem_name)
        stem: Tensor = stem_layers(x)  # (N, C, (H - 1) / 2, (W - 1) / 2)

        outputs = [functional.relu(stem)]
        for number, plan in enumerate(self.plans):
            cell = self.get_submodule(plan.name)
            nearer = outputs[-1]
            older = stem if number == 0 else outputs[plan.older]
            outputs.append(self._run(cell, nearer, older))
        return outputs[-1]  # (N, C, H / 32, W / 32)

    def forward(self, x: Tensor) -> Tensor:
        """Turn images ``(N, in_channels, H, W)`` into logits ``(N, num_classes)``."""
        x = self.forward_features(x)  # (N, C, H / 32, W / 32)
        x = self.avg_pool(x)  # (N, C, 1, 1)
        x = torch.flatten(x, 1)  # (N, C)
        x = self.dropout(x)
        logits: Tensor = self.last_linear(x)  # (N, num_classes)
        return logits

    def _run(
        self,
        cell: nn.Module,
        nearer: Tensor,
        older: Tensor,
    ) -> Tensor:
        """Run one cell, in training with checkpointing if that was asked for."""
        output: Tensor
        learns = self.training and torch.is_grad_enabled()
        if not self.grad_checkpointing or not learns:
            output = cell(nearer, older)
            return output

        output = checkpoint(
            cell,
            nearer,
            older,
            use_reentrant=False,
            context_fn=lambda: (nullcontext(), statistics_kept(cell)),
        )
        return output


def channels_last_on_cpu(x: Tensor) -> Tensor:
    """Lay an image out channels-last where that is faster for every following layer."""
    if x.device.type == "cpu":
        return x.contiguous(memory_format=torch.channels_last)
    return x


torch.fx.wrap("channels_last_on_cpu")  # a symbolic trace does not know the device yet


@contextmanager
def statistics_kept(cell: nn.Module) -> Iterator[None]:
    """Let a cell run again on the same batch without counting it twice in running statistics."""
    norms = [module for module in cell.modules() if isinstance(module, nn.BatchNorm2d)]
    buffers = [buffer for norm in norms for buffer in norm.buffers()]
    kept = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in zip(buffers, kept, strict=True):
                buffer.copy_(value)
