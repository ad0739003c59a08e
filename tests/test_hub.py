"""torch.hub, unmodified, on this repository.

From a folder and from a server that plays GitHub, with only torch.
"""

from __future__ import annotations

import doctest
import json
import os
import runpy
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions, requires
from typing import TYPE_CHECKING, Any

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from safetensors.torch import load_file

from tests.support.github_server import (
    HubRepository,
    archive_working_tree,
    serve_github,
)
from tests.test_docstrings import MODULES
from zoo import hub
from zoo.catalog.registry import load_registry
from zoo.errors import OptionError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COMMIT = "5eed" * 10
ONLY_TORCH = """
import json, os, sys, traceback

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            fault = f"No module named {name!r} (refused: only torch is installed)"
            raise ModuleNotFoundError(fault, name=name)

REFUSED = set(json.loads(sys.argv[1]))
sys.meta_path.insert(0, Refuse())
import warnings
warnings.filterwarnings("error", module="zoo|hubconf")
import torch

def in_a_child(work, *given):
    reading, writing = os.pipe()
    if not os.fork():
        os.environ["TORCH_HOME"] = os.path.join(os.getcwd(), work.__name__)
        try:
            with os.fdopen(writing, "w") as pipe:
                json.dump(work(*given), pipe)
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.wait()
    return json.loads(said or "null")

answers = {}
"""
"""Imports torch, and runs functions in processes of their own, each with an empty TORCH_HOME."""
FOREIGN = {
    "package": ("zoo/__init__.py", "zoo"),
    "namespace": ("zoo/common/__init__.py", "zoo"),
    "file": ("zoo.py", "zoo.py"),
}
"""Kinds of another ``zoo``: a file of it, and what Python loads."""
LOCALLY = """
repository, *places = sys.argv[2:]
load = lambda *names, **options: torch.hub.load(repository, *names, source="local", **options)
count = lambda model: sum(p.numel() for p in model.parameters())
others = [path for path in sys.path if not os.path.isdir(os.path.join(path, "zoo"))]

def networks():
    lenet = load("lenet5", pretrained=True)
    counts = [count(load("cnnnet")), count(load("lenet5", variant="classic")), count(lenet)]
    return [*counts, lenet.training, list(lenet(torch.zeros(2, 1, 32, 32)).shape)]

def without_weights():
    try:
        load("cnnnet", pretrained=True)
    except Exception as error:
        return [type(error).__mro__[1].__name__, str(error)]

def beside_another(place):
    sys.path[:] = [place, *others]
    import zoo
    try:
        load("lenet5")
    except ImportError as error:
        return str(error)

answers["networks"] = in_a_child(networks)
answers["without_weights"] = in_a_child(without_weights)
answers["beside_another"] = [in_a_child(beside_another, place) for place in places]
"""
FROM_GITHUB = """
def loaded():
    name = "torch-zoo/zoo"
    model = torch.hub.load(name, "lenet5", pretrained=True, trust_repo=True, verbose=False)
    import zoo
    parameters = sum(p.numel() for p in model.parameters())
    return [parameters, zoo.__file__, model.c1.bias.tolist()]

def helps():
    ref = "torch-zoo/zoo:v0.1.0"
    names = torch.hub.list(ref, trust_repo=True, verbose=False)
    return {name: torch.hub.help(ref, name, trust_repo=True) for name in names}

def unknown_ref():
    try:
        torch.hub.load("torch-zoo/zoo:v9", "lenet5", trust_repo=True)
    except ValueError as error:
        return str(error)

for part in (loaded, helps, unknown_ref):
    answers[part.__name__] = in_a_child(part)
"""
SAY = """
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Answers:
    """What the parts of a program said, by their names."""

    said: Mapping[str, Any]
    folder: Path
    requests: tuple[str, ...] = ()
    """What they asked GitHub for, in their order."""


def _torch_and_what_it_needs() -> set[str]:
    """Names of the distributions that ``pip install torch`` brings here."""
    found: set[str] = set()
    waiting = ["torch"]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found.add(name)
            needed = [Requirement(text) for text in (requires(name) or ())]
            waiting += [
                need.name
                for need in needed
                if not need.marker or need.marker.evaluate({"extra": ""})
            ]
    return found


@cache
def _refused_modules() -> list[str]:
    """Name every module here that does not come with torch.

    And filelock, which torch needs only to compile.
    """
    kept = _torch_and_what_it_needs() | {"torch-zoo"}
    modules = packages_distributions().items()
    return [m for m, owners in modules if not kept & {canonicalize_name(o) for o in owners}] + [
        "filelock"
    ]


def _run(
    program: str,
    folder: Path,
    *arguments: str,
    variables: Mapping[str, str] | None = None,
) -> Any:
    """Run a program where only torch can be imported; return its answers."""
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    refused = json.dumps(_refused_modules())
    done = subprocess.run(
        [sys.executable, "-c", ONLY_TORCH + program + SAY, refused, *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment | dict(variables or {}),
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    sys.stderr.write(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])  # torch.hub says above it what it downloads


@pytest.fixture(scope="module")
def locally(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Use this folder with ``source="local"``, also where another ``zoo`` is found first.

    And from GitHub, where there is a checkout: importing torch is what costs. The repository is
    there as it stands in the working tree, on branch main and as tag v0.1.0.
    """
    folder = tmp_path_factory.mktemp("hub")
    arguments = [str(repository)]
    for kind, (file, _) in FOREIGN.items():
        made = folder / kind / file
        made.parent.mkdir(parents=True)
        made.write_text("", encoding="utf-8")
        arguments.append(str(folder / kind))
    if not (repository / ".git").exists():
        return Answers(_run(LOCALLY, folder, *arguments), folder)

    served = HubRepository("torch-zoo/zoo", branches={"main": COMMIT}, tags={"v0.1.0": COMMIT})
    served.archives[COMMIT] = archive_working_tree(
        repository, f"torch-zoo-zoo-{COMMIT[:7]}", folder / "git"
    )
    with serve_github(served, folder) as server:
        program = LOCALLY + FROM_GITHUB
        answers = _run(program, folder, *arguments, variables=server.environment())
    return Answers(answers, folder, tuple(server.requests))


@pytest.fixture(scope="module")
def github(locally: Answers) -> Answers:
    """Use this repository from GitHub."""
    if "loaded" not in locally.said:
        pytest.skip(
            "no git checkout, which git archive needs: torch.hub's GitHub route is NOT tested"
        )
    return locally


def _entry_points(repository: Path) -> list[str]:
    """List what ``hubconf.py`` publishes, as torch.hub does: public callables."""
    published = runpy.run_path(str(repository / "hubconf.py"))
    return [name for name, value in published.items() if callable(value) and name[0] != "_"]


def test_refusal_covers_the_packages_that_zoo_uses_elsewhere() -> None:
    """The list of refused modules is worked out, so it is held against the names that matter."""
    refused = set(_refused_modules())
    assert {
        "torchvision",
        "rich",
        "typer",
        "requests",
        "numpy",
        "filelock",
        "safetensors",
        "PIL",
        "timm",
    } <= refused
    assert not {"torch", "zoo", "sympy", "typing_extensions"} & refused


def test_every_architecture_of_ours_is_an_entry_point(repository: Path) -> None:
    """``hubconf.py`` publishes what the registry records with provider ``zoo``, and no more."""
    ours = [
        name for name, record in load_registry().architectures.items() if record.provider == "zoo"
    ]
    assert sorted(_entry_points(repository)) == sorted(ours)


def test_hub_loads_from_a_folder_with_only_torch(locally: Answers) -> None:
    """``source="local"``.

    Random CNNNet and classic LeNet-5, and the pretrained LeNet-5 without a download.
    """
    assert locally.said["networks"] == [57_012_034, 60_850, 61_706, False, [2, 10]]


@pytest.mark.parametrize("weights", ["DEFAULT", "default", "digits"])
def test_b25_weights_alone_load_as_in_torchvisions_hubconf(weights: str) -> None:
    """B25: ``weights=`` needs no ``pretrained=True`` beside it."""
    model = hub.lenet5(weights=weights)
    assert not model.training
    usual = hub.lenet5(pretrained=True).state_dict()
    assert torch.equal(model.state_dict()["c1.bias"], usual["c1.bias"])


def test_b25_no_weights_is_a_network_with_random_values() -> None:
    """B25: ``weights=None`` says so even where ``pretrained`` says otherwise.

    Unknown tags are named.
    """
    assert hub.lenet5(weights=None).training
    assert hub.lenet5(pretrained=True, weights=None).training
    with pytest.raises(UnknownNameError, match="digits"):
        hub.lenet5(weights="digit")
    with pytest.raises(OptionError, match="weights='DEFAULT': no weights are published"):
        hub.cnnnet(weights="DEFAULT")


def test_hub_loads_from_github_with_only_torch(github: Answers, repository: Path) -> None:
    """The whole route: default branch, validation, zip, code and weights out of it.

    Nothing else is downloaded.
    """
    parameters, file, bias = github.said["loaded"]
    assert parameters == 61_706
    unpacked = github.folder / "loaded" / "hub" / "torch-zoo_zoo_main"
    assert file == str(unpacked / "zoo" / "__init__.py")
    (weights,) = (repository / "zoo" / "pretrained").glob("lenet5-*.safetensors")
    assert bias == load_file(weights)["c1.bias"].tolist()
    assert github.requests[:5] == (
        "https://github.com/torch-zoo/zoo/tree/main/",
        "https://api.github.com/repos/torch-zoo/zoo/branches?per_page=100&page=1",
        "https://github.com/torch-zoo/zoo/zipball/main",
        "https://codeload.github.com/torch-zoo/zoo/legacy.zip/main",
        "https://api.github.com/repos/torch-zoo/zoo/branches?per_page=100&page=1",
    ), "the last is the first of the next part"


def test_hub_lists_the_entry_points_and_nothing_else(github: Answers, repository: Path) -> None:
    """A tag works as a ref; every entry point has its help, and only entry points are shown."""
    helps = github.said["helps"]
    assert sorted(helps) == sorted(_entry_points(repository))
    for name, text in helps.items():
        assert text.startswith("Build "), name
        assert "Paper" in text or "Book" in text, name
        assert "Weights: " in text, name


def test_the_help_has_examples_that_test_docstrings_runs() -> None:
    """What ``torch.hub.help`` shows gives what it shows."""
    assert hub.__name__ in MODULES
    found = doctest.DocTestFinder().find(hub)
    assert sum(len(one.examples) for one in found) >= 15


def test_hub_says_which_ref_does_not_exist(github: Answers) -> None:
    """The server is no yes-man.

    An unknown ref is torch.hub's own error, after branches and tags were read.
    """
    assert "Cannot find v9" in github.said["unknown_ref"]
    asked = [url.rpartition("/")[2].partition("?")[0] for url in github.requests]
    assert asked[-5:] == ["v0.1.0", "branches", "branches", "tags", "tags"]


def test_pretrained_without_weights_says_what_to_do(locally: Answers) -> None:
    """One sentence, a ``ZooError``."""
    assert locally.said["without_weights"] == [
        "ZooError",
        (
            "cnnnet cannot be built with pretrained=True: no weights are published for it; "
            "leave pretrained out"
        ),
    ]


def test_hubconf_says_so_when_another_zoo_is_loaded(locally: Answers, repository: Path) -> None:
    """Analytics Zoo is called ``zoo`` too.

    The message names what was loaded, what was expected and the way out.
    """
    expected = [
        f"torch.hub needs the package zoo in {repository / 'zoo'}, but Python has loaded another "
        f"package of that name from {locally.folder / kind / place}; start a new Python process "
        "that does not import the other one before torch.hub.load"
        for kind, (_, place) in FOREIGN.items()
    ]
    assert locally.said["beside_another"] == expected
