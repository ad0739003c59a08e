"""Write an audit as SARIF 2.1.0, which code hosts and editors show beside the lines."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from zoo.auditor.rules import RULES

if TYPE_CHECKING:
    from zoo.auditor.audit import Audit
    from zoo.auditor.findings import Finding, Place, Rule

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def to_sarif(audit: Audit) -> dict[str, Any]:
    """Return the log as plain values."""
    unread = [
        {
            "level": "warning",
            "message": {"text": f"{one.file} was not audited: {one.reason}"},
        }
        for one in audit.unread
    ]
    run = {
        "tool": {"driver": _driver()},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": unread,
            }
        ],
        "results": [_result(finding) for finding in audit.findings],
    }
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [run],
    }


def _driver() -> dict[str, Any]:
    return {
        "name": "zoo audit",
        "semanticVersion": version("torch-zoo"),
        "rules": [_rule(rule) for rule in RULES.values()],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.name,
        "name": rule.name.title().replace("-", ""),
        "shortDescription": {"text": f"{rule.title}."},
        "help": {"text": _sentence(rule.advice)},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {"tags": ["security", "supply-chain"]},
    }


def _sentence(text: str) -> str:
    """Begin with a capital letter, end with a period."""
    first = text[0].upper()
    return f"{first}{text[1:]}."


def _result(finding: Finding) -> dict[str, Any]:
    place = finding.use.place
    address = {
        "uri": quote(place.file),
        "uriBaseId": "%SRCROOT%",
    }
    return {
        "ruleId": finding.rule.name,
        "ruleIndex": list(RULES).index(finding.rule.name),
        "level": finding.severity.value,
        "message": {"text": f"{finding.message}; {finding.rule.advice}."},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": address,
                    "region": _region(place),
                }
            }
        ],
        "partialFingerprints": {"subject/v1": _fingerprint(finding)},
    }


def _region(place: Place) -> dict[str, int]:
    """Say where; for a notebook the line of its JSON, since that is the file."""
    if place.cell is not None:
        return {"startLine": place.file_line or 1}
    return {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line or place.line,
        "endColumn": place.end_column or place.column,
    }


def _fingerprint(finding: Finding) -> str:
    """Name a finding by what it is about, so that it stays the same when lines move."""
    use = finding.use
    parts = (use.place.file, finding.rule.name, use.client, str(use))
    text = "\n".join(parts)
    digest = hashlib.sha256(text.encode())
    return digest.hexdigest()[:32]
