"""Repositories of torch.hub from a server that plays GitHub: found, verified, trusted, then run."""

from __future__ import annotations

import inspect
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch.hub

from tests.support.hub_upstream import HubUpstream, Repository, hub_archive
from zoo.cli.main import run as zoo
from zoo.errors import MirrorError, SourceError, TrustError, UnknownNameError, UsageError
from zoo.mirror.ecosystems.known import parse_upstreams
from zoo.torch_hub import decisions, keeping, load, prepare
from zoo.torch_hub.loading import decide, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo.mirror.settings import Upstreams

NAME = "someone/Nets"
OLD, NEW = "a" * 40, "b" * 40
NET = b'''"""Networks."""
from torch import nn


class Net(nn.Linear):
    """A layer."""


def make_net(width=3, pretrained=False, **options):
    """Make a network.

    width: how wide it is.
    """
    return Net(width, width)
'''
HUBCONF = b'''dependencies = ["torch"]
import json
from parts.net import make_net as net
from parts import Net
from torch.nn import Linear
from parts.more import *

def _hidden():
    pass


def answer(value=1):
    """Return a value."""
    return value
'''
LATER = HUBCONF + b"\nlast = answer\n"
FILES = {
    "parts/__init__.py": b"from .net import Net\n",
    "parts/net.py": NET,
    "parts/more.py": b'def more():\n    """Give more."""\n    return "more"\n',
}


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of torch.hub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub"


@pytest.fixture
def github() -> Iterator[HubUpstream]:
    """GitHub with one repository, two commits of its branch, and a tag."""
    with HubUpstream() as server:
        files = {**FILES, "hubconf.py": HUBCONF}
        archives = {
            OLD: hub_archive(NAME, OLD, extra=files),
            NEW: hub_archive(NAME, NEW, extra={**files, "hubconf.py": LATER}),
        }
        server.repositories[NAME] = Repository({"main": OLD}, {"v1": OLD}, archives)
        yield server


@pytest.fixture
def upstreams(github: HubUpstream) -> Upstreams:
    """Where the server is."""
    return parse_upstreams([f"github={github.base}", f"github-api={github.base}"])


def test_nothing_runs_until_somebody_trusts_the_commit(hub: Path, upstreams: Upstreams) -> None:
    """The folder that torch.hub would trust is not made before; the decision is written down."""
    with pytest.raises(TrustError, match=f"nobody has decided to trust commit {OLD}"):
        load(NAME, "answer", upstreams=upstreams)
    assert [path.name for path in hub.iterdir()] == [".zoo"]

    assert load(NAME, "answer", 41, trust=True, upstreams=upstreams) == 41
    (decision,) = decisions.read_decisions().values()
    assert (decision.repository, decision.commit, decision.decided_by) == (NAME, OLD, "Python")
    written = json.loads((hub / ".zoo" / "trusted.json").read_text())
    assert written["decisions"][f"{NAME.lower()}@{OLD}"]["files_sha256"] == decision.files_sha256


def test_what_was_trusted_stays_when_the_branch_moves(
    github: HubUpstream, upstreams: Upstreams
) -> None:
    """Later loads need no network and run the same commit; an update is another decision."""
    load(NAME, "answer", trust=True, upstreams=upstreams)
    github.repositories[NAME].branches["main"] = NEW
    before = len(github.requests)
    assert load(NAME.upper(), "answer", 2, upstreams=upstreams) == 2
    assert len(github.requests) == before

    newest = prepare(NAME, upstreams, is_update=True)
    assert newest.resolved.commit == NEW
    with pytest.raises(TrustError, match=NEW):
        run(newest, "last")
    decide(newest, "--trust")
    assert run(newest, "last", 7) == 7
    assert prepare(NAME, upstreams).resolved.commit == NEW


def test_real_torch_hub_finds_what_was_unpacked(hub: Path, upstreams: Upstreams) -> None:
    """Same folder, same names, same network, no network and no question."""
    ours = load(NAME, "net", width=5, trust=True, upstreams=upstreams)
    spec = f"{NAME}:{OLD}"
    hub_module: Any = torch.hub
    theirs = hub_module.load(spec, "net", width=5, verbose=False)
    assert theirs.weight.shape == ours.weight.shape
    assert [path.name for path in hub.iterdir() if path.is_dir() and path.name != ".zoo"] == [
        f"someone_Nets_{OLD}"
    ]

    hubconf = prepare(NAME, upstreams).hubconf
    ours_listed = sorted(offer.name for offer in hubconf.offers)
    assert ours_listed == sorted(hub_module.list(spec, verbose=False))
    for name in ("net", "answer", "more"):
        offer = hubconf.find(name)
        assert offer is not None
        assert offer.doc == inspect.cleandoc(hub_module.help(spec, name))


def test_a_hubconf_is_read_without_running_it(upstreams: Upstreams) -> None:
    """Names are followed through the repository's own modules; packages are named."""
    hubconf = prepare(NAME, upstreams).hubconf
    assert hubconf.dependencies == ("torch",)
    assert hubconf.packages == ("json", "torch")
    kinds = {offer.name: offer.kind for offer in hubconf.offers}
    assert kinds == {
        "net": "function",
        "Net": "class",
        "Linear": "imported",
        "more": "function",
        "answer": "function",
    }
    net = hubconf.find("net")
    assert net is not None
    assert net.signature == "(width=3, pretrained=False, **options)"
    assert str(net.doc).startswith("Make a network.")
    assert net.defined_in == "parts/net.py"
    with pytest.raises(UnknownNameError, match="answer"):
        prepare(NAME, upstreams).offer("anser")


@pytest.mark.parametrize("ref", ["main", "v1", OLD, None])
def test_any_ref_means_a_commit(ref: str | None, upstreams: Upstreams) -> None:
    """A branch, a tag, a commit, or the default branch."""
    spec = NAME if ref is None else f"{NAME}:{ref}"
    assert prepare(spec, upstreams).resolved.commit == OLD


def test_renames_are_followed(github: HubUpstream, upstreams: Upstreams) -> None:
    """Those that the registry knows, and those that GitHub answers with a redirect."""
    github.repositories["isl-org/MiDaS"] = Repository(
        {"main": OLD}, archives={OLD: hub_archive("isl-org/MiDaS", OLD)}
    )
    known = prepare("Intel-ISL/midas:main", upstreams).resolved
    assert (known.repository, known.is_renamed) == ("isl-org/MiDaS", True)

    github.faults["/repos/before/Nets"] = lambda exchange: exchange.answer(
        301, Location=f"/repos/{NAME}"
    )
    followed = prepare("before/Nets", upstreams).resolved
    assert (followed.repository, followed.commit) == (NAME, OLD)


def test_the_registry_says_which_commit_is_meant(github: HubUpstream, upstreams: Upstreams) -> None:
    """No question to GitHub: the archive alone is fetched."""
    commit = "454597711a62eabcbf7d1e89f3fb9f569051ac9b"
    archives = {commit: hub_archive("isl-org/MiDaS", commit)}
    github.repositories["isl-org/MiDaS"] = Repository({}, archives=archives)
    resolved = prepare("hub/isl-org/MiDaS", upstreams).resolved
    assert (resolved.commit, resolved.origin) == (commit, "the registry")
    assert not [path for path in github.paths if path.startswith("/repos")]


def test_files_that_changed_since_are_not_run(hub: Path, upstreams: Upstreams) -> None:
    """An edit, an addition, and another archive under the trusted commit."""
    load(NAME, "answer", trust=True, upstreams=upstreams)
    folder = hub / f"someone_Nets_{OLD}"
    (folder / "torch.py").write_text("evil = True\n")
    with pytest.raises(TrustError, match="not those that were trusted"):
        load(NAME, "answer", upstreams=upstreams)

    shutil.rmtree(folder)
    assert load(NAME, "answer", upstreams=upstreams) == 1
    prepared = prepare(NAME, upstreams)
    other = hub_archive(NAME, OLD, value=2)
    keeping.archive_path(prepared.resolved).write_bytes(other)
    with pytest.raises(TrustError, match="had other files when it was trusted"):
        load(NAME, "answer", upstreams=upstreams)


def test_archives_of_another_commit_and_hostile_ones_are_refused(
    hub: Path, github: HubUpstream, upstreams: Upstreams
) -> None:
    """Before anything of them gets a name."""
    archives = github.repositories[NAME].archives
    archives[OLD] = hub_archive(NAME, NEW)
    with pytest.raises(MirrorError, match="expected commit"):
        prepare(NAME, upstreams)
    archives[OLD] = hub_archive(NAME, OLD, extra={"../out.py": b""})
    with pytest.raises(MirrorError, match="leads out of its folder"):
        prepare(NAME, upstreams)
    archives[OLD] = hub_archive(NAME, OLD, extra={"hubconf.py": b"def ("})
    with pytest.raises(MirrorError, match=r"hubconf\.py cannot be read"):
        prepare(NAME, upstreams)
    assert not list(hub.glob("*_*"))


def test_a_decision_can_be_taken_back(hub: Path, upstreams: Upstreams) -> None:
    """And a file of decisions that is none is not believed."""
    load(NAME, "answer", trust=True, upstreams=upstreams)
    assert [decision.commit for decision in decisions.forget(NAME.lower())] == [OLD]
    with pytest.raises(TrustError, match="nobody has decided"):
        load(NAME, "answer", upstreams=upstreams)
    (hub / ".zoo" / "trusted.json").write_text('{"schema_version": 1, "decisions": []}')
    with pytest.raises(TrustError, match="cannot be read"):
        load(NAME, "answer", upstreams=upstreams)


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("nothing", UsageError),
        ("a/b/c", UsageError),
        (f"{NAME}:../x", UsageError),
        (f"{NAME}:no-such-branch", SourceError),
        ("no/such", SourceError),
    ],
)
def test_names_of_nothing_are_refused(
    spec: str, error: type[Exception], upstreams: Upstreams
) -> None:
    """With a sentence."""
    with pytest.raises(error):
        prepare(spec, upstreams)


def upstream_options(github: HubUpstream) -> list[str]:
    """Say on the command line where GitHub is."""
    return [f"--upstream=github={github.base}", f"--upstream=github-api={github.base}"]


def test_the_command_says_what_runs_before_it_runs(
    github: HubUpstream, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a decision it names the command that decides; decisions are listed and taken back."""
    line = ["hub", "load", NAME, "net", "--option", "width=4", *upstream_options(github)]
    assert zoo(line) == 1
    refused = capsys.readouterr().err
    assert (
        "this runs hubconf.py of someone/Nets with your rights; it imports json, torch" in refused
    )
    assert f"zoo hub load {NAME}:{OLD} net --trust" in " ".join(refused.split())

    assert zoo([*line, "--trust", "--json"]) == 0
    loaded = json.loads(capsys.readouterr().out)
    assert (loaded["parameters"], loaded["spec"]) == (4 * 4 + 4, f"{NAME}:{OLD}")
    assert zoo(line) == 0
    assert zoo(["hub", "trusted", "--json"]) == 0
    shown = capsys.readouterr().out
    assert OLD in shown
    assert zoo(["hub", "trusted", "--forget", NAME.upper(), "--quiet"]) == 0
    assert zoo(line) == 1


def test_list_and_help_run_nothing(
    hub: Path, github: HubUpstream, capsys: pytest.CaptureFixture[str]
) -> None:
    """They answer from the archive, and unpack nothing that torch.hub would trust."""
    assert zoo(["hub", "list", NAME, *upstream_options(github)]) == 0
    listed = capsys.readouterr()
    assert "Return a value." in listed.out
    assert f"{NAME} at {OLD}, as GitHub says" in listed.err
    assert zoo(["hub", "help", NAME, "net", *upstream_options(github)]) == 0
    assert capsys.readouterr().out.startswith("net(width=3, pretrained=False, **options)")
    assert [path.name for path in hub.iterdir()] == [".zoo"]
    assert zoo(["hub", "load", NAME, "net", "--option", "width", *upstream_options(github)]) == 2
