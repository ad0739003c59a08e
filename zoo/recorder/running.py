"""Run a program behind the proxy: to record what it fetches, or to hold it to a lock file."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from zoo.certificates import join_authorities
from zoo.errors import MissingProgramError, UsageError
from zoo.recorder import environment
from zoo.recorder.certificates import TemporaryAuthority
from zoo.recorder.observing import Recorder
from zoo.recorder.policy import LockedPolicy
from zoo.recorder.proxy import Proxy, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zoo.cache.lock_lines import LockedThing

CACHED_SUFFIXES = (".pth", ".pt", ".safetensors", ".bin", ".ckpt", ".npz", ".onnx")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a program fetched."""

    exit_code: int
    things: tuple[LockedThing, ...]
    notes: tuple[str, ...]
    """What could not become a line, and what went around the proxy."""


@dataclass(frozen=True, slots=True)
class Held:
    """How a program did that may fetch what is locked, and nothing else."""

    exit_code: int
    missing: tuple[str, ...]
    """What was refused: the lines that the lock file lacks."""
    absent: tuple[str, ...]
    """Files of locked models that were asked for and are not locked."""
    faults: tuple[str, ...]
    """What came with other bytes, and was broken off."""

    @property
    def is_as_locked(self) -> bool:
        """Whether the program got all that it asked for, byte by byte."""
        return not (self.missing or self.faults)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run a program."""

    is_fresh: bool = False
    """Give it empty caches, so that it asks for everything."""
    upstreams: Mapping[str, str] = field(default_factory=dict)
    """Host -> the address to ask instead of it."""


def record(command: Sequence[str], options: RunOptions = RunOptions()) -> Recorded:
    """Run a program and note what it fetches; its children go through the proxy as well.

    Raises:
        MissingProgramError: There is no such program.
        MissingPackageError: cryptography is not installed.
    """
    now = datetime.now(UTC)
    recorder = Recorder(now.strftime("%Y-%m-%d"))
    settings = Settings(
        TemporaryAuthority(),
        observe=recorder.observe,
        upstreams=options.upstreams,
    )
    before = _cached_files()
    exit_code = _run(command, settings, options)
    things = recorder.finish()
    around = []
    if not options.is_fresh:
        around = _went_around(before, things)
    notes = (*recorder.notes, *settings.faults, *around)
    return Recorded(exit_code, tuple(things), notes)


def run_locked(
    command: Sequence[str],
    things: Sequence[LockedThing],
    lock_name: str,
    options: RunOptions = RunOptions(),
) -> Held:
    """Run a program that gets what a lock file has lines for, with these bytes, and nothing else.

    Raises:
        MissingProgramError: There is no such program.
        MissingPackageError: cryptography is not installed.
    """
    policy = LockedPolicy(tuple(things), lock_name)
    settings = Settings(
        TemporaryAuthority(),
        decide=policy,
        redirected=policy.redirected,
        upstreams=options.upstreams,
    )
    exit_code = _run(command, settings, options)
    return Held(
        exit_code,
        tuple(policy.missing),
        tuple(policy.absent),
        tuple(settings.faults),
    )


def parse_upstreams(texts: Sequence[str]) -> dict[str, str]:
    """Read ``HOST=ADDRESS`` options.

    Raises:
        UsageError: One has another form.
    """
    upstreams = {}
    for text in texts:
        host, _, address = text.partition("=")
        is_address = address.startswith(("http://", "https://"))
        if not host or not is_address:
            raise UsageError(f"--upstream takes HOST=ADDRESS, got {text!r:.80}")
        upstreams[host] = address
    return upstreams


def _run(
    command: Sequence[str],
    settings: Settings,
    options: RunOptions,
) -> int:
    """Run a program to its end behind a proxy that lives as long."""
    with tempfile.TemporaryDirectory(prefix="zoo-record-") as scratch, Proxy(settings) as proxy:
        bundle = Path(scratch) / "authorities.pem"
        authorities = join_authorities(os.environ, settings.authority.pem)
        bundle.write_bytes(authorities)
        variables = environment.point(os.environ, proxy.address, bundle)
        if options.is_fresh:
            variables |= environment.fresh_caches(Path(scratch))
        try:
            process = subprocess.Popen(command, env=variables)  # noqa: S603 - what the user typed
        except (FileNotFoundError, PermissionError) as error:
            advice = "check how it is written; options of zoo come before --"
            raise MissingProgramError(command[0], "running it", advice) from error
        return _wait(process)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for a program; Ctrl-C reaches it from the terminal, and its own end is waited for."""
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            continue
        except BaseException:
            process.send_signal(signal.SIGTERM)
            raise
        if code >= 0:
            return code
        # A program that a signal ended is told of as shells do.
        return 128 - code


def _cached_files() -> set[tuple[str, int]]:
    """List the weights files of both caches with the time at which they appeared."""
    found = set()
    for file in _weights_files():
        try:
            facts = file.stat()
        except OSError:
            continue
        appeared = (str(file), facts.st_ctime_ns)
        found.add(appeared)
    return found


def _weights_files() -> Iterator[Path]:
    from zoo.cache import hub_files, paths

    of_torch = paths.checkpoints_folder()
    of_the_hub = hub_files.default_folder()
    for folder in (of_torch, of_the_hub):
        for root, _, names in os.walk(folder):
            here = Path(root)
            for name in names:
                if name.endswith(CACHED_SUFFIXES):
                    yield here / name


def _went_around(before: set[tuple[str, int]], things: Sequence[LockedThing]) -> list[str]:
    """Name files that appeared in a cache without a request: something went around the proxy."""
    asked = set()
    for thing in things:
        place = PurePosixPath(thing.path or thing.name)
        asked.add(place.name)

    notes = []
    appeared = _cached_files() - before
    for path, _ in sorted(appeared):
        name = Path(path).name
        if name not in asked:
            notes.append(f"{path} appeared, but nothing asked the proxy for it")
    return notes
