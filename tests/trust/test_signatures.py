"""Signatures of weights files: other bytes, other keys, other documents."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.trust.conftest import PASSPHRASE
from zoo.errors import TrustError
from zoo.trust import keys, signatures

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.trust.signatures import WeightsSignature


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Write a weights file."""
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"weights" * 1000)
    return path


@pytest.fixture
def signed(tmp_path: Path, weights: Path) -> WeightsSignature:
    """Sign it with a key called me."""
    pair = keys.create(tmp_path / "me", PASSPHRASE)
    return signatures.sign(weights, keys.load_private(pair.private, PASSPHRASE))


def test_a_signed_file_is_verified_also_under_another_name(
    tmp_path: Path, weights: Path, signed: WeightsSignature
) -> None:
    """And the document is read as it was written."""
    path = signatures.signature_path(weights)
    signatures.write(path, signed)
    assert signatures.read(path) == signed
    renamed = weights.rename(tmp_path / "other.safetensors")
    me = keys.load_public(tmp_path / "me.pub")
    assert signatures.verify(renamed, signed, [me]).keyid == me.keyid


def test_any_ed25519_library_can_check_it(tmp_path: Path, signed: WeightsSignature) -> None:
    """Four lines of text, a public key and a signature, both in hex."""
    public = json.loads((tmp_path / "me.pub").read_text())["keyval"]["public"]
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
    text = f"zoo weights signature 1\nname mine.safetensors\nsize 7000\nsha256 {signed.sha256}\n"
    key.verify(bytes.fromhex(signed.signature), text.encode())


def test_other_bytes_other_keys_and_other_words_are_refused(
    tmp_path: Path, weights: Path, signed: WeightsSignature
) -> None:
    """Each in its own words."""
    me = keys.load_public(tmp_path / "me.pub")
    other = keys.load_public(keys.create(tmp_path / "other", PASSPHRASE).public)
    with pytest.raises(TrustError, match="which is none of those given"):
        signatures.verify(weights, signed, [other])
    for changed in (
        replace(signed, sha256="0" * 64),
        replace(signed, size_bytes=1),
        replace(signed, name="yours.safetensors"),
        replace(signed, signature="00"),
        replace(signed, signature="no hex"),
        replace(signed, key_id=me.keyid, signature=""),
    ):
        with pytest.raises(TrustError, match="it was changed"):
            signatures.verify(weights, changed, [me])
    weights.write_bytes(b"Weights" * 1000)
    with pytest.raises(TrustError, match="is signed, it has"):
        signatures.verify(weights, signed, [me])
    weights.write_bytes(b"weights")
    with pytest.raises(TrustError, match="7000 bytes are signed, it has 7"):
        signatures.verify(weights, signed, [me])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema_version": 2}'])
def test_what_is_no_signature_is_refused(tmp_path: Path, content: str) -> None:
    """With what to name instead."""
    path = tmp_path / "x.sig.json"
    path.write_text(content)
    with pytest.raises(TrustError, match=r"expected a signature.*--signature"):
        signatures.read(path)
    with pytest.raises(TrustError, match="cannot be read"):
        signatures.read(tmp_path / "none")
