"""What is here of what a mirror is asked to hold, and what its policy denies; nobody is asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from zoo.mirror import refusals, upkeep
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.sync import wanted_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.mirror.index import Item
    from zoo.mirror.policy import Policy
    from zoo.mirror.specs import ItemSpec
    from zoo.mirror.store import Store


class State(StrEnum):
    """How far a spec is met."""

    HERE = "here"
    INCOMPLETE = "incomplete"
    MISSING = "missing"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Status:
    """One spec, and what is here of it."""

    spec: ItemSpec
    state: State
    items: Sequence[Item] = ()
    reason: str | None = None
    """Why the policy keeps it out; what is here already stays until it is removed by name."""

    @property
    def size_bytes(self) -> int | None:
        """Length of all that is here, if anything is."""
        if not self.items:
            return None
        return sum(item.size_bytes for item in self.items)


def list_status(store: Store) -> list[Status]:
    """Compare what is wanted with what is here.

    Raises:
        MirrorError: ``mirror.json`` names something that cannot be.
    """
    index = store.index()
    policy = store.settings().policy
    refused = refusals.read(store, policy)

    found: list[Status] = []
    for spec in wanted_of(store):
        items = upkeep.items_of(index, spec)
        reason = _refusal(spec, items, policy, refused)
        is_whole = bool(items) and upkeep.is_here(store, items)
        state = _state(has_any=bool(items), is_whole=is_whole, is_denied=reason is not None)
        found.append(Status(spec, state, items, reason))
    return found


def _refusal(
    spec: ItemSpec,
    items: Sequence[Item],
    policy: Policy,
    refused: Mapping[str, str],
) -> str | None:
    """Say why a policy keeps out what a spec names, as far as that is known here."""
    for item in items:
        reason = upkeep.refusal(item, policy)
        if reason is not None:
            return reason
    return refused.get(str(spec)) or ecosystems.refusal(policy, spec)


def _state(
    *,
    has_any: bool,
    is_whole: bool,
    is_denied: bool,
) -> State:
    if is_whole:
        return State.HERE
    if is_denied:
        return State.DENIED
    if has_any:
        return State.INCOMPLETE
    return State.MISSING
