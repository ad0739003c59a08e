"""Fill a mirror from a real server on loopback, good and bad.

The file is long because every kind of item meets the faults of its server.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import FEATURE, MAIN, MODEL_COMMIT, TAGGED
from tests.mirror.syncing import QUICK, WEIGHTS_URL, run, run_weights, weights
from tests.support import resnet18_file
from tests.support.hub_upstream import HubUpstream, git_oid, hub_archive
from tests.support.mirror_places import holds, keys, lose, read
from zoo.download import events
from zoo.errors import MirrorError, SourceError
from zoo.mirror import remotes, upkeep
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.ecosystems.known import parse_upstreams
from zoo.mirror.index import Index, Item, StoredFile
from zoo.mirror.pacing import Pacer
from zoo.mirror.planning import plan
from zoo.mirror.published import RemoteFile, RemoteItem
from zoo.mirror.remotes import GITHUB, GITHUB_API, HUGGINGFACE
from zoo.mirror.specs import ModelSpec
from zoo.mirror.sync import Sync

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.faulty_server import Behaviour, Exchange
    from zoo.mirror.store import Store

# -- deciding
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("digest_on_disk", "published", "reason"),
    [
        (None, None, "missing"),
        ("b" * 64, None, "damaged"),
        ("a" * 64, "c" * 8, "changed"),
        ("a" * 64, "a" * 8, None),
        ("a" * 64, None, None),
    ],
)
def test_plan_fetches_what_is_missing_damaged_or_changed(
    digest_on_disk: str | None, published: str | None, reason: str | None
) -> None:
    """The index says a...; what lies on the disk and what the publisher says decide."""
    stored = StoredFile("weights/x/y.pth", "https://x/y.pth", 3, "a" * 64, "2026-01-01T00:00:00Z")
    index = Index((Item("weights", "y", (stored,)),))
    remote = RemoteItem("weights", "y", (RemoteFile(stored.path, stored.origin, sha256=published),))
    decided = plan([remote], index, {stored.path: digest_on_disk})
    assert [step.reason for step in decided.steps] == ([reason] if reason else [])
    assert decided.kept == (reason is None)


def test_plan_fetches_what_the_index_does_not_name() -> None:
    """A file of an item that is new is missing, and its length counts."""
    remote = RemoteItem("weights", "y", (RemoteFile("weights/x/y.pth", "https://x/y.pth", 7),))
    decided = plan([remote], Index(), {})
    assert (decided.steps[0].reason, decided.size_bytes) == ("missing", 7)


# -- fetching
# --------------------------------------------------------------------------------------------------


def test_each_file_is_said_to_be_finished_once(store: Store, upstream: HubUpstream) -> None:
    """By whatever way it came: with a published digest or without, or copied from its twin."""
    url = weights(upstream, b"some weights")
    finished: list[str] = []

    def listen(event: events.Event, /) -> None:
        if isinstance(event, events.Finished):
            finished.append(event.file_name)

    with Sync(store, options=QUICK, listener=listen) as sync:
        items = sync.resolve(ecosystems.parse_all(["someone/nets", "hf:org/tiny"]))
        sync.run([*items, remotes.unregistered_weights(url)])
    models = [f"org/tiny {name}" for name in upstream.models["org/tiny"].commits[MODEL_COMMIT]]
    expected = [f"someone/nets {MAIN}.zip", *models, url.rpartition("/")[2]]
    assert sorted(finished) == sorted(expected)


def test_sync_brings_weights_repositories_and_models(store: Store, upstream: HubUpstream) -> None:
    """All three kinds arrive with commit, refs, license, length and digest."""
    summary = run(store, "someone/nets", "hf:org/tiny")
    assert summary.failures == []
    repository, model = sorted(store.index().items, key=lambda item: item.kind, reverse=True)
    assert (repository.revision, repository.refs, repository.license) == (
        MAIN,
        ("heads/main", "HEAD"),
        "BSD-3-Clause",
    )
    assert (
        read(store, f"repositories/someone/nets/{MAIN}.zip")
        == upstream.repositories["someone/nets"].archives[MAIN]
    )
    assert (model.revision, model.refs, model.license) == (MODEL_COMMIT, ("main",), "apache-2.0")
    for path, data in upstream.models["org/tiny"].commits[MODEL_COMMIT].items():
        place = f"huggingface/models--org--tiny/{MODEL_COMMIT}/{path}"
        assert read(store, place) == data
        entry = store.index().files[place]
        assert (entry.size_bytes, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert entry.git_oid == (None if path == "model.safetensors" else git_oid(data))


def test_second_sync_fetches_nothing(store: Store, upstream: HubUpstream) -> None:
    """What is there and right costs only the questions what the refs mean today."""
    run(store, "someone/nets:v1", "hf:org/tiny")
    upstream.requests.clear()
    summary = run(store, "someone/nets:v1", "hf:org/tiny")
    assert (summary.fetched, summary.kept) == ([], 6)
    assert not [
        path for path in upstream.paths if "zip" in path or "resolve" in path or "cdn" in path
    ]


@pytest.mark.parametrize(
    ("ref", "commit", "refs"),
    [
        ("v1", TAGGED, ("tags/v1",)),
        ("feature/x", FEATURE, ("heads/feature/x",)),
        ("main", MAIN, ("heads/main", "HEAD")),
        (TAGGED, TAGGED, (TAGGED,)),
        ("2222222", TAGGED, (TAGGED,)),
    ],
)
def test_every_kind_of_ref_is_pinned_to_its_commit(
    store: Store, ref: str, commit: str, refs: tuple[str, ...]
) -> None:
    """Tags, branches with slashes, commits and short commits end as one commit."""
    assert run(store, f"someone/nets:{ref}").failures == []
    (item,) = store.index().items
    assert (item.revision, item.refs) == (commit, refs)


def test_ref_that_is_tag_and_branch_brings_both_commits(
    store: Store, upstream: HubUpstream
) -> None:
    """Row 65: torch.hub will take the branch, by GitHub's 300 answer; both are kept apart."""
    upstream.repositories["someone/nets"].tags["main"] = TAGGED
    run(store, "someone/nets:main")
    assert {(item.revision, item.refs) for item in store.index().items} == {
        (MAIN, ("heads/main", "HEAD")),
        (TAGGED, ("tags/main",)),
    }


def test_short_commit_that_fits_two_is_refused(store: Store, upstream: HubUpstream) -> None:
    """Row 65: as GitHub, which knows no such commit then."""
    repository = upstream.repositories["someone/nets"]
    other = "2222222" + "f" * 33
    repository.archives[other] = hub_archive("someone/nets", other)
    ((_, error),) = run(store, "someone/nets:2222222").failures
    assert "a short commit must fit one only" in str(error)
    assert store.index().items == ()


def test_branch_that_moves_takes_its_ref_along(store: Store, upstream: HubUpstream) -> None:
    """Row 65: the new commit has the ref, the old one leaves the index, prune removes its file."""
    run(store, "someone/nets")
    upstream.repositories["someone/nets"].branches["main"] = TAGGED
    run(store, "someone/nets")
    (item,) = store.index().items
    assert item.revision == TAGGED
    assert upkeep.prune(store) == [
        (
            f"repositories/someone/nets/{MAIN}.zip",
            len(upstream.repositories["someone/nets"].archives[MAIN]),
        )
    ]


def test_branch_that_moves_between_two_requests_is_one_commit(
    store: Store, upstream: HubUpstream
) -> None:
    """Row 65: the archive is asked for by commit, so a move after the first answer is harmless."""

    def move(exchange: Exchange) -> None:
        upstream.repositories["someone/nets"].branches["main"] = TAGGED
        exchange.answer(200, b'{"sha": "%s"}' % MAIN.encode())

    upstream.faults["/repos/someone/nets/commits/heads/main"] = move
    assert run(store, "someone/nets:main").failures == []
    (item,) = store.index().items
    assert item.revision == MAIN


def test_same_bytes_of_another_commit_are_not_fetched_again(
    store: Store, upstream: HubUpstream
) -> None:
    """A new commit that changes the text only costs the text only."""
    run(store, "hf:org/tiny")
    model = upstream.models["org/tiny"]
    changed = "b" * 40
    model.commits[changed] = model.commits[MODEL_COMMIT] | {"README.md": b"# changed\n"}
    model.refs["main"] = changed
    upstream.requests.clear()
    assert run(store, "hf:org/tiny").failures == []
    assert not [path for path in upstream.paths if "cdn" in path]
    assert read(store, f"huggingface/models--org--tiny/{changed}/README.md") == b"# changed\n"


def test_syncs_at_the_same_time_do_not_harm_each_other(store: Store, upstream: HubUpstream) -> None:
    """Four at once want the same things: all succeed, and every byte is right."""
    url = weights(upstream, bytes(100_000))
    with ThreadPoolExecutor(8) as pool:
        runs = [
            pool.submit(run, store, "someone/nets", "someone/nets:v1", "hf:org/tiny")
            for _ in range(4)
        ]
        runs += [pool.submit(run_weights, store, url) for _ in range(4)]
    assert [summary.result().failures for summary in runs] == [[]] * 8
    assert upkeep.verify(store) == []
    assert len(store.index().items) == 4


def test_rate_limit_is_kept(store: Store, upstream: HubUpstream) -> None:
    """The pacer waits as long as the bytes at that rate take; here it is asked, not timed."""
    pacer = Pacer(1000.0)
    waits: list[float] = []
    pacer._stopped.wait = waits.append  # type: ignore[method-assign,assignment]  # record the waits
    for _ in range(4):
        pacer(500)
    assert waits[-1] == pytest.approx(4 * 500 / 1000, abs=0.2)
    assert run(store, "hf:org/tiny", limit=1e9).failures == []


# -- upstreams that break or lie
# --------------------------------------------------------------------------------------------------


def test_cut_download_is_resumed_within_the_run(store: Store, upstream: HubUpstream) -> None:
    """A connection that breaks once costs the rest of the file only."""
    data = bytes(200_000)
    url = weights(upstream, data)
    path = url.removeprefix("https://download.pytorch.org")
    upstream.faults[path] = _first_cut(data, 100_000)
    assert run_weights(store, url).failures == []
    assert read(store, f"weights/download.pytorch.org{path}") == data


def _first_cut(data: bytes, cut_at: int) -> Behaviour:
    """Serve well but for the first time, which is cut."""
    seen: list[bool] = []

    def behave(exchange: Exchange) -> None:
        is_first = not seen
        seen.append(True)
        exchange.serve(data, cut_at=cut_at if is_first else None, end="reset")

    return behave


@pytest.mark.parametrize("fault", ["truncated", "flipped", "longer", "login page"])
def test_bad_weights_never_enter_the_mirror(
    store: Store, upstream: HubUpstream, fault: str
) -> None:
    """Truncated, corrupted or other bytes are refused with the reason; nothing is kept."""
    data = os.urandom(50_000)
    url = weights(upstream, data)
    path = url.removeprefix("https://download.pytorch.org")
    bad = {
        "truncated": data[:-1],
        "flipped": bytes([data[0] ^ 1]) + data[1:],
        "longer": data + b"x",
        "login page": b"<html>log in</html>",
    }[fault]
    upstream.faults[path] = lambda exchange: exchange.serve(bad)
    ((name, error),) = run_weights(store, url).failures
    assert name == f"weights/download.pytorch.org{path}"
    assert "expected" in str(error)
    assert store.index().items == ()
    assert not holds(store, name)


@pytest.mark.parametrize("path", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("fault", ["truncated", "flipped", "other length"])
def test_bad_files_of_a_model_never_enter_the_mirror(
    store: Store, upstream: HubUpstream, fault: str, path: str
) -> None:
    """A model is entered whole or not at all: git's digest or SHA-256 checks each file."""
    good = upstream.models["org/tiny"].commits[MODEL_COMMIT][path]
    bad = {"truncated": good[:-1], "flipped": good[:-1] + b"?", "other length": good + b"?"}[fault]
    address = f"/org/tiny/resolve/{MODEL_COMMIT}/{path}"
    upstream.faults[address] = lambda exchange: exchange.serve(bad)
    ((name, _),) = run(store, "hf:org/tiny").failures
    assert name.endswith(path)
    assert store.index().items == ()
    del upstream.faults[address]
    assert run(store, "hf:org/tiny").failures == []
    assert upkeep.verify(store) == []


def test_weights_of_the_registry_are_held_to_its_record(
    store: Store, upstream: HubUpstream
) -> None:
    """Wrong bytes of the right length are refused, and so are right digits of a wrong length."""
    (file,) = remotes.registered_weights(ModelSpec("resnet18", "imagenet1k_v1")).files
    assert file.path == "weights/download.pytorch.org/models/resnet18-f37072fd.pth"
    assert file.sha256 == "f37072fd"
    assert file.size_bytes is not None
    upstream.weights["/models/resnet18-f37072fd.pth"] = bytes(file.size_bytes)
    ((_, wrong_bytes),) = run(store, "resnet18").failures
    assert "expected sha256 f37072fd" in str(wrong_bytes)
    upstream.weights["/models/resnet18-f37072fd.pth"] = resnet18_file.build()
    ((_, wrong_length),) = run(store, "resnet18").failures
    assert f"expected {file.size_bytes} bytes" in str(wrong_length)
    assert store.index().items == ()


def test_changing_weights_without_a_digest_are_held_to_what_came_first(
    store: Store, upstream: HubUpstream
) -> None:
    """The first digest is remembered; later other bytes under the same address are refused."""
    url, path = WEIGHTS_URL.format("plain.pth"), "weights/download.pytorch.org/models/plain.pth"
    upstream.weights["/models/plain.pth"] = b"first"
    assert run_weights(store, url).failures == []
    lose(store, path)
    upstream.weights["/models/plain.pth"] = b"other"
    ((_, error),) = run_weights(store, url).failures
    assert hashlib.sha256(b"first").hexdigest() in str(error)
    upstream.weights["/models/plain.pth"] = b"first"
    assert run_weights(store, url).failures == []


def test_archive_of_another_commit_is_refused(store: Store, upstream: HubUpstream) -> None:
    """Git writes the commit into the archive; one that says another was swapped."""
    upstream.repositories["someone/nets"].archives[MAIN] = hub_archive("someone/nets", TAGGED)
    ((_, error),) = run(store, "someone/nets").failures
    assert isinstance(error, MirrorError)
    assert f"expected commit {MAIN}, its comment says '{TAGGED}'" in str(error)
    assert keys(store, "repositories/") == set()


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (403, {"X_RateLimit_Remaining": "0"}, "too many requests: wait, or set GITHUB_TOKEN"),
        (404, {}, "check the name"),
        (500, {}, "HTTP status 500"),
    ],
)
def test_api_that_refuses_is_quoted(
    store: Store, upstream: HubUpstream, status: int, headers: dict[str, str], words: str
) -> None:
    """The reason names the status and what to do; the others are fetched all the same."""
    upstream.faults["/repos/someone/nets"] = lambda exchange: exchange.answer(
        status, b"", **headers
    )
    summary = run(store, "someone/nets", "hf:org/tiny")
    ((name, error),) = summary.failures
    assert (name, isinstance(error, SourceError)) == ("someone/nets", True)
    assert words in str(error)
    assert [item.name for item in store.index().items] == ["org/tiny"]


def test_list_that_leads_to_another_host_is_not_followed(
    store: Store, upstream: HubUpstream
) -> None:
    """A next page elsewhere would get the token's trust without deserving it."""
    address = f"/api/models/org/tiny/tree/{MODEL_COMMIT}"
    upstream.faults[address] = lambda exchange: exchange.answer(
        200, b"[]", Link='<http://127.0.0.2:1/x>; rel="next"'
    )
    ((_, error),) = run(store, "hf:org/tiny").failures
    assert "goes on elsewhere" in str(error)


@pytest.mark.parametrize("path", ["../../escape", "/absolute", "a/./b", "nul\0l", "back\\slash"])
def test_model_with_a_hostile_file_name_is_refused(
    store: Store, upstream: HubUpstream, path: str
) -> None:
    """Names become paths; a bad one refuses the whole model."""
    upstream.models["org/tiny"].commits[MODEL_COMMIT][path] = b"x"
    ((_, error),) = run(store, "hf:org/tiny").failures
    assert isinstance(error, MirrorError | SourceError)
    assert store.index().items == ()


# -- tokens
# --------------------------------------------------------------------------------------------------


def test_tokens_go_to_their_own_host_only(
    store: Store, upstream: HubUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 62: an upstream other than GitHub and Hugging Face gets no token without the setting."""
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_secret")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    run(store, "someone/nets", "hf:org/tiny")
    assert not [exchange for exchange in upstream.requests if "authorization" in exchange.headers]


def test_tokens_are_sent_where_the_setting_says_and_not_further(
    store: Store, upstream: HubUpstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the setting each upstream gets its token; a redirect to another host gets none."""
    token_file = tmp_path / "huggingface" / "token"
    token_file.parent.mkdir()
    token_file.write_text("hf_secret\n")
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_secret")
    with HubUpstream("127.0.0.2") as other:
        archive = upstream.repositories["someone/nets"].archives[MAIN]
        other.weights["/elsewhere.zip"] = archive
        path = f"/someone/nets/zipball/{MAIN}"
        upstream.faults[path] = lambda exchange: exchange.answer(
            302, Location=f"{other.base}/elsewhere.zip"
        )
        model = upstream.models["org/tiny"].commits[MODEL_COMMIT]["model.safetensors"]
        other.weights["/m"] = model
        address = f"/org/tiny/resolve/{MODEL_COMMIT}/model.safetensors"
        upstream.faults[address] = lambda exchange: exchange.answer(302, Location=f"{other.base}/m")
        github_base = upstream.base.replace("127.0.0.1", "localhost")
        before = store.settings().upstreams
        changed = replace(
            before,
            sends_tokens=True,
            bases={**before.bases, GITHUB: github_base, GITHUB_API: github_base},
        )
        store.change_settings(lambda old: replace(old, upstreams=changed))
        assert run(store, "someone/nets", "hf:org/tiny").failures == []
        sent = {
            (e.headers["host"].split(":")[0], e.headers.get("authorization"))
            for e in upstream.requests
        }
        assert sent == {("localhost", "Bearer ghp_secret"), ("127.0.0.1", "Bearer hf_secret")}
        assert not [exchange for exchange in other.requests if "authorization" in exchange.headers]


def test_a_mirror_feeds_a_mirror_by_its_names(upstream: HubUpstream) -> None:
    """One address stands for all upstreams, and for hosts that have no setting of their own."""
    fed = parse_upstreams([f"mirror={upstream.base}/"])
    assert {fed.base(public) for public in (GITHUB, HUGGINGFACE)} == {upstream.base}
    assert (
        fed.rewritten("https://download.pytorch.org/models/a.pth")
        == f"{upstream.base}/models/a.pth"
    )
    assert (
        fed.rewritten("https://dl.example.org/a b.pth")
        == f"{upstream.base}/weights/dl.example.org/a%20b.pth"
    )
