"""``zoo mirror`` as a user types it, against an upstream on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.support.hub_upstream import HubUpstream, Model, Repository, hub_archive
from tests.support.mirror_server import serving
from zoo.cli.main import run
from zoo.errors import install_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.faulty_server import Exchange

MAIN, COMMIT = "1" * 40, "a" * 40


@pytest.fixture
def upstream() -> Iterator[HubUpstream]:
    """Play GitHub and Hugging Face."""
    with HubUpstream() as running:
        running.repositories["o/r"] = Repository(
            {"main": MAIN}, archives={MAIN: hub_archive("o/r", MAIN)}
        )
        running.models["org/tiny"] = Model({COMMIT: {"config.json": b"{}"}}, {"main": COMMIT})
        yield running


class Zoo(Protocol):
    """Run a command in a folder."""

    def __call__(self, folder: Path, *arguments: str) -> Done:
        """Run it."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Zoo:
    """Run a command in a folder, in this process."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)

    def run_in(folder: Path, *arguments: str) -> Done:
        monkeypatch.chdir(folder)
        code = run(list(arguments))
        return Done(code, *capsys.readouterr())

    return run_in


def test_mirror_from_init_to_prune(zoo: Zoo, tmp_path: Path, upstream: HubUpstream) -> None:
    """Every command of a mirror's life, with its output and exit code."""
    made = zoo(tmp_path, "mirror", "init", "m", "--upstream", f"mirror={upstream.base}")
    assert (made.returncode, "is a mirror" in made.stderr) == (0, True)
    folder = tmp_path / "m"
    assert zoo(folder, "mirror", "add", "o/r", "hf:org/tiny").returncode == 0
    assert zoo(folder, "mirror", "status").returncode == 1
    dry = zoo(folder, "mirror", "sync", "--dry-run", "--json")
    assert [row["reason"] for row in json.loads(dry.stdout)] == ["missing", "missing"]
    synced = zoo(folder, "mirror", "sync", "--json")
    assert synced.returncode == 0, synced.stderr
    assert (len(json.loads(synced.stdout)["fetched"]), json.loads(synced.stdout)["failures"]) == (
        2,
        [],
    )
    listed = json.loads(zoo(folder, "mirror", "list", "--json").stdout)
    assert [(row["kind"], row["name"], row["revision"]) for row in listed] == [
        ("huggingface", "org/tiny", COMMIT),
        ("repository", "o/r", MAIN),
    ]
    assert zoo(folder, "mirror", "status").returncode == 0
    stored = folder / "repositories" / "o" / "r" / f"{MAIN}.zip"
    stored.write_bytes(stored.read_bytes()[:-1] + b"?")
    damaged = zoo(folder, "mirror", "verify")
    assert (damaged.returncode, f"repositories/o/r/{MAIN}.zip is damaged" in damaged.stderr) == (
        1,
        True,
    )
    assert "1 fetched" in zoo(folder, "mirror", "sync").stderr
    assert zoo(folder, "mirror", "verify").returncode == 0
    (folder / "index.json").write_text("{")
    broken = zoo(folder, "mirror", "list")
    assert (broken.returncode, 'run "zoo mirror reindex"' in broken.stderr) == (1, True)
    again = zoo(folder, "mirror", "reindex", "--json")
    assert (again.returncode, json.loads(again.stdout)["items"]) == (0, 2)
    assert zoo(folder, "mirror", "remove", "o/r").returncode == 0
    assert not stored.exists()
    repeated = zoo(folder, "mirror", "remove", "o/r")
    assert (repeated.returncode, "nothing of it is here" in repeated.stderr) == (0, True)
    (folder / "stray.bin").write_bytes(b"x")
    assert zoo(folder, "mirror", "prune", "--older-than", "0").stdout == "stray.bin\n"


def test_policy_is_set_shown_and_obeyed(zoo: Zoo, tmp_path: Path, upstream: HubUpstream) -> None:
    """What was added stays although it is too much, and that is said; patterns are replaced."""
    zoo(tmp_path, "mirror", "init", "m", "--upstream", f"mirror={upstream.base}")
    folder = tmp_path / "m"
    zoo(folder, "mirror", "add", "o/r")
    changed = zoo(
        folder,
        "mirror",
        "policy",
        "--max-size",
        "10B",
        "--deny",
        "hf:*",
        "--only-safetensors",
        "--json",
    )
    assert json.loads(changed.stdout) == {
        "max_size_bytes": 10,
        "allow": [],
        "deny": ["hf:*"],
        "allow_licenses": [],
        "deny_licenses": [],
        "only_safetensors": True,
    }
    synced = zoo(folder, "mirror", "sync")
    assert (synced.returncode, "more than the mirror may hold" in synced.stderr) == (0, True)
    assert "max_size_bytes: 10" in zoo(folder, "mirror", "policy").stdout
    assert zoo(folder, "mirror", "policy", "--clear", "--any-file").returncode == 0
    assert "more than" not in zoo(folder, "mirror", "sync").stderr
    assert zoo(folder, "mirror", "policy", "--max-size", "much").returncode == 2


def test_failures_are_named_and_cost_exit_code_1(
    zoo: Zoo, tmp_path: Path, upstream: HubUpstream
) -> None:
    """What cannot be fetched is named with its reason; the rest arrives."""
    zoo(tmp_path, "mirror", "init", "m", "--upstream", f"mirror={upstream.base}")
    zoo(tmp_path / "m", "mirror", "add", "o/nothing", "o/r")
    synced = zoo(tmp_path / "m", "mirror", "sync")
    assert synced.returncode == 1
    assert "error: o/nothing is refused" in synced.stderr
    assert "check the name" in synced.stderr
    assert "1 fetched" in synced.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("mirror", "add", "resnet18"), 1, 'run "zoo mirror init'),
        (("mirror", "init", "."), 1, "expected an empty folder"),
        (("mirror", "init", "new", "--upstream", "x=y"), 2, "--upstream takes KIND=ADDRESS"),
    ],
)
def test_mistakes_end_with_the_next_step(
    zoo: Zoo, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """One sentence, no traceback."""
    (tmp_path / "something").write_text("x")
    done = zoo(tmp_path, *arguments)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_bundle_and_doctor(
    zoo: Zoo, tmp_path: Path, upstream: HubUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One command fetches and packs, one fills empty caches; only then the doctor is content."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "t"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "h"))
    what = ("o/r", "hf:org/tiny")
    assert zoo(tmp_path, "doctor", *what).returncode == 1
    made = zoo(
        tmp_path, "bundle", "create", "out.zip", *what, "--upstream", f"mirror={upstream.base}"
    )
    assert made.returncode == 0, made.stderr
    assert sorted(
        path.name for path in tmp_path.iterdir() if not path.name.startswith(".cache")
    ) == ["out.zip"]
    assert zoo(tmp_path, "bundle", "apply", "out.zip").returncode == 0
    checked = zoo(tmp_path, "doctor", *what, "--json")
    assert checked.returncode == 0, checked.stdout
    assert all(row["fault"] is None for row in json.loads(checked.stdout))
    assert zoo(tmp_path, "doctor").returncode == 2
    refused = zoo(
        tmp_path,
        "bundle",
        "create",
        "other.zip",
        "o/nothing",
        "--upstream",
        f"mirror={upstream.base}",
    )
    assert (refused.returncode, "check the name" in refused.stderr) == (1, True)
    assert not (tmp_path / "other.zip").exists()


def test_env_and_exec_lead_a_command_to_the_mirror(
    zoo: Zoo, tmp_path: Path, upstream: HubUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the variables are, that earlier ones are kept, and that a command sees them."""
    zoo(tmp_path, "mirror", "init", "m", "--upstream", f"mirror={upstream.base}")
    monkeypatch.setenv("no_proxy", "intern.example.org")
    with serving(tmp_path / "m") as running:
        answered = zoo(tmp_path, "mirror", "env", "--mirror", running.base, "--json")
        variables = json.loads(answered.stdout)
        assert (
            variables["HF_ENDPOINT"]
            == variables["https_proxy"]
            == variables["http_proxy"]
            == variables["ZOO_MIRROR"]
            == running.base
        )
        assert variables["no_proxy"] == "intern.example.org,127.0.0.1"
        bundle = Path(variables["SSL_CERT_FILE"]).read_text()
        own = (tmp_path / "m" / "ca.pem").read_text()
        assert bundle.endswith(own)
        assert bundle.count("BEGIN CERTIFICATE") > 10  # the usual authorities are still there
        plain = zoo(tmp_path, "mirror", "env", "--mirror", running.base, "--client", "hf")
        assert plain.stdout == f"export HF_ENDPOINT={running.base}\n"
        command = [sys.executable, "-m", "zoo", "mirror", "exec", "--mirror", running.base, "--"]
        script = "import os, sys; print(os.environ['HF_ENDPOINT'], sys.argv[1:]); sys.exit(7)"
        done = subprocess.run(
            [*command, sys.executable, "-c", script, "--flag", "-x"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (7, f"{running.base} ['--flag', '-x']\n")
        missing = zoo(tmp_path, "mirror", "exec", "--mirror", running.base, "--", "no-such-command")
        assert (missing.returncode, "it cannot be run" in missing.stderr) == (1, True)
    dead = zoo(tmp_path, "mirror", "env", "--mirror", running.base)
    assert (dead.returncode, 'start it with "zoo mirror serve"' in dead.stderr) == (1, True)
    assert zoo(tmp_path, "mirror", "env").returncode == 2


def test_serve_says_why_it_cannot(zoo: Zoo, tmp_path: Path, upstream: HubUpstream) -> None:
    """An address in use, a folder that is no mirror, a certificate that is none."""
    zoo(tmp_path, "mirror", "init", "m", "--upstream", f"mirror={upstream.base}")
    taken = zoo(tmp_path, "mirror", "serve", "m", "--port", str(upstream.port))
    assert (taken.returncode, "choose another --host" in taken.stderr) == (1, True)
    assert 'run "zoo mirror init' in zoo(tmp_path, "mirror", "serve", ".").stderr
    (tmp_path / "no.pem").write_text("no certificate")
    assert (
        "expected a PEM certificate"
        in zoo(tmp_path, "mirror", "serve", "m", "--tls-cert", "no.pem").stderr
    )


@pytest.mark.parametrize("package", ["aiohttp", "cryptography"])
def test_missing_package_is_named_with_its_extra(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """Without the extra, the command says how to install it."""
    assert zoo(tmp_path, "mirror", "init", "m").returncode == 0
    monkeypatch.setitem(
        sys.modules, package, None
    )  # what an import finds where the package is absent
    done = (
        zoo(tmp_path, "mirror", "serve", "m")
        if package == "aiohttp"
        else zoo(tmp_path, "mirror", "init", "n")
    )
    assert done.returncode == 1
    assert f"needs the package {package}; run {install_command('mirror')}" in done.stderr


def test_sync_that_is_killed_leaves_a_valid_mirror(
    zoo: Zoo, tmp_path: Path, upstream: HubUpstream
) -> None:
    """SIGKILL in mid-body leaves nothing false there; the next sync brings what is missing."""
    data, begun = bytes(3_000_000), threading.Event()
    upstream.models["org/tiny"].commits[COMMIT]["model.safetensors"] = data
    zoo(tmp_path, "mirror", "init", "m", "--upstream", f"mirror={upstream.base}")
    zoo(tmp_path / "m", "mirror", "add", "hf:org/tiny")

    def stall(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(len(data)), "ETag": '"v1"'})
        exchange.body(data[:1_000_000])
        begun.set()
        exchange.stop("stall")

    address = f"/org/tiny/resolve/{COMMIT}/model.safetensors"
    upstream.faults[address] = stall
    with subprocess.Popen(
        [sys.executable, "-m", "zoo", "mirror", "sync", "-q"], cwd=tmp_path / "m"
    ) as process:
        assert begun.wait(30)
        process.kill()
    assert json.loads((tmp_path / "m" / "index.json").read_text())["items"] == []
    assert zoo(tmp_path / "m", "mirror", "verify").returncode == 0
    del upstream.faults[address]
    assert zoo(tmp_path / "m", "mirror", "sync").returncode == 0
    assert zoo(tmp_path / "m", "mirror", "status").returncode == 0
    assert zoo(tmp_path / "m", "mirror", "prune").returncode == 0
    assert zoo(tmp_path / "m", "mirror", "verify").returncode == 0
