"""Repositories and models that moved: both names answer, as on GitHub and the Hub (issue 14)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.mirror.conftest import MAIN, MODEL_COMMIT
from tests.mirror.syncing import run
from tests.support.mirror_server import ask, serving
from zoo.mirror import bundle, index
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.index import Index, Item

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.hub_upstream import HubUpstream
    from zoo.mirror.store import Store

COMMIT = "b" * 40


def item(name: str, commit: str, *refs: str, aliases: tuple[str, ...] = ()) -> Item:
    """Make a repository at a commit, without files."""
    return Item("repository", name, (), commit, refs, aliases=aliases)


def test_a_former_name_leads_on_until_somebody_else_has_it() -> None:
    """What a name means itself comes first; of what moved away, commits stay where they were."""
    moved = item("new/net", MAIN, "heads/main", aliases=("old/net",))
    held = Index([moved])
    assert held.by_ref("repository", "OLD/net", "heads/main") == moved
    assert held.versions("repository", "old/net") == [moved]

    before = item("old/net", COMMIT, COMMIT)
    both = Index([moved, before])
    assert both.by_ref("repository", "old/net", COMMIT) == before
    assert both.by_ref("repository", "old/net", "heads/main") == moved

    reused = item("old/net", COMMIT, "heads/main")
    assert Index([moved, reused]).by_ref("repository", "old/net", "heads/main") == reused
    assert held.without({moved.key}).by_ref("repository", "old/net", "heads/main") is None


def test_former_names_are_kept_with_every_commit_and_in_the_index() -> None:
    """A sync under the present name does not forget the former one."""
    first = item("new/net", COMMIT, "heads/main", aliases=("old/net",))
    second = item("new/net", MAIN, "heads/main")
    (found,) = index.entered((first,), second)
    assert found.aliases == ("old/net",)
    held = Index([replace(found, is_gated=True)])
    assert index.parse(index.to_json(held)) == held


def test_both_names_are_answered(store: Store, upstream: HubUpstream, tmp_path: Path) -> None:
    """Synced by a former name, asked by either; held earlier, it means what the new name does."""
    assert run(store, "someone/nets", "hf:org/tiny").failures == []
    upstream.repositories["else/networks"] = upstream.repositories.pop("someone/nets")
    upstream.models["home/small"] = upstream.models.pop("org/tiny")
    upstream.renamed = {"someone/nets": "else/networks", "org/tiny": "home/small"}
    assert run(store, "someone/nets", "hf:org/tiny").failures == []
    names = {found.name: found.aliases for found in store.index().items}
    assert names["else/networks"] == ("someone/nets",)
    assert names["home/small"] == ("org/tiny",)

    with serving(store) as mirror:
        for name in ("someone/nets", "else/networks", "Someone/Nets"):
            facts = json.loads(ask(mirror, f"/repos/{name}").body)
            assert facts["full_name"] == "else/networks"
            assert ask(mirror, f"/{name}/zipball/main").status == 200
        for name in ("org/tiny", "home/small", "Org/Tiny"):
            facts = json.loads(ask(mirror, f"/api/models/{name}").body)
            assert (facts["id"], facts["sha"]) == ("home/small", MODEL_COMMIT)
            assert ask(mirror, f"/{name}/resolve/main/config.json").status == 200

    wanted = ecosystems.parse_all(["someone/nets", "hf:org/tiny"])
    packed = bundle.create(store, wanted, tmp_path / "out.zip")
    assert "torch/hub/someone_nets_main/hubconf.py" in packed
    assert "hf/hub/models--org--tiny/refs/main" in packed


def test_pulled_through_by_a_former_name(store: Store, upstream: HubUpstream) -> None:
    """What came for one name is here for both, also when the upstream has gone."""
    upstream.models["home/small"] = upstream.models.pop("org/tiny")
    upstream.renamed = {"org/tiny": "home/small"}
    with serving(store, "--pull-through") as mirror:
        body = ask(mirror, "/org/tiny/resolve/main/config.json").body
    with serving(store) as mirror:
        for name in ("org/tiny", "home/small"):
            assert ask(mirror, f"/{name}/resolve/main/config.json").body == body


def test_a_name_that_is_denied_does_not_come_in_under_its_present_one(
    store: Store, upstream: HubUpstream
) -> None:
    """Neither by sync nor by a client; what is allowed is the present name's to be."""
    upstream.models["home/small"] = upstream.models.pop("org/tiny")
    upstream.renamed = {"org/tiny": "home/small"}
    store.change_settings(lambda old: old.with_policy({"deny": ("hf:org/*",)}, is_cleared=True))
    ((_, failure),) = run(store, "hf:org/tiny").failures
    assert "hf:org/tiny is on the mirror's list of what it may not hold" in str(failure)
    with serving(store, "--pull-through") as mirror:
        assert ask(mirror, "/org/tiny/resolve/main/config.json").status == 403
