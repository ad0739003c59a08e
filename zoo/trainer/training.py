"""The training loop, on one process or many through accelerate.

After a kill it goes on to the same curve.

The file is long because what a kill must not lose is the state of one loop.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from zoo.cache.digests import sha256_file
from zoo.documents import decode
from zoo.errors import DocumentError, MissingPackageError, OptionError, TrainingError
from zoo.formats.training_metadata import OwnRecord
from zoo.images.augment import augmentation
from zoo.trainer import checkpoints, data, optimizer_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor

    from zoo.images.preprocess import Transform
    from zoo.trainer.recipe import Recipe

AUXILIARY_WEIGHT = 0.3
"""Of the losses of auxiliary heads: Szegedy et al. 2014, section 5."""
_UNFIT = (
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    DocumentError,
)
"""What torch raises when a state is not of this network or this optimizer."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass over the data gave."""

    number: int
    """From 1."""
    train_loss: float
    validation_loss: float | None
    """``None`` where nothing is held out."""
    validation_error_percent: float | None
    """Top-1."""
    learning_rate: float
    """Of its last step."""
    seconds: float
    data_wait_share: float
    """Share of the training time spent waiting for images."""

    @property
    def rank(self) -> tuple[float, float]:
        """What is least for the best epoch: the error, then the loss.

        Where nothing is held out, the training loss.
        """
        error_percent = self.validation_error_percent
        loss = self.validation_loss
        if error_percent is None or loss is None:
            return 0.0, self.train_loss
        return error_percent, loss


@dataclass(frozen=True, slots=True)
class Step:
    """Where an epoch is: for a progress bar."""

    epoch: int
    """From 1."""
    done_images: int
    images: int
    loss: float
    """Mean over the epoch so far."""
    learning_rate: float
    seconds: float
    """Since the epoch began."""


@dataclass(slots=True)
class _Learnt:
    """What the steps of an epoch have added up to on one process."""

    loss_sum: float = 0.0
    images: int = 0
    rate: float = 0.0
    """Learning rate of the last step."""
    waited_s: float = 0.0
    """For images."""


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
        """The one with the least validation error; of equals, the one with the least loss."""
        return min(self.history, key=lambda epoch: epoch.rank)


class Run:
    """One training run in one folder.

    Args:
        name: The architecture.
        model: Its network with as many outputs as the data has classes.
        prepare: Its preprocessing.
        split: The data.
        recipe: What to compute.
        folder: Where the last state and the best network are kept.
        workers: Processes that decode images besides each training process.

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

        self.name = name
        self.split = split
        self.recipe = recipe
        self.folder = folder
        self.workers = workers
        self.history: list[Epoch] = []
        self.best_sha256 = ""
        self.seen: list[int] | None = None
        """What of the folder's last state was seen when it was read or written."""

        torch.manual_seed(recipe.seed)
        self.accelerator = Accelerator(
            mixed_precision=recipe.precision,
            dataloader_config=DataLoaderConfiguration(split_batches=True),
        )

        self.head = head_parameters(model, len(split.labels))
        optimizer = make_optimizer(model, recipe)
        prepared: tuple[Any, Any] = self.accelerator.prepare(model, optimizer)
        self.model, self.optimizer = prepared

        augment = augmentation(recipe.augmentation, prepare)
        self.train_images = data.Images(
            images=split.train,
            prepare=prepare,
            augment=augment,
            seed=recipe.seed,
        )
        self.validation_images = data.Images(
            images=split.validation,
            prepare=prepare,
            augment=None,
            seed=recipe.seed,
        )
        self.on_step: Callable[[Step], None] = lambda _step: None
        """Called on every process after each step."""

    @property
    def bare_model(self) -> nn.Module:
        """The network without what accelerate wraps around it."""
        model: nn.Module = self.accelerator.unwrap_model(self.model)
        return model

    def resume(self) -> None:
        """Go on from the last finished epoch that the folder holds; else from the start.

        Raises:
            TrainingError: The folder belongs to another run.
        """
        self.seen = checkpoints.seen(self.folder)
        state = checkpoints.read_last(self.folder, self._identity())
        if state is None:
            return

        path = checkpoints.last_path(self.folder)
        odd = optimizer_state.fault(state["optimizer"], self.optimizer, self.recipe.optimizer)
        if odd is not None:
            raise TrainingError(str(path), f"{odd}; delete it to start again")

        try:
            self._load(state)
        except _UNFIT as error:
            said, _, _ = str(error).partition("\n")
            fault = f"it does not fit this run ({said:.100})"
            raise TrainingError(str(path), f"{fault}; delete it to start again") from error

    def _load(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`_save` kept."""
        self.bare_model.load_state_dict(state["model"])
        kept = optimizer_state.with_own_groups(state["optimizer"], self.optimizer)
        self.optimizer.load_state_dict(kept)
        self._load_scaler(state.get("scaler"))
        self.history = [decode(Epoch, epoch) for epoch in state["history"]]
        self.best_sha256 = state["best_sha256"]

    def epochs(self) -> Iterator[Epoch]:
        """Train, and yield each epoch when its state is on disk."""
        while not self.is_exhausted:
            done = len(self.history)
            if done >= self.recipe.epochs:
                return

            epoch = self._train_one(done)
            self.history.append(epoch)
            if self.accelerator.is_main_process:
                self._save()

            self.accelerator.wait_for_everyone()
            yield epoch

    @property
    def is_exhausted(self) -> bool:
        """Whether the error has not improved for as long as the recipe waits."""
        patience = self.recipe.patience
        if not patience or not self.history:
            return False

        ranks = [epoch.rank for epoch in self.history]
        newest = len(ranks) - 1
        best = ranks.index(min(ranks))
        return newest - best >= patience

    def _train_one(self, index: int) -> Epoch:
        """Learn from all images once, then validate."""
        began = time.perf_counter()
        seed = self.recipe.seed + index
        torch.manual_seed(seed)  # dropout draws alike after an interruption

        self.train_images.epoch = index
        loader: Any = data.make_loader(
            self.train_images,
            self.recipe.batch,
            self.workers,
            shuffle_seed=seed,
        )
        loader = self.accelerator.prepare(loader)

        self.model.train()
        is_frozen = index < self.recipe.frozen_epochs
        self._freeze_body(is_frozen=is_frozen)
        learnt = self._learn(loader, index)
        trained_s = time.perf_counter() - began

        loss_sum, images = self._sum(learnt.loss_sum, learnt.images)
        validation_loss, error_percent = self._validate()
        return Epoch(
            number=index + 1,
            train_loss=loss_sum / images,
            validation_loss=validation_loss,
            validation_error_percent=error_percent,
            learning_rate=learnt.rate,
            seconds=time.perf_counter() - began,
            data_wait_share=learnt.waited_s / trained_s,
        )

    def _learn(
        self,
        loader: Any,
        index: int,
    ) -> _Learnt:
        """Take a step for each batch."""
        learnt = _Learnt()
        steps = len(loader)
        first_step = index * steps

        began = asked = time.perf_counter()
        for step, (inputs, labels) in enumerate(data.batches(loader)):
            learnt.waited_s += time.perf_counter() - asked
            learnt.rate = self.recipe.rate_at(first_step + step, steps)

            loss = self._step(inputs, labels, learnt.rate)
            learnt.loss_sum += float(loss) * len(labels)
            learnt.images += len(labels)

            shown = Step(
                epoch=index + 1,
                done_images=learnt.images,
                images=len(self.train_images),
                loss=learnt.loss_sum / learnt.images,
                learning_rate=learnt.rate,
                seconds=time.perf_counter() - began,
            )
            self.on_step(shown)
            asked = time.perf_counter()
        return learnt

    def _step(
        self,
        inputs: Tensor,
        labels: Tensor,
        rate: float,
    ) -> Tensor:
        """Learn from one batch, and return its mean loss.

        Raises:
            TrainingError: The loss is not finite any more.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate

        outputs = self.model(inputs)
        if isinstance(outputs, torch.Tensor):
            outputs = [outputs]
        loss, *auxiliary = [self._loss(logits, labels) for logits in outputs]

        whole_loss = loss + AUXILIARY_WEIGHT * sum(auxiliary)
        self.accelerator.backward(whole_loss)
        if self.recipe.clip_norm:
            parameters = self.model.parameters()
            self.accelerator.clip_grad_norm_(parameters, self.recipe.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()

        if not torch.isfinite(loss):
            fault = "the loss is not finite any more"
            advice = "try a smaller --learning-rate or --clip-norm 1"
            raise TrainingError(self.name, f"{fault}; {advice}")
        return loss.detach()

    def _loss(
        self,
        logits: Tensor,
        labels: Tensor,
    ) -> Tensor:
        """Compute the cross-entropy of one output of the network."""
        return functional.cross_entropy(
            logits.float(),
            labels,
            label_smoothing=self.recipe.label_smoothing,
        )

    @torch.inference_mode()
    def _validate(self) -> tuple[float | None, float | None]:
        """Return the mean loss and the top-1 error in percent over the held-out images, if any."""
        if not self.split.validation:
            return None, None

        loader: Any = data.make_loader(
            self.validation_images,
            self.recipe.batch,
            self.workers,
        )
        loader = self.accelerator.prepare(loader)

        self.model.eval()
        loss_sum = 0.0
        errors = 0
        images = 0
        for inputs, own_labels in data.batches(loader):
            own_logits = self.model(inputs).float()
            answers = (own_logits, own_labels)
            logits, labels = self.accelerator.gather_for_metrics(answers)

            loss = functional.cross_entropy(logits, labels, reduction="sum")
            is_wrong = logits.argmax(dim=1) != labels
            loss_sum += float(loss)
            errors += int(is_wrong.sum())
            images += len(labels)

        return loss_sum / images, 100 * errors / images

    def _sum(self, *values: float) -> list[float]:
        """Add numbers over all processes."""
        own = torch.tensor(values, device=self.accelerator.device)
        summed: Tensor = self.accelerator.reduce(own, reduction="sum")
        return summed.tolist()

    def _freeze_body(self, *, is_frozen: bool) -> None:
        """Let only the last layer learn, or all of them."""
        for name, parameter in self.bare_model.named_parameters():
            is_head = name in self.head
            parameter.requires_grad_(is_head or not is_frozen)

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on."""
        return {
            "model": self.name,
            "data": self.split.digest,
            "labels": list(self.split.labels),
            **asdict(self.recipe),
        }

    def _save(self) -> None:
        """Keep the state of the run, and the network if it is the best so far."""
        *earlier, newest = self.history
        earlier_ranks = [epoch.rank for epoch in earlier]
        if not earlier_ranks or newest.rank < min(earlier_ranks):
            record = self._record(newest)
            checkpoints.write_best(self.folder, self.bare_model, record)
            self.best_sha256 = sha256_file(checkpoints.best_path(self.folder))

        state = {
            "identity": self._identity(),
            "model": self.bare_model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self._scaler_state(),
            "history": [asdict(epoch) for epoch in self.history],
            "best_sha256": self.best_sha256,
        }
        checkpoints.write_last(self.folder, state)
        self.seen = checkpoints.seen(self.folder)

    def _scaler_state(self) -> dict[str, Any] | None:
        """Return the scale of fp16's losses.

        Without it a resumed run would begin to search for it again.
        """
        scaler = self.accelerator.scaler
        if scaler is None:
            return None

        state: dict[str, Any] = scaler.state_dict()
        return state

    def _load_scaler(self, state: dict[str, Any] | None) -> None:
        """Go on with the scale of fp16's losses."""
        scaler = self.accelerator.scaler
        if state and scaler is not None:
            scaler.load_state_dict(state)

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


def make_optimizer(
    model: nn.Module,
    recipe: Recipe,
) -> torch.optim.Optimizer:
    """Make the optimizer that a recipe names."""
    parameters = model.parameters()
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )
    return torch.optim.AdamW(
        parameters,
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
    )


def head_parameters(
    model: nn.Module,
    classes: int,
) -> frozenset[str]:
    """Name the parameters of the last layer, the one with an output for each class.

    Raises:
        OptionError: No layer has that many outputs.
    """
    names: list[str] = []
    for path, layer in model.named_modules():
        if not isinstance(layer, nn.Linear | nn.Conv2d):
            continue

        outputs = layer.weight.shape[0]
        if outputs == classes:
            names = [f"{path}.{name}" for name, _ in layer.named_parameters()]

    if not names:
        network = type(model).__name__
        fault = f"no layer of it has {classes} outputs"
        raise OptionError(network, "frozen_epochs", fault)
    return frozenset(names)


def train(run: Run, report: Callable[[Epoch], None] = lambda _epoch: None) -> Trained:
    """Carry a run to its end.

    Args:
        run: The run, resumed or new.
        report: Called on the main process after each epoch.

    Raises:
        TrainingError: Another process trains in this folder, or the loss is not finite any more.
        ImageError: An image cannot be used.
    """
    is_main = run.accelerator.is_main_process
    with checkpoints.owning(run.folder, is_main=is_main):
        if is_main:
            checkpoints.require_unchanged(run.folder, run.seen)
        for epoch in run.epochs():
            if is_main:
                report(epoch)

    return Trained(
        best=checkpoints.best_path(run.folder),
        history=tuple(run.history),
        labels=run.split.labels,
        stopped_early=len(run.history) < run.recipe.epochs,
    )
