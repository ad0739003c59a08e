"""Every target of the Makefile works.

CI runs the quick ones, this file the others on small input.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from tests.support.make_targets import make

REPOSITORY = Path(__file__).parents[1]
SMALL_INPUT = {
    "test-fast": "--numprocesses 0 tests/test_documents.py",
    "test-thorough": "--numprocesses 0 tests/test_documents.py",
    "docs": "docs/decisions/0003-layer-tables.md docs/guides/bom.md",
    "site": "",
    "bench-cli": "--rounds 1",
    "bench-models": "--models mobilenet_v1_100 --batches 1 --ways zoo --rounds 1",
    "bench-evaluate": "--rounds 1 --engines eager --data few-images",
    "bench-load": "--rounds 1 squeezenet1_1",
    "bench-download": "--rounds 1 --size-mb 2",
    "bench-mirror": "--rounds 1 --size-mb 2",
    "bench-mirror-scale": "--items 5,10",
}
"""Targets that CI does not run, with arguments that make them short."""
RUN_BY_OTHERS = {"wheel": "test_packaging.py"}
"""Targets whose result another file looks at."""
KEPT_NO_PROMISE = {name for name in SMALL_INPUT if name.startswith("bench-")}
"""They exit with 1 where a promise of speed is not kept, as may be while other tests run."""


def targets() -> set[str]:
    """List what `make help` lists."""
    done = subprocess.run(
        ["make", "--silent", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return {line.split()[0] for line in done.stdout.splitlines()}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the files of the repository, with what Python has compiled of them.

    So targets which write do not write under other tests' hands.
    """
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no git checkout, so the files that belong to it are not known")

    names = listed.stdout.split("\0")
    compiled = [cache_from_source(name) for name in names if name.endswith(".py")]
    for name in (*names, *compiled):
        source = REPOSITORY / name
        if source.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)

    shared = REPOSITORY.parent / "shared"
    if shared.is_dir():
        (folder.parent / "shared").symlink_to(shared)
    return folder


def put_few_images(shared_data: Path, folder: Path) -> None:
    """Lead to one image of each of a few classes."""
    classes = sorted((shared_data / "imagenet-sample" / "val").iterdir())
    for source in classes[:6]:
        (folder / source.name).mkdir(parents=True)
        image = min(source.iterdir())
        (folder / source.name / image.name).symlink_to(image)


def test_each_target_is_run_by_ci_or_here() -> None:
    """A target that nothing runs breaks unseen."""
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    lines = re.findall(r"^make (.*)$", script, re.MULTILINE)
    run_by_ci = {target for line in lines for target in line.split()}
    assert run_by_ci | set(SMALL_INPUT) | set(RUN_BY_OTHERS) == targets()
    assert run_by_ci & set(SMALL_INPUT) == set()
    for target, file in RUN_BY_OTHERS.items():
        assert f'"{target}"' in Path(__file__).with_name(file).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("target", SMALL_INPUT)
def test_target_runs_to_its_end(
    target: str, checkout: Path, request: pytest.FixtureRequest
) -> None:
    """The command of the Makefile itself, in a copy of the repository."""
    if target == "bench-evaluate":
        put_few_images(request.getfixturevalue("shared_data"), checkout / "few-images")

    done = make(checkout, target, SMALL_INPUT[target])
    story = done.stdout + done.stderr
    assert "Traceback" not in story
    if target in KEPT_NO_PROMISE:
        assert done.returncode == 0 or "Error 1" in done.stderr, story
        assert done.stdout.count("\n") > 3, story
    else:
        assert done.returncode == 0, story
