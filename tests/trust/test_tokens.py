"""Keys that stay on a token, with a token in software that speaks PKCS#11 as a YubiKey does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zoo.errors import TrustError
from zoo.trust import keys, publishing, signatures
from zoo.trust.publishing import RoleKeys

LIBRARY = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "123456"
LABEL = "root-1"

pytestmark = pytest.mark.skipif(
    not LIBRARY.exists(), reason="softhsm2 is not installed: make packages does that as root"
)
MAKE_KEY = """
import sys
import pkcs11
from pkcs11.util import ec
token = pkcs11.lib(sys.argv[1]).get_token(token_label=sys.argv[2])
curve = ec.encode_named_curve_parameters("secp256r1")
with token.open(rw=True, user_pin=sys.argv[3]) as session:
    parameters = session.create_domain_parameters(
        pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: curve}, local=True
    )
    parameters.generate_keypair(store=True, id=b"\\x02", label="sign")
"""


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a token that holds one key for signing."""
    settings = tmp_path / "softhsm2.conf"
    (tmp_path / "tokens").mkdir()
    settings.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(settings))
    monkeypatch.setenv("PYKCS11LIB", str(LIBRARY))
    create = ["softhsm2-util", "--init-token", "--free", "--label", LABEL]
    subprocess.run([*create, "--pin", PIN, "--so-pin", PIN], check=True, capture_output=True)
    make = [sys.executable, "-c", MAKE_KEY, str(LIBRARY), LABEL, PIN]
    subprocess.run(make, check=True, capture_output=True)
    return LABEL


def test_a_key_on_a_token_signs_as_one_in_a_file_does(token: str, tmp_path: Path) -> None:
    """Root, state and weights; NAME.key holds no secret, only where the key is."""
    pair = keys.create_on_token(tmp_path / "root-1", PIN)
    assert pair.private.read_text() == f"hsm:2?label={token}\n"
    public = keys.load_public(pair.public)
    assert public.keyid == pair.key_id

    signer = keys.load_private(pair.private, PIN)
    repository = tmp_path / "site"
    publishing.init(repository, dict.fromkeys(publishing.ROLES, RoleKeys((public,))))
    assert publishing.sign(repository, [signer]) == (1, True)
    target = tmp_path / "registry.json"
    target.write_text("{}")
    number = publishing.publish(repository, {"registry.json": target}, [signer], zoo_version="99")
    assert number == 1

    signature = signatures.sign(target, signer)
    assert signatures.verify(target, signature, [public]).keyid == pair.key_id

    wrong = keys.load_private(pair.private, "000000")
    with pytest.raises(TrustError, match=r"it cannot sign: .*the PIN is right"):
        signatures.sign(target, wrong)


def test_what_is_no_token_or_key_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No library, no public half, a place that nobody knows."""
    monkeypatch.delenv("PYKCS11LIB", raising=False)
    with pytest.raises(TrustError, match=r"the token: no key can be read.*PYKCS11LIB"):
        keys.create_on_token(tmp_path / "x", PIN)
    elsewhere = tmp_path / "x.key"
    elsewhere.write_text("nowhere:7\n")
    with pytest.raises(TrustError, match=r"x\.pub: expected a public key"):
        keys.load_private(elsewhere, PIN)
    pair = keys.create(tmp_path / "y", PIN)
    pair.public.rename(tmp_path / "x.pub")
    with pytest.raises(TrustError, match=r"x\.key \(nowhere:7\): cannot be used"):
        keys.load_private(elsewhere, PIN)
