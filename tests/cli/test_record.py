"""``zoo record``, ``zoo run``, ``zoo sync`` and ``zoo lock`` from the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.hub_upstream import HubUpstream, Repository, hub_archive
from zoo.cache import lockfile
from zoo.cache.lock_lines import LockedThing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Run

MAIN = "1" * 40
MOVED = "2" * 40
ZEROS = "0" * 64
PROGRAM = """
import urllib.request
request = urllib.request.Request("https://github.com/o/r/zipball/main")
request.add_header("User-Agent", "torch.hub")
urllib.request.urlopen(request).read()
"""


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubUpstream]:
    """Publish one repository, and work in an empty project."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    with HubUpstream() as running:
        archives = {MAIN: hub_archive("o/r", MAIN)}
        running.repositories["o/r"] = Repository({"main": MAIN}, {}, archives)
        yield running


def arguments(upstream: HubUpstream) -> list[str]:
    """Write the options that lead to the upstream, and the program."""
    return ["--upstream", f"github.com={upstream.base}", "--", sys.executable, "-c", PROGRAM]


def test_record_then_run_locked_then_move(zoo: Run, upstream: HubUpstream, tmp_path: Path) -> None:
    """One line; then the same commit for ever; then a conflict; then an update."""
    path = tmp_path / "project" / "zoo.lock"
    outcome = zoo("record", *arguments(upstream))
    assert outcome.exit_code == 0
    assert outcome.err.startswith(f"1 things fetched, 1 lines of {path} changed")
    (line,) = lockfile.read_things(path)
    assert (line.name, line.refs, line.asked_by) == (f"o/r@{MAIN}", ("main",), ("torch.hub",))

    repository = upstream.repositories["o/r"]
    repository.branches["main"] = MOVED
    repository.archives[MOVED] = hub_archive("o/r", MOVED, 2)
    held = zoo("run", "--locked", *arguments(upstream))
    assert (held.exit_code, held.err) == (0, "all as zoo.lock says\n")

    conflict = zoo("record", *arguments(upstream))
    assert conflict.exit_code == 1
    assert "main is locked at 1111" in conflict.err
    updated = zoo("lock", "update", *arguments(upstream))
    assert updated.exit_code == 0
    assert updated.out.startswith(f"- github o/r@{MAIN}")
    assert f"+ github o/r@{MOVED}" in updated.out


def test_run_locked_says_which_line_is_missing(zoo: Run, upstream: HubUpstream) -> None:
    """And exits with the program's code, or with 1."""
    zoo("record", "--lock", "zoo.lock", "--", sys.executable, "-c", "")
    outcome = zoo("run", "--locked", *arguments(upstream))
    assert outcome.exit_code == 1
    assert "refused: zoo.lock has no line for github o/r:main" in outcome.err
    assert upstream.requests == []


def test_run_needs_locked_and_a_lock_file(zoo: Run, upstream: HubUpstream) -> None:
    """Each missing thing in its own words."""
    assert "--locked is missing" in zoo("run", "--", "true").err
    missing = zoo("run", "--locked", "--", "true")
    assert missing.exit_code == 2
    assert 'make one with "zoo record -- COMMAND"' in missing.err


def test_sync_unpacks_and_prints_where(zoo: Run, upstream: HubUpstream, torch_home: Path) -> None:
    """A second time nothing is fetched."""
    zoo("record", *arguments(upstream))
    options = ("sync", "--upstream", f"github.com={upstream.base}")
    outcome = zoo(*options)
    folder = torch_home / "hub" / "o_r_main"
    assert outcome.out == f"{folder}\n"
    assert outcome.err.endswith("1 lines, 1 fetched\n")
    assert (folder / "hubconf.py").is_file()
    assert zoo(*options, "--json").json[0]["outcome"] == "was there"


def test_lock_diff_and_check(zoo: Run, upstream: HubUpstream, tmp_path: Path) -> None:
    """Differences exit with 1, as do refs at two commits."""
    first = LockedThing("github", f"o/r@{MAIN}", refs=("main",))
    second = LockedThing("github", f"o/r@{MOVED}", refs=("main",))
    old = tmp_path / "old.lock"
    new = tmp_path / "new.lock"
    lockfile.write_things(old, [first])
    lockfile.write_things(new, [first, second])
    assert zoo("lock", "diff", str(old), str(old)).exit_code == 0
    outcome = zoo("lock", "diff", str(old), str(new))
    assert outcome.exit_code == 1
    assert outcome.out == f"+ github o/r@{MOVED} refs=main\n"
    assert zoo("lock", "check", "--lock", str(old)).exit_code == 0
    check = zoo("lock", "check", "--lock", str(new))
    assert check.exit_code == 1
    assert check.out == f"o/r: main stands at {MAIN} and at {MOVED}\n"


def test_a_mirror_and_a_bundle_take_a_lock_file(
    zoo: Run, upstream: HubUpstream, tmp_path: Path
) -> None:
    """Each repository at its commit; what no mirror can be asked for is said."""
    things = [
        LockedThing("github", f"o/r@{MAIN}", refs=("main",)),
        LockedThing("url", "https://e.org/a", ZEROS, 1),
    ]
    lockfile.write_things(tmp_path / "zoo.lock", things)
    kinds = [f"{kind}={upstream.base}" for kind in ("github", "github-api")]
    options = [option for kind in kinds for option in ("--upstream", kind)]
    lock = ("--lock", str(tmp_path / "zoo.lock"))
    assert zoo("mirror", "init", str(tmp_path / "m"), *options).exit_code == 0
    added = zoo("mirror", "add", "--dir", str(tmp_path / "m"), *lock)
    assert f"added o/r:{MAIN}" in added.err
    assert "url https://e.org/a belongs to no repository" in added.err
    packed = zoo("bundle", "create", str(tmp_path / "b.zip"), *lock, *options, "--json")
    assert f"torch/hub/o_r_{MAIN}/hubconf.py" in [one["path"] for one in packed.json]
