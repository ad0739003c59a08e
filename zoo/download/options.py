"""What a caller may choose about fetching."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a server may take; seconds."""

    connect_s: float = 10.0
    """To connect to one address."""
    answer_s: float = 30.0
    """From the request to the end of the response's headers, and for the handshake before it, all
    told."""
    stall_s: float = 30.0
    """Without ``stall_bytes`` more of a body."""
    stall_bytes: int = 16 << 10
    """What counts as life: less in ``stall_s`` is a stall."""
    overlap_s: float = 3.0
    """How long a source may bring nothing before the next one is asked as well."""
    longest_wait_s: float = 60.0
    """The longest pause between two tries, whatever a server asks for."""


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """Everything that a fetch can be told beyond the record of the file."""

    mirrors: tuple[str, ...] = ()
    """Base addresses, tried before those of the environment, the config file and the publisher."""
    upstream: bool = True
    """Whether the publisher's own address may be used."""
    folder: Path | None = None
    """Another folder than torch's checkpoints."""
    lock_file: Path | None = None
    """Another ``zoo.lock`` than the one that :func:`zoo.cache.lockfile.default_path` finds."""
    verify: Literal["full", "quick"] = "quick"
    """How to check a file that is there: read it, or trust an earlier full check if nothing
    touched it since."""
    allow_private_addresses: bool = False
    """Whether a registry's own URL may lead into a private network; mirrors always may."""
    connections: int | None = None
    """To one server, for all files together; by default what the settings say, else 8."""
    files_at_once: int = 3
    replaces: bool = True
    """Whether a file that does not match may be replaced; what only reads says no, and stops."""
    lock_patience_s: float = 120.0
    """How long to wait for another process that fetches the same file and makes no progress."""
    part_bytes: int = 8 * MIB
    """Length of one range request; also the most that a killed run has to fetch again."""
    retries: int = 5
    """Tries of one part without progress before its source is dropped."""
    timeouts: Timeouts = Timeouts()
    sleep: Callable[[float], None] | None = None
    """How to wait between tries, seconds; by default on a clock, until the fetch is interrupted."""
    jitter: Callable[[], float] = random.random
    """Where in 0..1 of the longest pause to wait."""
    pace: Callable[[int], None] | None = None
    """Called with the length of every block that arrives; waits, where the rate is limited."""
    bearer_tokens: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """(address, token): the token goes to that address's scheme, host and port, and nowhere
    else."""


DEFAULT_CONNECTIONS = 8
DEFAULTS = FetchOptions()
