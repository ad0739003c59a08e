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
        words = "-".join(self.requirements) or "here"
        plain = re.sub(r"[^\w.]+", "-", words)
        return plain.strip("-.")


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
    rows = []
    for hub in hubs:
        requirement = f"huggingface_hub{hub}"
        rows.append(Client("huggingface_hub", (requirement,), HUGGING_FACE))
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
    install = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    wanted = list(client.requirements)
    if client.needs_torch:
        wanted.insert(0, "--no-deps")
    subprocess.run([*install, "--quiet", *wanted], check=True)
    finished.touch()
    return python


def _share_torch(place: Path) -> None:
    """Let an environment find torch where this script does; its own packages come first."""
    major, minor, *_ = sys.version_info
    version = f"python{major}.{minor}"
    packages = place / "lib" / version / "site-packages"
    of_program = [path for path in sys.path if path.endswith("site-packages")]
    own = [sysconfig.get_path("purelib"), *of_program]
    lines = "\n".join(dict.fromkeys(own))
    file = packages / "torch-from-elsewhere.pth"
    file.write_text(lines + "\n")


# -- the mirror


def _weights() -> tuple[str, bytes]:
    import torch

    buffer = io.BytesIO()
    torch.save({"x": torch.arange(3)}, buffer)
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    return f"small-{digest[:8]}.pth", content


def _timm_weights() -> bytes:
    import timm
    import torch
    from safetensors.torch import save

    network = timm.create_model(NETWORK)
    ones = {}
    for name, value in network.state_dict().items():
        ones[name] = torch.ones_like(value)
    content: bytes = save(ones)
    return content


def publish(upstream: HubUpstream, weights: tuple[str, bytes]) -> None:
    """Publish all that the checks ask for."""
    name = "someone/nets"
    main, v1, feature = (digit * 40 for digit in "123")
    archives = {}
    for answer, commit in enumerate((main, v1, feature), start=1):
        archives[commit] = hub_archive(name, commit, answer)
    branches = {
        "main": main,
        "feature/x": feature,
    }
    upstream.repositories[name] = Repository(branches, {"v1": v1}, archives)

    tiny = {
        "config.json": b'{"architecture": "tiny"}',
        "model.safetensors": hashlib.shake_256(b"tiny").digest(300_000),
        "a folder/notes.txt": b"a name with a space\n",
    }
    architecture, _, _ = NETWORK.partition(".")
    config = json.dumps({"architecture": architecture, "num_classes": 1000})
    network = {
        "model.safetensors": _timm_weights(),
        "config.json": config.encode(),
    }
    refs = {"main": COMMIT}
    upstream.models["org/tiny"] = Model({COMMIT: tiny}, refs)
    upstream.models[f"timm/{NETWORK}"] = Model({COMMIT: network}, refs)
    file_name, content = weights
    upstream.weights[f"/models/{file_name}"] = content


@contextlib.contextmanager
def mirror_of_everything(folder: Path, weights: tuple[str, bytes]) -> Iterator[str]:
    """Fill a mirror, end its upstream, serve it, and give its address."""
    root = folder / "mirror"
    wanted = ["someone/nets", "someone/nets:v1", "someone/nets:feature/x", "hf:org/tiny"]
    file_name, _ = weights
    wanted.append(f"hf:timm/{NETWORK}")
    wanted.append(f"https://download.pytorch.org/models/{file_name}")
    with HubUpstream() as upstream:
        publish(upstream, weights)
        options = []
        for kind in ("github", "github-api", "pytorch", "huggingface"):
            options += ["--upstream", f"{kind}={upstream.base}"]
        _zoo("init", str(root), *options)
        _zoo("add", *wanted, "--dir", str(root))
        _zoo("sync", "--dir", str(root))
    with serving(root) as running:
        yield running.base


def _zoo(*arguments: str) -> None:
    command = [sys.executable, "-m", "zoo", "mirror", *arguments]
    nowhere = subprocess.DEVNULL
    subprocess.run(
        command,
        check=True,
        stdout=nowhere,
        stderr=nowhere,
    )


# -- running


def run_client(
    client: Client,
    python: Path,
    mirror: str,
    folder: Path,
) -> Row:
    """Run all checks of a client, with caches of its own."""
    module = client.name
    program = f"import {module}; print({module}.__version__)"
    _, printed = _run([str(python), "-c", program], {})
    version, _, _ = printed.partition("+")
    row = Row(client.name, version)
    for check in client.checks:
        is_shared = check.kind == "hf" or client.name == "torch"
        kind = "home" if is_shared else "by-proxy"
        home = folder / client.folder / kind
        variables = {
            "HF_HOME": str(home / "hf"),
            "TORCH_HOME": str(home / "torch"),
        }
        command = [str(python), "-c", check.script]
        if check.needs_mirror:
            through = ["mirror", "exec", "--mirror", mirror, "--client", check.kind, "--"]
            command = [sys.executable, "-m", "zoo", *through, *command]
        else:
            variables |= {
                "HF_HUB_OFFLINE": "1",
                "HF_ENDPOINT": DEAD,
                "https_proxy": DEAD,
            }
        is_done, words = _run(command, variables)
        row.outcomes[check.name] = YES if is_done else words
    return row


def _run(command: list[str], variables: dict[str, str]) -> tuple[bool, str]:
    """Run a program; return whether it did, and its last line."""
    quiet = {
        "PYTHONWARNINGS": "ignore",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    environment = {**os.environ, **quiet, **variables}
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
    is_done = done.returncode == 0
    printed = done.stdout if is_done else done.stderr
    *_, last = ["", *printed.strip().splitlines()]
    return is_done, last


# -- the table


def table(rows: list[Row]) -> str:
    """Write the outcomes as a table; a check that a client does not have is left empty."""
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row.outcomes))

    columns = len(names) + 1
    lines = [
        _line(["client", *names]),
        "|---" * columns + "|",
    ]
    for row in rows:
        cells = [f"{row.client} {row.version}"]
        for name in names:
            outcome = row.outcomes.get(name, "")
            short = outcome.replace("|", "/")[:100]
            cells.append(short)
        lines.append(_line(cells))
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    joined = " | ".join(cells)
    return f"| {joined} |"


def write(text: str) -> None:
    """Put the table between its marks in the guide."""
    page = GUIDE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    shown = f"{BEGIN}\n\n{text}\n{END}"
    GUIDE.write_text(before + shown + after)


def main() -> int:
    """Try all clients, or those that are named."""
    first, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=first)
    parser.add_argument("names", nargs="*", help="how the names of clients to try begin")
    parser.add_argument("--write", action="store_true", help="write the table into the guide")
    parser.add_argument("--environments", type=Path, default=ROOT / ".venv-clients")
    options = parser.parse_args()

    weights = _weights()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = f"{name}/state"
        os.environ["XDG_CACHE_HOME"] = f"{name}/cache"
        with mirror_of_everything(folder, weights) as mirror:
            file_name, _ = weights
            beginnings = tuple(options.names)
            for client in clients(file_name):
                is_wanted = client.name.startswith(beginnings)
                if beginnings and not is_wanted:
                    continue
                python = make_environment(client, options.environments)
                row = run_client(client, python, mirror, folder)
                title = f"{row.client} {row.version}"
                print(f"{title}: {row.outcomes}", file=sys.stderr, flush=True)
                rows.append(row)
    text = table(rows)
    print(text)
    if options.write:
        write(text)

    outcomes: set[str] = set()
    for row in rows:
        outcomes.update(row.outcomes.values())
    if outcomes <= {YES}:
        return 0
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
