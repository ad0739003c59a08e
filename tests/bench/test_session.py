"""Sessions: order, resuming, interruption, the lock, the device that is meant."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.support.bench_results import RUN, make_result
from zoo.bench.files import Store, read
from zoo.bench.jobs import Station
from zoo.bench.plan import Grid, Plan, plan
from zoo.bench.records import Effort, Failure, Result
from zoo.bench.session import Progress, choose_device, find_device, hold, measure_at, run_plan
from zoo.bench.summary import summarise
from zoo.devices import Device
from zoo.errors import BenchError, DeviceError

CPU = Device("cpu", "some CPU", ("fp32",))
GPUS = [Device("cuda:0", "one", ("fp32",)), Device("cuda:1", "two", ("fp32",)), CPU]
EFFORT = Effort(runs=2, measure_s=0.01, warmup_limit_s=0.01, has_ceilings=False)
WARM = replace(EFFORT, is_warm=True)
SMALL = Grid(["tests.support.bench_models.small"], modes=("latency",), input_size=(3, 16, 16))


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, repository: Path, tmp_path: Path) -> None:
    """Let workers import the tests' networks, and keep the lock apart from real sessions."""
    monkeypatch.setenv("PYTHONPATH", str(repository))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """Open a station whose worker has loaded torch once for all tests that need no fresh one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("station")))
        opened = Station(CPU)
    with opened:
        yield opened


@pytest.fixture
def measured(station: Station) -> Result:
    """Measure one run of the small network."""
    store = Store(None)
    measure_at(station, plan(SMALL, CPU), replace(WARM, runs=1), store)
    (result,) = store.results.values()
    return result


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("auto", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("cpu", "cpu")],
)
def test_the_device_that_is_meant(wanted: str, expected: str) -> None:
    """The word auto is the first accelerator, a kind is its first device."""
    assert choose_device(wanted, GPUS).name == expected
    assert choose_device("auto", [CPU]) is CPU


def test_the_cpu_is_found_without_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to import torch for it."""
    monkeypatch.setattr("sys.executable", "/no/such/python")
    assert find_device("cpu").name == "cpu"


@pytest.mark.parametrize("wanted", ["cuda", "cuda:2", "mps", "tpu", ""])
def test_a_device_that_is_not_there_lists_those_that_are(wanted: str) -> None:
    """One sentence: what was asked for, what exists, what to type."""
    devices = [CPU] if wanted == "cuda" else GPUS
    with pytest.raises(DeviceError) as raised:
        choose_device(wanted, devices)
    assert all(device.name in str(raised.value) for device in devices)


def test_two_sessions_never_measure_on_one_device_at_once() -> None:
    """The second is refused, or waits as long as it is told; another device is free."""
    told: list[str] = []
    refused = pytest.raises(DeviceError, match=r"another benchmark.*--wait")
    with hold(CPU), hold(GPUS[0]), refused, hold(CPU, wait_s=0.01, say=told.append):
        pass
    assert told == ["cpu: another benchmark is measuring on it; waiting up to 0.01 s"]
    with hold(CPU):
        pass


def test_an_interrupted_session_keeps_what_it_measured_and_resumes(tmp_path: Path) -> None:
    """Ctrl-C after the first of two runs.

    The second session measures only the second run, the third nothing.
    """
    planned, path, told = plan(SMALL, CPU), tmp_path / "sweep", list[Progress]()

    def interrupt(progress: Progress) -> None:
        if progress.result is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(planned, CPU, EFFORT, Store(path), interrupt)
    (kept,) = read(path)
    assert len(kept.runs) == 1
    for expected_runs in (1, 0):
        told.clear()
        store = Store(path)
        store.resume()
        run_plan(planned, CPU, EFFORT, store, told.append)
        assert len([progress for progress in told if progress.result]) == expected_runs
    (whole,) = read(path)
    assert whole.runs[0] == kept.runs[0]
    assert len(whole.runs) == 2
    assert whole.comparability["torch"] == whole.environment.versions["torch"]


def test_runs_of_another_kind_are_not_mixed_into_a_result(
    tmp_path: Path, station: Station, measured: Result
) -> None:
    """Another torch since the first run.

    The session stops, and what was measured stays as it was.
    """
    planned, store = plan(SMALL, CPU), Store(tmp_path / "sweep")
    older = replace(measured, comparability={**measured.comparability, "torch": "1.0"})
    store.put(older)
    with pytest.raises(BenchError, match=r"torch was 1\.0 and is .*--output"):
        measure_at(station, planned, WARM, store)
    assert read(tmp_path / "sweep") == [older]


def test_runs_that_share_a_process_say_so(tmp_path: Path, station: Station) -> None:
    """Such a result is compared with its like only; its file can be gone on with."""
    planned, store = plan(SMALL, CPU), Store(tmp_path / "sweep")
    measure_at(station, planned, WARM, store)
    (result,) = store.results.values()
    assert len(result.runs) == 2
    assert result.comparability["process"] == "shared"
    with pytest.raises(BenchError, match="process was shared"):
        measure_at(station, planned, replace(EFFORT, runs=3), store)


def test_an_output_that_is_no_number_is_a_wrong_row_and_not_the_end(
    tmp_path: Path, station: Station
) -> None:
    """Through the worker, the decoder and the file.

    The next case is measured, and the file can be read again.
    """
    grid = replace(SMALL, models=["tests.support.bench_models.undefined", *SMALL.models])
    effort = replace(WARM, runs=1)
    measure_at(station, plan(grid, CPU), effort, Store(tmp_path / "sweep"))
    good, bad = sorted(read(tmp_path / "sweep"), key=lambda result: result.case.model)
    assert (bad.case.model, good.case.model) == (grid.models[0], grid.models[1])
    wrong = summarise(bad).failure
    assert wrong is not None
    assert wrong.kind == "wrong"
    assert summarise(good).failure is None


def test_what_failed_is_tried_again_on_resume_and_keeps_its_runs(
    tmp_path: Path, station: Station, measured: Result
) -> None:
    """A time limit that was too short, a device that was lost: the runs before stay."""
    planned, store = plan(SMALL, CPU), Store(tmp_path / "sweep")
    store.put(replace(measured, failure=Failure("timed-out", "no result after 1 s")))
    again = Store(tmp_path / "sweep")
    again.resume()
    measure_at(station, planned, WARM, again)
    (whole,) = read(tmp_path / "sweep")
    assert whole.failure is None
    assert whole.runs[0] == measured.runs[0]
    assert len(whole.runs) == 2


def test_a_refused_case_does_not_wipe_out_what_was_measured() -> None:
    """A folder from a card that has bf16, gone on with on one that has not."""
    elsewhere, measured = make_result([RUN], precision="bf16"), make_result([RUN])
    store = Store(None)
    store.put(elsewhere)
    store.put(measured)
    run_plan(
        Plan([measured.case], [(elsewhere.case, "no bf16")]), CPU, replace(EFFORT, runs=1), store
    )
    assert store.results[elsewhere.case.label] is elsewhere


def test_a_case_that_cannot_be_measured_is_a_row_beside_those_that_can() -> None:
    """The refused case has its reason; a case that the store holds is not measured."""
    measured = make_result([RUN])
    refused = make_result(precision="tf32").case
    store = Store(None)
    store.put(measured)
    run_plan(
        Plan([measured.case], [(refused, "cpu has no tf32")]), CPU, replace(EFFORT, runs=1), store
    )
    assert store.results[measured.case.label] is measured
    assert store.results[refused.label].failure == Failure("unsupported", "cpu has no tf32")


def test_a_lost_device_ends_the_session_and_says_how_to_go_on(tmp_path: Path) -> None:
    """A card that is in the plan and not in the machine.

    Its case fails, torch does not find it, the sweep stops.
    """
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    planned, store = plan(SMALL, GPUS[0]), Store(tmp_path / "sweep")
    with pytest.raises(DeviceError, match=r"cuda:0.*it was lost.*--resume"):
        run_plan(planned, GPUS[0], EFFORT, store)
    (kept,) = read(tmp_path / "sweep")
    assert kept.failure is not None


def test_nothing_to_measure_is_an_error() -> None:
    """If every case is refused, the first reason is the error."""
    with pytest.raises(BenchError, match="cpu has no tf32"):
        run_plan(
            Plan([], [(make_result(precision="tf32").case, "cpu has no tf32")]),
            CPU,
            EFFORT,
            Store(None),
        )
