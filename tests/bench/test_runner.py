"""One run of each mode on small networks, in this process, on the CPU."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.support import bench_models
from zoo.bench.ceilings import measure_ceilings
from zoo.bench.clocks import HostClock
from zoo.bench.correctness import compare_outputs
from zoo.bench.inputs import make_inputs
from zoo.bench.models import build, make_typical
from zoo.bench.records import Case, Effort, Run
from zoo.bench.runner import make_training_step, measure
from zoo.bench.summary import tolerance
from zoo.devices import list_devices
from zoo.errors import CacheError, OptionError

CASE = Case("tests.support.bench_models.small", "latency", "cpu", (3, 16, 16), 1)
EFFORT = Effort(measure_s=0.01, warmup_limit_s=0.05, has_ceilings=False)


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """Give the other tests their thread count back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run_of(**changes: Any) -> Run:
    """Measure the small network once, with these changes to the case."""
    return measure(replace(CASE, **changes), EFFORT, started_ns=0)


def test_latency_takes_single_calls_of_one_item() -> None:
    """Every value is one call; the output agrees with eager fp32, here the same at batch 2."""
    run = run_of()
    assert (run.batch, run.loops, run.follows_input) == (1, 1, True)
    assert run.error is not None
    assert run.error < 1e-6
    assert len(run.values_ns) >= EFFORT.least_values
    assert all(value > 0 for value in run.values_ns)
    assert len(run.yardsticks_ns) == 2
    assert run.parameters == 3 * 8 * 9 + 8 + 2 * 8 + 8 * 8 * 9 + 8 + 2 * 8 + 8 * 10 + 10
    assert run.layers == 9


def test_throughput_finds_a_batch_and_loops_until_a_value_is_long_enough() -> None:
    """A call of a small network is shorter than 20 ms, so a value holds several."""
    run = run_of(mode="throughput", batch=None)
    assert run.batch > 1
    assert run.loops > 1


@pytest.mark.parametrize("batch", [1, 3])
def test_a_given_batch_is_kept(batch: int) -> None:
    """Also a batch of one, smaller than the two items that are checked."""
    run = run_of(mode="throughput", batch=batch)
    assert run.batch == batch
    assert run.error is not None
    assert run.error < 1e-6


@pytest.mark.parametrize("precision", ["bf16", "bf16-autocast", "fp16"])
def test_half_precision_is_near_to_fp32_and_not_equal(precision: str) -> None:
    """The error says that the precision was really used, and that it is right."""
    run = run_of(precision=precision)
    assert run.error is not None
    assert 1e-6 < run.error < tolerance(run, precision)
    assert run.follows_input


def test_channels_last_gives_the_same_output() -> None:
    """Inputs and parameters lie differently in memory, the numbers agree."""
    case = replace(CASE, memory_format="channels-last")
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in make_inputs(case, 2))
    run = run_of(memory_format="channels-last")
    assert run.error is not None
    assert run.error < tolerance(run, "fp32")


def test_inputs_differ_and_together_exceed_the_cache_or_are_sixteen() -> None:
    """Small inputs rotate through sixteen, 32 MiB ones through two."""
    small = make_inputs(CASE, 1)
    assert len(small) == 16
    assert not torch.equal(small[0], small[1])
    assert len(make_inputs(replace(CASE, input_size=(8, 1024, 1024)), 1)) == 2


@pytest.mark.parametrize("precision", ["fp32", "bf16-autocast", "fp16-autocast"])
def test_training_step_has_no_reference_to_be_held_against(precision: str) -> None:
    """Forward, backward and optimiser, in fp16 with a scaler; the output is not checked."""
    run = run_of(mode="training", batch=4, precision=precision)
    assert (run.batch, run.error) == (4, None)


def test_training_finds_its_best_batch_with_the_whole_step() -> None:
    """Also where memory ends: the backward pass needs more than the forward pass."""
    assert run_of(mode="training", batch=None).batch > 1


def test_a_training_step_changes_every_parameter() -> None:
    """The step that is timed does train."""
    model = bench_models.small()
    before = [parameter.clone() for parameter in model.parameters()]
    take_step = make_training_step(CASE, model)
    take_step(model, torch.randn(4, 3, 16, 16))
    moved = [bool((a != b).any()) for a, b in zip(before, model.parameters(), strict=True)]
    biases_before_normalisation = {
        1,
        5,
    }  # normalisation takes them away, so their gradient is nearly nothing
    assert all(
        is_moved for index, is_moved in enumerate(moved) if index not in biases_before_normalisation
    )


def test_first_inference_is_one_value_that_holds_its_stages() -> None:
    """Start, build and first call add up to no more than the whole."""
    run = run_of(mode="first-inference")
    assert len(run.values_ns) == 1
    assert set(run.stages_ns) == {"start", "build", "first-call"}
    assert sum(run.stages_ns.values()) <= run.values_ns[0]


def test_load_times_published_weights_from_the_cache() -> None:
    """LeNet-5's weights ship with the package."""
    run = run_of(model="lenet5", mode="load", input_size=(1, 32, 32))
    assert run.parameters == 61_706


def test_load_never_times_a_download() -> None:
    """The tests' cache is empty."""
    with pytest.raises(CacheError, match="zoo download resnet18"):
        run_of(model="resnet18", mode="load", input_size=(3, 224, 224))


def test_a_network_whose_output_is_random_is_found_wrong() -> None:
    """Dropout in inference: two calls with one input differ, so no engine can agree."""
    run = run_of(model="tests.support.bench_models.forgetful")
    assert run.error is not None
    assert run.error > 0.1


def test_an_engine_that_answers_every_input_alike_does_not_follow_its_input() -> None:
    """Both outputs are near to both references, and the second is nearest to the first input's."""
    references = [torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 1.001]])]
    assert compare_outputs(references, references) == (0.0, True)
    error, follows = compare_outputs([references[0], references[0]], references)
    assert error < 1e-3
    assert not follows


def test_the_sensitivity_is_measured_and_leaves_the_network_as_it_was() -> None:
    """Rounding to bf16 (8 bits) moves a small network by about a thousandth to a tenth.

    Fp32 is exact afterwards.
    """
    run = run_of()
    assert run.sensitivity is not None
    assert 1e-4 < run.sensitivity < 0.1
    assert run.error is not None
    assert run.error < 1e-6


def test_not_a_number_is_a_huge_error() -> None:
    """JSON cannot write NaN, and it must never look small."""
    error, _ = compare_outputs([torch.tensor([[float("nan")]])], [torch.tensor([[1.0]])])
    assert error == 1e9


def test_a_typical_network_hides_nothing_from_the_check() -> None:
    """No parameter is constant, normalisation has seen a batch, all is back in eval mode."""
    model = bench_models.small().eval()
    assert isinstance(model, torch.nn.Sequential)
    make_typical(model, torch.randn(4, 3, 16, 16))
    assert all((parameter != parameter.flatten()[0]).any() for parameter in model.parameters())
    norm = model[1]
    assert isinstance(norm, torch.nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_mean.abs().min() > 0
    assert norm.momentum == 0.1
    assert not any(module.training for module in model.modules())


def test_the_same_case_is_built_with_the_same_parameters() -> None:
    """Every run of a case measures the same network."""
    first, second = build(CASE), build(CASE)
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_a_path_that_cannot_be_imported_says_so() -> None:
    """The module, or the function in it."""
    for path in ("no_such_module.net", "tests.support.bench_models.absent"):
        with pytest.raises(OptionError, match="can be imported"):
            build(replace(CASE, model=path))


def test_ceilings_are_positive_and_finite() -> None:
    """What this CPU reaches: more than a million operations and bytes a second, less than 10^16."""
    ceilings = measure_ceilings(CASE, HostClock())
    for rate in (ceilings.matmul_flops, ceilings.convolution_flops, ceilings.copy_bytes):
        assert 1e6 < rate < 1e16
    assert 0 < ceilings.dispatch_ns < 1e7


def test_the_cpu_is_always_among_the_devices() -> None:
    """It comes last, after any accelerator."""
    cpu = list_devices()[-1]
    assert cpu.name == "cpu"
    assert {"fp32", "bf16"} <= set(cpu.precisions)
