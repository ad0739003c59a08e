"""Keys and repositories: what a publisher cannot do by mistake."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from tests.trust.conftest import PASSPHRASE
from zoo.errors import TrustError
from zoo.trust import keys, publishing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.trust.conftest import Publisher


def test_a_private_key_is_encrypted_and_its_owners_alone(tmp_path: Path) -> None:
    """And is never written over."""
    pair = keys.create(tmp_path / "mine", PASSPHRASE)
    assert stat.S_IMODE(pair.private.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in pair.private.read_bytes()
    assert keys.load_public(pair.public).keyid == pair.key_id
    with pytest.raises(TrustError, match="there is such a key already"):
        keys.create(tmp_path / "mine", PASSPHRASE)
    with pytest.raises(TrustError, match="expected a key that this passphrase opens"):
        keys.load_private(pair.private, "wrong")
    with pytest.raises(TrustError, match="protects nothing"):
        keys.create(tmp_path / "other", "")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keyid": 1}', b"\xff"])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """Public or private."""
    path = tmp_path / "x.pub"
    path.write_bytes(content)
    with pytest.raises(TrustError, match="expected a public key"):
        keys.load_public(path)
    with pytest.raises(TrustError, match="this passphrase opens"):
        keys.load_private(path, PASSPHRASE)


def test_a_root_counts_when_enough_keys_have_signed(publisher: Publisher, tmp_path: Path) -> None:
    """Until then nothing can be published; a stranger's key is refused."""
    folder = tmp_path / "other"
    one = publisher.public_keys("a")
    roles = {
        "root": publisher.public_keys("a", "b", threshold=2),
        "targets": one,
        "snapshot": one,
        "timestamp": one,
    }
    publishing.init(folder, roles)
    with pytest.raises(TrustError, match="no root is in place"):
        publishing.publish(folder, {}, [], zoo_version="1")
    with pytest.raises(TrustError, match="is none of the root's"):
        publishing.sign(folder, [publisher.signers["c"]])
    assert publishing.sign(folder, [publisher.signers["a"]]) == (1, False)
    assert publishing.sign(folder, [publisher.signers["b"]]) == (2, True)
    with pytest.raises(TrustError, match="no root waits"):
        publishing.sign(folder, [publisher.signers["a"]])
    with pytest.raises(TrustError, match="there is a repository already"):
        publishing.init(folder, roles)


def test_more_signatures_than_keys_cannot_be_asked_for(publisher: Publisher) -> None:
    """Nobody could ever publish again."""
    role_keys = publisher.public_keys("a", "a", threshold=2)
    with pytest.raises(TrustError, match="2 keys cannot make 2 signatures"):
        publishing.rotate(publisher.folder, "root", role_keys)


def test_nothing_is_published_without_the_keys_of_all_roles(publisher: Publisher) -> None:
    """A half-signed state would stop every client."""
    before = sorted(path.name for path in (publisher.public / "metadata").iterdir())
    files = {"registry.json": publisher.files / "registry.json"}
    with pytest.raises(TrustError, match="the role snapshot: too few signatures"):
        publishing.publish(
            publisher.folder, files, [publisher.signers["targets"]], zoo_version="99.0"
        )
    after = sorted(path.name for path in (publisher.public / "metadata").iterdir())
    assert after == before


def test_a_second_draft_waits_for_the_first(publisher: Publisher) -> None:
    """Two roots with one number would tell clients two things."""
    publishing.rotate(publisher.folder, "targets", publisher.public_keys("a"))
    with pytest.raises(TrustError, match="a draft waits for signatures"):
        publishing.rotate(publisher.folder, "targets", publisher.public_keys("b"))
