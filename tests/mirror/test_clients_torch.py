"""torch.hub, torchvision and timm, unmodified, through ``zoo mirror exec``, then offline."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import timm
import torch

from tests.mirror.conftest import FEATURE, MAIN, TAGGED, make_store, play_everything
from tests.support import resnet18_file
from tests.support.clients import DEAD, run_client, run_torch_hub
from tests.support.hub_upstream import HubUpstream, Model, Repository, hub_archive
from tests.support.mirror_server import RunningMirror, serving
from zoo.mirror import remotes
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.remotes import PYTORCH
from zoo.mirror.sync import Sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.mirror_places import Places
    from zoo.mirror.store import Store

BRANCH, TAG, PINNED = "5" * 40, "6" * 40, "7" * 40
TIMM_COMMIT = "e" * 40
TIMM_MODEL = "test_resnet.r160_in1k"
HUB = """
import json, torch
load = lambda repository: torch.hub.load(repository, "answer", trust_repo=True, verbose=False)
def fault(repository, entry="answer"):
    try:
        torch.hub.load(repository, entry, trust_repo=True, verbose=False)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
said = {}
said["hub"] = {
    "no ref": load("someone/nets"),
    "tag": load("someone/nets:v1"),
    "branch with a slash": load("someone/nets:feature/x"),
    "short commit": load("someone/pinned:7777777"),
    "branch and tag": load("someone/both:v1"),
    "list": torch.hub.list("someone/nets", trust_repo=True, verbose=False),
    "help": torch.hub.help("someone/nets", "answer", trust_repo=True),
    "default branch master": load("someone/old"),
}
said["missing"] = [fault("someone/unknown:v1"), fault("someone/nets:v9"), fault("someone/needy")]
"""
CACHED = """
import json, torch
load = lambda repository: torch.hub.load(repository, "answer", trust_repo=True, verbose=False)
said = {}
said["hub"] = [load("someone/nets"), load("someone/nets:v1"), load("someone/nets:feature/x")]
"""
WEIGHTS = """
url = "https://download.pytorch.org/models/{name}"
state = torch.hub.load_state_dict_from_url(url, progress=False, check_hash=True)
said["weights"] = state["x"].tolist()
"""
NETWORKS = """
import timm, torchvision
network = torchvision.models.resnet18(weights="DEFAULT", progress=False)
said["torchvision"] = network.fc.bias[0].item()
network = timm.create_model("{model}", pretrained=True)
said["timm"] = sum(float(value.sum()) for value in network.state_dict().values())
"""
SAY = "\nprint(json.dumps(said))\n"


def _small_weights() -> bytes:
    buffer = io.BytesIO()
    torch.save({"x": torch.arange(3)}, buffer)
    return buffer.getvalue()


def _timm_weights() -> tuple[bytes, float]:
    """Make weights of timm's smallest network that are all ones; return them and their sum."""
    from safetensors.torch import save

    state = {
        key: torch.ones_like(value)
        for key, value in timm.create_model(TIMM_MODEL).state_dict().items()
    }
    return save(state), float(sum(value.numel() for value in state.values()))


SMALL = _small_weights()
SMALL_NAME = f"small-{hashlib.sha256(SMALL).hexdigest()[:8]}.pth"


def _publish(upstream: HubUpstream) -> None:
    """Publish all that the scripts ask for."""
    play_everything(upstream)
    repositories = {
        "someone/both": Repository({"v1": BRANCH}, {"v1": TAG}, {}, default="v1"),
        "someone/pinned": Repository(
            {"dev": PINNED}, {}, {PINNED: hub_archive("someone/pinned", PINNED, 7)}
        ),
        "someone/old": Repository(
            {"master": MAIN}, {}, {MAIN: hub_archive("someone/old", MAIN, 8)}, default="master"
        ),
        "someone/needy": Repository({"main": MAIN}, {}, {}),
    }
    repositories["someone/both"].archives |= {
        commit: hub_archive("someone/both", commit, int(commit[0])) for commit in (BRANCH, TAG)
    }
    needy = {"hubconf.py": b'dependencies = ["xyzzy"]\ndef answer(): pass\n'}
    repositories["someone/needy"].archives[MAIN] = hub_archive("someone/needy", MAIN, extra=needy)
    upstream.repositories |= repositories
    upstream.weights |= {
        f"/models/{resnet18_file.FILE_NAME}": resnet18_file.build(),
        f"/models/{SMALL_NAME}": SMALL,
    }
    files = {
        "model.safetensors": _timm_weights()[0],
        "config.json": json.dumps({"architecture": "x"}).encode(),
    }
    upstream.models[f"timm/{TIMM_MODEL}"] = Model({TIMM_COMMIT: files}, {"main": TIMM_COMMIT})


@pytest.fixture(scope="module")
def mirror(places: Places) -> Iterator[RunningMirror]:
    """Serve a mirror of everything; its upstream is gone by then."""
    wanted = [
        *("someone/nets", "someone/nets:v1", "someone/nets:feature/x", "someone/both:v1"),
        *("someone/pinned:7777777", "someone/old", "someone/needy", f"hf:timm/{TIMM_MODEL}"),
    ]
    with HubUpstream() as upstream:
        _publish(upstream)
        store = make_store(places.new(), upstream)
        with Sync(store) as sync:
            items = sync.resolve(ecosystems.parse_all(wanted))
            for name in (SMALL_NAME, resnet18_file.FILE_NAME):
                items.append(remotes.unregistered_weights(f"{PYTORCH}/models/{name}"))
            assert sync.run(items).failures == []
    with serving(store) as running:
        yield running


@dataclass(frozen=True)
class Said:
    """What the clients have said with a mirror, and afterwards with no network at all."""

    online: Any
    offline: Any | None
    """Not asked for a bucket: caches do not know where a mirror lies."""

    @property
    def all(self) -> list[Any]:
        """Both."""
        return [self.online] if self.offline is None else [self.online, self.offline]


@pytest.fixture(scope="module")
def said(places: Places, mirror: RunningMirror, tmp_path_factory: pytest.TempPathFactory) -> Said:
    """Run all clients in one process, as a training program does: importing them is what costs.

    A folder's clients are started by ``zoo mirror exec`` itself, when their mirror can be asked.
    """
    folder = tmp_path_factory.mktemp("caches")
    caches = {"TORCH_HOME": str(folder / "torch"), "HF_HOME": str(folder / "hf")}
    rest = WEIGHTS.format(name=SMALL_NAME) + NETWORKS.format(model=TIMM_MODEL) + SAY
    if places.buckets is not None:
        online = run_torch_hub(HUB + rest, mirror=mirror.base, kind="all", environment=caches)
        return Said(online, None)

    online = run_client(HUB + rest, mirror=mirror.base, environment=caches)
    alone = {**caches, "https_proxy": DEAD, "HF_HUB_OFFLINE": "1"}
    return Said(online, run_torch_hub(CACHED + rest, mirror=None, environment=alone))


def test_torch_hub_with_every_kind_of_ref(said: Said, mirror: RunningMirror) -> None:
    """The value is the loaded commit's first digit; the same loads work with no network later."""
    assert said.online["hub"] == {
        "no ref": int(MAIN[0]),
        "tag": int(TAGGED[0]),
        "branch with a slash": int(FEATURE[0]),
        "short commit": 7,
        "branch and tag": int(BRANCH[0]),  # GitHub's 300, then the branch
        "list": ["answer"],
        "help": f"Return {MAIN[0]}.",
        "default branch master": 8,
    }
    assert "zipball/v1 300" in mirror.log
    if said.offline is not None:
        assert said.offline["hub"] == [1, 2, 3]


def test_torch_hub_messages_stay_its_own(said: Said) -> None:
    """Row 66: what is missing is said in torch.hub's words, never as KeyError: 'Authorization'."""
    unknown, no_ref, needy = said.online["missing"]
    assert unknown.startswith("ValueError: Cannot find v1 in https://github.com/someone/unknown")
    assert no_ref.startswith("ValueError: Cannot find v9 in https://github.com/someone/nets")
    assert needy == "RuntimeError: Missing dependencies: xyzzy"


def test_torchvision_and_load_state_dict_from_url(said: Said) -> None:
    """Both check the digits in the name. Afterwards both work with no network."""
    for answers in said.all:
        assert answers["weights"] == [0, 1, 2]
        assert answers["torchvision"] == resnet18_file.FILL


def test_timm(said: Said) -> None:
    """By HF_ENDPOINT; afterwards offline."""
    _, total = _timm_weights()
    assert [answers["timm"] for answers in said.all] == [total] * len(said.all)


def test_torch_hub_pulls_through(store: Store, upstream: HubUpstream) -> None:
    """The same clients against an empty mirror that fetches what they ask for."""
    _publish(upstream)
    with serving(store, "--pull-through") as running:
        script = HUB + WEIGHTS.format(name=SMALL_NAME) + SAY
        pulled = run_torch_hub(script, mirror=running.base)
    assert pulled["hub"]["branch and tag"] == 5
    assert pulled["weights"] == [0, 1, 2]
