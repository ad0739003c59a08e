"""What python-tuf refuses, in sentences: each kind of attack has its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuf.api import exceptions

from zoo.errors import TrustError
from zoo.trust.fetching import EndlessChainError

if TYPE_CHECKING:
    from datetime import datetime

_SIGNED_BY = re.compile(r"(\S+) was signed by (\d+)/(\d+) keys")
UNCHANGED = "nothing was changed"


def refusal(
    host: str,
    error: Exception,
    seen: datetime | None = None,
) -> TrustError:
    """Say why a state that a host offers is not believed.

    Args:
        host: The address.
        error: What python-tuf raised.
        seen: When the installed state was published.
    """
    kind, fault, advice = _explained(error)
    story = f"{fault}; {UNCHANGED}"
    if seen is not None:
        story = f"{story}; the registry of {seen:%Y-%m-%d} stays in use"
    return TrustError(host, story, advice, kind=kind)


def _explained(error: Exception) -> tuple[str, str, str]:  # noqa: PLR0911 - one for each kind
    """Return the kind of refusal, what is wrong, and what to do."""
    text = str(error)
    match error:
        case EndlessChainError():
            fault = f"it offers one root after another ({text})"
            return "endless", fault, "ask its publisher; nobody rotates keys that often"
        case exceptions.DownloadLengthMismatchError():
            fault = f"a file is longer than what is signed or allowed ({text})"
            return "oversize", fault, "try another address"
        case exceptions.SlowRetrievalError():
            return "slow", f"it answers too slowly ({text})", "try again later, or another address"
        case exceptions.DownloadHTTPError():
            return "missing", f"a file is missing there ({text})", "check the address"
        case exceptions.DownloadError():
            return "unreachable", f"it cannot be reached ({text})", "try again later"
        case exceptions.UnsignedMetadataError():
            return _unsigned(text)
        case exceptions.ExpiredMetadataError():
            fault = f"its word has expired ({text}): it is frozen, or its publisher is late"
            return "frozen", fault, "try another address, or ask its publisher"
        case exceptions.BadVersionNumberError():
            return _other_version(text)
        case exceptions.LengthOrHashMismatchError():
            fault = f"a file is not the one that was signed ({text}): it was tampered with"
            return "tampered", fault, "try another address"
        case _:
            fault = f"its metadata cannot be read ({text}): it was tampered with"
            return "tampered", fault, "try another address"


def _unsigned(text: str) -> tuple[str, str, str]:
    """Tell apart a key that is not ours, and too few of ours."""
    role, has, needs = "something", "0", "0"
    match = _SIGNED_BY.search(text)
    if match is not None:
        role, has, needs = match.groups()
    if int(has) > 0:
        fault = f"{role} has {has} of the {needs} signatures that it needs"
        return "threshold", fault, "ask its publisher to have the others sign"
    fault = f"{role} is signed by no key that the root names: a wrong key"
    return "wrong key", fault, "check the address, and the root that you trust"


def _other_version(text: str) -> tuple[str, str, str]:
    """Tell apart an older state, and files of different states."""
    is_older = "must be >=" in text or "Expected targets.json version" in text
    if is_older:
        fault = f"it offers an older state than was seen before ({text}): it was rolled back"
        return "rolled back", fault, "try another address"
    fault = f"it mixes files of different states ({text})"
    return "mixed", fault, "try again in a minute, or another address"
