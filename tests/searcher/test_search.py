"""A whole search, small: from a folder of images to a file that other commands take."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

import zoo
from tests.support.table_search import make_setup
from zoo.errors import CheckpointError, SearchError, UsageError
from zoo.formats.training_metadata import read_own_record
from zoo.loader import load_checkpoint
from zoo.models.genotype import Genotype
from zoo.searcher import journal as lines
from zoo.searcher.dataset import read_parts
from zoo.searcher.desk import Budget
from zoo.searcher.limits import Limits
from zoo.searcher.report import read_report
from zoo.searcher.search import FOUND, Means, run_search
from zoo.searcher.space import Space
from zoo.searcher.stack import Stack
from zoo.searcher.workshop import Workshop

if TYPE_CHECKING:
    from zoo.searcher.setup import Setup

REPOSITORY = Path(__file__).parents[2]
HERE = Means(workshop="tests.support.workshops:TrainingHere")


def _setup(digits: Path, **changes: Any) -> Setup:
    setup = make_setup(
        "random",
        dataset=str(digits),
        digest=read_parts(str(digits), 0).split.digest,
        space=Space(1, ("identity", "max_pool_3x3")),
        stack=Stack(channels=1, pixels=8, num_classes=3, filters=4),
        epochs=2,
        final_epochs=2,
        batch=16,
    )
    return replace(setup, **changes)


@pytest.fixture(scope="module")
def found(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Search with three trials, once for the tests below."""
    folder = tmp_path_factory.mktemp("search") / "found"
    run_search(_setup(digits), folder, Budget(trials=3), HERE)
    return folder


def test_the_winner_is_the_best_of_those_trained_longest_and_judged_once(found: Path) -> None:
    """Its errors are counted on the 18 images that were set aside."""
    report = read_report(found)
    assert report.winner is not None
    assert report.winner.error_percent == min(one.error_percent or 0 for one in report.whole)
    assert report.test is not None
    assert report.test.images == 18
    events = lines.read_events(found)
    assert sum(isinstance(event, lines.Judged) for event in events) == 1


def test_the_found_file_says_how_it_is_built(found: Path) -> None:
    """Genotype, options and size of the images are in its metadata; loading needs nothing else."""
    record = read_own_record(found / FOUND)
    report = read_report(found)
    assert record is not None
    assert report.winner is not None
    assert record.genotype is not None
    assert Genotype.from_json(record.genotype) == report.winner.genotype
    model = load_checkpoint("nasnet_a_mobile", found / FOUND)
    assert sum(parameter.numel() for parameter in model.parameters()) == report.winner.parameters
    assert model(torch.zeros(1, 1, 8, 8)).shape == (1, 3)


def test_load_model_takes_the_file_with_its_genotype_or_without(found: Path) -> None:
    """The genotype may be given; another one does not fit."""
    genotype = Genotype.from_json((found / "genotype.json").read_text(encoding="utf-8"))
    given = zoo.load_model("nasnet_a_mobile", checkpoint=found / FOUND, genotype=genotype)
    alone = zoo.load_model("nasnet_a_mobile", checkpoint=found / FOUND)
    image = torch.rand(1, 1, 8, 8)
    assert torch.equal(given(image), alone(image))


def test_predict_takes_the_found_file(found: Path, digits: Path) -> None:
    """Images are resized to what the network was trained on; labels are those of the folders."""
    image = min((digits / "digit-1").iterdir())
    (one,) = zoo.predict(found / FOUND, str(image), top=3)
    labels = {prediction.label for prediction in one.predictions}
    assert labels == {"digit-0", "digit-1", "digit-2"}


def test_a_search_that_was_judged_is_left_as_it_is(found: Path, digits: Path) -> None:
    """Held-out images are touched once: to resume a finished search changes nothing."""
    before = (found / lines.NAME).read_bytes()
    run_search(_setup(digits), found, Budget(trials=9), HERE, resume=True)
    assert (found / lines.NAME).read_bytes() == before


def test_another_search_in_its_folder_is_refused(found: Path, digits: Path) -> None:
    """Without --resume, and with other options."""
    with pytest.raises(UsageError, match="holds a search: go on with --resume"):
        run_search(_setup(digits), found, Budget(trials=3), HERE)
    with pytest.raises(SearchError, match=r"holds another search .seed was 0, is 5"):
        run_search(_setup(digits, seed=5), found, Budget(trials=3), HERE, resume=True)
    wider = Stack(channels=1, pixels=8, num_classes=3, filters=8)
    with pytest.raises(SearchError, match=r"another search .filters was 4, is 8.; go on"):
        run_search(_setup(digits, stack=wider), found, Budget(trials=3), HERE, resume=True)


def test_a_search_killed_before_its_winner_was_judged_ends_as_the_whole_one(
    found: Path,
    digits: Path,
    tmp_path: Path,
) -> None:
    """The same winner, the same errors, and not a byte of the network otherwise."""
    whole = (found / lines.NAME).read_text(encoding="utf-8").splitlines()
    kept = "\n".join(whole[:-1]) + "\n"
    (tmp_path / lines.NAME).write_text(kept + whole[-1][:20], encoding="utf-8")
    run_search(_setup(digits), tmp_path, Budget(trials=3), HERE, resume=True)
    ends = [json.loads(text) for text in (whole[-1], _last_line(tmp_path))]
    for key in ("trial", "epoch", "errors", "images", "validation_error_percent"):
        assert ends[0][key] == ends[1][key]
    first = load_checkpoint("nasnet_a_mobile", found / FOUND).state_dict()
    second = load_checkpoint("nasnet_a_mobile", tmp_path / FOUND).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def _last_line(folder: Path) -> str:
    return (folder / lines.NAME).read_text(encoding="utf-8").splitlines()[-1]


def test_a_search_without_a_trial_leaves_its_folder_to_another_one(
    digits: Path,
    tmp_path: Path,
) -> None:
    """Nothing is lost where the limits let nothing through: no other --output is needed."""
    impossible = _setup(digits, limits=Limits(max_parameters=1))
    with pytest.raises(SearchError, match=r"the smallest has .* parameters.*loosen the limits"):
        run_search(impossible, tmp_path, Budget(trials=1), HERE)
    run_search(_setup(digits), tmp_path, Budget(trials=1), HERE)
    assert len(read_report(tmp_path).trials) == 1


def test_a_folder_that_would_mislead_a_new_search_is_refused(
    digits: Path,
    tmp_path: Path,
) -> None:
    """States of trials without their journal; a pipe in its place, which nothing ever fills."""
    setup = _setup(digits)
    (tmp_path / "left" / "trials").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds trials of a search whose journal is gone"):
        run_search(setup, tmp_path / "left", Budget(trials=1), HERE)

    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / lines.NAME)
    with pytest.raises(SearchError, match="it is a device or a pipe"):
        run_search(setup, tmp_path / "pipe", Budget(trials=1), HERE)

    unseen = tmp_path / "a\u3000b"
    with pytest.raises(UsageError, match="a search cannot write down its folder"):
        run_search(setup, unseen, Budget(trials=1), HERE)
    assert not unseen.exists()


def test_a_budget_that_is_spent_at_once_finds_nothing(digits: Path, tmp_path: Path) -> None:
    """And says how to go on."""
    with pytest.raises(SearchError, match="no trial was finished; go on with --resume"):
        run_search(_setup(digits), tmp_path, Budget(seconds=0.0), HERE)


def test_a_file_may_not_give_options_to_builders_that_fetch(found: Path, tmp_path: Path) -> None:
    """A record that names an architecture of torchvision is refused before anything is built."""
    from safetensors.torch import save_file

    record = read_own_record(found / FOUND)
    assert record is not None
    hostile = replace(record, model="resnet18", options={"weights": "IMAGENET1K_V1"})
    file = tmp_path / "hostile.safetensors"
    save_file({"fc.bias": torch.zeros(3)}, file, metadata=hostile.as_metadata())
    with pytest.raises(CheckpointError, match="whose builder takes none from files"):
        load_checkpoint("resnet18", file)


def test_processes_that_are_killed_and_one_without_memory_are_results(
    digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The journal says what befell them; of two trials that are trained, the second best wins."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    means = Means(workshop="tests.support.workshops:TrainingWithFates")
    setup = _setup(digits, eta=1)
    run_search(setup, tmp_path, Budget(trials=4), means)
    report = read_report(tmp_path)
    killed, *_, without_memory = report.trials
    assert killed.outcome.startswith("crashed: the process was ended by SIGKILL, most likely")
    assert without_memory.outcome.startswith("out-of-memory: ")
    best, second = report.whole
    assert best.unfit.startswith("crashed: the process was ended by SIGKILL, most likely")
    assert report.winner == second
    assert not second.unfit
    assert report.test is not None
    run_search(setup, tmp_path, Budget(trials=4), means, resume=True)
    assert read_report(tmp_path) == report


def test_winners_that_nothing_can_train_are_said_and_tried_again(
    digits: Path,
    tmp_path: Path,
) -> None:
    """Each is tried once; with more memory, the best wins after all."""
    setup = _setup(digits, eta=1)
    means = Means(workshop="tests.support.workshops:WithoutMemoryForWinners")
    wanted = "as the winner .out-of-memory: as was to be shown.; give it more memory"
    with pytest.raises(SearchError, match=wanted):
        run_search(setup, tmp_path, Budget(trials=2), means)

    run_search(setup, tmp_path, Budget(trials=2), HERE, resume=True)
    report = read_report(tmp_path)
    assert all(trial.unfit for trial in report.trials)
    assert report.winner == report.whole[0]


def test_a_trial_that_takes_too_long_is_ended(digits: Path, tmp_path: Path) -> None:
    """The process is killed, and the answer says why."""
    workshop = Workshop("cpu:0")
    order = {"setup": {}, "genotype": "", "folder": str(tmp_path), "epochs": 1, "is_final": False}
    try:
        answer = workshop.carry_out({"order": order, "threads": 1, "timeout_s": 0.01})
    finally:
        workshop.close()
    assert answer["failure"]["kind"] == "timed-out"
