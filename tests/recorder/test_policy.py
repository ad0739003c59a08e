"""What a locked run lets through, where to, and what it answers itself: a table of addresses."""

from __future__ import annotations

import json

import pytest

from zoo.cache.lock_lines import LockedThing
from zoo.recorder.policy import LockedPolicy, OwnResponse, Pass

COMMIT = "a" * 40
OTHER = "b" * 40
ZEROS = "0" * 64
THINGS = (
    LockedThing("file", "net-12345678.pth", ZEROS, 1, url="https://e.org/net-12345678.pth"),
    LockedThing("file", "old.pth", ZEROS, 1),
    LockedThing("github", f"o/r@{COMMIT}", refs=("main",)),
    LockedThing("github", f"o/r@{OTHER}", refs=("v1", "release/1")),
    LockedThing("huggingface", f"o/m@{COMMIT}/config.json", ZEROS, 1, ("main",)),
    LockedThing("huggingface", f"plain@{COMMIT}/a b.bin", ZEROS, 1, ("main",)),
    LockedThing("url", "https://e.org/labels.txt", ZEROS, 1),
)
HUB = "https://huggingface.co"


def decide(url: str, method: str = "GET") -> Pass | OwnResponse:
    """Ask a fresh policy about one request."""
    return LockedPolicy(THINGS)(method, url)


@pytest.mark.parametrize(
    ("url", "target", "name"),
    [
        ("https://e.org/net-12345678.pth", None, "net-12345678.pth"),
        ("https://e.org/net-12345678.pth?token=1", None, "net-12345678.pth"),
        ("https://any.example.org/old.pth", None, "old.pth"),
        ("https://e.org/labels.txt", None, "https://e.org/labels.txt"),
        ("https://github.com/o/r/zipball/main", f"/o/r/zipball/{COMMIT}", f"o/r@{COMMIT}"),
        ("https://github.com/o/r/zipball/refs/heads/main", f"/zipball/{COMMIT}", f"o/r@{COMMIT}"),
        ("https://github.com/o/r/zipball/release/1", f"/o/r/zipball/{OTHER}", f"o/r@{OTHER}"),
        (f"https://github.com/o/r/zipball/{OTHER}", f"/o/r/zipball/{OTHER}", f"o/r@{OTHER}"),
        (
            f"{HUB}/o/m/resolve/main/config.json",
            f"/resolve/{COMMIT}/c",
            f"o/m@{COMMIT}/config.json",
        ),
        (f"{HUB}/plain/resolve/main/a%20b.bin", f"/{COMMIT}/a%20b.bin", f"plain@{COMMIT}/a b.bin"),
    ],
)
def test_what_is_locked_passes_to_its_commit(url: str, target: str | None, name: str) -> None:
    """Whatever branch or tag it was asked for by."""
    decision = decide(url)
    assert isinstance(decision, Pass)
    assert decision.expected is not None
    assert decision.expected.name == name
    assert (target or url) in decision.url


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("https://e.org/other.txt", "url https://e.org/other.txt"),
        ("https://e.org/a.txt?token=secret", "url https://e.org/a.txt"),
        ("https://other.org/net-12345678.pth", "url https://other.org/net-12345678.pth"),
        ("https://github.com/o/other/zipball/main", "github o/other:main"),
        ("https://github.com/o/r/zipball/v2", "github o/r:v2"),
        (f"{HUB}/o/other/resolve/main/config.json", "huggingface o/other@main"),
        (f"{HUB}/api/models/o/other", "huggingface o/other@main"),
        (f"{HUB}/o/m/resolve/v2/config.json", "huggingface o/m@v2"),
    ],
)
def test_what_is_not_locked_is_refused_with_the_line_that_is_missing(url: str, line: str) -> None:
    """In the answer too, and without tokens."""
    policy = LockedPolicy(THINGS)
    decision = policy("GET", url)
    assert isinstance(decision, OwnResponse)
    assert decision.status == 403
    assert decision.body.decode().startswith(f"zoo.lock has no line for {line}; record it")
    assert list(policy.missing) == [line]


def test_a_file_that_a_client_tries_of_a_locked_model_is_absent() -> None:
    """As on Hugging Face itself: clients try several names."""
    policy = LockedPolicy(THINGS)
    decision = policy("HEAD", f"{HUB}/o/m/resolve/main/model.safetensors")
    assert isinstance(decision, OwnResponse)
    assert (decision.status, dict(decision.headers)["X-Error-Code"]) == (404, "EntryNotFound")
    assert list(policy.absent) == [f"huggingface o/m@{COMMIT}/model.safetensors"]
    assert policy.missing == {}


def test_the_refs_of_a_repository_are_those_that_are_locked() -> None:
    """All on the first page of branches, where torch.hub looks first."""
    address = "https://api.github.com/repos/o/r"
    decision = decide(f"{address}/branches?per_page=100&page=1")
    assert isinstance(decision, OwnResponse)
    names = {entry["name"]: entry["commit"]["sha"] for entry in json.loads(decision.body)}
    assert names == {"main": COMMIT, "v1": OTHER, "release/1": OTHER}
    for other in ("branches?per_page=100&page=2", "tags?per_page=100&page=1"):
        empty = decide(f"{address}/{other}")
        assert isinstance(empty, OwnResponse)
        assert json.loads(empty.body) == []


def test_whether_there_is_a_branch_is_answered_from_the_lock_file() -> None:
    """torch.hub asks for main, then takes master."""
    there = decide("https://github.com/o/r/tree/main/")
    missing = decide("https://github.com/o/r/tree/master/")
    assert isinstance(there, OwnResponse)
    assert isinstance(missing, OwnResponse)
    assert (there.status, missing.status) == (200, 404)


def test_questions_about_a_locked_model_are_asked_at_its_commit() -> None:
    """So that its list of files is the one of then."""
    decision = decide(f"{HUB}/api/models/o/m/revision/main")
    assert decision == Pass(f"{HUB}/api/models/o/m/revision/{COMMIT}")
    listing = decide(f"{HUB}/api/models/o/m/tree/{COMMIT}?recursive=true")
    assert listing == Pass(f"{HUB}/api/models/o/m/tree/{COMMIT}?recursive=true")


def test_telemetry_is_refused_without_a_word_in_the_list() -> None:
    """No file is missing for it."""
    policy = LockedPolicy(THINGS)
    for method, url in (("POST", "https://e.org/track"), ("GET", f"{HUB}/api/whoami-v2")):
        decision = policy(method, url)
        assert isinstance(decision, OwnResponse)
        assert decision.status == 403
    assert policy.missing == {}


def test_what_a_locked_answer_redirects_to_is_held_against_the_same_line() -> None:
    """Hugging Face keeps large files on another host, GitHub its archives."""
    policy = LockedPolicy(THINGS)
    first = policy("GET", f"{HUB}/o/m/resolve/main/config.json")
    assert isinstance(first, Pass)
    policy.redirected(first.url, "https://cdn.example.org/x?signature=1", first.expected)
    second = policy("GET", "https://cdn.example.org/x?signature=1")
    assert second == Pass("https://cdn.example.org/x?signature=1", first.expected)
