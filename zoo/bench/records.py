"""The records of a benchmark: what is measured, how, and what came out. Words are those of pyperf.

=========== ========================================================================================
word        means
=========== ========================================================================================
**case**    one point of a sweep: model, mode, batch, precision, memory format, engine and device
**run**     one fresh process that measures one case
**retake**  a run that is added because another was disturbed
**warm-up** calls at the start of a run that are kept apart and never counted
**value**   one timing: the time of all loops divided by their number
**loop**    one call of the model; a value of a short call spans several
**item**    one image (or clip) of the batch
=========== ========================================================================================

Every record is written to JSON as it stands and read back by ``zoo.documents``: ``None`` means *not
known*.
"""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - the strict decoder reads annotations at run time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, get_args

from zoo.catalog.file_names import name_fault
from zoo.devices import Device  # noqa: TC001 - likewise

SCHEMA_VERSION = 2

Mode = Literal["latency", "throughput", "training", "first-inference", "load"]
Precision = Literal["fp32", "tf32", "fp16", "bf16", "fp16-autocast", "bf16-autocast", "int8"]
MemoryFormat = Literal["contiguous", "channels-last"]
FailureKind = Literal[
    "out-of-memory", "crashed", "timed-out", "wrong", "unsupported", "lost", "failed"
]
Scalar = str | int | float | bool

MODES: tuple[str, ...] = get_args(Mode)
PRECISIONS: tuple[str, ...] = get_args(Precision)
MEMORY_FORMATS: tuple[str, ...] = get_args(MemoryFormat)
_LONGEST_NAME = 80
"""Characters of a model in the name of a file, which has the rest of the case as well."""
_DIGITS = 6
_RETAKES_PER_RUN = 2
"""A virtual machine that spends a third of its time in its best state brings five quiet runs of
15."""


@dataclass(frozen=True, slots=True)
class Case:
    """What one run measures; everything a worker needs to know, here or on another machine."""

    model: str
    """A name of the registry, or the dotted path of a function that returns a module."""
    mode: Mode
    device: str
    """As torch writes it: ``"cpu"``, ``"cuda:0"``."""
    input_size: tuple[int, ...]
    """Shape of one item, ``(C, H, W)``."""
    batch: int | None
    """Items in one call; ``None``: the worker looks for the batch with the best throughput."""
    precision: Precision = "fp32"
    memory_format: MemoryFormat = "contiguous"
    engine: str = "eager"
    threads: int = 1
    """Threads that torch may use for one operation on the CPU."""
    multiply_adds: int | None = None
    """For one item of ``input_size``, from the registry."""
    activations: int | None = None
    """Values that the layers put out for one item, from the registry."""

    @property
    def label(self) -> str:
        """Name the case; part of the name of its file, so no two cases of a sweep share one."""
        size = "x".join(map(str, self.input_size))
        batch = self.batch or "best"
        parts = (
            _label_of(self.model),
            self.mode,
            self.device.replace(":", ""),
            self.engine.replace(":", "_"),
            self.precision,
            self.memory_format.replace("-", "_"),
            f"b{batch}",
            size,
            f"t{self.threads}",
        )
        return "-".join(parts)

    @property
    def words(self) -> str:
        """Say what is measured, for people: ``squeezenet1_1, latency, batch 1, fp32, eager``."""
        batch = "best batch" if self.batch is None else f"batch {self.batch}"
        parts = [self.model, self.mode, batch, self.precision, self.engine]
        if self.memory_format != "contiguous":
            parts.append(self.memory_format)
        return ", ".join(parts)


def _label_of(model: str) -> str:
    """Write a model as part of a file's name; ``timm/resnet50`` and paths have slashes.

    >>> _label_of("resnet50:imagenet1k_v2"), _label_of("timm/resnet50")
    ('resnet50_imagenet1k_v2', 'timm_resnet50-bd3fef')
    """
    name = model.replace(":", "_")
    is_short = len(name) <= _LONGEST_NAME
    if is_short and name_fault(name) is None:
        return name

    # What is replaced or cut off may be all that tells two models apart.
    data = model.encode(errors="surrogatepass")
    digest = sha256(data).hexdigest()
    short = digest[:_DIGITS]
    plain = re.sub(r"[^A-Za-z0-9.+_-]", "_", name)
    end = plain[-_LONGEST_NAME:]
    visible = end.lstrip("._")
    return f"{visible}-{short}"


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure."""

    runs: int = 1
    """Fresh processes for each case."""
    measure_s: float = 1.0
    """Time that the values of one run should take together."""
    warmup_limit_s: float = 3.0
    """Warm-up ends when the values are steady, or after this time."""
    least_values: int = 5
    most_values: int = 5000
    timeout_s: float = 900.0
    """A run that takes longer is ended."""
    stable_limit_s: float | None = None
    """With a limit: add runs until the result is stable, at most this long for a case."""
    retakes: int = 0
    """Most runs that are added because others were disturbed."""
    has_ceilings: bool = True
    """Whether a run measures the ceilings of the device first."""
    is_as_is: bool = False
    """Whether the memory allocator is left as the system has it."""
    is_warm: bool = False
    """Whether runs share a process: much quicker, and not independent of each other."""


def usual_retakes(runs: int) -> int:
    """Choose how many disturbed runs are taken again: one run alone is a quick look, and is not."""
    if runs == 1:
        return 0
    return _RETAKES_PER_RUN * runs


@dataclass(frozen=True, slots=True)
class Conditions:
    """What else happened on the machine while the values of a run were taken."""

    stolen_percent: float | None = None
    """Share of the CPU time that the hypervisor gave to other machines."""
    others_cpus: float | None = None
    """CPUs that other programs kept busy, on average."""
    load_1m: float | None = None
    cpu_mhz: float | None = None
    gpu_mhz_lowest: float | None = None
    gpu_mhz_highest: float | None = None
    gpu_celsius_highest: float | None = None
    gpu_watts_mean: float | None = None
    gpu_throttle: tuple[str, ...] = ()
    """Reasons for which the driver held the clocks down."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Peak memory of a run; ``None`` where the device does not tell."""

    allocator_bytes: int | None = None
    """Most that torch's allocator held for tensors on the device."""
    device_bytes: int | None = None
    """Most that the process held on the device with its context; on the CPU, the most resident
    memory."""
    model_bytes: int | None = None
    """Most that the model, its inputs and activations added to the process (CPU)."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What the device reaches in one precision: the roof that models are held against."""

    matmul_flops: float
    """Floating-point operations a second of a matrix product."""
    convolution_flops: float
    copy_bytes: float
    """Bytes a second, read and written, of a copy within the device's memory."""
    dispatch_ns: int
    """Time that an operation on one number takes."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one process measured. Every raw value is kept."""

    started_at: str
    """UTC, ISO 8601."""
    batch: int
    """Items in one call."""
    loops: int
    """Calls in one value."""
    warmup_ns: tuple[int, ...]
    """Warm-up values, nanoseconds for one call."""
    values_ns: tuple[int, ...]
    """Counted values, nanoseconds for one call."""
    is_steady: bool
    """Whether the warm-up ended because the values had become steady."""
    inputs_rotated: int
    """Different inputs that were used in turn, so that none lies in the cache because of the call
    before."""
    prepare_ns: int
    """What the engine took before its first call: compiling, capturing, exporting."""
    measured_between_ns: tuple[int, ...]
    """The system's monotonic clock before the first counted value and after the last."""
    conditions: Conditions
    memory: Memory
    stages_ns: Mapping[str, int]
    """First inference and load: how the time divides."""
    input_copy_ns: tuple[int, ...] = ()
    """Copies of one batch from the host to the device; empty on the CPU."""
    error: float | None = None
    """Distance of the engine's output from eager fp32: L2 norm of the difference over that of the
    reference."""
    sensitivity: float | None = None
    """The same distance for eager fp32 itself with its parameters rounded to bf16: what rounding
    does here."""
    follows_input: bool | None = None
    """Whether each output was nearest to the reference of its own input."""
    parameters: int | None = None
    layers: int | None = None
    """Modules without children: an estimate of how many operations one call dispatches."""
    ceilings: Ceilings | None = None
    """What the device reached in this process, just before the model was built."""
    host: str = ""
    """Name of the node, where several take part."""
    yardsticks_ns: tuple[int, ...] = ()
    """A fixed piece of work on the same device and threads, timed before the values and after."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a case has no figures."""

    kind: FailureKind
    message: str


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine and the software of a measurement."""

    device: Device
    cpu: str
    cpus: int
    """CPUs that this process may use."""
    system: str
    versions: Mapping[str, str]
    """Packages and libraries that were there: torch, cuda, cudnn, the engines, python."""
    commit: str | None = None
    """Commit of the checkout that holds zoo, with ``+`` if it was changed."""
    allocator: str = ""
    """Environment variables that choose or steer the memory allocator of the process:
    ``MALLOC_ARENA_MAX=1``."""


@dataclass(frozen=True, slots=True)
class Result:
    """One case with all its runs, or with the reason why there are none."""

    case: Case
    effort: Effort
    environment: Environment
    runs: tuple[Run, ...] = ()
    failure: Failure | None = None
    comparability: Mapping[str, Scalar] = field(default_factory=dict)
    """What must be the same in two results for a comparison to mean something."""
    yardstick_best_ns: int | None = None
    """The least that its sessions saw of the work that runs time as a yardstick, around whatever
    was measured."""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What a machine is, in a file that is given to others."""

    key: str
    """Unlike machines have unlike keys; alike ones have the same."""
    device: str
    driver: str | None
    memory_bytes: int | None
    cpu: str
    cpus: int
    system: str


@dataclass(frozen=True, slots=True)
class SignOff:
    """Who vouches for results, and for exactly which."""

    by: str
    note: str
    exported_at: str
    """UTC, ISO 8601."""
    machines: tuple[MachineFacts, ...]
    sha256: str
    """Digest of the results as canonical JSON: sorted keys, no spaces."""


@dataclass(frozen=True, slots=True)
class ResultFile:
    """The content of a result file."""

    schema_version: int
    results: tuple[Result, ...]
    sign_off: SignOff | None = None
    """Only in files that were exported."""
