"""What a mirror may hold.

How much, from whom, under which licenses, and which kinds of files. Pure.

Names are matched as users write them (``resnet18:imagenet1k_v1``, ``pytorch/vision``,
``hf:timm/resnet18.a1_in1k``, an address), with ``*`` and ``?``, without regard to case.
"""

from __future__ import annotations

import fnmatch
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zoo.errors import PolicyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.mirror.published import RemoteItem

_MAY_HOLD_PICKLES = (
    ".bin",
    ".ckpt",
    ".joblib",
    ".msgpack",
    ".npy",
    ".npz",
    ".pickle",
    ".pkl",
    ".pt",
    ".pth",
    ".pth.tar",
    ".t7",
    ".th",
)
"""Endings of files from which a loader may run code."""
ONLY_SAFETENSORS = "its files may hold code, and the mirror holds safetensors only"
_UNITS = {
    "": 1,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "P": 10**15,
}
_BINARY = {f"{unit}I": 1024**power for power, unit in enumerate("KMGTP", start=1)}


@dataclass(frozen=True, slots=True)
class Policy:
    """What ``mirror.json`` allows."""

    max_size_bytes: int | None = None
    """Of all files together; what was pulled through and used least recently leaves first."""
    allow: tuple[str, ...] = ()
    """If there are any, a name must fit one of these patterns."""
    deny: tuple[str, ...] = ()
    """A name must fit none of these."""
    allow_licenses: tuple[str, ...] = ()
    """If there are any, the license must fit one; what states none is refused then."""
    deny_licenses: tuple[str, ...] = ()
    only_safetensors: bool = False
    """Whether files from which a loader may run code stay out."""

    @property
    def is_empty(self) -> bool:
        """Whether everything is allowed."""
        return self == Policy()

    def fault(
        self,
        name: str,
        license: str | None,
        former: Iterable[str] = (),
    ) -> str | None:
        """Say why something may not be held, or ``None``.

        Args:
            name: Its name as users write it.
            license: Of its publisher.
            former: Names that it had before: none may be denied either.
        """
        if self.allow and not fits(name, self.allow):
            return f"{name} is not on the mirror's list of what it may hold"
        for one in (name, *former):
            if fits(one, self.deny):
                return f"{one} is on the mirror's list of what it may not hold"
        if self.allow_licenses and not fits(license or "", self.allow_licenses):
            return (
                f"its license ({license or 'none is stated'}) is not one that the mirror may hold"
            )
        if license is not None and fits(license, self.deny_licenses):
            return f"its license ({license}) is one that the mirror may not hold"
        return None

    def allows_file(self, path: str) -> bool:
        """Tell whether a file of this name may be held."""
        return not (self.only_safetensors and may_hold_pickles(path))

    def apply(
        self,
        item: RemoteItem,
        name: str,
        former: Iterable[str] = (),
    ) -> RemoteItem:
        """Leave out the files of an item that may not be held.

        Args:
            item: What is published.
            name: Its name as users write it.
            former: Names that it had before.

        Raises:
            PolicyError: The item may not be held, or nothing of it is left.
        """
        fault = self.fault(name, item.license, former)
        files = tuple(file for file in item.files if self.allows_file(file.path))
        if fault is None and item.files and not files:
            fault = ONLY_SAFETENSORS
        if fault is not None:
            raise PolicyError(name, fault)
        if len(files) == len(item.files):
            return item
        return replace(item, files=files)


def may_hold_pickles(path: str) -> bool:
    """Tell by its name whether a loader may run code from a file."""
    return path.lower().endswith(_MAY_HOLD_PICKLES)


def fits(
    name: str,
    patterns: Iterable[str],
) -> bool:
    """Tell whether a name fits one of some patterns, whatever the case of its letters."""
    lowered = name.lower()
    return any(fnmatch.fnmatchcase(lowered, pattern.lower()) for pattern in patterns)


def parse_size(
    option: str,
    text: str,
) -> int | None:
    """Read a size such as ``500GB``, ``1.5TiB``; ``none`` for no limit.

    Raises:
        UsageError: It is none.

    >>> parse_size("--max-size", "1.5GB")
    1500000000
    """
    if text.lower() == "none":
        return None
    letters = text.strip().upper().removesuffix("B")
    digits = letters.rstrip("KMGTPI")
    unit = letters.removeprefix(digits)
    factor = (_UNITS | _BINARY).get(unit)
    try:
        value = float(digits) * (factor or 0)
    except ValueError:
        value = 0.0

    is_size = 0 < value < math.inf
    if not is_size:
        expected = f"{option} takes a size such as 500GB or 2TiB, or none"
        raise UsageError(f"{expected}, got {text!r:.40}")
    return int(value)
