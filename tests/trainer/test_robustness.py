"""Runs that meet broken images, other processes, signals, damaged states and odd figures.

The file is long because all that can disturb a run shares the few runs that are made here.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.support import warm
from tests.support.in_process import zoo
from zoo.errors import ImageError, TrainingError
from zoo.trainer import checkpoints
from zoo.trainer.curves import draw_losses
from zoo.trainer.data import Split
from zoo.trainer.hints import few_images, hints
from zoo.trainer.recipe import Recipe
from zoo.trainer.starting import start_run
from zoo.trainer.training import Epoch, Step, train

if TYPE_CHECKING:
    from collections.abc import Callable

SHORT = Recipe(epochs=1, batch=64)
PLACE = Path("image.png")


@pytest.mark.parametrize("workers", [0, 2])
def test_b12_a_broken_image_is_one_sentence(digits: Path, tmp_path: Path, workers: int) -> None:
    """B12: in a worker process as without one."""
    images = tmp_path / "digits"
    shutil.copytree(digits, images)
    (images / "digit-1" / "zzz.png").write_bytes(b"broken")
    run = start_run("lenet5", images, tmp_path / "run", SHORT, workers=workers)
    with pytest.raises(ImageError, match=r"zzz\.png: it is no image that Pillow knows"):
        train(run)


def test_b13_training_on_everything_is_judged_by_the_training_loss(
    digits: Path, tmp_path: Path
) -> None:
    """``--hold-out 0``: no error is claimed, and the best network is the one that fits best."""
    run = start_run("lenet5", digits, tmp_path / "run", replace(SHORT, hold_out=0.0))
    steps: list[Step] = []
    run.on_step = steps.append
    trained = train(run)
    assert [step.done_images for step in steps] == [64, 128, 192]
    assert all(step.seconds > 0 for step in steps), "no speed can be told of the first step"
    assert trained.best_epoch.validation_error_percent is None
    assert trained.best.is_file()
    done = zoo("predict", str(trained.best), str(next((digits / "digit-2").glob("*.png"))))
    assert done.returncode == 0, done.stderr


def test_one_folder_has_one_owner(digits: Path, tmp_path: Path) -> None:
    """Two runs in one folder would leave files of both."""
    run = start_run("lenet5", digits, tmp_path / "run", SHORT)
    with (
        checkpoints.owning(run.folder),
        pytest.raises(TrainingError, match="another process trains there now"),
    ):
        train(run)


@pytest.fixture(scope="module")
def one_epoch(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one epoch of a run."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    train(start_run("lenet5", digits, folder, SHORT))
    return folder


@pytest.fixture
def finished(one_epoch: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    folder = tmp_path / "run"
    shutil.copytree(one_epoch, folder)
    return folder


def resume(digits: Path, folder: Path) -> None:
    """Go on with a run."""
    start_run("lenet5", digits, folder, SHORT, resume=True)


def test_a_flipped_byte_in_the_last_state_is_refused(digits: Path, finished: Path) -> None:
    """Its checksum is wrong: going on would train a damaged network."""
    path = finished / "last.pt"
    data = bytearray(path.read_bytes())
    at = data.index(b"data/0") + 400
    data[at] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(TrainingError, match="CRC"):
        resume(digits, finished)


def test_a_run_without_its_best_network_is_refused(digits: Path, finished: Path) -> None:
    """It would end without one and say that all is well."""
    (finished / "best.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"best\.safetensors is missing"):
        resume(digits, finished)


def flip_a_byte(path: Path) -> None:
    """Change a value, of which no format without checksums says anything."""
    data = bytearray(path.read_bytes())
    data[-100] ^= 0x40
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "flipped": flip_a_byte,
    "of no run": lambda path: save_file({"w": torch.zeros(1)}, path),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_best_network_that_the_run_has_not_written_is_refused(
    digits: Path, finished: Path, damage: str
) -> None:
    """Where no later epoch is better, the run would end with it."""
    DAMAGE[damage](finished / "best.safetensors")
    with pytest.raises(TrainingError, match=r"best\.safetensors is (damaged|not the file)"):
        resume(digits, finished)


def test_a_run_that_was_ended_between_its_two_files_goes_on(digits: Path, tmp_path: Path) -> None:
    """The best network may be an epoch ahead of the last state."""
    folder = tmp_path / "run"
    run = start_run("lenet5", digits, folder, replace(SHORT, epochs=2))
    epochs = run.epochs()
    next(epochs)
    before = (folder / "last.pt").read_bytes()
    assert next(epochs).rank < run.history[0].rank, "the second epoch is better"
    (folder / "last.pt").write_bytes(before)
    again = start_run("lenet5", digits, folder, replace(SHORT, epochs=2), resume=True)
    assert len(train(again).history) == 2


def test_what_was_trained_since_a_run_looked_is_never_lost(digits: Path, tmp_path: Path) -> None:
    """Two begin in an empty folder, one ends before the other has begun to train."""
    slow = start_run("lenet5", digits, tmp_path / "run", SHORT)
    train(start_run("lenet5", digits, tmp_path / "run", SHORT))
    before = (tmp_path / "run" / "last.pt").read_bytes()
    with pytest.raises(TrainingError, match="another process has trained there meanwhile"):
        train(slow)
    assert (tmp_path / "run" / "last.pt").read_bytes() == before


ODD: list[Any] = [
    None,
    [],
    {"identity": 1},
    {"identity": {}, "model": [], "optimizer": {}, "history": []},
    {"identity": {}, "model": {"x": 1}, "optimizer": {}, "history": []},
]


@pytest.mark.parametrize("state", ODD)
def test_states_of_other_types_are_a_sentence(digits: Path, finished: Path, state: Any) -> None:
    """Whatever stands in the file."""
    torch.save(state, finished / "last.pt")
    with pytest.raises(
        TrainingError, match=r"not the state of a run|something else than tensors|another run"
    ):
        resume(digits, finished)


@pytest.mark.parametrize("key", ["optimizer", "history", "model"])
def test_parts_of_other_kinds_are_a_sentence(digits: Path, finished: Path, key: str) -> None:
    """The right identity with the wrong contents."""
    state = torch.load(finished / "last.pt", weights_only=True)
    state[key] = [{"number": "x"}] if key == "history" else {"odd": torch.zeros(1)}
    torch.save(state, finished / "last.pt")
    with pytest.raises(TrainingError, match=r"does not fit this run|has no state"):
        resume(digits, finished)


ODD_VALUES: list[Any] = [None, 5, "x", [], {}, torch.zeros(2), torch.zeros(0), -1, float("nan")]


def test_a_state_of_the_optimizer_that_would_fail_a_step_later_is_a_sentence(
    digits: Path, finished: Path
) -> None:
    """Whatever stands in the place of a value, the run is refused before it trains."""
    whole = torch.load(finished / "last.pt", weights_only=True)
    run = start_run("lenet5", digits, finished, SHORT, resume=True)
    for name in ("step", "exp_avg", "exp_avg_sq", None):
        for odd in ODD_VALUES:
            state = copy.deepcopy(whole)
            entries = state["optimizer"]["state"]
            place, key = (entries, 0) if name is None else (entries[0], name)
            place[key] = odd
            torch.save(state, finished / "last.pt")
            if name is None and isinstance(odd, dict):
                continue  # as before its first step
            with pytest.raises(TrainingError, match="values of parameter 0 do not fit"):
                run.resume()


@pytest.mark.parametrize("key", ["epochs", "labels", "learning_rate"])
def test_tensors_in_the_place_of_settings_are_a_sentence(
    digits: Path, finished: Path, key: str
) -> None:
    """They compare in a way of their own."""
    state = torch.load(finished / "last.pt", weights_only=True)
    state["identity"][key] = torch.zeros(2)
    torch.save(state, finished / "last.pt")
    with pytest.raises(TrainingError, match=f"another run .{key} was tensor"):
        resume(digits, finished)


def test_the_best_network_may_be_read_by_whom_the_umask_lets(one_epoch: Path) -> None:
    """Not by its owner alone."""
    umask = os.umask(0)
    os.umask(umask)
    mode = (one_epoch / "best.safetensors").stat().st_mode & 0o777
    assert mode == 0o666 & ~umask


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_what_is_kept(
    digits: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """One sentence, the epochs that are whole, the command that goes on, and the curves."""
    folder, said = tmp_path / "run", tmp_path / "said"
    command = ["train", "lenet5", str(digits), "--output", str(folder), "--epochs", "1000"]
    with said.open("wb") as stream:
        place = stream.fileno()
        process = warm.start(warm.ZOO, *command, stdout=place, stderr=place)
    deadline = time.monotonic() + 120
    while not (folder / "last.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    warm.send(process, number)
    ended = warm.wait(process)
    errors = said.read_text()
    assert ended == code, errors
    assert "Traceback" not in errors
    assert "whole epochs, go on with: zoo train lenet5" in errors.splitlines()[-1]
    assert (folder / "curves.png").is_file()
    assert not list(folder.glob(".*.partial"))
    done = zoo("train", "lenet5", str(digits), "--output", str(folder), "--epochs", "1000")
    assert "go on with --resume" in done.stderr


def epoch(number: int, loss: float, error_percent: float) -> Epoch:
    """Make the figures of an epoch."""
    return Epoch(number, loss, loss, error_percent, 1e-3, 1.0, 0.1)


CLASSES = tuple("abcdefghij")
SPLIT = Split(CLASSES, (), (), "digest")


def test_signs_of_trouble_are_said_once() -> None:
    """A loss that does not move, one that rises."""
    still = [epoch(n, 2.3, 50.0) for n in range(1, 7)]
    said = [hints(still[: n + 1], SPLIT) for n in range(len(still))]
    assert [len(lines) for lines in said] == [0, 0, 0, 1, 0, 0]
    assert "has not moved" in said[3][0]
    rising = [epoch(n, 1.0 + n, 50.0) for n in range(4)]
    assert any("rising" in line for line in hints(rising[:3], SPLIT))


def test_a_run_that_diverged_within_an_epoch_is_told_at_once() -> None:
    """Guessing among ten classes costs ln 10, about 2.3; a run at 40 falls from there."""
    leapt = [epoch(1, 40.0, 90.0), epoch(2, 30.0, 90.0)]
    (line,) = hints(leapt[:1], SPLIT)
    assert "above that of guessing: try a learning rate ten times as small" in line
    assert hints(leapt, SPLIT) == []


@pytest.mark.parametrize(("first", "scale"), [(2.3, "linear"), (5e4, "log")])
def test_one_huge_loss_does_not_flatten_the_curve(first: float, scale: str) -> None:
    """Ten epochs, the first of which leapt: on a linear axis the others would lie on its foot."""
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    draw_losses(axes, [epoch(1, first, 90.0), *(epoch(n, 2.0, 80.0) for n in range(2, 11))])
    assert axes.get_yscale() == scale


def test_one_answer_for_all_is_told_after_three_epochs() -> None:
    """Of four images three are of one class: always answering with it is wrong in one of four."""
    validation = tuple((PLACE, label) for label in (0, 0, 0, 1))
    split = Split(("a", "b"), (), validation, "digest")
    constant = [epoch(n, 0.7 - 0.1 * n, 25.0) for n in range(4)]
    said = [hints(constant[: n + 1], split) for n in range(len(constant))]
    assert [len(lines) for lines in said] == [0, 0, 1, 0]
    assert "always answering with one class" in said[2][0]


def test_classes_with_few_images_are_named_with_their_counts() -> None:
    """Ten images are enough to say nothing."""
    train = tuple((PLACE, label) for label in (0,) * 10 + (1,) * 9)
    line = few_images(Split(("a", "b", "c"), train, (), "digest"))
    assert line == "fewer than 10 images to learn from in b (9), c (0)"
    assert few_images(Split(("a",), train, (), "digest")) is None


def test_the_best_of_equal_errors_has_the_least_loss(tmp_path: Path) -> None:
    """The first of equals is seldom the best."""
    assert min([epoch(1, 0.9, 5.0), epoch(2, 0.5, 5.0)], key=lambda e: e.rank).number == 2
    assert tmp_path.is_dir()


def test_b26_the_loss_scale_of_fp16_is_part_of_a_state(digits: Path, tmp_path: Path) -> None:
    """B26: a resumed run goes on with the scale that was found, and does not search again."""
    scalers = [torch.amp.GradScaler("cpu", init_scale=scale) for scale in (1024.0, 65536.0)]
    first = start_run("lenet5", digits, tmp_path / "run", SHORT)
    first.accelerator.scaler = scalers[0]  # as accelerate makes it for fp16 on a GPU
    train(first)

    again = start_run("lenet5", digits, tmp_path / "run", SHORT, resume=True)
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["scaler"]["scale"] == 1024
    again.accelerator.scaler = scalers[1]
    again.resume()
    assert scalers[1].get_scale() == 1024


@pytest.mark.filterwarnings("ignore:nan.pth holds:UserWarning")
def test_b22_json_is_valid_where_numbers_are_not(digits: Path, tmp_path: Path) -> None:
    """B22: a network of NaN answers null, with a warning."""
    import zoo as package

    model = package.load_model("lenet5", weights=None)
    state = {key: torch.full_like(value, float("nan")) for key, value in model.state_dict().items()}
    torch.save(state, tmp_path / "nan.pth")
    image = str(next((digits / "digit-0").glob("*.png")))
    done = zoo("predict", str(tmp_path / "nan.pth"), image, "--json")
    assert done.returncode == 0, done.stderr
    (prediction,) = json.loads(done.stdout, parse_constant=pytest.fail)
    assert prediction["predictions"][0]["probability"] is None
    assert "written as null" in done.stderr
    shown = zoo("predict", str(tmp_path / "nan.pth"), image)
    assert (shown.returncode, "nan %" in shown.stdout) == (0, True), shown.stderr


@pytest.mark.parametrize("classes", [3, 10, 37])
def test_b11_labels_belong_to_the_network(digits: Path, tmp_path: Path, classes: int) -> None:
    """B11: its architecture's where they are as many, else numbers; no ImageNet's, no traceback."""
    import zoo as package

    model = package.load_model("lenet5", weights=None, num_classes=classes)
    path = tmp_path / "mine.pth"
    torch.save(model.state_dict(), path)
    image = str(next((digits / "digit-0").glob("*.png")))
    done = zoo("predict", str(path), image, "--json", "--top", str(classes))
    assert done.returncode == 0, done.stderr
    labels = {guess["label"] for guess in json.loads(done.stdout)[0]["predictions"]}
    assert labels == {str(number) for number in range(classes)}
    names = tmp_path / "labels.txt"
    names.write_text("\n".join(f"class {number}" for number in range(classes)))
    done = zoo("predict", str(path), image, "--json", "--labels", str(names))
    assert json.loads(done.stdout)[0]["predictions"][0]["label"].startswith("class ")
    names.write_text("one\ntwo\n")
    done = zoo("predict", str(path), image, "--labels", str(names))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_evaluate_takes_a_file_alone(finished: Path, digits: Path) -> None:
    """A file that names its architecture and classes needs nothing else."""
    done = zoo("evaluate", str(finished / "best.safetensors"), str(digits), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == "lenet5"


def test_evaluate_names_folders_of_a_whole_data_set(tmp_path: Path) -> None:
    """Parts are no classes."""
    root = tmp_path / "data"
    for part in ("train", "val"):
        for name in ("0", "1"):
            (root / part / name).mkdir(parents=True)
            Image.new("L", (8, 8)).save(root / part / name / "a.png")
    done = zoo("evaluate", "lenet5", str(root))
    assert done.returncode == 1
    assert "look like parts of a data set" in done.stderr
