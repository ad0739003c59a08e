"""What a mirror may hold, how much of it, and how it is kept fresh."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import MAIN, MODEL_COMMIT, fill
from tests.mirror.syncing import QUICK, run, run_weights, weights
from tests.support.hub_upstream import Model
from tests.support.mirror_places import again, keys, overwrite
from tests.support.mirror_server import ask, ask_until, serving
from zoo.errors import SourceError, UsageError
from zoo.mirror import imports, quota, schedule, upkeep, usage
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.index import Index, Item, StoredFile
from zoo.mirror.policy import Policy, parse_size
from zoo.mirror.published import RemoteFile, RemoteItem
from zoo.mirror.sync import Sync

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.hub_upstream import HubUpstream
    from tests.support.mirror_places import Places
    from zoo.mirror.store import Store

# -- what may be held


@pytest.mark.parametrize(
    ("policy", "name", "license", "words"),
    [
        (Policy(), "hf:a/b", None, None),
        (Policy(allow=("hf:timm/*",)), "hf:timm/resnet18", None, None),
        (Policy(allow=("hf:timm/*",)), "hf:other/resnet18", None, "is not on the mirror's list"),
        (Policy(deny=("hf:Evil/*",)), "hf:evil/net", None, "it may not hold"),
        (Policy(allow=("hf:*",), deny=("hf:evil/*",)), "hf:evil/net", None, "it may not hold"),
        (Policy(allow_licenses=("apache-*", "mit")), "a/b", "Apache-2.0", None),
        (Policy(allow_licenses=("mit",)), "a/b", None, "none is stated"),
        (Policy(deny_licenses=("cc-by-nc*",)), "a/b", "cc-by-nc-4.0", "may not hold"),
        (Policy(deny_licenses=("cc-by-nc*",)), "a/b", None, None),
    ],
)
def test_names_and_licenses_decide(
    policy: Policy, name: str, license: str | None, words: str | None
) -> None:
    """Patterns without regard to case; what is denied is denied although it is allowed."""
    fault = policy.fault(name, license)
    assert (fault is None) == (words is None)
    assert words is None or words in str(fault)


def test_files_that_may_hold_code_stay_out() -> None:
    """The rest of a model is held; a model of nothing else is refused."""
    policy = Policy(only_safetensors=True)
    paths = ("config.json", "model.safetensors", "pytorch_model.bin", "sub/x.PKL", "w.pth.tar")
    files = tuple(RemoteFile(path, f"https://x/{path}") for path in paths)
    item = RemoteItem("huggingface", "o/m", files, "a" * 40)
    assert [file.path for file in policy.apply(item, "hf:o/m").files] == [
        "config.json",
        "model.safetensors",
    ]
    with pytest.raises(SourceError, match="its files may hold code") as raised:
        policy.apply(replace(item, files=files[2:]), "hf:o/m")
    assert raised.value.status == 403


@pytest.mark.parametrize(
    ("text", "size_bytes"), [("500GB", 500 * 10**9), ("2TiB", 2 << 40), ("10k", 10_000), ("7", 7)]
)
def test_sizes_are_read(text: str, size_bytes: int) -> None:
    """Powers of ten, and of two with an i."""
    assert parse_size("--max-size", text) == size_bytes


@pytest.mark.parametrize("text", ["", "0", "-1GB", "many", "1XB", "infGB", "nan"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    """With the form that is taken."""
    with pytest.raises(UsageError, match="--max-size takes a size such as 500GB"):
        parse_size("--max-size", text)


def test_sync_refuses_what_the_policy_does_not_allow(store: Store, upstream: HubUpstream) -> None:
    """It is named with the reason; the rest is fetched."""
    store.change_settings(lambda old: replace(old, policy=Policy(deny=("someone/*",))))
    summary = run(store, "someone/nets", "hf:org/tiny")
    ((name, error),) = summary.failures
    assert (name, "may not hold" in str(error)) == ("someone/nets", True)
    assert [item.name for item in store.index().items] == ["org/tiny"]


def test_nothing_is_carried_in_that_the_policy_does_not_allow(store: Store, tmp_path: Path) -> None:
    """What a prune would remove is refused; files of a model that may hold code stay out."""
    store.change_settings(lambda old: replace(old, policy=Policy(only_safetensors=True)))
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "config.json").write_bytes(b"{}")
    (snapshot / "weights.pth").write_bytes(b"pickle")
    with pytest.raises(SourceError, match="safetensors only"):
        imports.import_file(store, snapshot / "weights.pth", "https://example.org/weights.pth")
    held = imports.import_file(store, snapshot, f"hf:org/carried@{MODEL_COMMIT}")
    assert [file.path.rpartition("/")[2] for file in held.files] == ["config.json"]


def test_what_the_policy_keeps_out_is_not_said_to_be_absent(
    store: Store, upstream: HubUpstream
) -> None:
    """Clients would remember for ever that the model has no such file; it is refused here."""
    files = {"config.json": b"{}", "model.safetensors": b"s", "pytorch_model.bin": b"p"}
    upstream.models["org/both"] = Model({MODEL_COMMIT: files}, {"main": MODEL_COMMIT})
    store.change_settings(lambda old: replace(old, policy=Policy(only_safetensors=True)))
    assert run(store, "hf:org/both").failures == []
    with serving(store) as running:
        kept_out = ask(running, "/org/both/resolve/main/pytorch_model.bin", method="HEAD")
        absent = ask(running, "/org/both/resolve/main/tokenizer.json", method="HEAD")
    assert (kept_out.status, absent.status) == (403, 404)
    assert "may hold code" in kept_out.headers["x-error-message"]
    assert absent.headers["x-error-code"] == "EntryNotFound"


def test_server_pulls_nothing_that_the_policy_does_not_allow(
    store: Store, upstream: HubUpstream
) -> None:
    """Safetensors files are fetched; pickles are not, nor is anything of a denied name."""
    url = weights(upstream, b"weights")
    allowed = Policy(only_safetensors=True, deny=("someone/*",))
    store.change_settings(lambda old: replace(old, policy=allowed))
    with serving(store, "--pull-through") as running:
        path = url.removeprefix("https://download.pytorch.org")
        assert ask(running, f"/weights/download.pytorch.org{path}").status == 403
        refused = ask(running, f"/someone/nets/zipball/{MAIN}")
        assert (refused.status, "retry-after" in refused.headers) == (403, False)
        good = f"/org/tiny/resolve/{MODEL_COMMIT}/model.safetensors"
        assert ask(running, good).status == 200
    assert [item.name for item in store.index().items] == ["org/tiny"]


def test_prune_removes_what_is_allowed_no_more(store: Store, upstream: HubUpstream) -> None:
    """What was added by name stays until it is removed by name."""
    run(store, "someone/nets", "hf:org/tiny")
    store.change_settings(
        lambda old: replace(old, wanted=("hf:org/tiny",), policy=Policy(deny=("*",)))
    )
    assert [item.name for item in upkeep.enforce_policy(store, is_dry_run=True)] == ["someone/nets"]
    upkeep.enforce_policy(store)
    assert [item.name for item in store.index().items] == ["org/tiny"]
    assert keys(store, "repositories/") == set()


# -- how much


def _item(name: str, size_bytes: int, fetched_at: str, path: str | None = None) -> Item:
    file = StoredFile(
        path or f"weights/h/{name}", f"https://h/{name}", size_bytes, "a" * 64, fetched_at
    )
    return Item("weights", name, (file,))


def test_least_recently_used_leaves_first() -> None:
    """Use counts more than age, pinned items never leave, a shared file leaves with the second."""
    old, new = "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"
    shared = "weights/h/shared"
    items = [
        _item("old-used", 10, old),
        _item("old", 10, old),
        _item("new", 10, new),
        _item("pinned", 10, old),
        _item("twin-a", 10, old, shared),
        _item("twin-b", 10, new, shared),
    ]
    index = Index(items)
    used_s = {"weights/h/old-used": 2e9}
    pinned = {items[3].key}

    def chosen(max_size_bytes: int) -> list[str]:
        return [item.name for item in quota.choose(index, max_size_bytes, pinned, used_s)]

    assert chosen(50) == []
    assert chosen(40) == ["old"]
    assert chosen(30) == ["old", "twin-a", "new"]
    assert chosen(0) == ["old", "twin-a", "new", "twin-b", "old-used"]


def test_pull_through_stays_below_the_quota(store: Store, upstream: HubUpstream) -> None:
    """The file that was asked for least recently makes room for the next; what was added stays."""
    urls = [weights(upstream, bytes([number]) * 100_000) for number in range(4)]
    run_weights(store, *urls[:2])
    (old,) = store.index().versions("weights", urls[1])
    (file,) = old.files
    store.enter(replace(old, files=(replace(file, fetched_at="2026-01-01T00:00:00Z"),)))
    allowed = Policy(max_size_bytes=350_000)
    store.change_settings(lambda old: replace(old, wanted=(urls[0],), policy=allowed))
    with serving(store, "--pull-through") as running:
        for url in urls[2:]:
            path = url.removeprefix("https://download.pytorch.org")
            assert ask(running, f"/weights/download.pytorch.org{path}").status == 200
        names = _eventually(store, count=3)
    assert names == {urls[0], urls[2], urls[3]}
    assert upkeep.verify(store) == []


def _eventually(store: Store, count: int) -> set[str]:
    """Read the names once the last file is kept: the client has it a moment before."""
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        names = {item.name for item in again(store).index().items}
        if len(names) == count:
            return names
        threading.Event().wait(0.05)
    return names


def test_server_writes_down_what_is_asked_for(places: Places) -> None:
    """Once it ends, and now and then before; whoever prunes reads it."""
    store = fill(places.new(), {"/models/net-5891b5b5.pth": b"hello\n"})
    path = "weights/download.pytorch.org/models/net-5891b5b5.pth"
    before_s = time.time()
    with serving(store) as running:
        assert ask(running, f"/{path}").status == 200
        assert ask(running, f"/{path}", method="HEAD").status == 200
    used_s = usage.read_all(store)
    assert used_s[path] >= int(before_s)
    for key in keys(store, ".private/used/"):
        overwrite(store, key, b"{")
    assert usage.read_all(store) == {}


# -- again and again


def test_rounds_begin_as_often_as_asked_and_a_little_later() -> None:
    """The time that a round takes counts, and one that takes too long is followed at once."""
    waits: list[float] = []
    clock = iter([0.0, 100.0, 1000.0, 9000.0, 10_000.0, 10_001.0])

    def wait(pause_s: float) -> bool:
        waits.append(pause_s)
        return len(waits) == 3

    rounds: list[int] = []
    schedule.repeat(
        lambda: rounds.append(1),
        lambda took_s: schedule.pause_s(3600, 600, took_s, 0.5),
        wait,
        lambda: next(clock),
    )
    assert (len(rounds), waits) == (3, [3800.0, 300.0, 3899.0])


def test_a_time_may_have_several_parts() -> None:
    """1 h 30 m is 5,400 s."""
    assert schedule.parse_duration("--budget", "1h30m") == 5400
    assert schedule.parse_duration("--budget", " 1M 30 s") == 90


@pytest.mark.parametrize("text", ["", "6", "h", "-1h", "0s", "6 hours", "1h30", "nan", "1e9s"])
def test_times_that_are_none_are_refused(text: str) -> None:
    """With the form that is taken."""
    with pytest.raises(UsageError, match="--every takes a time such as 30m, 6h or 1d"):
        schedule.parse_duration("--every", text)


def test_sync_every_goes_on_until_it_is_ended(store: Store, upstream: HubUpstream) -> None:
    """Two rounds, the first with a failure; Ctrl-C ends it between two."""
    store.change_settings(lambda old: old.with_wanted(["hf:org/tiny"]))
    address = "/api/models/org/tiny/revision/main"
    asked = threading.Event()

    def behave(exchange: object) -> None:
        first = not asked.is_set()
        asked.set()
        if first:
            exchange.answer(404)  # type: ignore[attr-defined]  # an Exchange
        else:
            upstream.faults.pop(address, None)
            exchange.answer(503)  # type: ignore[attr-defined]  # an Exchange

    upstream.faults[address] = behave
    command = [sys.executable, "-m", "zoo", "mirror", "sync", "--every", "0.2s", "--jitter", "0.1s"]
    with subprocess.Popen(
        [*command, "--dir", store.address], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = ""
        while "1 there already" not in said and "1 fetched" not in said and "5 fetched" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert "check the name" in said
    assert [item.name for item in store.index().items] == ["org/tiny"]


# -- two servers on one store


def test_two_servers_on_one_store_restart_one_after_the_other(
    store: Store, upstream: HubUpstream
) -> None:
    """What one pulls the other serves; while either restarts, no request fails at the other."""
    run(store, "hf:org/tiny")
    path = f"/org/tiny/resolve/{MODEL_COMMIT}/model.safetensors"
    url = weights(upstream, b"pulled by one")
    pulled = f"/weights/download.pytorch.org{url.removeprefix('https://download.pytorch.org')}"
    failures: list[str] = []
    ended = threading.Event()

    def download(bases: list[tuple[str, int]]) -> None:
        """Ask the first that answers, as a front does (nginx's `proxy_next_upstream error`)."""
        while not ended.is_set():
            for address in list(bases):
                connection = http.client.HTTPConnection(*address, timeout=60)
                try:
                    connection.request("GET", path)
                    answer = connection.getresponse()
                except ConnectionError:
                    connection.close()
                    continue  # no byte of an answer: a front asks the next one
                try:
                    if len(answer.read()) != 300_000:
                        failures.append("short")
                except (OSError, http.client.HTTPException) as error:
                    failures.append(repr(error))
                finally:
                    connection.close()
                break
            else:
                failures.append("nobody there")

    with serving(store) as second:
        bases = [second.address]
        with serving(store, "--pull-through") as first:
            assert ask(first, pulled).body == b"pulled by one"
            assert ask_until(second, pulled, 200).body == b"pulled by one"
            bases.insert(0, first.address)
            clients = [threading.Thread(target=download, args=(bases,)) for _ in range(3)]
            for client in clients:
                client.start()
        with serving(store) as third:
            bases[:] = [third.address, second.address]
            assert ask(third, path).status == 200
            second.process.send_signal(signal.SIGTERM)
            second.process.wait(30)
            assert ask(third, pulled).body == b"pulled by one"
            ended.set()
            for client in clients:
                client.join()
    assert failures == []


def test_two_servers_pull_the_same_at_once(store: Store, upstream: HubUpstream) -> None:
    """Both clients get the right bytes, and the index names the file once."""
    url = weights(upstream, bytes(200_000))
    path = f"/weights/download.pytorch.org{url.removeprefix('https://download.pytorch.org')}"
    bodies: list[bytes] = []
    with serving(store, "--pull-through") as one, serving(store, "--pull-through") as two:
        threads = [
            threading.Thread(target=lambda server=server: bodies.append(ask(server, path).body))
            for server in (one, two)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bodies == [bytes(200_000)] * 2
    with Sync(store, options=QUICK) as sync:
        assert sync.run(sync.held_beyond([])).failures == []
    assert [item.name for item in store.index().items] == [url]
    assert upkeep.verify(store) == []
    assert [str(spec) for spec in ecosystems.parse(url)] == [url]
