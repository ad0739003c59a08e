"""Lines that are added to a lock file, compared, and found to contradict each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from zoo.cache.lock_lines import LockedThing
from zoo.errors import LockConflictError
from zoo.recorder import checking, locking
from zoo.recorder.observing import Exchange, Recorder, client_of

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "a" * 40
OTHER = "b" * 40
ZEROS = "0" * 64
ONES = "1" * 64
FILE = LockedThing("file", "resnet18-f37072fd.pth", ZEROS, 1, asked_by=("zoo",))
REPOSITORY = LockedThing("github", f"o/r@{COMMIT}", refs=("main",), recorded_on="2026-11-28")
MODEL = LockedThing("huggingface", f"o/m@{COMMIT}/config.json", ZEROS, 1, ("main",))
ADDRESS = LockedThing("url", "https://e.org/a", ZEROS, 1)


def test_the_same_bytes_join_their_clients_and_refs() -> None:
    """The first day stays, so that recording again changes no line."""
    again = replace(REPOSITORY, refs=("v1",), asked_by=("torch.hub",), recorded_on="2026-11-29")
    (line,) = locking.merge([REPOSITORY], [again])
    assert (line.refs, line.asked_by) == (("main", "v1"), ("torch.hub",))
    assert line.recorded_on == "2026-11-28"


@pytest.mark.parametrize(
    ("known", "recorded", "fault"),
    [
        (FILE, replace(FILE, sha256=ONES), "is locked, the program got 1111"),
        (REPOSITORY, replace(REPOSITORY, name=f"o/r@{OTHER}"), "main is locked at aaaa"),
    ],
)
def test_other_bytes_and_moved_branches_are_conflicts(
    known: LockedThing, recorded: LockedThing, fault: str
) -> None:
    """Both sides are named, and what to type."""
    with pytest.raises(LockConflictError, match=f"{fault}.*nothing was changed.*--update"):
        locking.merge([known], [recorded])
    assert locking.merge([known], [recorded], replaces=True) == (recorded,)


def test_a_commit_that_other_refs_name_stays() -> None:
    """Only the ref that has moved leaves it."""
    known = replace(REPOSITORY, refs=("main", "v1"))
    moved = replace(REPOSITORY, name=f"o/r@{OTHER}")
    merged = locking.merge([known], [moved], replaces=True)
    assert [(one.revision, one.refs) for one in merged] == [(COMMIT, ("v1",)), (OTHER, ("main",))]


def test_differences_are_about_what_is_demanded() -> None:
    """Who asked, when, and licenses make none."""
    other_words = replace(REPOSITORY, asked_by=("x",), license="mit", recorded_on="2020-01-01")
    before = [FILE, REPOSITORY, MODEL]
    after = [replace(FILE, sha256=ONES), other_words, ADDRESS]
    found = [(one.change, one.name) for one in locking.differences(before, after)]
    assert found == [("changed", FILE.name), ("removed", MODEL.name), ("added", ADDRESS.name)]


def test_a_merge_of_two_branches_that_locked_differently_is_found() -> None:
    """Each line alone is sound; together they say two things of one ref."""
    other = replace(REPOSITORY, name=f"o/r@{OTHER}")
    assert locking.contradictions([REPOSITORY, MODEL]) == []
    (fault,) = locking.contradictions([REPOSITORY, other])
    assert fault == f"o/r: main stands at {COMMIT} and at {OTHER}"


def test_a_lock_file_becomes_what_a_mirror_is_asked_for() -> None:
    """Registered weights by name, the rest at its commit; what has no name is listed."""
    own = LockedThing("file", "own.pth", ZEROS, 1)
    things = [FILE, own, REPOSITORY, MODEL, ADDRESS]
    assert locking.specs(things) == ["resnet18:imagenet1k_v1", f"o/r:{COMMIT}", f"hf:o/m@{COMMIT}"]
    assert locking.without_spec(things) == [own, ADDRESS]


def test_cached_files_are_held_against_the_lock_file(torch_home: Path, tmp_path: Path) -> None:
    """Files of both caches; what is not there is no fault."""
    weights = torch_home / "hub" / "checkpoints" / FILE.name
    model = tmp_path / "huggingface" / "hub" / "models--o--m" / "snapshots" / COMMIT / "config.json"
    for path in (weights, model):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    checked = checking.check([FILE, REPOSITORY, MODEL, ADDRESS])
    assert checked.cached == 2
    assert [fault.partition(":")[0] for fault in checked.faults] == [str(weights), str(model)]


def test_programs_are_named_without_their_versions() -> None:
    """A lock file that is the same for two versions of a client merges better."""
    assert client_of("python-requests/2.34.2") == "python-requests"
    assert client_of("unknown/None; hf_hub/2.4.0; python/3.11.7") == "hf_hub"
    assert client_of("curl/8.0") == "curl"
    assert client_of("") is None
    assert client_of("\x1b[31m/1") is None


def exchange(url: str, status: int = 200, **headers: str) -> Exchange:
    """Make an exchange of a whole file."""
    plain = {name.replace("_", "-"): value for name, value in headers.items()}
    return Exchange("GET", url, "zoo/1", status, plain, sha256=ZEROS, size_bytes=1)


def test_what_has_no_commit_becomes_a_note() -> None:
    """A line without one would pin nothing."""
    recorder = Recorder("2026-11-29")
    recorder.observe(exchange("https://huggingface.co/o/m/resolve/main/config.json"))
    recorder.observe(exchange("https://github.com/o/r/zipball/main"))
    recorder.observe(exchange("https://e.org/part", 206))
    assert recorder.finish() == []
    assert [note.partition(":")[0] for note in recorder.notes] == [
        "o/m/config.json",
        "o/r",
        "https",
    ]


def test_queries_are_left_out_and_other_bytes_at_one_address_are_a_note() -> None:
    """A query may hold a token, and a lock file is committed."""
    recorder = Recorder("2026-11-29")
    recorder.observe(exchange("https://e.org/a?token=secret"))
    recorder.observe(replace(exchange("https://e.org/a"), sha256=ONES))
    assert [thing.name for thing in recorder.finish()] == ["https://e.org/a"]
    assert recorder.notes == ["https://e.org/a: it was other bytes when it was asked for again"]
