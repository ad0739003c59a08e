"""Try unmodified clients of many versions against a real mirror, each in an environment of its own.

    python -m scripts.client_matrix              # all; the table on stdout
    python -m scripts.client_matrix --write      # and into docs/guides/mirror.md
    python -m scripts.client_matrix timm         # only those whose name begins so

A server on loopback plays GitHub, the Hub and download.pytorch.org; ``zoo mirror add`` and ``sync``
fill a mirror from it, then it ends, and ``zoo mirror serve`` serves what is here. Every client runs
through ``zoo mirror exec``. Environments are kept in ``.venv-clients`` (or ``--environments``); pip
installs what is named here, torch and torchvision are those of the environment that runs this
script. Exit code 1 if a check failed.

The file is long because half of it is the table of clients and versions.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.hub_upstream import HubUpstream, Model, Repository, hub_archive
from tests.support.mirror_server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "guides" / "mirror.md"
BEGIN = "<!-- scripts/client_matrix.py -->"
END = "<!-- end -->"
COMMIT = "c" * 40
NETWORK = "lcnet_050.ra2_in1k"
"""A small network that every version of timm here knows."""
LIMIT_S = 300
DEAD = "http://127.0.0.1:1"
"""Nobody listens there."""
YES = "yes"


@dataclass(frozen=True)
class Check:
    """One thing that a client must be able to do."""

    name: str
    script: str
    kind: str = "hf"
    """How ``zoo mirror exec`` points the client at the mirror."""
    needs_mirror: bool = True
    """Otherwise it runs without any network, after the others."""


@dataclass(frozen=True)
class Client:
    """A client in some version."""

    name: str
    requirements: tuple[str, ...]
    """What pip installs; nothing for what runs this script."""
    checks: tuple[Check, ...]
    needs_torch: bool = False

    @property
    def folder(self) -> str:
        """Name of its environment."""
        return re.sub(r"[^\w.]+", "-", "-".join(self.requirements) or "here").strip("-.")


@dataclass
class Row:
    """What came of one client."""

    client: str
    version: str
    outcomes: dict[str, str] = field(default_factory=dict)
    """Check -> ``yes``, or what was wrong."""


FILES = """
from huggingface_hub import hf_hub_download, snapshot_download
import pathlib
assert open(hf_hub_download("org/tiny", "config.json")).read() == '{"architecture": "tiny"}'
folder = pathlib.Path(snapshot_download("org/tiny"))
assert folder.name == "c" * 40, folder
names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
assert names == ["a folder/notes.txt", "config.json", "model.safetensors"], names
assert (folder / "model.safetensors").stat().st_size == 300000
"""
ERRORS = """
from huggingface_hub import hf_hub_download
def kind(*arguments, **options):
    try:
        hf_hub_download(*arguments, **options)
    except Exception as error:
        return {one.__name__ for one in type(error).__mro__}
    return set()
assert "EntryNotFoundError" in kind("org/tiny", "nothing")
assert "RevisionNotFoundError" in kind("org/tiny", "x", revision="v9")
assert "RepositoryNotFoundError" in kind("org/unknown", "x")
"""
API = """
from huggingface_hub import HfApi
api = HfApi()
about = api.model_info("org/tiny", files_metadata=True)
assert about.sha == "c" * 40
sizes = {file.rfilename: file.size for file in about.siblings}
assert sizes["model.safetensors"] == 300000, sizes
assert sorted(api.list_repo_files("org/tiny")) == sorted(sizes)
found = api.get_paths_info("org/tiny", ["config.json", "nothing"])
assert [one.path for one in found] == ["config.json"]
assert [branch.name for branch in api.list_repo_refs("org/tiny").branches] == ["main"]
assert api.list_repo_commits("org/tiny")[0].commit_id == "c" * 40
assert [model.id for model in api.list_models(search="tiny")] == ["org/tiny"]
assert api.file_exists("org/tiny", "config.json") and not api.file_exists("org/tiny", "nothing")
"""
FILE_SYSTEM = """
from huggingface_hub import HfFileSystem
system = HfFileSystem()
found = sorted(system.glob("org/tiny/**"))
assert "org/tiny/model.safetensors" in found, found
with system.open("org/tiny/model.safetensors", "rb") as stream:
    stream.seek(-3, 2)
    assert len(stream.read()) == 3
import os, tempfile
target = os.path.join(tempfile.mkdtemp(), "config.json")
system.get("org/tiny/config.json", target)
assert os.path.getsize(target) == 24
"""
TIMM = f"""
import timm, torch
network = timm.create_model("{NETWORK}", pretrained=True)
assert all(bool((value == 1).all()) for value in network.state_dict().values())
"""
HUB = """
import torch
def load(name):
    return torch.hub.load(name, "answer", trust_repo=True, verbose=False)
assert load("someone/nets") == 1
assert load("someone/nets:v1") == 2
assert load("someone/nets:feature/x") == 3
"""
LISTS = """
import torch
assert torch.hub.list("someone/nets", trust_repo=True, verbose=False) == ["answer"]
assert torch.hub.help("someone/nets", "answer", trust_repo=True) == "Return 1."
try:
    torch.hub.load("someone/unknown:v1", "answer", trust_repo=True, verbose=False)
except ValueError as error:
    assert "Cannot find v1" in str(error), error
else:
    raise AssertionError("an unknown repository was found")
"""
WEIGHTS = """
import torch
url = "https://download.pytorch.org/models/{name}"
state = torch.hub.load_state_dict_from_url(url, progress=False, check_hash=True)
assert state["x"].tolist() == [0, 1, 2]
"""
CACHED = """
import torch
assert torch.hub.load("someone/nets:v1", "answer", trust_repo=True, verbose=False) == 2
"""

HUGGING_FACE = (
    Check("files", FILES),
    Check("through the proxy", FILES, kind="torch"),
    Check("errors", ERRORS),
    Check("API", API),
    Check("HfFileSystem", FILE_SYSTEM),
    Check("offline after", FILES, needs_mirror=False),
)
TIMM_CHECKS = (
    Check("files", TIMM),
    Check("through the proxy", TIMM, kind="torch"),
    Check("offline after", TIMM, needs_mirror=False),
)


def clients(weights_name: str) -> tuple[Client, ...]:
    """List who is tried."""
    torch_hub = (
        Check("files", WEIGHTS.format(name=weights_name), kind="torch"),
        Check("through the proxy", HUB, kind="torch"),
        Check("errors", LISTS, kind="torch"),
        Check("offline after", CACHED, needs_mirror=False),
    )
    hubs = ("==0.20.*", "==0.25.*", "==0.34.*", "==1.0.*", "")
    timms = (("==0.9.16", "<1"), ("==1.0.9", "<1"), ("", ""))  # and huggingface_hub of their time
    rows = [Client("huggingface_hub", (f"huggingface_hub{hub}",), HUGGING_FACE) for hub in hubs]
    for version, hub in timms:
        wanted = (f"timm{version}", f"huggingface_hub{hub}", "safetensors", "pyyaml")
        rows.append(Client("timm", wanted, TIMM_CHECKS, needs_torch=True))
    return (*rows, Client("torch", (), torch_hub, needs_torch=True))


# -- environments


def make_environment(client: Client, folder: Path) -> Path:
    """Return the Python of a client's environment, which an earlier run may have made."""
    if not client.requirements:
        return Path(sys.executable)
    place = folder / client.folder
    python = place / "bin" / "python"
    finished = place / "finished"
    if finished.exists():
        return python

    base = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(place)]
    subprocess.run(base, check=True)
    if client.needs_torch:
        _share_torch(place)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    wanted = ["--no-deps", *client.requirements] if client.needs_torch else client.requirements
    subprocess.run([*pip, *wanted], check=True)
    finished.touch()
    return python


def _share_torch(place: Path) -> None:
    """Let an environment find torch where this script does; its own packages come first."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = place / "lib" / version / "site-packages"
    own = [
        sysconfig.get_path("purelib"),
        *(path for path in sys.path if path.endswith("site-packages")),
    ]
    lines = "\n".join(dict.fromkeys(own))
    (packages / "torch-from-elsewhere.pth").write_text(lines + "\n")


# -- the mirror


def _weights() -> tuple[str, bytes]:
    import torch

    buffer = io.BytesIO()
    torch.save({"x": torch.arange(3)}, buffer)
    content = buffer.getvalue()
    return f"small-{hashlib.sha256(content).hexdigest()[:8]}.pth", content


def _timm_weights() -> bytes:
    import timm
    import torch
    from safetensors.torch import save

    state = timm.create_model(NETWORK).state_dict()
    content: bytes = save({name: torch.ones_like(value) for name, value in state.items()})
    return content


def publish(upstream: HubUpstream, weights: tuple[str, bytes]) -> None:
    """Publish all that the checks ask for."""
    commits = {"main": "1" * 40, "v1": "2" * 40, "feature/x": "3" * 40}
    name = "someone/nets"
    archives = {commit: hub_archive(name, commit, int(commit[0])) for commit in commits.values()}
    branches = {ref: commits[ref] for ref in ("main", "feature/x")}
    upstream.repositories[name] = Repository(branches, {"v1": commits["v1"]}, archives)
    tiny = {
        "config.json": b'{"architecture": "tiny"}',
        "model.safetensors": hashlib.shake_256(b"tiny").digest(300_000),
        "a folder/notes.txt": b"a name with a space\n",
    }
    config = json.dumps({"architecture": NETWORK.partition(".")[0], "num_classes": 1000})
    network = {"model.safetensors": _timm_weights(), "config.json": config.encode()}
    upstream.models["org/tiny"] = Model({COMMIT: tiny}, {"main": COMMIT})
    upstream.models[f"timm/{NETWORK}"] = Model({COMMIT: network}, {"main": COMMIT})
    upstream.weights[f"/models/{weights[0]}"] = weights[1]


@contextlib.contextmanager
def mirror_of_everything(folder: Path, weights: tuple[str, bytes]) -> Iterator[str]:
    """Fill a mirror, end its upstream, serve it, and give its address."""
    root = folder / "mirror"
    wanted = ["someone/nets", "someone/nets:v1", "someone/nets:feature/x", "hf:org/tiny"]
    wanted += [f"hf:timm/{NETWORK}", f"https://download.pytorch.org/models/{weights[0]}"]
    with HubUpstream() as upstream:
        publish(upstream, weights)
        kinds = ("github", "github-api", "pytorch", "huggingface")
        options = [part for kind in kinds for part in ("--upstream", f"{kind}={upstream.base}")]
        _zoo("init", str(root), *options)
        _zoo("add", *wanted, "--dir", str(root))
        _zoo("sync", "--dir", str(root))
    with serving(root) as running:
        yield running.base


def _zoo(*arguments: str) -> None:
    command = [sys.executable, "-m", "zoo", "mirror", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# -- running


def run_client(
    client: Client,
    python: Path,
    mirror: str,
    folder: Path,
) -> Row:
    """Run all checks of a client, with caches of its own."""
    module = client.name
    version = f"import {module}; print({module}.__version__)"
    row = Row(client.name, _run([str(python), "-c", version], {})[1].split("+")[0])
    for check in client.checks:
        is_shared = check.kind == "hf" or client.name == "torch"
        home = folder / client.folder / ("home" if is_shared else "by-proxy")
        variables = {"HF_HOME": str(home / "hf"), "TORCH_HOME": str(home / "torch")}
        command = [str(python), "-c", check.script]
        if check.needs_mirror:
            through = ["mirror", "exec", "--mirror", mirror, "--client", check.kind, "--"]
            command = [sys.executable, "-m", "zoo", *through, *command]
        else:
            variables |= {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": DEAD, "https_proxy": DEAD}
        is_done, words = _run(command, variables)
        row.outcomes[check.name] = YES if is_done else words
    return row


def _run(command: list[str], variables: dict[str, str]) -> tuple[bool, str]:
    """Run a program; return whether it did, and its last line."""
    environment = os.environ | {"PYTHONWARNINGS": "ignore", "HF_HUB_DISABLE_TELEMETRY": "1"}
    environment |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1"} | variables
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return False, f"no end within {LIMIT_S} s"
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return done.returncode == 0, lines[-1] if lines else ""


# -- the table


def table(rows: list[Row]) -> str:
    """Write the outcomes as a table; a check that a client does not have is left empty."""
    names = list(dict.fromkeys(name for row in rows for name in row.outcomes))
    lines = [
        "| " + " | ".join(["client", *names]) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for row in rows:
        cells = [row.outcomes.get(name, "").replace("|", "/")[:100] for name in names]
        lines.append("| " + " | ".join([f"{row.client} {row.version}", *cells]) + " |")
    return "\n".join(lines) + "\n"


def write(text: str) -> None:
    """Put the table between its marks in the guide."""
    before, _, rest = GUIDE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    GUIDE.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def main() -> int:
    """Try all clients, or those that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="how the names of clients to try begin")
    parser.add_argument("--write", action="store_true", help="write the table into the guide")
    parser.add_argument("--environments", type=Path, default=ROOT / ".venv-clients")
    options = parser.parse_args()

    weights = _weights()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"XDG_STATE_HOME": f"{name}/state", "XDG_CACHE_HOME": f"{name}/cache"}
        with mirror_of_everything(folder, weights) as mirror:
            for client in clients(weights[0]):
                if options.names and not client.name.startswith(tuple(options.names)):
                    continue
                python = make_environment(client, options.environments)
                row = run_client(client, python, mirror, folder)
                print(f"{row.client} {row.version}: {row.outcomes}", file=sys.stderr, flush=True)
                rows.append(row)
    text = table(rows)
    print(text)
    if options.write:
        write(text)
    return int(any(outcome != YES for row in rows for outcome in row.outcomes.values()))


if __name__ == "__main__":
    raise SystemExit(main())
