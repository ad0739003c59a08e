"""``zoo audit`` from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from zoo.cache import lockfile
from zoo.cache.lock_lines import LockedThing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CODE = 'import torch\nmodel = torch.hub.load("pytorch/vision", "resnet18")\n'
PLACE = "a.py:2: warning: torch.hub.load takes pytorch/vision at its default branch"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project with one unpinned repository, and work in it."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.py").write_text(CODE)
    monkeypatch.chdir(folder)
    return folder


def test_findings_are_lines_that_editors_understand(zoo: Run, project: Path) -> None:
    """Place, severity, finding, rule; exit code 1."""
    outcome = zoo("audit", ".")
    assert outcome.exit_code == 1
    assert outcome.out.startswith(PLACE)
    assert outcome.out.endswith("[unpinned-repository]\n")
    assert outcome.err == "1 file, 1 place that fetches or loads, 1 finding\n"


def test_a_clean_project_prints_nothing(zoo: Run, project: Path) -> None:
    """And the exit code is 0."""
    (project / "a.py").write_text("import torch\n")
    outcome = zoo("audit", ".", "--quiet")
    assert (outcome.exit_code, outcome.out, outcome.err) == (0, "", "")


@pytest.mark.parametrize(
    ("least", "code"), [("note", 1), ("warning", 1), ("error", 0), ("never", 0)]
)
def test_the_exit_code_depends_on_the_mildest_finding_that_counts(
    zoo: Run, project: Path, least: str, code: int
) -> None:
    """A warning is milder than an error."""
    assert zoo("audit", ".", "--fail-on", least).exit_code == code


def test_everything_that_is_fetched_is_listed(zoo: Run, project: Path) -> None:
    """Pinned or not, with the rules that it breaks."""
    (project / "b.py").write_text(f'import torch\ntorch.hub.load("a/b:{COMMIT}", "c")\n')
    outcome = zoo("audit", ".", "--list", "--format", "csv")
    assert outcome.out.splitlines()[1:] == [
        "a.py:2,torch.hub.load,pytorch/vision,no,unpinned-repository",
        f"b.py:2,torch.hub.load,a/b:{COMMIT},yes,",
    ]


def test_json_and_sarif_hold_the_same_findings(zoo: Run, project: Path) -> None:
    """Both with the place."""
    content = zoo("audit", ".", "--json").json
    (finding,) = content["findings"]
    assert (finding["rule"], finding["file"], finding["line"]) == ("unpinned-repository", "a.py", 2)
    assert content["fetches"][0]["subject"] == "pytorch/vision"
    (run,) = zoo("audit", ".", "--format", "sarif").json["runs"]
    assert run["results"][0]["ruleId"] == "unpinned-repository"


def test_fix_writes_what_the_projects_lock_file_knows(zoo: Run, project: Path) -> None:
    """The nearest zoo.lock is found as everywhere; afterwards nothing is left to find."""
    thing = LockedThing("github", f"pytorch/vision@{COMMIT}", refs=("main",))
    lockfile.write_things(project / "zoo.lock", [thing])
    assert "--fix pins 1 of them" in zoo("audit", ".").err
    outcome = zoo("audit", ".", "--fix")
    assert outcome.exit_code == 0
    assert f"a.py:2: pinned to {COMMIT}" in outcome.err
    assert f'"pytorch/vision:{COMMIT}"' in (project / "a.py").read_text()


def test_a_lock_file_that_is_named_must_have_a_line_for_everything(zoo: Run, project: Path) -> None:
    """And must be there."""
    lockfile.write_things(project / "other.lock", [])
    outcome = zoo("audit", ".", "--lock", "other.lock", "--ignore", "unpinned-repository")
    assert "other.lock has no line for pytorch/vision" in outcome.out
    missing = zoo("audit", ".", "--lock", "none.lock")
    assert missing.exit_code == 2
    assert "there is no lock file none.lock" in missing.err


def test_the_hook_for_pre_commit_calls_a_command_that_exists(
    zoo: Run, project: Path, repository: Path
) -> None:
    """Its entry takes the names of changed files."""
    (hook,) = yaml.safe_load((repository / ".pre-commit-hooks.yaml").read_text())
    assert {"id", "name", "entry", "language"} <= hook.keys()
    program, *arguments = hook["entry"].split()
    assert program == "zoo"
    assert zoo(*arguments, "a.py").exit_code == 1
