"""Gated models are for tokens that may read them, by whatever way they are asked for (issue 14)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import MODEL_COMMIT
from tests.mirror.syncing import run
from tests.support.clients import run_client
from tests.support.mirror_server import ask, serving
from zoo.mirror.serve import readers

if TYPE_CHECKING:
    from tests.support.hub_upstream import HubUpstream
    from zoo.mirror.store import Store

FILE = "/org/tiny/resolve/main/config.json"
WAYS = (
    FILE,
    f"/org/tiny/resolve/{MODEL_COMMIT}/model.safetensors",
    "/org/tiny/raw/main/model.safetensors",
    f"/huggingface/models--org--tiny/{MODEL_COMMIT}/config.json",
    "http://huggingface.co/org/tiny/resolve/main/config.json",
)
DOWNLOAD = """
import json
from huggingface_hub import hf_hub_download, model_info
from huggingface_hub.errors import GatedRepoError
try:
    print(json.dumps(open(hf_hub_download("org/tiny", "config.json")).read()))
except GatedRepoError as error:
    print(json.dumps(f"gated {model_info('org/tiny').gated}: {error}"))
"""


@pytest.fixture
def gated(upstream: HubUpstream) -> HubUpstream:
    """Gate the model."""
    upstream.gated.add("org/tiny")
    return upstream


def bearer(token: str) -> dict[str, str]:
    """Make the header of a token."""
    return {"Authorization": f"Bearer {token}"}


def test_only_a_token_that_may_reads_it(store: Store, gated: HubUpstream) -> None:
    """Through the API, raw files, static layout and proxy; the rest is for every token."""
    del gated
    assert run(store, "hf:org/tiny", "someone/nets").failures == []
    plain = readers.add(store, "plain")
    wrong = readers.add(store, "wrong", ["hf:other/*"])
    right = readers.add(store, "right", ["HF:org/*"])
    with serving(store) as mirror:
        for way in WAYS:
            for token in (plain, wrong):
                refused = ask(mirror, way, headers=bearer(token))
                assert (refused.status, refused.headers["x-error-code"]) == (403, "GatedRepo"), way
            assert ask(mirror, way, headers=bearer(right)).status == 200
        for way in ("/someone/nets/zipball/main", "/api/models/org/tiny", "/index.json"):
            assert ask(mirror, way, headers=bearer(plain)).status == 200

        said = run_client(DOWNLOAD, mirror=mirror.base, kind="hf", environment={"HF_TOKEN": plain})
        assert said.startswith("gated manual")
        assert "ask for a token of this mirror that may read it" in said
        address = mirror.base.replace("http://", f"http://any:{right}@")
        assert run_client(DOWNLOAD, mirror=address, kind="torch").startswith("{")


def test_nothing_is_fetched_for_who_may_not_read_it(store: Store, gated: HubUpstream) -> None:
    """A refused client costs no download; a mirror without tokens is for everybody, as it says."""
    with serving(store, "--pull-through") as mirror:
        assert ask(mirror, FILE).status == 200
    plain = readers.add(store, "plain")
    asked = len(gated.requests)
    way = f"/org/tiny/resolve/{MODEL_COMMIT}/model.safetensors"
    with serving(store, "--pull-through") as mirror:
        assert ask(mirror, way, headers=bearer(plain)).status == 403
    assert not [seen for seen in gated.requests[asked:] if "/resolve/" in seen.target]


def test_the_password_of_a_proxy_says_who_asks(store: Store, gated: HubUpstream) -> None:
    """Basic with any user, as in an address."""
    del gated
    assert run(store, "hf:org/tiny").failures == []
    right = readers.add(store, "right", ["*"])
    password = base64.b64encode(f"any:{right}".encode()).decode()
    with serving(store) as mirror:
        headers = {"Proxy-Authorization": f"Basic {password}"}
        assert ask(mirror, WAYS[-1], headers=headers).status == 200
