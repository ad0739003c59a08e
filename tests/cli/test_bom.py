"""``zoo bom`` from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zoo.cache import lockfile
from zoo.cache.lock_lines import LockedThing

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.cli.conftest import Run

COMMIT = "0" * 40


def test_names_become_a_bill_on_stdout(zoo: Run) -> None:
    """Of the default weights, in CycloneDX."""
    outcome = zoo("bom", "resnet18", "squeezenet1_1")
    assert outcome.json["bomFormat"] == "CycloneDX"
    assert outcome.err == "2 parts, 2 files\n"


def test_a_bill_is_written_to_a_file(zoo: Run, tmp_path: Path) -> None:
    """In SPDX as well."""
    path = tmp_path / "models.spdx.json"
    assert zoo("bom", "resnet18", "--format", "spdx", "--output", str(path)).exit_code == 0
    assert "@graph" in json.loads(path.read_text())


def test_the_nearest_lock_file_is_listed_without_names(
    zoo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As everywhere; an empty one is refused."""
    monkeypatch.chdir(tmp_path)
    lockfile.write_things(tmp_path / "zoo.lock", [])
    assert "lists nothing" in zoo("bom").err
    lockfile.write_things(tmp_path / "zoo.lock", [LockedThing("github", f"a/b@{COMMIT}")])
    assert zoo("bom").json["components"][0]["name"] == "a/b"


def test_the_time_can_be_fixed(zoo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a bill can be made again byte by byte."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    first = zoo("bom", "resnet18")
    assert first.json["metadata"]["timestamp"] == "1970-01-01T00:00:00Z"
    assert zoo("bom", "resnet18").out == first.out
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "noon")
    assert zoo("bom", "resnet18").exit_code == 2


def test_only_one_source_is_taken(zoo: Run) -> None:
    """Anything else would be guessed."""
    outcome = zoo("bom", "resnet18", "--lock", "zoo.lock")
    assert outcome.exit_code == 2
    assert "not several of them" in outcome.err
    assert zoo("bom", "--lock", "/nowhere/zoo.lock").exit_code == 2
