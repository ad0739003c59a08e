"""What is here of what is wanted, and what the policy denies: nobody is asked for that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.mirror.syncing import run
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.policy import Policy
from zoo.mirror.status import State, list_status

if TYPE_CHECKING:
    from tests.support.hub_upstream import HubUpstream
    from zoo.mirror.store import Store


def test_status_says_what_is_denied_and_why(store: Store, upstream: HubUpstream) -> None:
    """By name and file at once, by license once a sync knows it; no longer under another policy."""
    url = "https://download.pytorch.org/models/other.pth"
    wanted = ("hf:org/tiny", "someone/nets", "resnet18", url)
    names = [str(spec) for spec in ecosystems.parse_all(wanted)]
    policy = Policy(only_safetensors=True, deny=("someone/*",), deny_licenses=("apache-2.0",))
    store.change_settings(lambda old: replace(old.with_wanted(names), policy=policy))

    def states() -> dict[str, str]:
        return {str(entry.spec): entry.state for entry in list_status(store)}

    tiny = "hf:org/tiny@main"
    denied = dict.fromkeys(names, State.DENIED)
    assert states() == {**denied, tiny: State.MISSING}
    run(store, *wanted)
    assert states() == denied
    reasons = {str(entry.spec): entry.reason or "" for entry in list_status(store)}
    assert "its license (apache-2.0)" in reasons[tiny]
    assert "may not hold" in reasons["someone/nets"]
    assert "may hold code" in reasons["resnet18:imagenet1k_v1"]
    assert "may hold code" in reasons[url]

    store.change_settings(lambda old: old.with_policy({"deny": ("other/*",)}, is_cleared=True))
    assert set(states().values()) == {State.MISSING}
    run(store, "hf:org/tiny")
    store.change_settings(lambda old: old.with_policy({"deny": ("*",)}, is_cleared=True))
    held = next(entry for entry in list_status(store) if str(entry.spec) == tiny)
    assert (held.state, held.reason is None) == (State.HERE, False)
