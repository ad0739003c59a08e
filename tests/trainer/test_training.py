"""Training: it learns, repeats itself, survives a kill, and other commands read its files."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image

import zoo
from tests.support import warm
from tests.support.full_disk import limited
from zoo.classifier import load_classifier
from zoo.cli.main import run as run_command
from zoo.errors import CheckpointError, DatasetError, OptionError, TrainingError, UsageError
from zoo.evaluator import evaluate
from zoo.formats.training_metadata import read_own_record
from zoo.predictor import Predictor
from zoo.trainer import Recipe, Run, start_run, train
from zoo.trainer.data import split_images
from zoo.trainer.training import head_parameters

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = Recipe(epochs=4, batch=32, learning_rate=0.004, seed=3)
ARGUMENTS = ["--epochs", "4", "--batch", "32", "--learning-rate", "0.004", "--seed", "3"]


def losses(run: Run) -> list[float]:
    """Training losses of a finished run."""
    return [epoch.train_loss for epoch in run.history]


KILLED = """
import os, signal, sys
from zoo.trainer import Recipe, start_run, train

def report(epoch):
    if epoch.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)

recipe = Recipe(epochs=4, batch=32, learning_rate=0.004, seed=3)
train(start_run("lenet5", sys.argv[1], sys.argv[2], recipe), report)
"""


LAUNCH = "import runpy; runpy.run_module('accelerate.commands.launch', run_name='__main__')"


@pytest.fixture(scope="module")
def trained(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Train LeNet-5 on the digits for four epochs, once: its folder is to be read only."""
    run = start_run("lenet5", digits, tmp_path_factory.mktemp("trained") / "run", RECIPE)
    train(run)
    return run


def test_training_lowers_the_loss_and_learns_the_digits(trained: Run) -> None:
    """Three digits are easy; guessing would be wrong in two of three."""
    assert losses(trained)[-1] < 0.5 * losses(trained)[0]
    error_percent = trained.history[-1].validation_error_percent
    assert error_percent is not None
    assert error_percent < 15


def test_best_file_is_read_by_predict_and_evaluate(trained: Run, digits: Path) -> None:
    """Its record knows the classes, so nobody has to name them again."""
    best = trained.folder / "best.safetensors"
    record = read_own_record(best)
    assert record is not None
    assert record.labels == ("digit-0", "digit-1", "digit-2")
    predictor = Predictor("lenet5", checkpoint=best)
    image = str(next((digits / "digit-1").glob("*.png")))
    assert next(predictor.predict([image], top=3)).predictions[0].label.startswith("digit-")
    result = evaluate(load_classifier("lenet5", checkpoint=best), digits)
    assert result.top1.images == 240
    assert result.top1.percent < 15


def test_best_error_in_the_record_is_the_one_of_the_held_out_images(trained: Run) -> None:
    """Evaluating the best network again on the held-out part gives the recorded figure."""
    best = min(trained.history, key=lambda epoch: epoch.rank)
    record = read_own_record(trained.folder / "best.safetensors")
    assert record is not None
    assert (record.epoch, record.validation_error_percent) == (
        best.number,
        best.validation_error_percent,
    )
    model = zoo.load_model("lenet5", checkpoint=trained.folder / "best.safetensors")
    images = trained.validation_images
    with torch.inference_mode():
        samples = [
            sample for index in range(len(images)) if isinstance(sample := images[index], tuple)
        ]
        errors = sum(int(model(image[None]).argmax()) != label for image, label in samples)
    assert 100 * errors / len(images) == pytest.approx(record.validation_error_percent)


def test_inspect_shows_the_record_and_the_layers(
    trained: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three classes, so the last layer has three outputs."""
    file = str(trained.folder / "best.safetensors")
    assert run_command(["inspect", file, "--depth", "1", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["trained"]["labels"] == ["digit-0", "digit-1", "digit-2"]
    assert shown["identity"]["certainty"] == "recorded"
    assert shown["layers"][-1]["output_shape"] == [1, 3]
    assert run_command(["inspect", file]) == 0
    text = capsys.readouterr().out
    assert "best.safetensors: lenet5 with num_classes=3\n" in text
    assert "3: digit-0, digit-1, digit-2" in text


def test_file_trained_as_another_architecture_is_refused(trained: Run) -> None:
    """The record says what the file is."""
    with pytest.raises(CheckpointError, match="it was trained as lenet5"):
        zoo.load_model("alexnet", checkpoint=trained.folder / "best.safetensors")


def test_same_seed_gives_the_same_curve_and_another_seed_another(
    trained: Run, digits: Path, tmp_path: Path
) -> None:
    """Nothing depends on when or where it ran."""
    again = start_run("lenet5", digits, tmp_path / "again", RECIPE, workers=1)
    train(again)
    assert losses(again) == losses(trained)
    other = start_run("lenet5", digits, tmp_path / "other", replace(RECIPE, seed=4, epochs=1))
    train(other)
    assert losses(other)[0] != losses(trained)[0]


def test_killed_run_goes_on_to_the_same_curve(
    trained: Run, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGKILL after the second epoch, then --resume: every loss is that of an unbroken run."""
    killed = tmp_path / "killed"
    ended = warm.run(KILLED, str(digits), str(killed))
    assert ended.returncode == -signal.SIGKILL
    line = ["train", "lenet5", str(digits), *ARGUMENTS, "--json", "--output", str(killed)]
    assert run_command([*line, "--resume"]) == 0
    resumed = json.loads(capsys.readouterr().out)
    measured = ("train_loss", "validation_loss", "validation_error_percent", "learning_rate")
    assert [[epoch[name] for name in measured] for epoch in resumed["epochs"]] == [
        [getattr(epoch, name) for name in measured] for epoch in trained.history
    ]
    assert not list(killed.glob("*.partial"))


def test_logs_for_tensorboard_hold_the_curve(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Read back by TensorBoard's own reader: one value an epoch."""
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    line = ["train", "lenet5", str(digits), *ARGUMENTS, "--tensorboard", "--json"]
    assert run_command([*line, "--output", str(tmp_path / "run")]) == 0
    epochs = json.loads(capsys.readouterr().out)["epochs"]
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    for name, key in (
        ("loss/train", "train_loss"),
        ("error_percent/validation", "validation_error_percent"),
    ):
        logged = [event.value for event in events.Scalars(name)]
        assert logged == pytest.approx([epoch[key] for epoch in epochs], rel=1e-6)


@pytest.mark.slow
def test_a_full_disk_ends_a_run_in_words_and_keeps_the_last_state(
    digits: Path, tmp_path: Path
) -> None:
    """With room for the network only: one line, no torn file; with more room the run goes on."""
    output = tmp_path / "run"
    arguments = ("train", "lenet5", str(digits), *ARGUMENTS, "--output", str(output))
    done = warm.run(limited(400_000), *arguments)
    assert done.returncode == 1, done.stderr
    assert f"error: cannot write {output / 'last.pt'}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [
        file for file in output.iterdir() if "partial" in file.name or file.name == "last.pt"
    ]
    assert run_command([*arguments, "--resume"]) == 0
    assert (output / "last.pt").is_file()


@pytest.mark.slow
def test_two_processes_give_what_one_gives(
    trained: Run, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two CPU processes of `accelerate launch` split each batch; losses agree to a thousandth."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    line = ["--cpu", "--num_processes", "2", "-m", "zoo", "train", "lenet5", str(digits)]
    done = warm.run(LAUNCH, *line, *ARGUMENTS, "--json", "--output", str(tmp_path / "two"))
    assert done.returncode == 0, done.stderr[-2000:]
    epochs: list[dict[str, Any]] = json.loads(done.stdout)["epochs"]
    assert [epoch["train_loss"] for epoch in epochs] == pytest.approx(losses(trained), rel=1e-3)


def test_changing_an_image_at_random_leaves_other_generators_alone(
    trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropout draws from them, on a GPU too; seeding every device took longer than the image."""
    monkeypatch.setattr(torch.cuda, "manual_seed_all", pytest.fail)
    before = torch.get_rng_state()
    first, again = (trained.train_images[0] for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert isinstance(first, tuple)
    assert isinstance(again, tuple)
    assert torch.equal(first[0], again[0])


def test_frozen_body_changes_only_the_last_layer(digits: Path, tmp_path: Path) -> None:
    """One frozen epoch leaves every other parameter as it was."""
    run = start_run("lenet5", digits, tmp_path / "run", replace(RECIPE, epochs=1, frozen_epochs=1))
    before = {name: tensor.clone() for name, tensor in run.bare_model.state_dict().items()}
    train(run)
    head = head_parameters(run.bare_model, 3)
    changed = {
        name
        for name, tensor in run.bare_model.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed == head


def test_pretrained_network_begins_with_a_new_head_for_the_classes(
    digits: Path, tmp_path: Path
) -> None:
    """The body is that of the packaged weights."""
    run = start_run("lenet5", digits, tmp_path / "run", RECIPE, is_pretrained=True)
    published = zoo.load_model("lenet5").state_dict()
    own = run.bare_model.state_dict()
    head = head_parameters(run.bare_model, 3)
    assert all(torch.equal(own[name], published[name]) for name in own if name not in head)
    assert all(own[name].shape[0] == 3 for name in head)


def test_patience_stops_early(digits: Path, tmp_path: Path) -> None:
    """A rate too small to learn anything: after the first epoch nothing gets better."""
    recipe = replace(RECIPE, epochs=9, patience=2, learning_rate=1e-12)
    trained = train(start_run("lenet5", digits, tmp_path / "run", recipe))
    assert trained.stopped_early
    assert len(trained.history) == 3


def test_run_that_diverges_says_so(digits: Path, tmp_path: Path) -> None:
    """A loss that is not finite ends the run with advice."""
    recipe = replace(RECIPE, optimizer="sgd", learning_rate=1e12, warmup_epochs=0.0)
    with pytest.raises(TrainingError, match="smaller --learning-rate"):
        train(start_run("lenet5", digits, tmp_path / "run", recipe))


def test_folder_of_another_run_is_left_alone(trained: Run, digits: Path) -> None:
    """Neither a second start nor a resume with another recipe overwrites it."""
    with pytest.raises(TrainingError, match="holds a run already"):
        start_run("lenet5", digits, trained.folder, RECIPE)
    with pytest.raises(TrainingError, match="seed was 3, is 5"):
        start_run("lenet5", digits, trained.folder, replace(RECIPE, seed=5), resume=True)


def test_damaged_state_is_named(trained: Run, digits: Path, tmp_path: Path) -> None:
    """A cut last.pt is no traceback."""
    folder = tmp_path / "run"
    shutil.copytree(trained.folder, folder)
    state = folder / "last.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="delete it to start again"):
        start_run("lenet5", digits, folder, RECIPE, resume=True)


def test_split_holds_out_a_share_of_each_class_by_the_seed(digits: Path) -> None:
    """Parts are disjoint, cover everything, and depend on the seed alone."""
    first, again, other = (split_images(digits, replace(RECIPE, seed=seed)) for seed in (0, 0, 1))
    assert first == again
    assert first.validation != other.validation
    assert not set(first.train) & set(first.validation)
    assert len(first.train) + len(first.validation) == 240
    for label in range(3):
        own = sum(1 for _, number in first.train + first.validation if number == label)
        held_out = sum(1 for _, number in first.validation if number == label)
        assert held_out == round(0.2 * own)


def test_train_and_val_folders_are_taken_as_they_are(digits: Path, tmp_path: Path) -> None:
    """Nothing is held out of a data set that has its own validation part."""
    root = tmp_path / "parts"
    root.mkdir()
    (root / "train").symlink_to(digits)
    for label in ("digit-0", "digit-2"):
        (root / "val" / label).mkdir(parents=True)
        Image.new("L", (8, 8)).save(root / "val" / label / "a.png")
    split = split_images(root, RECIPE)
    assert (len(split.train), len(split.validation)) == (240, 2)
    assert [label for _, label in split.validation] == [0, 2]


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    """There is nothing to tell apart."""
    (tmp_path / "data" / "cat").mkdir(parents=True)
    for name in ("a.png", "b.png"):
        Image.new("L", (8, 8)).save(tmp_path / "data" / "cat" / name)
    with pytest.raises(DatasetError, match="two classes or more"):
        start_run("lenet5", tmp_path / "data", tmp_path / "run")


def test_detectors_cannot_be_trained_here(digits: Path, tmp_path: Path) -> None:
    """Folders of images say nothing of boxes."""
    with pytest.raises(OptionError, match="expected classification"):
        start_run("retinanet_resnet50_fpn", digits, tmp_path / "run")


def test_pretrained_and_checkpoint_contradict_each_other(digits: Path, tmp_path: Path) -> None:
    """A run begins from one set of weights."""
    with pytest.raises(UsageError):
        start_run("lenet5", digits, tmp_path / "run", is_pretrained=True, checkpoint="mine.pth")


def test_command_draws_the_curves_and_prints_the_best_file(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The path goes to stdout, the table to stderr, an image to the folder."""
    line = ["train", "lenet5", str(digits), "--epochs", "1", "--output", str(tmp_path / "run")]
    assert run_command(line) == 0
    done = capsys.readouterr()
    assert done.out.strip() == str(tmp_path / "run" / "best.safetensors")
    assert "val error %" in done.err
    with Image.open(tmp_path / "run" / "curves.png") as image:
        assert image.width > 500
