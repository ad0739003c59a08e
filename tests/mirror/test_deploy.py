"""The files of docs/deploy: each is run, or held against what it talks of."""

from __future__ import annotations

import http.client
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.mirror.conftest import MODEL_COMMIT, fill
from tests.support.command_lines import fault
from tests.support.mirror_server import ask, serving
from zoo.mirror import upkeep
from zoo.mirror.serve.server import OPEN_PATHS
from zoo.mirror.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mirror_places import Places

ADDRESS = f"/org/tiny/resolve/{MODEL_COMMIT}/model.safetensors"
WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "numpy", "PIL", "safetensors"):
    sys.modules[name] = None  # what an import finds where the package is absent
sys.argv = ["zoo", "mirror", *sys.argv[1:]]
from zoo.cli.main import main
main()
"""


@pytest.fixture
def deploy(repository: Path) -> Path:
    """Name the folder."""
    return repository / "docs" / "deploy"


# -- containers


def test_container_installs_what_a_mirror_imports(deploy: Path, repository: Path) -> None:
    """Its packages are pinned, and its files are there."""
    text = (deploy / "Containerfile").read_text()
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (repository / "constraints.txt").read_text().splitlines()
    }
    (packages,) = re.findall(r"constraints\.txt \\\n\s+(.*) \\\n", text)
    assert set(packages.split()) <= pinned
    wheel = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    copied = set(re.findall(r"[\w.]+", " ".join(re.findall("^COPY (.*)$", text, re.MULTILINE))))
    assert {
        *wheel["targets"]["wheel"]["packages"],
        *wheel["targets"]["wheel"]["force-include"],
    } <= copied
    for line in re.findall(r"^COPY (.*) /src/", text, re.MULTILINE):
        for name in line.split():
            assert (repository / name).exists()
    command = shlex.split(" ".join(re.findall(r'"([^"]*)"', text.partition("ENTRYPOINT")[2])))
    assert fault(shlex.join(command), may_be_unfinished=False) is None


def test_mirror_needs_neither_torch_nor_numpy(tmp_path: Path) -> None:
    """So that the image may do without: init, add, status, list, verify, prune, policy."""
    place = ("--dir", str(tmp_path / "m"))
    for arguments in (
        ("init", str(tmp_path / "m")),
        ("add", "resnet18", "pytorch/vision:v0.20.0", *place),
        ("list", *place),
        ("verify", *place),
        ("prune", *place),
        ("policy", *place),
    ):
        command = [sys.executable, "-c", WITHOUT_TORCH, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr


def test_kubernetes_runs_commands_that_exist(deploy: Path) -> None:
    """Every document is one, every container's arguments are a command of ours, nobody is root."""
    documents: list[dict[str, Any]] = list(
        yaml.safe_load_all((deploy / "kubernetes.yaml").read_text())
    )
    assert [document["kind"] for document in documents] == [
        "ConfigMap",
        "Deployment",
        "Service",
        "CronJob",
    ]
    deployment, job = documents[1], documents[3]
    pods = [
        deployment["spec"]["template"]["spec"],
        job["spec"]["jobTemplate"]["spec"]["template"]["spec"],
    ]
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["containers"]
        places = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {"/var/lib/zoo", "/tmp"} <= places  # all else is read-only  # noqa: S108
        line = shlex.join(["zoo", "mirror", *container["args"]])
        assert fault(line, may_be_unfinished=False) is None
        names = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= names


def test_server_is_asked_for_nothing_that_needs_a_token_and_is_given_its_time(
    deploy: Path,
) -> None:
    """Probes ask for open paths; whoever ends a server waits longer than its answers may take."""
    _, deployment, *_ = yaml.safe_load_all((deploy / "kubernetes.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ready, alive = container["readinessProbe"], container["livenessProbe"]
    assert (ready["httpGet"]["path"], alive["httpGet"]["path"]) == ("/readyz", "/healthz")
    assert set(OPEN_PATHS) >= {"/readyz", "/healthz"}
    before_s = float(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    grace_s = _grace_s(" ".join(container["args"]))
    assert before_s + grace_s < pod["terminationGracePeriodSeconds"]

    unit = (deploy / "zoo-mirror.service").read_text()
    (stop_s,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert _grace_s(unit) < float(stop_s)


def _grace_s(text: str) -> float:
    (given,) = re.findall(r"--grace[ =](\d+)", text)
    return float(given)


# -- systemd


def test_units_are_sound_and_run_commands_that_exist(deploy: Path, tmp_path: Path) -> None:
    """Systemd itself reads them, where it is here; a stand-in is the program that they name."""
    program = tmp_path / "zoo"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    units = []
    for unit in sorted(deploy.glob("zoo-mirror*")):
        text = unit.read_text()
        for line in re.findall(r"^ExecStart=/opt/zoo/bin/(.*)$", text, re.MULTILINE):
            assert fault(line, may_be_unfinished=False) is None
        copy = tmp_path / unit.name
        copy.write_text(text.replace("/opt/zoo/bin/zoo", str(program)))
        units.append(str(copy))
    assert len(units) == 3
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not here to read its units")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    own = [line for line in done.stderr.splitlines() if "zoo-mirror" in line]
    assert own == []


# -- nginx before two servers


def test_rolling_restart_behind_nginx_fails_no_download(
    places: Places, deploy: Path, tmp_path: Path
) -> None:
    """Four clients download all the time while one server after the other ends and begins again."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    store = fill(places.new(), {}, "hf:org/tiny")
    ports = [_free_port() for _ in range(3)]
    failures: list[str] = []
    counts: list[int] = []
    ended = threading.Event()

    def download() -> None:
        while not ended.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", ports[0], timeout=30)
            try:
                connection.request("GET", ADDRESS)
                answer = connection.getresponse()
                size_bytes = len(answer.read())
                if (answer.status, size_bytes) != (200, 300_000):
                    failures.append(f"{answer.status} with {size_bytes} bytes")
                counts.append(size_bytes)
            except (OSError, http.client.HTTPException) as error:
                failures.append(repr(error))
            finally:
                connection.close()

    config = (deploy / "nginx.conf").read_text()
    for old, new in zip(("8080", "8081", "8082"), map(str, ports), strict=True):
        config = config.replace(old, new)
    clients = [threading.Thread(target=download) for _ in range(4)]
    front = _start_nginx(config, tmp_path)
    try:
        with _server(store, ports[1]):
            with _server(store, ports[2]):
                _wait_for(ports[0])
                for client in clients:
                    client.start()
                _wait_until(lambda: len(counts) > 20)
            _wait_for_more(counts)
            with _server(store, ports[2]) as second:
                assert ask(second, ADDRESS).status == 200
                _wait_for_more(counts)
                ended.set()
                for client in clients:
                    client.join()
    finally:
        ended.set()
        front.terminate()
        front.wait(timeout=60)
    assert failures == []


def _server(store: Store, port: int) -> Any:
    return serving(store, "--port", str(port))


def _start_nginx(config: str, folder: Path) -> subprocess.Popen[bytes]:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    place = folder / "nginx.conf"
    place.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{config}\n}}\n"
    )
    return subprocess.Popen(
        ["nginx", "-c", str(place), "-p", str(folder)], stderr=subprocess.DEVNULL
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            threading.Event().wait(0.05)
        else:
            return
    pytest.fail("nginx did not start")


def _wait_for_more(counts: list[int]) -> None:
    """Wait until twenty more downloads have ended."""
    seen = len(counts)
    _wait_until(lambda: len(counts) > seen + 20)


def _wait_until(holds: Any) -> None:
    deadline_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline_s, "it never came to be"
        threading.Event().wait(0.02)


# -- back up and move


def test_copy_made_while_a_mirror_changes_is_sound_after_a_reindex(tmp_path: Path) -> None:
    """As the page says: manifests and index first, then the rest, without what is private."""
    root = fill(tmp_path / "m", {"/models/net-5891b5b5.pth": b"hello\n"}, "hf:org/tiny").root
    copy = tmp_path / "copy"
    shutil.copytree(root / "manifests", copy / "manifests")
    (copy / "index.json").write_bytes((root / "index.json").read_bytes())
    for name in ("mirror.json", "ca.pem", "weights", "huggingface"):
        source = root / name
        if source.is_dir():
            shutil.copytree(source, copy / name)
        else:
            shutil.copy2(source, copy / name)
    assert upkeep.verify(Store(copy)) == []
    assert Store(copy).index() == Store(root).index()
    (copy / "index.json").unlink()
    upkeep.reindex(Store(copy))
    assert Store(copy).index() == Store(root).index()
    assert len(list((copy / "manifests").rglob("*.json"))) == 2
