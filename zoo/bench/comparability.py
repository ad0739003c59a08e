"""What two results must share to be compared, and which machine a result is of. Pure."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

from zoo.engines.known import find_engine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.bench.records import Case, Environment, Scalar

_ALWAYS = ("python", "torch", "cuda", "cudnn")
_DIGITS = 6
_VENDOR_WORDS = r"\((R|TM|C)\)|\b(CPU|Processor|with|Graphics|Corporation)\b|@.*|\d+-Core"


def comparability(
    case: Case,
    environment: Environment,
    *,
    is_warm: bool = False,
) -> dict[str, Scalar]:
    """Make the comparability key of a result.

    How it was measured and on what, but not which code or model.
    """
    key: dict[str, Scalar] = {
        "mode": case.mode,
        "batch": "best" if case.batch is None else case.batch,
        "input": "x".join(map(str, case.input_size)),
        "precision": case.precision,
        "memory_format": case.memory_format,
        "engine": case.engine,
        "threads": case.threads,
        "device": environment.device.title,
        "driver": environment.device.driver or "none",
        "cpu": environment.cpu,
        "cpus": environment.cpus,
    }
    if environment.allocator:
        key["allocator"] = environment.allocator
    if is_warm:
        key["process"] = "shared"
    versions = environment.versions
    for package in dict.fromkeys([*_ALWAYS, find_engine(case.engine).package]):
        if package in versions:
            key[package] = versions[package]
    return key


def differences(
    one: Mapping[str, Scalar],
    other: Mapping[str, Scalar],
) -> dict[str, tuple[Scalar | None, Scalar | None]]:
    """Name what differs between two keys, with both values."""
    found: dict[str, tuple[Scalar | None, Scalar | None]] = {}
    keys = dict.fromkeys([*one, *other])
    for key in keys:
        value = one.get(key)
        other_value = other.get(key)
        if value != other_value:
            found[key] = (value, other_value)
    return found


def machine_key(environment: Environment) -> str:
    """Name the kind of machine that a result is of; unlike machines have unlike keys.

    Two machines are alike if chip, driver, CPU and number of usable CPUs are. The software may
    differ: that is what the comparability key is for.
    """
    device = environment.device
    facts = (
        device.kind,
        device.title,
        device.driver or "",
        environment.cpu,
        str(environment.cpus),
    )
    text = "\n".join(facts)
    digest = sha256(text.encode()).hexdigest()
    short = digest[:_DIGITS]
    title = slug(device.title)
    if device.kind == "cpu":
        return f"{title}-{environment.cpus}-cpus-{short}"
    return f"{title}-{short}"


def slug(title: str) -> str:
    """Write the model of a chip as part of a file's name.

    >>> slug("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz")
    'intel-xeon-platinum-8481c'
    """
    plain = re.sub(_VENDOR_WORDS, " ", title, flags=re.IGNORECASE)
    words = re.findall(r"[a-z0-9.]+", plain.lower())
    return "-".join(words) or "unknown"
