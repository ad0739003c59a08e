"""What must be the same in two results for a comparison to mean something. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.bench.records import Cell, Environment, Scalar

_ALWAYS = ("python", "torch", "cuda", "cudnn")
_OF_ENGINES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "tensorrt": "torch-tensorrt"}


def comparability(cell: Cell, environment: Environment) -> dict[str, Scalar]:
    """Make the comparability key of a result: how it was measured and on what, but not which code or model."""
    versions = environment.versions
    packages = [*_ALWAYS, _OF_ENGINES.get(cell.engine.partition(":")[0], "")]
    key: dict[str, Scalar] = {
        "mode": cell.mode,
        "batch": "best" if cell.batch is None else cell.batch,
        "input": "x".join(map(str, cell.input_size)),
        "precision": cell.precision,
        "memory_format": cell.memory_format,
        "engine": cell.engine,
        "threads": cell.threads,
        "device": environment.device.title,
        "driver": environment.device.driver or "none",
        "cpu": environment.cpu,
        "cpus": environment.cpus,
    }
    if environment.allocator:
        key["allocator"] = environment.allocator
    return key | {package: versions[package] for package in packages if package in versions}


def differences(
    one: Mapping[str, Scalar], other: Mapping[str, Scalar]
) -> dict[str, tuple[Scalar | None, Scalar | None]]:
    """Name what differs between two keys, with both values."""
    keys = dict.fromkeys([*one, *other])
    return {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}
