"""What only a CUDA device can show; skipped without one."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from zoo.bench.ceilings import measure_ceilings
from zoo.bench.clocks import CudaClock
from zoo.bench.plan import why_not
from zoo.bench.records import Case, Effort
from zoo.bench.runner import measure
from zoo.bench.session import find_devices
from zoo.bench.summary import tolerance
from zoo.devices import list_devices
from zoo.engines.known import known_engines

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
]
CASE = Case("tests.support.bench_models.small", "latency", "cuda:0", (3, 16, 16), 1)
EFFORT = Effort(measure_s=0.1, has_ceilings=False)


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """Give the other tests their thread count back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_device_comes_first_and_tells_its_driver_and_memory() -> None:
    """Also from a fresh process, which is how a session asks."""
    (device, *_) = list_devices()
    assert device.name == "cuda:0"
    assert device.memory_bytes
    assert device in find_devices()


def test_events_time_a_call_of_known_length() -> None:
    """The device sleeps for 100 million cycles: at 0.2 to 4 GHz that is 25 to 500 ms."""
    x = torch.zeros(1, device="cuda:0")
    elapsed_ns = CudaClock("cuda:0").time_calls(lambda _: torch.cuda._sleep(100_000_000), [x])  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert 25e6 < elapsed_ns < 500e6


@pytest.mark.parametrize(
    "engine", ["eager", "eager:autotuned", "cudagraphs", "compile", "compile:reduce-overhead"]
)
def test_engines_agree_with_eager_fp32(engine: str) -> None:
    """And follow their input, although a captured graph holds one."""
    run = measure(replace(CASE, engine=engine), EFFORT, started_ns=0)
    assert run.follows_input
    assert run.error is not None
    assert run.error < tolerance(run, "fp32")
    assert run.memory.allocator_bytes
    assert len(run.input_copy_ns) > 0


def test_every_precision_of_the_device_is_within_its_tolerance() -> None:
    """As many as this card has."""
    (device, *_) = list_devices()
    for precision in device.precisions:
        case = replace(CASE, precision=precision)  # type: ignore[arg-type]  # a word that the device gave
        assert why_not(case, device) is None
        run = measure(case, EFFORT, started_ns=0)
        assert run.error is not None
        assert run.error < tolerance(run, precision)


def test_a_batch_that_does_not_fit_is_searched_for_no_further() -> None:
    """The best batch is found although larger ones run out of memory on the way."""
    heavy = replace(CASE, mode="throughput", batch=None, input_size=(3, 2048, 2048))
    assert measure(heavy, EFFORT, started_ns=0).batch >= 1


def test_ceilings_of_a_card_exceed_a_teraflop() -> None:
    """Any card that torch 2.10 or newer supports reaches that in fp32."""
    ceilings = measure_ceilings(CASE, CudaClock("cuda:0"))
    assert ceilings.matmul_flops > 1e12
    assert ceilings.copy_bytes > 1e11


def test_an_engine_for_cuda_is_not_refused_there() -> None:
    """The plan lets every engine of the table that names CUDA through."""
    (device, *_) = list_devices()
    for name, engine in known_engines().items():
        if "cuda" in engine.devices:
            assert why_not(replace(CASE, engine=name), device) is None
