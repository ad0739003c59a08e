"""Train every cell of a tiny space on scikit-learn's digits: a table to test strategies with.

The space has cells of two blocks and three operations, 735 of them, and the 21 cells of one block
that progressive search begins with. Each network (NASNet's CIFAR stack with one normal cell a stage
and four filters) sees the first 1,000 digits for three epochs and is judged by the other 797: about
two seconds on one core, 25 minutes in all. What is trained is kept beside the table, and a second
run goes on from there.

    python scripts/search_table.py tests/searcher/digits_cells.json
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from zoo import atomic
from zoo.inspector.tracing import trace_layers
from zoo.models.nasnet import nasnet_a_mobile
from zoo.searcher.space import Space
from zoo.searcher.table import SCHEMA_VERSION, Table, TableRow
from zoo.searcher.zero_cost import all_scores

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.models.genotype import Genotype

Kept = dict[tuple[str, int], dict[str, Any]]
"""Name and seed -> what came of a training."""
SPACE = Space(blocks=2, operations=("identity", "max_pool_3x3", "separable_3x3"))
FILTERS = 4
TRAIN_IMAGES = 1000
HELD_OUT_IMAGES = 797
BATCH = 50
EPOCHS = 3
LEARNING_RATE = 0.01
SEEDS = (0,)
SCORED_IMAGES = 32
PROTOCOL = (
    "nasnet_a_mobile, stem cifar, one normal cell a stage, 4 filters, one cell for both;"
    " scikit-learn's digits at 8x8, the first 1,000 of a fixed shuffle learnt, 797 held out;"
    " 3 epochs, batch 50, AdamW with one cycle up to 0.01, batch norm's means over the learnt set"
)


@dataclass(frozen=True, slots=True)
class Digits:
    """Images ``(N, 1, 8, 8)`` from -1 to 1, and their classes."""

    images: Tensor
    labels: Tensor


def load_digits() -> tuple[Digits, Digits]:
    """Read the digits: what is learnt, and what is judged by."""
    from sklearn import datasets

    loaded = datasets.load_digits()
    count = len(loaded.target)
    chance = torch.Generator().manual_seed(0)
    order = torch.randperm(count, generator=chance)

    pixels = torch.tensor(loaded.images, dtype=torch.float32)
    scaled = pixels.unsqueeze(1) / 8 - 1
    images = scaled[order]
    labels = torch.tensor(loaded.target)[order]
    learnt = Digits(images[:TRAIN_IMAGES], labels[:TRAIN_IMAGES])
    judged = Digits(images[TRAIN_IMAGES:], labels[TRAIN_IMAGES:])
    return learnt, judged


def build(genotype: Genotype) -> nn.Module:
    """Stack a genotype."""
    return nasnet_a_mobile(
        num_classes=10,
        in_channels=1,
        drop_rate=0.0,
        genotype=genotype,
        cells_per_stage=1,
        filters=FILTERS,
        stem="cifar",
    )


def train(
    genotype: Genotype,
    learnt: Digits,
    seed: int,
) -> nn.Module:
    """Train a genotype for a few epochs."""
    torch.manual_seed(seed)
    model = build(genotype)
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE)
    count = len(learnt.labels)
    batches = count // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        LEARNING_RATE,
        total_steps=EPOCHS * batches,
    )
    for _ in range(EPOCHS):
        order = torch.randperm(count)
        for batch in torch.split(order, BATCH):
            optimizer.zero_grad()
            logits = model(learnt.images[batch])
            loss = functional.cross_entropy(logits, learnt.labels[batch])
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
    settle_statistics(model, learnt.images)
    return model


def settle_statistics(model: nn.Module, images: Tensor) -> None:
    """Take batch norm's means over the whole set: so few steps leave running ones far behind."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        for batch in torch.split(images, 250):
            model(batch)
    model.eval()


def judge(model: nn.Module, judged: Digits) -> tuple[int, float]:
    """Count the errors, and say the mean cross-entropy."""
    with torch.inference_mode():
        logits = model(judged.images)
        answers = logits.argmax(1)
        is_wrong = answers != judged.labels
        loss = functional.cross_entropy(logits, judged.labels)

    errors = int(is_wrong.sum())
    return errors, float(loss)


def read_kept(journal: Path) -> Kept:
    """Read what an earlier run has trained; a torn last line is left out."""
    kept: Kept = {}
    if not journal.exists():
        return kept

    text = journal.read_text(encoding="utf-8")
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        kept[row["name"], row["seed"]] = row
    return kept


def all_genotypes() -> list[Genotype]:
    """List the cells of one block, then those of two."""
    return [*SPACE.first(), *SPACE.all()]


def train_all(journal: Path) -> Kept:
    """Train what is not kept yet."""
    learnt, judged = load_digits()
    kept = read_kept(journal)
    genotypes = all_genotypes()
    for seed in SEEDS:
        for number, genotype in enumerate(genotypes):
            if (genotype.name, seed) in kept:
                continue
            model = train(genotype, learnt, seed)
            errors, loss = judge(model, judged)
            row = {
                "name": genotype.name,
                "seed": seed,
                "errors": errors,
                "loss": round(loss, 4),
            }
            line = json.dumps(row)
            with journal.open("a", encoding="utf-8") as stream:
                stream.write(f"{line}\n")
            kept[genotype.name, seed] = row
            done = number + 1
            line = f"\rseed {seed}: {done} of {len(genotypes)}"
            print(line, end="", file=sys.stderr)
    return kept


def table_row(genotype: Genotype, kept: Kept) -> TableRow:
    """Join what was trained with what is counted and scored."""
    trained = [kept[genotype.name, seed] for seed in SEEDS]
    learnt, _ = load_digits()
    torch.manual_seed(0)
    model = build(genotype)
    scores = all_scores(model, learnt.images[:SCORED_IMAGES])
    layers = trace_layers(model, (1, 8, 8))
    return TableRow(
        errors=tuple(row["errors"] for row in trained),
        cross_entropy=tuple(row["loss"] for row in trained),
        parameters=layers.parameters,
        multiply_adds=layers.multiply_adds or 0,
        scores=tuple(f"{score:.6g}" for score in scores),
    )


def main() -> None:
    """Train, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    options = parser.parse_args()
    table: Path = options.table
    torch.set_num_threads(1)
    kept = train_all(table.with_suffix(".journal"))
    rows = {}
    for genotype in all_genotypes():
        rows[genotype.name] = table_row(genotype, kept)
    content = Table(
        schema_version=SCHEMA_VERSION,
        command="python scripts/search_table.py tests/searcher/digits_cells.json",
        protocol=PROTOCOL,
        blocks=SPACE.blocks,
        operations=SPACE.operations,
        held_out_images=HELD_OUT_IMAGES,
        score_names=("synflow", "naswot", "jacob_cov"),
        rows=rows,
    )
    text = json.dumps(asdict(content))
    atomic.write_text(table, text.replace('}, "cell-', '},\n"cell-') + "\n")


if __name__ == "__main__":
    main()
