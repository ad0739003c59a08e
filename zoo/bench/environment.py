"""The machine and the software under a measurement, and the memory allocator that workers get."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from zoo.bench.records import Environment
from zoo.devices import Device, cpu_title, describe_device, usable_cpus
from zoo.engines.known import packages

_OWN_PACKAGES = ("torch", "torchvision", "torch-zoo")
_GIT_TIMEOUT_S = 10
_ALLOCATOR_PREFIXES = ("MALLOC_", "GLIBC_TUNABLES")
_STEADY_ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
}
"""Let glibc keep the memory of a call for the next: else some processes give it back each time,
others do not."""


def begin_environment(device: Device) -> Environment:
    """Describe what is known before anything has run: no version needs torch to be imported."""
    return Environment(
        device=device,
        cpu=cpu_title(),
        cpus=usable_cpus(),
        system=system_title(),
        versions={},
    )


def describe_environment(device: str) -> Environment:
    """Describe the machine and the software of this process, which has measured on a device."""
    import torch

    versions = package_versions()
    if torch.version.cuda and device.startswith("cuda"):
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        versions |= {"cuda": torch.version.cuda, "cudnn": str(cudnn)}
    return Environment(
        device=describe_device(device),
        cpu=cpu_title(),
        cpus=usable_cpus(),
        system=system_title(),
        versions=versions,
        commit=commit(),
        allocator=allocator_settings(),
    )


def steady_allocator() -> dict[str, str]:
    """Choose the variables that steady the memory allocator of workers.

    Returns:
        Nothing where the user has chosen an allocator, or where the C library is another.
    """
    if allocator_settings() or platform.libc_ver()[0] != "glibc":
        return {}
    return dict(_STEADY_ALLOCATOR)


def allocator_settings() -> str:
    """List the environment variables that choose or steer the memory allocator of this process."""
    libraries = re.split(r"[: ]", os.environ.get("LD_PRELOAD", ""))
    settings = [Path(library).name for library in libraries if library]
    for name, value in sorted(os.environ.items()):
        if name.startswith(_ALLOCATOR_PREFIXES):
            settings.append(f"{name}={value}")
    return " ".join(settings)


def system_title() -> str:
    """Name the operating system: ``Linux 6.1.0 x86_64``."""
    parts = (
        platform.system(),
        platform.release(),
        platform.machine(),
    )
    return " ".join(parts)


def package_versions() -> dict[str, str]:
    """List the versions of the packages that a result depends on.

    What is not installed is left out.
    """
    found = {"python": platform.python_version()}
    for package in dict.fromkeys([*_OWN_PACKAGES, *packages()]):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """Name the commit of the checkout that holds zoo, with ``+`` if files differ from it."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        name = _git(folder, "rev-parse", "--short=12", "HEAD")
        changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{name}+" if changes else name


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(  # noqa: S603 - fixed words
        command,
        capture_output=True,
        text=True,
        timeout=_GIT_TIMEOUT_S,
        check=True,
    )
    return done.stdout.strip()
