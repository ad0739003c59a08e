"""Facts of the machine: what others took, what was sampled on the device."""

import ctypes
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.bench_results import CASE, ENVIRONMENT
from zoo import devices
from zoo.bench import environment, machine, processes, session
from zoo.bench.comparability import comparability
from zoo.bench.machine import CpuClock, contention, parse_cpu_line
from zoo.bench.records import Conditions
from zoo.bench.sampling import Sample, Sampler, add_samples, is_busy
from zoo.devices import Device, cpu_title, usable_cpus


def test_a_line_of_proc_stat_in_seconds() -> None:
    """In seconds: user 1, nice 2, system 3, idle 4, iowait 5, irq 6, softirq 7, stolen 8."""
    busy_s, stolen_s, all_s = parse_cpu_line("cpu  100 200 300 400 500 600 700 800 0 0", 100)
    assert (busy_s, stolen_s, all_s) == (1 + 2 + 3 + 6 + 7, 8, 36)


def test_contention_is_what_this_process_did_not_use_itself() -> None:
    """In 10 s on 2 CPUs, 14 s of work of which 9 s our own: others kept half a CPU busy.

    1 of 20 s was stolen.
    """
    before = CpuClock(wall_s=100, own_s=5, busy_s=1000, stolen_s=10, all_s=5000)
    after = CpuClock(wall_s=110, own_s=14, busy_s=1014, stolen_s=11, all_s=5020)
    assert contention(before, after) == (5.0, 0.5)


def test_contention_is_unknown_where_the_system_does_not_tell() -> None:
    """Not every system has /proc/stat."""
    before, after = CpuClock(0, 0, None, None, None), CpuClock(1, 1, None, None, None)
    assert contention(before, after) == (None, None)


def test_nobody_is_asked_for_devices_where_no_driver_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever offers a device to programs is enough to ask torch, which none is missed by."""
    assert devices.may_have_accelerator() or devices.device_names() == ["cpu"]

    def no_library(name: str) -> None:
        raise OSError(name)

    def no_process(*_: object) -> None:
        raise AssertionError("a process was asked")

    driver = tmp_path / "driver"
    monkeypatch.setattr(devices, "_DRIVERS", (tmp_path / "other", driver))
    monkeypatch.setattr(ctypes, "CDLL", no_library)
    monkeypatch.setattr(processes, "ask", no_process)
    assert [device.name for device in session.find_devices()] == ["cpu"]
    driver.touch()
    with pytest.raises(AssertionError, match="was asked"):
        session.find_devices()


def test_the_facts_of_this_machine_are_there() -> None:
    """Those that every system tells."""
    assert usable_cpus() >= 1
    assert cpu_title()
    assert environment.package_versions()["torch"]
    assert CpuClock.read().own_s > 0


def test_the_allocator_is_part_of_what_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library by its name alone, and glibc's variables.

    Nothing where nothing is set, as in older files.
    """
    for name in ("LD_PRELOAD", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    assert environment.allocator_settings() == ""
    assert "allocator" not in comparability(CASE, ENVIRONMENT)
    monkeypatch.setenv("LD_PRELOAD", "/opt/lib/libjemalloc.so.2")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    settings = environment.allocator_settings()
    assert settings == "libjemalloc.so.2 MALLOC_ARENA_MAX=1"
    assert comparability(CASE, replace(ENVIRONMENT, allocator=settings))["allocator"] == settings


def test_memory_of_this_process_grows_with_what_it_holds() -> None:
    """200 MB more are resident, and the peak since the reset is at least what is resident.

    Meanwhile the system may take back what this process has not used for long.
    """
    if not os.path.exists("/proc/self/status"):  # noqa: PTH110 - a look, not a path to work with
        return
    machine.reset_peak_resident()
    before = machine.resident_bytes()
    held = bytearray(os.urandom(1)) * 200_000_000
    after, peak = machine.resident_bytes(), machine.peak_resident_bytes()
    assert before is not None
    assert after is not None
    assert peak is not None
    assert after - before > 100_000_000
    assert peak >= after
    assert len(held) == 200_000_000


def test_samples_count_only_while_values_were_taken() -> None:
    """Of four samples two lie between the first value and the last."""
    samples = [
        Sample(at_ns=5, mhz=300, celsius=30, watts=50, reasons=0x01),
        Sample(at_ns=10, mhz=1900, celsius=60, watts=300, reasons=0x04),
        Sample(at_ns=20, mhz=1700, celsius=70, watts=400, reasons=0x44),
        Sample(at_ns=30, mhz=200, celsius=80, watts=60, reasons=0x08),
    ]
    conditions = add_samples(Conditions(load_1m=1.0), samples, (10, 20))
    assert conditions == Conditions(
        load_1m=1.0,
        gpu_mhz_lowest=1700,
        gpu_mhz_highest=1900,
        gpu_celsius_highest=70,
        gpu_watts_mean=350,
        gpu_throttle=("hardware thermal slowdown",),
    )
    assert add_samples(Conditions(), samples, (100, 200)) == Conditions()


def test_a_device_that_nvml_does_not_know_is_not_sampled_and_not_busy() -> None:
    """The CPU, and a card that is not here."""
    for device in (Device("cpu", "some CPU", ()), Device("cuda:0", "card", (), uuid="GPU-0")):
        assert not is_busy(device)
        with Sampler(device) as sampler:
            pass
        assert sampler.samples == []
