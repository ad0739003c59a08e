"""A full check is remembered until the file is touched, or for so many days."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from zoo.cache import verified
from zoo.cache.digests import Expected, sha256_file
from zoo.cache.status import look
from zoo.config import config_path

if TYPE_CHECKING:
    from pathlib import Path

DAY_S = 86_400.0


@pytest.fixture
def checked(tmp_path: Path) -> Path:
    """Return a file whose full check is remembered."""
    file = tmp_path / "f.pth"
    file.write_bytes(b"abc")
    verified.remember(file, sha256_file(file), verified.stamp(file))
    assert verified.recall(file) == sha256_file(file)
    return file


def age(days: float) -> None:
    """Let the check have been made some days ago."""
    (receipt,) = verified.folder().rglob("*.json")
    content = json.loads(receipt.read_text())
    content["checked_at_s"] = time.time() - days * DAY_S
    receipt.write_text(json.dumps(content))


def settings(text: str) -> None:
    """Write the config file."""
    config_path().parent.mkdir(parents=True, exist_ok=True)
    config_path().write_text(text)


@pytest.mark.parametrize(("days", "counts"), [(29, True), (31, False), (-1, True), (-31, False)])
def test_a_check_counts_for_a_month(checked: Path, days: float, *, counts: bool) -> None:
    """A clock set back by a day does no harm; a check from far in the future counts no more."""
    age(days)
    assert (verified.recall(checked) is not None) is counts


def test_how_long_a_check_counts_is_a_setting(checked: Path) -> None:
    """A day; or for ever."""
    age(2)
    settings("verify_after_days = 1")
    assert verified.recall(checked) is None
    settings("verify_after_days = 0")
    assert verified.recall(checked) is not None


def test_bit_rot_is_found_when_the_check_has_grown_old(checked: Path) -> None:
    """The bytes have changed below the file system: no stamp shows it, reading does."""
    (receipt,) = verified.folder().rglob("*.json")
    content = json.loads(receipt.read_text())
    expected = Expected("0" * 64)
    receipt.write_text(json.dumps({**content, "sha256": expected.sha256}))
    assert look(checked, expected).sha256 == expected.sha256
    age(31)
    assert look(checked, expected).sha256 == sha256_file(checked)
    age(0)
    assert look(checked, expected, may_trust_receipt=False).sha256 == sha256_file(checked)


def test_a_link_that_leads_round_in_a_circle_has_no_check(tmp_path: Path) -> None:
    """It is no error either."""
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert verified.recall(tmp_path / "a") is None
