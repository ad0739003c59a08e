"""Results that people share: facts, sign-off, galleries."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.bench_results import ENVIRONMENT, make_result, noisy_runs
from zoo.bench.comparability import machine_key
from zoo.bench.files import read
from zoo.bench.sharing import export, import_results
from zoo.errors import ResultFileError, UsageError

OTHER = replace(ENVIRONMENT, cpus=64)
RESULTS = [make_result(noisy_runs(1)), make_result(noisy_runs(2), OTHER, model="vgg16")]


def test_an_exported_file_has_the_facts_and_is_read_like_any_other(tmp_path: Path) -> None:
    """Show, compare and --bench take it; the machines are described beside the results."""
    (file,) = export(RESULTS, tmp_path / "all.json", "A. Turing", "water cooled")
    assert read(file) == RESULTS
    signed = json.loads(file.read_text())["sign_off"]
    assert (signed["by"], signed["note"]) == ("A. Turing", "water cooled")
    assert [machine["cpus"] for machine in signed["machines"]] == [8, 64]
    assert signed["machines"][0]["key"] == machine_key(ENVIRONMENT)


def test_a_file_that_was_changed_after_the_sign_off_is_refused(tmp_path: Path) -> None:
    """One nanosecond less in one value: nobody vouched for that."""
    (file,) = export(RESULTS, tmp_path / "all.json", "A. Turing")
    content = json.loads(file.read_text())
    content["results"][0]["runs"][0]["values_ns"][0] -= 1
    file.write_text(json.dumps(content))
    with pytest.raises(ResultFileError, match=r"not those that A\. Turing signed off"):
        read(file)


def test_a_gallery_has_a_file_for_each_machine_and_an_index(tmp_path: Path) -> None:
    """The index lists what a site shows; reading the folder leaves it out."""
    gallery = tmp_path / "gallery"
    written = export(RESULTS, gallery, "A. Turing")
    assert [path.name for path in written] == [
        f"{machine_key(ENVIRONMENT)}.json",
        f"{machine_key(OTHER)}.json",
    ]
    index = json.loads((gallery / "index.json").read_text())
    assert index["gallery_version"] == 1
    assert [(entry["file"], entry["models"]) for entry in index["files"]] == sorted(
        [(written[0].name, ["resnet18"]), (written[1].name, ["vgg16"])]
    )
    assert len(read(gallery)) == 2


def test_a_gallery_keeps_what_is_there(tmp_path: Path) -> None:
    """Another person's file of such a machine, and what the same person signed off before."""
    gallery = tmp_path / "gallery"
    key = machine_key(ENVIRONMENT)
    first, renewed = make_result(noisy_runs(1)), make_result(noisy_runs(3))
    second = make_result(noisy_runs(2), model="vgg16")
    export([first], gallery, "A. Turing")
    export([second], gallery, "G. Hopper")
    (own,) = export([second], gallery, "A. Turing")
    assert own.name == f"{key}.json"
    assert read(own) == [first, second]
    assert read(gallery / f"{key}-2.json") == [second]

    export([renewed], gallery, "A. Turing")
    assert read(own) == [second, renewed]
    index = json.loads((gallery / "index.json").read_text())
    assert [(entry["by"], entry["results"]) for entry in index["files"]] == [
        ("G. Hopper", 1),
        ("A. Turing", 2),
    ]


def test_imported_results_lie_apart_by_machine(tmp_path: Path) -> None:
    """What others measured joins the folder, twice the same once."""
    export(RESULTS, tmp_path / "gallery", "A. Turing")
    paths = [tmp_path / "gallery", *sorted((tmp_path / "gallery").glob("*.json"))]
    assert len(paths) == 4  # with the index, as gallery/*.json has it
    taken = import_results(paths, tmp_path / "mine")
    assert len(taken) == 4
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {
        machine_key(ENVIRONMENT),
        machine_key(OTHER),
    }
    kept = sorted(read(tmp_path / "mine"), key=lambda result: result.case.model)
    assert kept == RESULTS


@pytest.mark.parametrize(("results", "by"), [([], "A. Turing"), (RESULTS, " ")])
def test_nothing_is_signed_off_by_nobody(results: list[object], by: str, tmp_path: Path) -> None:
    """No results, or no name: wrong usage."""
    with pytest.raises(UsageError):
        export(results, tmp_path / "a.json", by)  # type: ignore[arg-type]  # an empty list is one
