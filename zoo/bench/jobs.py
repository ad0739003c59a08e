"""One run as a job: what a machine is handed, how it does that, how the answer joins a result.

A job and its answer are plain JSON, so that both can cross a network.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Self

from zoo.bench import processes, sampling
from zoo.bench.comparability import comparability, differences
from zoo.bench.environment import steady_allocator
from zoo.bench.records import Case, Effort, Environment, Failure, Result, Run
from zoo.bench.scratch import Scratch
from zoo.documents import decode
from zoo.engines.known import find_engine
from zoo.errors import BenchError, DocumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.bench.records import Scalar
    from zoo.devices import Device

Job = dict[str, Any]
Answer = dict[str, Any]

_ALONE_MODES = ("first-inference", "load")


def next_job(result: Result) -> Job:
    """Make the job of a result's next run.

    A batch that the first run found is used by the others; the ceilings are measured by the first.
    """
    case = result.case
    effort = result.effort
    if result.runs:
        first = result.runs[0]
        case = replace(case, batch=first.batch)
        effort = replace(effort, has_ceilings=False)

    kernels = case.label
    if case.mode == "first-inference":
        number = len(result.runs)
        kernels = f"{case.label}-{number}"
    return {
        "case": _plain(case),
        "effort": _plain(effort),
        "kernels": kernels,
    }


def to_plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write values as JSON has them: with lists, not tuples."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def _plain(record: Case | Effort | Run | Failure) -> dict[str, Any]:
    return to_plain(asdict(record))


class Station:
    """Carries out jobs on one device of this machine, one at a time.

    Kernels that ``torch.compile`` made for one run serve the other runs of that case, and nothing
    else: they lie in a folder of this station's own. So does what a worker that was ended has left
    in its temporary folder.
    """

    def __init__(self, device: Device) -> None:
        """Make the folder; nothing else is started."""
        self.device = device
        self._scratch = Scratch()
        self._temporary = self._scratch.path / "temporary"
        self._temporary.mkdir()
        self._warm: processes.WarmWorker | None = None

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End what was started and remove the folder."""
        self.close()

    def close(self) -> None:
        """See :meth:`__exit__`."""
        if self._warm is not None:
            self._warm.close()
        self._scratch.close()

    def carry_out(self, job: Job) -> Answer:
        """Do a job while the device is sampled."""
        case = decode(Case, job["case"])
        effort = decode(Effort, job["effort"])
        task = {"job": "measure", "case": job["case"], "effort": job["effort"]}
        with sampling.Sampler(self.device) as sampler:
            answer = self._ask(task, case, effort, job["kernels"])
        if "run" not in answer:
            return answer

        try:
            run = decode(Run, answer["run"])
        except DocumentError as error:
            place = f"{error.fault} at {error.json_path}"
            failure = Failure("failed", f"its figures make no sense: {place}")
            return {"failure": _plain(failure)}

        conditions = sampling.add_samples(
            run.conditions,
            sampler.samples,
            run.measured_between_ns,
        )
        sampled = replace(run, conditions=conditions)
        answer["run"] = _plain(sampled)
        return answer

    def _ask(
        self,
        task: Job,
        case: Case,
        effort: Effort,
        kernels: str,
    ) -> Answer:
        """Hand a task to a fresh process, or to the one that stays."""
        compiled = self._scratch.path / kernels
        variables = {"TORCHINDUCTOR_CACHE_DIR": str(compiled)}
        temporary = {"TMPDIR": str(self._temporary)}
        at_start = {**_starting_variables(case, effort), **temporary}

        is_alone = _must_be_alone(case) or not effort.is_warm
        if is_alone:
            cold = replace(effort, is_warm=False)
            alone = {**task, "effort": _plain(cold)}
            own = find_engine(case.engine).variables
            return processes.ask(alone, effort.timeout_s, {**at_start, **variables, **own})

        if self._warm is None:
            self._warm = processes.WarmWorker(at_start)
        warm = {**task, "variables": variables}
        return self._warm.ask(warm, effort.timeout_s)


def _must_be_alone(case: Case) -> bool:
    """Tell whether a case must see its process start."""
    return case.mode in _ALONE_MODES or bool(find_engine(case.engine).variables)


def _starting_variables(
    case: Case,
    effort: Effort,
) -> Mapping[str, str]:
    """Choose the variables that libraries read when a process starts."""
    threads = str(case.threads)
    variables = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    if effort.is_as_is:
        return variables
    return {**variables, **steady_allocator()}


def join(
    result: Result,
    answer: Answer,
    host: str = "",
) -> Result:
    """Add the answer to a result's job: one more run, or the reason why there is none.

    Args:
        result: As it was when the job was made.
        answer: What came of it.
        host: The node that measured, where several take part.

    Raises:
        BenchError: The run was measured on another kind of machine or with other software.
    """
    if "failure" in answer:
        failure = decode(Failure, answer["failure"])
        return replace(result, failure=failure)

    measured = decode(Run, answer["run"])
    run = replace(measured, host=host)
    environment = decode(Environment, answer["environment"])

    case = result.case
    is_warm = result.effort.is_warm and not _must_be_alone(case)
    like = comparability(case, environment, is_warm=is_warm)
    if result.runs:
        _refuse_another_kind(result, like)

    return replace(
        result,
        environment=environment,
        runs=(*result.runs, run),
        comparability=like,
    )


def _refuse_another_kind(
    result: Result,
    like: Mapping[str, Scalar],
) -> None:
    """Refuse a run that may not be counted with those that are there.

    Raises:
        BenchError: Says what has changed.
    """
    changed = differences(result.comparability, like)
    if not changed:
        return

    changes = [f"{key} was {before} and is {now}" for key, (before, now) in changed.items()]
    listing = ", ".join(changes)
    fault = f"{result.case.label} cannot get runs of another kind: {listing}"
    raise BenchError(f"{fault}; name another --output")
