"""Fresh processes: a crash, a hang, a lack of memory, loose talk: results, not the sweep's end."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from zoo.bench.processes import WarmWorker, ask, describe_end
from zoo.bench.records import Case, Effort, Run
from zoo.bench.worker import describe
from zoo.documents import decode

CASE = Case("tests.support.bench_models.small", "latency", "cpu", (3, 16, 16), 1)
EFFORT = Effort(measure_s=0.01, warmup_limit_s=0.01, has_ceilings=False)


def task(model: str, **changes: object) -> dict[str, object]:
    """Ask for one run of a network of the tests."""
    case = replace(CASE, model=f"tests.support.bench_models.{model}", **changes)  # type: ignore[arg-type]  # fields
    return {"job": "measure", "case": asdict(case), "effort": asdict(EFFORT)}


@pytest.fixture(autouse=True)
def path_to_the_tests(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    """Let the worker import the tests' networks, wherever pytest was started."""
    monkeypatch.setenv("PYTHONPATH", str(repository))


def test_a_crash_names_its_signal_and_the_last_words() -> None:
    """A fault in native code ends the worker, and only the worker."""
    failure = ask(task("crashing"), timeout_s=120)["failure"]
    assert failure["kind"] == "crashed"
    assert failure["message"] == (
        "the process was ended by SIGSEGV; its last words: about to touch memory that is not there"
    )


def test_what_does_not_fit_into_memory_says_so_and_what_to_do() -> None:
    """A petabyte is asked for."""
    failure = ask(task("hungry"), timeout_s=120)["failure"]
    assert failure["kind"] == "out-of-memory"
    assert "a batch of 1 does not fit into the memory of cpu" in failure["message"]
    assert "--batch" in failure["message"]


def test_a_run_that_hangs_is_ended() -> None:
    """Half a second is less than any machine takes to start Python and torch."""
    failure = ask(task("hanging"), timeout_s=0.5)["failure"]
    assert failure == {
        "kind": "timed-out",
        "message": "no result after 0.5 s; give it longer with --timeout",
    }


def test_a_warm_worker_answers_many_tasks_and_outlives_those_that_fail() -> None:
    """Two runs of one process, a crash, a hang, and a run of the next process.

    A network that prints JSON to stdout, as native code does too, gets a run all the same.
    """
    with WarmWorker() as worker:
        first = worker.ask(task("talkative"), timeout_s=120)
        second = worker.ask(task("small"), timeout_s=120)
        crash = worker.ask(task("crashing"), timeout_s=120)["failure"]
        after = worker.ask(task("small"), timeout_s=120)
        hang = worker.ask(task("hanging"), timeout_s=0.5)["failure"]
    starts_ns = [answer["run"]["stages_ns"]["start"] for answer in (first, second, after)]
    assert decode(Run, first["run"]).batch == 1
    assert first["environment"]["device"]["name"] == "cpu"
    assert starts_ns[1] < starts_ns[0]
    assert starts_ns[1] < starts_ns[2]
    assert crash["kind"] == "crashed"
    assert crash["message"].startswith("the process was ended by SIGSEGV; its last words: about to")
    assert hang["kind"] == "timed-out"


def test_an_end_without_words_is_described() -> None:
    """By the signal or the exit code; letters that a terminal might obey are dropped."""
    assert describe_end(-11, "") == "the process was ended by SIGSEGV"
    assert describe_end(-9, "").endswith("most likely because memory ran out")
    assert describe_end(3, "one\n\x1b[31mtwo\n\n") == (
        "the process ended with exit code 3 and no result; its last words: [31mtwo"
    )


def test_a_wrapped_error_is_described_by_its_root() -> None:
    """Exporters and compilers wrap what went wrong; the root says it."""
    wrapper = RuntimeError("export failed, see above")
    wrapper.__cause__ = ValueError("the real reason")
    assert describe(wrapper) == "ValueError: the real reason (in RuntimeError)"
    assert describe(KeyError("x")) == "KeyError: 'x'"
