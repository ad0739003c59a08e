"""Plans as tables: what a grid becomes on a device."""

import pytest

from zoo.bench.plan import DEFAULT_TRAINING_BATCH, Grid, expand, parse_batches, plan, why_not
from zoo.bench.records import Case
from zoo.devices import Device
from zoo.errors import UnknownNameError, UsageError

CPU = Device("cpu", "some CPU", ("fp32", "bf16", "bf16-autocast"))
OLD_GPU = Device("cuda:0", "Tesla V100", ("fp32", "fp16", "fp16-autocast"))


def test_plain_names_become_latency_at_one_and_throughput_at_the_best_batch() -> None:
    """The default modes; input size and multiply-adds come from the registry."""
    planned = plan(Grid(["resnet18"], threads=2), CPU)
    assert [(case.mode, case.batch) for case in planned.cases] == [
        ("latency", 1),
        ("throughput", None),
    ]
    assert planned.cases[0].input_size == (3, 224, 224)
    assert planned.cases[0].multiply_adds == 1_814_073_344
    assert planned.refused == []


def test_the_grid_is_every_combination_without_repeats() -> None:
    """Two precisions, two engines, two memory formats.

    Latency once each, throughput at three batches each.
    """
    grid = Grid(
        ["resnet18", "alexnet", "resnet18"],
        batches=(1, 8, 64),
        precisions=("fp32", "bf16"),
        engines=("eager", "compile"),
        memory_formats=("contiguous", "channels-last"),
    )
    cases = plan(grid, CPU).cases
    assert len(cases) == 2 * 2 * 2 * 2 * (1 + 3)
    assert len({case.label for case in cases}) == len(cases)


def test_training_has_a_batch_of_its_own() -> None:
    """Eight items where no batch is given, and never with half precision alone."""
    planned = plan(
        Grid(["resnet18"], modes=("training",), precisions=("fp32", "bf16", "bf16-autocast")), CPU
    )
    assert [(case.precision, case.batch) for case in planned.cases] == [
        ("fp32", DEFAULT_TRAINING_BATCH),
        ("bf16-autocast", DEFAULT_TRAINING_BATCH),
    ]
    assert "use bf16-autocast" in planned.refused[0][1]


@pytest.mark.parametrize(
    ("device", "changes", "expected"),
    [
        (
            OLD_GPU,
            {"precision": "bf16"},
            "cuda:0 (Tesla V100) has no bf16; it has fp32, fp16, fp16-autocast",
        ),
        (OLD_GPU, {"precision": "tf32"}, "cuda:0 (Tesla V100) has no tf32"),
        (CPU, {"engine": "cudagraphs"}, "the engine cudagraphs runs on cuda, not on cpu"),
        (CPU, {"engine": "compile", "mode": "load"}, "the engine compile has no mode load"),
        (CPU, {}, None),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(
    device: Device, changes: dict[str, str], expected: str | None
) -> None:
    """Each reason names what was asked for and what there is instead."""
    case = Case(
        "resnet18",
        device=device.name,
        input_size=(3, 224, 224),
        batch=1,
        **{"mode": "latency", **changes},  # type: ignore[arg-type]  # words
    )
    reason = why_not(case, device)
    assert reason == expected or (
        reason is not None and expected is not None and reason.startswith(expected)
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"modes": ["speed"]},
        {"precisions": ["fp8"]},
        {"engines": ["compiled"]},
        {"memory_formats": ["nhwc"]},
    ],
)
def test_an_unknown_word_names_those_that_are_known(changes: dict[str, list[str]]) -> None:
    """A typo in any option lists what the option takes."""
    with pytest.raises(UnknownNameError, match="known are"):
        plan(Grid(["resnet18"], **changes), CPU)  # type: ignore[arg-type]  # words


def test_a_network_of_another_task_is_refused() -> None:
    """Detection takes lists of images."""
    with pytest.raises(UsageError, match="does detection"):
        plan(Grid(["fasterrcnn_resnet50_fpn"]), CPU)


def test_a_dotted_path_needs_an_input_size_and_keeps_it() -> None:
    """A network from elsewhere has no record that tells its input."""
    with pytest.raises(UsageError, match="--input"):
        plan(Grid(["mypackage.nets.small"]), CPU)
    planned = plan(Grid(["mypackage.nets.small"], input_size=(1, 8, 8), modes=("latency",)), CPU)
    assert planned.cases[0].input_size == (1, 8, 8)
    assert planned.cases[0].multiply_adds is None


@pytest.mark.parametrize("path", ["../net.small", "a/b.c", ".net", "net.", "a.b:c", "a.b c"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    """The name becomes part of a file's name, so nothing but dotted words may stand there."""
    with pytest.raises((UnknownNameError, UsageError)):
        plan(Grid([path], input_size=(1, 8, 8)), CPU)


def test_another_input_size_than_usual_has_no_known_multiply_adds() -> None:
    """The registry counts them for one size."""
    planned = plan(Grid(["resnet18"], input_size=(3, 160, 160), modes=("latency",)), CPU)
    assert (planned.cases[0].input_size, planned.cases[0].multiply_adds) == ((3, 160, 160), None)


def test_weights_can_change_the_input_size() -> None:
    """These weights of ViT-H/14 take images of 518 pixels."""
    planned = plan(Grid(["vit_h_14:imagenet1k_swag_e2e_v1"], modes=("latency",)), CPU)
    assert planned.cases[0].input_size == (3, 518, 518)


def test_patterns_and_all_become_names() -> None:
    """A pattern takes what fits it and can be measured.

    --all leaves detection and optical flow out.
    """
    assert expand(["vgg1?", "vgg11"]) == ["vgg11", "vgg13", "vgg16", "vgg19"]
    every = expand([], is_all=True)
    assert "resnet18" in every
    assert not {"raft_large", "fasterrcnn_resnet50_fpn"} & set(every)
    with pytest.raises(UsageError, match="--all"):
        expand([])


def test_batches_are_numbers_and_best() -> None:
    """Anything else is refused, zero too."""
    assert parse_batches("1, 8,best,8") == (1, 8, None)
    for wrong in ("0", "-1", "1.5", "", "many"):
        with pytest.raises(UsageError, match="--batch"):
            parse_batches(wrong)
