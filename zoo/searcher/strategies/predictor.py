"""An ensemble of small networks that predicts the error of a cell, even of one with more blocks.

Paper:
    Liu et al. 2017, arXiv:1712.00559, section 4.2: "MLP-ensemble", five networks on the mean of
    embedded blocks, each trained on four fifths of the cells; their mean is the prediction.

What differs from the paper:
    - A block is written as indicators of its two branches instead of learnt embeddings, of which
      there would be more than cells to learn them from. The mean over the blocks is joined by
      properties that the paper's networks would have to learn: how often each operation is
      applied to an input, how deep the cell is, how many blocks reach its output.
    - The five networks are trained at once, as one batched network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from zoo.searcher.cells import INPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from zoo.models.genotype import Cell, Genotype

MEMBERS = 5
"""Networks; each leaves one fifth of the cells out."""
HIDDEN = 32
STEPS = 200
LEARNING_RATE = 0.02
WEIGHT_DECAY = 0.02
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True, slots=True)
class Writing:
    """How cells are written as vectors."""

    operations: tuple[str, ...]
    most_blocks: int

    def vector(self, cell: Cell) -> list[float]:
        """Write one cell; cells of any number of blocks give as many values."""
        operations = len(self.operations)
        states = INPUTS + self.most_blocks
        blocks = len(cell.blocks)
        share = 1 / blocks
        reads = [0.0] * (states * operations)
        applied = [0.0] * operations
        depths = [0] * INPUTS

        for block in cell.blocks:
            depth = 0
            for branch in block.branches:
                state = branch.state
                operation = self.operations.index(branch.operation)
                place = state * operations + operation
                reads[place] += share
                if state < INPUTS:
                    applied[operation] += 1

                below = depths[state]
                depth = max(depth, below + 1)
            depths.append(depth)

        outputs = len(cell.output)
        deepest = max(depths)
        shape = map(float, (deepest, outputs, blocks))
        return [*reads, *applied, *shape]


class Predictor:
    """Predicts errors; more cells to learn from make it anew.

    Args:
        writing: How cells are written as vectors.
        seed: Decides the networks' first parameters.
    """

    def __init__(
        self,
        writing: Writing,
        seed: int,
    ) -> None:
        self.writing = writing
        self.seed = seed
        self._layers: list[Tensor] = []
        self._mean, self._scale = 0.0, 1.0

    def fit(self, known: Sequence[tuple[Genotype, float]]) -> None:
        """Learn from genotypes and their errors."""
        genotypes, values = zip(*known, strict=True)
        inputs = self._inputs(genotypes)
        errors = torch.tensor(values)

        spread = errors.std(unbiased=False)
        self._mean = float(errors.mean())
        self._scale = max(float(spread), _LEAST_SPREAD)
        targets = (errors - self._mean) / self._scale

        count, width = inputs.shape
        weights = self._shares(count)
        self._layers = self._first_layers(width)
        self._learn(inputs, targets, weights)

    def _learn(
        self,
        inputs: Tensor,
        targets: Tensor,
        weights: Tensor,
    ) -> None:
        """Take some steps down the weighted squared error."""
        optimizer = torch.optim.AdamW(self._layers, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        with torch.enable_grad():
            for _ in range(STEPS):
                optimizer.zero_grad()
                predicted = self._run(inputs)
                squares = (predicted - targets) ** 2
                loss = torch.sum(squares * weights)
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                optimizer.step()

    def predict(self, genotypes: Sequence[Genotype]) -> list[float]:
        """Predict errors: the mean of the ensemble."""
        inputs = self._inputs(genotypes)
        with torch.inference_mode():
            answers = self._run(inputs).mean(dim=0)
        errors = answers * self._scale + self._mean
        predicted: list[float] = errors.tolist()
        return predicted

    def _inputs(self, genotypes: Sequence[Genotype]) -> Tensor:
        rows = [self.writing.vector(genotype.normal) for genotype in genotypes]
        return torch.tensor(rows)

    def _shares(self, count: int) -> Tensor:
        """Weigh the cells for each network ``(members, cells)``: a fifth of them counts nothing."""
        members = torch.arange(MEMBERS)
        cells = torch.arange(count)
        left_out_by = cells % MEMBERS
        is_kept = left_out_by != members.unsqueeze(1)
        kept = is_kept.float()
        counts = kept.sum(dim=1, keepdim=True)
        counts = counts.clamp(min=1)
        return kept / counts

    def _first_layers(self, inputs: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(self.seed)

        def draw(
            rows: int,
            columns: int,
        ) -> Tensor:
            values = torch.randn(MEMBERS, rows, columns, generator=generator)
            scaled = values / rows**0.5
            leaf: Tensor = scaled.requires_grad_()
            return leaf

        first = draw(inputs, HIDDEN)
        bias = torch.zeros(MEMBERS, 1, HIDDEN, requires_grad=True)
        second = draw(HIDDEN, 1)
        return [first, bias, second]

    def _run(self, inputs: Tensor) -> Tensor:
        """Turn ``(cells, values)`` into predictions ``(members, cells)``."""
        first, bias, second = self._layers
        summed = inputs @ first + bias  # (members, cells, hidden)
        hidden = functional.relu(summed)
        answers: Tensor = torch.squeeze(hidden @ second, 2)  # (members, cells)
        return answers
