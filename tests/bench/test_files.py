"""Result files: what is written is read back; what is malformed is refused with its place."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.bench_results import make_result, make_run, noisy_runs
from zoo.bench.files import Store, read, to_json
from zoo.catalog.file_names import LONGEST_NAME_BYTES, name_fault
from zoo.errors import ResultFileError, UsageError


def test_a_file_and_a_folder_give_back_what_was_kept(tmp_path: Path) -> None:
    """Two results, in one file and in a file each; nothing temporary is left."""
    results = [
        make_result(noisy_runs(1)),
        make_result(model="vgg16:imagenet1k_v1", device="cuda:0"),
    ]
    for path in (tmp_path / "one.json", tmp_path / "folder"):
        store = Store(path)
        for result in results:
            store.put(result)
        assert sorted(read(path), key=lambda result: result.case.model) == results
    assert len(list((tmp_path / "folder").iterdir())) == 2
    names = {path.name for path in tmp_path.iterdir()}
    assert names - {"cache"} == {"one.json", "folder"}


def test_resume_takes_up_what_lies_there(tmp_path: Path) -> None:
    """A store on the same path knows the cases that were measured.

    On an empty place it knows none.
    """
    first = Store(tmp_path / "sweep")
    first.resume()
    assert first.results == {}
    first.put(make_result())
    again = Store(tmp_path / "sweep")
    again.resume()
    assert again.results == first.results


def test_results_are_not_written_over_by_a_session_that_begins_anew(tmp_path: Path) -> None:
    """Hours of a sweep are not lost for want of --resume; what the file held is as it was."""
    for path in (tmp_path / "one.json", tmp_path / "folder"):
        Store(path).begin()  # makes no more than the folder
        Store(path).put(make_result())
        with pytest.raises(UsageError, match="--resume"):
            Store(path).begin()
        assert read(path) == [make_result()]


def test_labels_of_different_cases_differ() -> None:
    """A label is the file's name: every setting is in it."""
    changes: list[dict[str, Any]] = [
        {},
        {"model": "vgg16"},
        {"model": "vgg16:imagenet1k_v1"},
        {"model": "timm/vgg16"},
        {"model": "timm/vgg16:a1_in1k"},
        {"model": "a/best.safetensors"},
        {"model": "b/best.safetensors"},
        {"model": "/deep" * 60 + "/best.safetensors"},
        {"model": "./best.safetensors"},
        {"model": "a\nb.pth"},
        {"mode": "throughput"},
        {"device": "cuda:0"},
        {"device": "cuda:1"},
        {"engine": "compile"},
        {"engine": "compile:max-autotune"},
        {"precision": "bf16"},
        {"precision": "bf16-autocast"},
        {"memory_format": "channels-last"},
        {"batch": 8},
        {"batch": None},
        {"input_size": (3, 160, 160)},
        {"threads": 2},
    ]
    labels = {make_result(**change).case.label for change in changes}
    assert len(labels) == len(changes)
    assert not [label for label in labels if name_fault(label)]
    assert max(map(len, labels)) < LONGEST_NAME_BYTES


def test_models_of_timm_and_files_of_a_folder_are_kept_like_any_other(tmp_path: Path) -> None:
    """Their names have slashes, which lead nowhere else and are no reason to refuse the file."""
    results = [
        make_result(model=str(tmp_path / "best.safetensors")),
        make_result(model="timm/resnet50:a1_in1k"),
    ]
    for path in (tmp_path / "one.json", tmp_path / "folder"):
        store = Store(path)
        for result in results:
            store.put(result)
        assert sorted(read(path), key=lambda result: result.case.model) == results
    names = {path.name for path in tmp_path.iterdir()}
    assert names - {"cache"} == {"one.json", "folder"}


def faulty(path: list[Any], value: Any) -> str:
    """Write a result file with one fault."""
    content = json.loads(json.dumps(to_json([make_result()])))
    *parents, last = path
    place = content
    for key in parents:
        place = place[key]
    place[last] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "malformed at $: nested too deeply"),
        ("[]", "malformed at $: expected an object, got an array"),
        ('{"schema_version": 1, "results": []}', "expected schema version 2, got 1"),
        (faulty(["results"], {}), "$.results: expected an array"),
        (
            faulty(["results", 0, "case", "mode"], "speed"),
            "$.results[0].case.mode: expected one of",
        ),
        (
            faulty(["results", 0, "runs", 0, "values_ns", 3], -5),
            "$.results[0].runs[0].values_ns[3]",
        ),
        (faulty(["results", 0, "runs", 0, "error"], float("nan")), "$.results[0].runs[0].error"),
        (faulty(["results", 0, "extra"], 1), "$.results[0].extra: unknown field"),
    ],
)
def test_a_malformed_file_is_refused_with_its_place(
    tmp_path: Path, text: str, expected: str
) -> None:
    """Never a traceback: the file, the JSON path, what was expected."""
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ResultFileError) as raised:
        read(path)
    assert expected in str(raised.value)
    assert str(path) in str(raised.value)


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    """A file that is not there, a folder without results, bytes that are no text."""
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").mkdir()
    for name in ("absent.json", "empty", "bytes.json"):
        with pytest.raises(ResultFileError):
            read(tmp_path / name)


def test_two_sessions_lose_nothing_of_each_other(tmp_path: Path) -> None:
    """Each puts its own case, in turns, into one file and one folder: both are there."""
    for path in (tmp_path / "one.json", tmp_path / "folder"):
        first, second = Store(path), Store(path)
        first.begin()
        second.begin()
        first.put(make_result(model="vgg16"))
        second.put(make_result(model="vgg11"))
        first.put(make_result(model="alexnet"))
        assert {result.case.model for result in read(path)} == {"vgg16", "vgg11", "alexnet"}


def test_runs_of_one_case_by_two_sessions_are_joined(tmp_path: Path) -> None:
    """As --resume would: under the same conditions they are runs of one result."""
    path = tmp_path / "one.json"
    first, second = Store(path), Store(path)
    runs = [make_run([value]) for value in (1.0, 2.0, 3.0)]
    first.put(make_result(runs[:1]))
    second.put(make_result(runs[1:2]))
    first.put(make_result([runs[0], runs[2]]))
    assert [run.values_ns for run in read(path)[0].runs] == [
        (2_000_000,),
        (1_000_000,),
        (3_000_000,),
    ]


def test_runs_of_other_conditions_are_not_joined(tmp_path: Path) -> None:
    """The second session stops instead of writing over what the first has measured."""
    path = tmp_path / "one.json"
    there = make_result()
    Store(path).put(there)
    other = replace(make_result(noisy_runs(1)), comparability={"cpu": "another"})
    with pytest.raises(ResultFileError, match="under other conditions"):
        Store(path).put(other)
    assert read(path) == [there]


_PUT = """
import sys
from pathlib import Path
from tests.support.bench_results import make_result
from zoo.bench.files import Store

store = Store(Path(sys.argv[1]))
for number in range(10):
    store.put(make_result(model=f"net_{sys.argv[2]}_{number}"))
"""


def test_four_processes_put_forty_results_into_one_file(tmp_path: Path) -> None:
    """Read, merge and write under one lock: none is lost, and the file is whole at any time."""
    path = tmp_path / "one.json"
    workers = [
        subprocess.Popen([sys.executable, "-c", _PUT, str(path), str(number)])
        for number in range(4)
    ]
    assert [worker.wait(timeout=60) for worker in workers] == [0] * 4
    assert len(read(path)) == 40
