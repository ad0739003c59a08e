"""Evaluating in parts: the same counts as in one pass, also when a place is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from zoo.classifier import load_classifier
from zoo.errors import DatasetError, ExecutorError
from zoo.evaluator import evaluate, shards
from zoo.evaluator.shards import WORKSHOP, EvaluationWorkshop, Job, evaluate_on
from zoo.executors.local import LocalExecutor
from zoo.executors.record import Ended

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.executors.record import Place, Task


class Unlucky(LocalExecutor):
    """Loses a place some times before it answers."""

    def __init__(self, losses: int) -> None:
        super().__init__(WORKSHOP, ["cpu"])
        self.losses = losses
        self.lost: list[Ended] = []

    def start(self, place: Place, task: Task) -> None:
        """Give the task away, or lose it."""
        if self.losses:
            self.losses -= 1
            self.lost.append(Ended(place, task, lost="the node was switched off"))
        else:
            super().start(place, task)

    def wait(self, timeout_s: float) -> list[Ended]:
        """Say what was lost first."""
        lost, self.lost = self.lost, []
        return lost or super().wait(timeout_s)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make parts that a set of 60 images has several of."""
    monkeypatch.setattr(shards, "IMAGES", 16)


def test_parts_add_up_to_what_one_pass_counts(digits: Path) -> None:
    """Errors, classes, confusions, calibration and broken images; a lost part is done again."""
    (digits / "3" / "broken.png").write_bytes(b"no image")
    whole = evaluate(load_classifier("lenet5"), digits, batch=16)
    seen: list[tuple[int, int]] = []
    job = Job("lenet5", str(digits), batch=16)
    parts = evaluate_on(
        Unlucky(losses=2),
        job,
        progress=lambda _name, done, everything: seen.append((done, everything)),
    )
    assert (parts.top1, parts.top5) == (whole.top1, whole.top5)
    assert parts.classes == whole.classes
    assert parts.confusions == whole.confusions
    assert parts.skipped == whole.skipped
    assert parts.calibration_error_percent == pytest.approx(whole.calibration_error_percent)
    assert parts.key == {**whole.key, "places": 1}
    assert seen[-1] == (61, 61)
    assert len(seen) == 4


class Elsewhere(LocalExecutor):
    """Says that its places are GPUs of nodes with torch of their own."""

    def places(self) -> Sequence[Place]:
        """Change what the workshops say of themselves."""
        versions = ("2.11.0", "2.14.1")
        gpu = {"device": "cuda", "precision": "tf32"}
        pairs = zip(super().places(), versions, strict=True)
        return [replace(one, facts={**gpu, "torch": torch}) for one, torch in pairs]


def test_the_key_names_the_devices_and_versions_of_the_places(digits: Path) -> None:
    """Not those of the machine that only counts."""
    result = evaluate_on(Elsewhere(WORKSHOP, ["cpu", "cpu:0"]), Job("lenet5", str(digits)))
    assert result.key["device"] == "cuda"
    assert result.key["precision"] == "tf32"
    assert result.key["torch"] == "2.11.0, 2.14.1"
    assert result.key["places"] == 2


def test_a_part_that_loses_every_place_ends_the_evaluation(digits: Path) -> None:
    """It is the part that kills them."""
    with pytest.raises(ExecutorError, match=r"6 places were lost with it .*switched off"):
        evaluate_on(Unlucky(losses=100), Job("lenet5", str(digits)))


def test_without_any_place_the_missing_parts_are_counted(digits: Path) -> None:
    """With what to do."""

    class Nobody(Unlucky):
        def places(self) -> Sequence[Place]:
            return []

    with pytest.raises(ExecutorError, match="no place is left for 4 of 4 parts; start nodes"):
        evaluate_on(Nobody(losses=0), Job("lenet5", str(digits)), waiting_limit_s=0)


def test_a_node_with_other_images_is_refused(digits: Path) -> None:
    """Its counts would belong to another data set."""
    work = {
        "job": vars_of(Job("lenet5", str(digits))),
        "dataset": "0" * 64,
        "start": 0,
        "stop": 1,
    }
    with pytest.raises(DatasetError, match="other images on this node"):
        EvaluationWorkshop("cpu").carry_out(work)


def vars_of(job: Job) -> dict[str, object]:
    """Return a job as plain values, as it travels."""
    return {name: getattr(job, name) for name in job.__slots__}
