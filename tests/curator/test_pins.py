"""Pins of weights on the Hub, asked for at a server that plays it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.hub_upstream import HubUpstream, Model
from zoo.catalog.resolver import resolve
from zoo.curator import pins
from zoo.curator.pins import Pin, pin_weights, pinned, read_pins
from zoo.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo.catalog.records import Architecture, Weights

FIRST, SECOND = "1" * 40, "2" * 40
SPECS = ("timm/test_resnet", "timm/test_vit")


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubUpstream]:
    """A Hub that has both models."""
    with HubUpstream() as running:
        for architecture, weights in wanted():
            hub = weights.files[0].hub
            assert hub is not None
            data = architecture.name.encode() * 100
            commits = {FIRST: {hub.path: data}, SECOND: {hub.path: data + b"!"}}
            running.models[hub.repository] = Model(commits, {"main": FIRST})
        monkeypatch.setenv("HF_ENDPOINT", running.base)
        yield running


def wanted() -> list[tuple[Architecture, Weights]]:
    """The two models' default weights."""
    return [resolve(spec) for spec in SPECS]


def test_a_pin_is_commit_length_and_digest(upstream: HubUpstream, tmp_path: Path) -> None:
    """Each is what the Hub says of main today; the file reads back as written."""
    path = tmp_path / "pins.json"
    outcomes = pin_weights(wanted(), path=path)
    data = b"timm/test_resnet" * 100
    expected = Pin(FIRST, hashlib.sha256(data).hexdigest(), len(data))
    assert outcomes[0].pin == expected
    assert read_pins(path)[outcomes[0].spec] == expected
    assert len(read_pins(path)) == 2
    assert upstream.requests


def test_what_has_a_pin_is_not_asked_for_again(upstream: HubUpstream, tmp_path: Path) -> None:
    """So that an interrupted run goes on where it was."""
    path = tmp_path / "pins.json"
    pin_weights(wanted()[:1], path=path)
    asked = len(upstream.requests)
    assert [outcome.spec for outcome in pin_weights(wanted()[:1], path=path)] == []
    assert len(upstream.requests) == asked


def test_a_changed_repository_is_told(upstream: HubUpstream, tmp_path: Path) -> None:
    """With --again: the pin moves, and the change is named."""
    path = tmp_path / "pins.json"
    pin_weights(wanted(), path=path)
    for model in upstream.models.values():
        model.refs["main"] = SECOND
    outcomes = pin_weights(wanted(), is_again=True, path=path)
    assert [outcome.is_changed for outcome in outcomes] == [True, True]
    assert {pin.revision for pin in read_pins(path).values()} == {SECOND}


def test_a_model_that_is_gone_keeps_its_pin(upstream: HubUpstream, tmp_path: Path) -> None:
    """The others are pinned all the same."""
    path = tmp_path / "pins.json"
    pin_weights(wanted(), path=path)
    before = read_pins(path)
    hub = wanted()[0][1].files[0].hub
    assert hub is not None
    del upstream.models[hub.repository]
    outcomes = pin_weights(wanted(), is_again=True, path=path)
    assert [outcome.fault is None for outcome in outcomes] == [False, True]
    assert read_pins(path) == before


def test_a_pin_goes_into_the_record() -> None:
    """The digest is demanded then, at that commit's own address."""
    file = wanted()[0][1].files[0]
    file = replace(file, hub=replace(file.hub, revision=None) if file.hub else None)
    at_commit = pinned(file, Pin(FIRST, "a" * 64, 5))
    assert at_commit.hub is not None
    assert (at_commit.hub.revision, at_commit.sha256, at_commit.size_bytes) == (FIRST, "a" * 64, 5)
    assert at_commit.url is not None
    assert f"/resolve/{FIRST}/" in at_commit.url
    assert pinned(file, None) == file


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        json.dumps({"schema_version": 2, "pins": {}}),
        json.dumps({"schema_version": 1, "pins": {"a": 1}}),
        json.dumps(
            {
                "schema_version": 1,
                "pins": {"a": {"revision": "main", "sha256": "b", "size_bytes": 1}},
            }
        ),
    ],
)
def test_a_malformed_file_is_refused(text: str, tmp_path: Path) -> None:
    """Never taken for no pins."""
    path = tmp_path / "pins.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RegistryError):
        pins.read_pins(path)
