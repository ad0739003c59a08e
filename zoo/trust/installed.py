"""What is installed: its state and age, the one before, and whether updates leave it alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zoo.catalog import installed
from zoo.errors import TrustError
from zoo.trust import updating

if TYPE_CHECKING:
    from zoo.catalog.installed import Current


@dataclass(frozen=True, slots=True)
class Status:
    """How the installed registry stands."""

    current: Current
    is_used: bool
    """False where the wheel's own registry is newer."""
    age_days: int
    is_expired: bool
    """Whether nobody vouches any more that this is the newest."""


def status() -> Status | None:
    """Say what is installed; ``None`` if nothing is.

    Raises:
        RegistryError: The pointer cannot be read.
    """
    current = installed.read_current()
    if current is None:
        return None
    now = datetime.now(UTC)
    age = now - datetime.fromisoformat(current.published_at)
    return Status(
        current,
        is_used=not installed.is_older_than_wheel(current),
        age_days=max(0, age.days),
        is_expired=datetime.fromisoformat(current.expires_at) < now,
    )


def rollback() -> Current:
    """Return to the state before, and pin it: the next update would undo it.

    Raises:
        TrustError: There is none.
    """
    with updating.alone():
        current = _require_current()
        if current.before is None:
            advice = 'to use that of the package, run "zoo registry rollback --all"'
            raise TrustError("the registry", "there is no state before this one", advice)
        earlier = replace(updating.read_state(current.before), is_pinned=True)
        updating.write_current(earlier)
        return earlier


def remove() -> None:
    """Use the wheel's own registry again; what was seen and whom to trust is kept."""
    with updating.alone():
        _require_current()
        (installed.folder() / installed.POINTER).unlink()


def pin(*, is_pinned: bool = True) -> Current:
    """Let updates leave the state alone, or no longer.

    Raises:
        TrustError: Nothing is installed.
    """
    with updating.alone():
        current = replace(_require_current(), is_pinned=is_pinned)
        updating.write_current(current)
        return current


def _require_current() -> Current:
    current = installed.read_current()
    if current is None:
        advice = 'install one with "zoo registry update --from URL --root FILE"'
        raise TrustError("the registry", "none is installed beside the wheel's own", advice)
    return current
