"""Lengths of files that nobody states: computed, marked, and never mixed with exact ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from safetensors.torch import save_file

from zoo.catalog.chooser import Limits, choose
from zoo.catalog.index import load_index
from zoo.catalog.resolver import resolve
from zoo.inspector import live
from zoo.loader import load_model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run


def test_every_file_is_measured_exactly_or_about() -> None:
    """Never both; of repositories of PyTorch Hub nothing is computed."""
    with_files = [entry for entry in load_index().entries if entry.files]
    for entry in with_files:
        assert (entry.size_bytes is None) != (entry.about_size_bytes is None), entry.spec
    about = [entry for entry in with_files if entry.about_size_bytes is not None]
    assert sum(entry.source == "zoo" for entry in about) == 6
    assert sum(entry.source == "timm" for entry in about) == 1826


@pytest.mark.parametrize("spec", ["timm/test_resnet", "timm/test_vit", "timm/test_nfnet"])
def test_what_is_computed_is_near_what_is_written(spec: str, tmp_path: Path) -> None:
    """Saved as safetensors, such a network differs by the header: names and shapes of tensors."""
    architecture, weights = resolve(spec)
    assert weights.state_bytes == live.state_bytes(architecture, weights)
    path = tmp_path / "net.safetensors"
    save_file(load_model(spec, weights=None).state_dict(), path)
    header = path.stat().st_size - weights.state_bytes
    assert 0 < header < 200 * len(list(load_model(spec, weights=None).state_dict())) + 100


def test_lists_mark_them_and_keep_them_apart(zoo: Run) -> None:
    """A tilde for people, a key of its own for machines."""
    assert "~102 MB" in zoo("list", "timm/resnet50", "--limit", "1").out
    assert "~102 MB" in zoo("compare", "timm/resnet50", "resnet18").out
    assert "~102 MB" in zoo("inspect", "timm/resnet50", "--depth", "0").out
    (row,) = zoo("list", "timm/resnet50", "--limit", "1", "--json").json
    assert row["size_bytes"] is None
    assert row["about_size_bytes"] == 102_441_032
    (known,) = zoo("list", "resnet18", "--source", "torchvision", "--limit", "1", "--json").json
    assert (known["size_bytes"], known["about_size_bytes"]) == (46_830_453, None)


def test_a_dry_run_says_about_how_much(zoo: Run) -> None:
    """The sum is marked as soon as one part of it is."""
    outcome = zoo("download", "timm/resnet50", "resnet18", "--dry-run")
    assert "~102 MB" in outcome.out
    assert "files to fetch, ~" in outcome.err
    first, second = zoo("download", "timm/resnet50", "resnet18", "--dry-run", "--json").json
    assert (first["size_bytes"], first["about_size_bytes"]) == (None, 102_441_032)
    assert second["about_size_bytes"] is None


def test_limits_on_size_judge_them(zoo: Run) -> None:
    """Nothing is left unjudged for want of a size."""
    choice = choose(Limits(size_bytes=30e6))
    assert any(row.entry.source == "timm" for row in choice.fitting)
    for row in choice.fitting:
        assert (row.entry.size_bytes or row.entry.about_size_bytes or 1e99) <= 30e6
    outcome = zoo("choose", "--max-size", "30MB", "--cost", "size", "--json")
    assert {"size_bytes", "about_size_bytes"} <= outcome.json[0].keys()
    assert "size is not recorded" not in outcome.err
