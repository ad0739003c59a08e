"""The training loop, on one process or many through accelerate, resumable to the same curve after a kill."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from zoo.errors import MissingPackageError, OptionError, TrainingError
from zoo.trainer import checkpoints, data
from zoo.weights.own_record import OwnRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor

    from zoo.preprocess import Transform
    from zoo.trainer.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass over the data gave."""

    number: int
    """From 1."""
    train_loss: float
    validation_loss: float
    validation_error_percent: float
    """Top-1."""
    learning_rate: float
    """Of its last step."""
    seconds: float
    data_wait_share: float
    """Share of the training time spent waiting for pictures."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run."""

    best: Path
    """The best network, as safetensors with its record."""
    history: tuple[Epoch, ...]
    labels: tuple[str, ...]
    stopped_early: bool

    @property
    def best_epoch(self) -> Epoch:
        """The first of those with the least validation error."""
        return min(self.history, key=lambda epoch: epoch.validation_error_percent)


class Run:
    """One training run in one folder.

    Args:
        name: The architecture.
        model: Its network with as many outputs as the data has classes.
        prepare: Its preprocessing.
        split: The data.
        recipe: What to compute.
        folder: Where the last state and the best network are kept.
        workers: Processes that decode pictures besides each training process.

    Raises:
        MissingPackageError: accelerate is not installed.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        prepare: Transform,
        split: data.Split,
        recipe: Recipe,
        folder: Path,
        workers: int = 0,
    ) -> None:
        try:
            from accelerate import Accelerator, DataLoaderConfiguration
        except ImportError as error:
            raise MissingPackageError("accelerate", "zoo train", "train") from error
        self.name, self.split, self.recipe, self.folder = name, split, recipe, folder
        torch.manual_seed(recipe.seed)
        config = DataLoaderConfiguration(split_batches=True)
        self.accelerator = Accelerator(mixed_precision=recipe.precision, dataloader_config=config)
        self.head = head_parameters(model, len(split.labels))
        self.optimizer: Any = make_optimizer(model, recipe)
        self.model, self.optimizer = self.accelerator.prepare(model, self.optimizer)
        self.train_pictures = data.Pictures(
            split.train, prepare, data.augmentation(recipe.augmentation, prepare), recipe.seed
        )
        self.validation_pictures = data.Pictures(split.validation, prepare, None, recipe.seed)
        self.workers = workers
        self.history: list[Epoch] = []

    @property
    def bare_model(self) -> nn.Module:
        """The network without what accelerate wraps around it."""
        model: nn.Module = self.accelerator.unwrap_model(self.model)
        return model

    def resume(self) -> None:
        """Go on from the last finished epoch that the folder holds; from the start if it holds none.

        Raises:
            TrainingError: The folder belongs to another run.
        """
        state = checkpoints.read_last(self.folder, self._identity())
        if state is not None:
            self.bare_model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.history = [Epoch(**epoch) for epoch in state["history"]]

    def epochs(self) -> Iterator[Epoch]:
        """Train, and yield each epoch when its state is on disk."""
        while len(self.history) < self.recipe.epochs and not self.is_exhausted:
            epoch = self._train_one(len(self.history))
            self.history.append(epoch)
            if self.accelerator.is_main_process:
                self._save()
            self.accelerator.wait_for_everyone()
            yield epoch

    @property
    def is_exhausted(self) -> bool:
        """Whether the error has not improved for as long as the recipe waits."""
        errors = [epoch.validation_error_percent for epoch in self.history]
        return (
            bool(self.recipe.patience and errors)
            and len(errors) - 1 - errors.index(min(errors)) >= self.recipe.patience
        )

    def _train_one(self, index: int) -> Epoch:
        recipe = self.recipe
        began, waited = time.perf_counter(), 0.0
        torch.manual_seed(recipe.seed + index)  # dropout draws alike after an interruption
        self.train_pictures.epoch = index
        loader: Any = data.make_loader(
            self.train_pictures, recipe.batch, self.workers, shuffle_seed=recipe.seed + index
        )
        loader = self.accelerator.prepare(loader)
        self.model.train()
        self._freeze_body(is_frozen=index < recipe.frozen_epochs)
        total, images, rate, asked = 0.0, 0, 0.0, time.perf_counter()
        for step, (inputs, labels) in enumerate(loader):
            waited += time.perf_counter() - asked
            rate = recipe.rate_at(index * len(loader) + step, len(loader))
            total += float(self._step(inputs, labels, rate)) * len(labels)
            images += len(labels)
            asked = time.perf_counter()
        trained_s = time.perf_counter() - began
        loss_sum, count = self._sum(total, images)
        validation_loss, error_percent = self._validate()
        return Epoch(
            number=index + 1,
            train_loss=loss_sum / count,
            validation_loss=validation_loss,
            validation_error_percent=error_percent,
            learning_rate=rate,
            seconds=time.perf_counter() - began,
            data_wait_share=waited / trained_s,
        )

    def _step(self, inputs: Tensor, labels: Tensor, rate: float) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        outputs = self.model(inputs)
        heads = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
        losses = [
            functional.cross_entropy(h.float(), labels, label_smoothing=self.recipe.label_smoothing) for h in heads
        ]
        loss = losses[0] + 0.3 * sum(losses[1:])  # auxiliary heads weigh 0.3: Szegedy et al. 2014, section 5
        self.accelerator.backward(loss)
        if self.recipe.clip_norm:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if not torch.isfinite(losses[0]):
            raise TrainingError(
                self.name, "the loss is not finite any more; try a smaller --learning-rate or --clip-norm 1"
            )
        return losses[0].detach()

    @torch.inference_mode()
    def _validate(self) -> tuple[float, float]:
        """Return the mean loss and the top-1 error in percent over the held-out pictures."""
        loader: Any = self.accelerator.prepare(
            data.make_loader(self.validation_pictures, self.recipe.batch, self.workers)
        )
        self.model.eval()
        loss, errors, images = 0.0, 0, 0
        for inputs, own_labels in loader:
            answers = (self.model(inputs).float(), own_labels)
            logits, labels = self.accelerator.gather_for_metrics(answers)
            loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
            errors += int((logits.argmax(dim=1) != labels).sum())
            images += len(labels)
        return loss / images, 100 * errors / images

    def _sum(self, *values: float) -> list[float]:
        """Add numbers over all processes."""
        summed: Tensor = self.accelerator.reduce(torch.tensor(values, device=self.accelerator.device), reduction="sum")
        return summed.tolist()

    def _freeze_body(self, *, is_frozen: bool) -> None:
        for name, parameter in self.bare_model.named_parameters():
            parameter.requires_grad_(not is_frozen or name in self.head)

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on."""
        return {"model": self.name, "data": self.split.digest, "labels": list(self.split.labels), **asdict(self.recipe)}

    def _save(self) -> None:
        model, newest = self.bare_model, self.history[-1]
        best_before = min((epoch.validation_error_percent for epoch in self.history[:-1]), default=math.inf)
        if newest.validation_error_percent < best_before:
            checkpoints.write_best(self.folder, model, self._record(newest))
        state = {
            "identity": self._identity(),
            "model": model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [asdict(epoch) for epoch in self.history],
        }
        checkpoints.write_last(self.folder, state)

    def _record(self, epoch: Epoch) -> OwnRecord:
        return OwnRecord(
            model=self.name,
            labels=self.split.labels,
            validation_error_percent=epoch.validation_error_percent,
            validation_images=len(self.split.validation),
            epoch=epoch.number,
            data=self.split.digest,
            recipe=asdict(self.recipe),
        )


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Make the optimiser that a recipe names."""
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            model.parameters(), recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
    return torch.optim.AdamW(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)


def head_parameters(model: nn.Module, classes: int) -> frozenset[str]:
    """Name the parameters of the last layer, the one with an output for each class.

    Raises:
        OptionError: No layer has that many outputs.
    """
    layers = [
        (path, layer)
        for path, layer in model.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d) and layer.weight.shape[0] == classes
    ]
    if not layers:
        raise OptionError(type(model).__name__, "frozen_epochs", f"no layer of it has {classes} outputs")
    path, layer = layers[-1]
    return frozenset(f"{path}.{name}" for name, _ in layer.named_parameters())


def train(run: Run, report: Callable[[Epoch], None] = lambda _epoch: None) -> Trained:
    """Carry a run to its end.

    Args:
        run: The run, resumed or new.
        report: Called on the main process after each epoch.
    """
    for epoch in run.epochs():
        if run.accelerator.is_main_process:
            report(epoch)
    best = checkpoints.best_path(run.folder)
    return Trained(best, tuple(run.history), run.split.labels, len(run.history) < run.recipe.epochs)
