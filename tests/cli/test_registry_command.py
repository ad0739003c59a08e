"""``zoo registry``: building, checking and validating the files, in a copy of the package."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Outcome
from tests.support import warm
from zoo.catalog.places import find_registry

if TYPE_CHECKING:
    from tests.cli.conftest import Run

REPOSITORY = Path(__file__).parents[2]


def test_the_shipped_registry_is_valid(zoo: Run) -> None:
    """Counts go to stderr, stdout is for data."""
    outcome = zoo("registry", "validate")
    assert outcome.exit_code == 0
    assert outcome.out == ""
    assert "well-formed" in outcome.err


def test_another_file_is_validated(zoo: Run, tmp_path: Path) -> None:
    """Its fault is named with file and path."""
    file = tmp_path / "other.json"
    file.write_text('{"schema_version": 99}')
    outcome = zoo("registry", "validate", str(file))
    assert outcome.exit_code == 1
    assert f"{file} is malformed at $.schema_version" in outcome.err


CHECK_EACH = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from zoo.cli.main import run

ends = []
for line in sys.argv[1:]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(["registry", "check", *line.split()])
    ends.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(ends))
"""
TWO = "lenet5 squeezenet1_1"
OTHER = "alexnet_2012"


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Check a spoilt checkout with several lines, in one process that imports torch once."""
    checkout = tmp_path_factory.mktemp("spoilt") / "copy"
    shutil.copytree(REPOSITORY / "zoo", checkout / "zoo")
    shutil.copy(find_registry(), checkout / "registry.json")
    shutil.copytree(find_registry().parent / "registry", checkout / "registry")
    shutil.copy(REPOSITORY / "hubconf.py", checkout)
    spoil(checkout)

    own = {f"XDG_{name}_HOME": str(checkout.parent / name) for name in ("CONFIG", "CACHE", "DATA")}
    lines = (TWO, f"{TWO} --json", OTHER)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(checkout)
        for name, folder in own.items():
            patch.setenv(name, folder)
        done = warm.run(warm.with_checkout(checkout, CHECK_EACH), *lines)
    assert done.returncode == 0, done.stderr
    ends = [Outcome(*end) for end in json.loads(done.stdout)]
    return dict(zip(lines, ends, strict=True))


def spoil(checkout: Path) -> None:
    """Change a number of one record, and lose the table of another."""
    registry = checkout / "registry.json"
    content = json.loads(registry.read_text(encoding="utf-8"))
    content["architectures"]["lenet5"]["parameters"] += 1
    registry.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (checkout / "zoo" / "inspector" / "layers" / "squeezenet1_1.json").unlink()


def test_the_committed_records_of_some_models_are_what_a_build_gives(zoo: Run) -> None:
    """Ours and torchvision's; no difference is exit code 0."""
    outcome = zoo("registry", "check", "lenet5", "squeezenet1_1")
    assert (outcome.exit_code, outcome.out) == (0, "")
    assert outcome.err == "2 models, no difference\n"


def test_every_difference_is_listed_and_ends_with_1(spoilt: dict[str, Outcome]) -> None:
    """One line each on stdout, the advice on stderr."""
    outcome = spoilt[TWO]
    assert outcome.exit_code == 1
    first, second = outcome.out.splitlines()
    assert first == "$.architectures.lenet5.parameters: the file has 61707, built is 61706"
    assert second == "squeezenet1_1.json: missing"
    assert outcome.err.startswith('2 differences; to take them over, run "zoo registry build"')
    as_json = spoilt[f"{TWO} --json"]
    assert (as_json.exit_code, as_json.json) == (1, [first, second])


def test_a_name_that_was_not_asked_for_is_not_checked(spoilt: dict[str, Outcome]) -> None:
    """Its faults are of no concern."""
    assert spoilt[OTHER].exit_code == 0


def test_an_unknown_name_offers_the_nearest(zoo: Run) -> None:
    """Before anything is built."""
    outcome = zoo("registry", "check", "lenet6")
    assert outcome.exit_code == 1
    assert "did you mean lenet5" in outcome.err


def test_what_cannot_be_true_is_named_and_ends_with_1(zoo: Run, tmp_path: Path) -> None:
    """All faults at once, each with its place; as JSON for programs."""
    content = json.loads(find_registry().read_text(encoding="utf-8"))
    errors = content["architectures"]["resnet18"]["weights"]["imagenet1k_v1"]["published"][0]
    errors.update(top1_error_percent=30.0, top5_error_percent=90.0)
    content["architectures"]["resnet34"]["year"] = 1999
    file = tmp_path / "other.json"
    file.write_text(json.dumps(content))

    outcome = zoo("registry", "validate", str(file), "--json")
    assert outcome.exit_code == 1
    assert "expected at most the top-1 error 30.0, got 90.0" in outcome.err
    paths = [fault["json_path"] for fault in json.loads(outcome.out)]
    assert paths == [
        "$.architectures.resnet18.weights.imagenet1k_v1.published[0].top5_error_percent",
        "$.architectures.resnet34.year",
    ]
