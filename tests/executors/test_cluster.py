"""A real Ray cluster of two nodes here: a search, an evaluation, a sweep whose node is killed."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support import warm
from tests.support.digits import write_digits
from zoo.bench.files import read
from zoo.cli.main import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed"),
]
REPOSITORY = Path(__file__).parents[2]
MODELS = ["tests.support.bench_models.small", "tests.support.bench_models.talkative"]


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    process: subprocess.Popen[str]
    address: str
    scratch: Path
    """Where its nodes keep temporary files."""

    def kill_a_node(self) -> None:
        """End one of the two nodes."""
        assert self.process.stdin is not None
        self.process.stdin.write("kill\n")
        self.process.stdin.flush()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start it with a home of its own, for Ray leaves a token there."""
    home = tmp_path_factory.mktemp("home")
    scratch = tmp_path_factory.mktemp("scratch")
    log_path = home / "cluster.log"
    command = [sys.executable, "-m", "tests.support.ray_nodes"]
    pipe = subprocess.PIPE
    with pytest.MonkeyPatch.context() as patch, log_path.open("w") as log:
        patch.setenv("HOME", str(home))
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        # Ray's sockets need a short path; what zoo leaves on the disk is looked for.
        patch.setenv("RAY_TMPDIR", tempfile.gettempdir())
        patch.setenv("TMPDIR", str(scratch))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True) as process:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, log_path.read_text()[-2000:]
            yield Cluster(process, address, scratch)
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)


def test_nodes_train_the_trials_of_a_search(cluster: Cluster, tmp_path: Path) -> None:
    """Two nodes share two trials; the winner is trained on one of them, and judged."""
    write_digits(tmp_path / "digits", 100)
    options = "--strategy random --trials 2 --blocks 1 --operations identity,max_pool_3x3"
    training = "--filters 4 --epochs 1 --final-epochs 1 --batch 32 --json"
    command = ["search", "run", str(tmp_path / "digits"), *options.split(), *training.split()]
    command += ["--output", str(tmp_path / "found")]
    command += ["--executor", "ray", "--address", cluster.address]
    done = warm.run(warm.ZOO, *command)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [trial["outcome"] for trial in found["trials"]] == ["whole"] * 2
    assert found["winner"] in {1, 2}
    assert found["test"]["images"] == 20
    assert (tmp_path / "found" / "found.safetensors").is_file()


def test_nodes_share_the_images_of_an_evaluation(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The errors are those of one machine."""
    write_digits(tmp_path / "digits", 600, pixels=32)
    command = ["evaluate", "lenet5", str(tmp_path / "digits"), "--json"]
    words = ["--executor", "ray", "--address", cluster.address]
    shared = warm.run(warm.ZOO, *command, *words)
    assert shared.returncode == 0, shared.stderr
    assert run(command) == 0
    found = json.loads(shared.stdout)
    expected = json.loads(capsys.readouterr().out)
    assert found["top1"] == expected["top1"]
    assert found["classes"] == expected["classes"]
    assert found["key"]["places"] >= 1


def test_a_sweep_goes_on_when_a_node_is_killed(cluster: Cluster, tmp_path: Path) -> None:
    """Two nodes share four cases; after the first result one is gone, and nothing is missing."""
    sizes = ["--input", "3x16x16", "--batch", "1", "--threads", "1"]
    # Warm: what is shared are the cases, and a process for each would import torch each.
    arguments = [*MODELS, *sizes, "--time", "0.05", "--warm"]
    words = ["--executor", "ray", "--address", cluster.address, "--node-memory", "50MB"]
    words += ["--output", str(tmp_path / "fleet")]
    command = [sys.executable, "-m", "zoo", "bench", *arguments, *words, "--wait", "300"]
    printed = tmp_path / "printed.json"
    # Into a file: it is longer than a pipe holds, which nobody reads while waiting for stderr.
    with (
        printed.open("w") as out,
        subprocess.Popen(
            [*command, "--json"], stdout=out, stderr=subprocess.PIPE, text=True
        ) as sweep,
    ):
        assert sweep.stderr is not None
        said: list[str] = []
        for line in sweep.stderr:
            if not said:
                # Both nodes are at work from the first word to the last.
                cluster.kill_a_node()
            said.append(line)
        assert sweep.wait() == 0, "".join(said)
    assert len(json.loads(printed.read_text())["results"]) == 4
    assert [line for line in said if "lost" in line or "unavailable" in line]
    results = read(tmp_path / "fleet")
    assert len(results) == 4
    assert [result.failure for result in results] == [None] * 4
    assert all(result.runs[0].host for result in results)
    # The node that was killed could remove nothing.
    assert len(list(cluster.scratch.glob("zoo-bench-*"))) <= 1


def test_an_address_where_nobody_is_says_how_to_start_a_cluster(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, exit code 1."""
    monkeypatch.setenv("HOME", str(tmp_path))
    command = ["bench", "resnet18", "--executor", "ray", "--address", "127.0.0.1:1"]
    assert run([*command, "--output", str(tmp_path / "fleet")]) == 1
    message = capsys.readouterr().err
    assert "ray start --head" in message
    assert "Traceback" not in message
