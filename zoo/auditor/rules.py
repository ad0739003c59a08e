"""The rules: from what a program would fetch to what should be otherwise.

Marks that the readers set: ``digest-unchecked``, ``name-without-digest``, ``insecure``,
``plain-download``, ``runs-pickles``, ``may-run-pickles``, ``runs-remote-code``,
``refuses-safetensors``, ``skips-validation``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zoo.auditor.clients import PICKLE_SUFFIXES
from zoo.auditor.findings import Finding, Rule, Severity, Use
from zoo.catalog.licenses import forbids_commercial_use
from zoo.hashes import is_commit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zoo.auditor.knowledge import Knowledge

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

UNPINNED_REPOSITORY = Rule(
    "unpinned-repository",
    WARNING,
    "A repository is taken at a branch or tag, whose code may change",
    "write the commit behind the colon: owner/repository:COMMIT, with skip_validation=True, "
    "because torch.hub looks for commits at the tips of branches only",
)
UNPINNED_REVISION = Rule(
    "unpinned-revision",
    WARNING,
    "A model of Hugging Face is taken at a branch or tag, which may change",
    'write the commit: revision="COMMIT"',
)
UNPINNED_WEIGHTS = Rule(
    "unpinned-weights",
    NOTE,
    "Weights are named so that another version of the library may take others",
    'name the weights; where the library offers no pin, record them with "zoo record -- COMMAND"',
)
UNCHECKED_DOWNLOAD = Rule(
    "unchecked-download",
    WARNING,
    "Weights are downloaded and no digest is checked",
    "pass check_hash=True with a file name that holds a digest, or hash_prefix; "
    'or use "zoo download"',
)
INSECURE_ADDRESS = Rule(
    "insecure-address",
    ERROR,
    "Something is fetched over plain http, where anybody on the way can change it",
    "use https",
)
UNSAFE_LOAD = Rule(
    "unsafe-load",
    WARNING,
    "torch.load may run code from the file",
    "pass weights_only=True, or load a safetensors file",
)
UNSAFE_FORMAT = Rule(
    "unsafe-format",
    WARNING,
    "A pickle is taken where a safetensors file exists",
    "take the safetensors file",
)
REMOTE_CODE = Rule(
    "remote-code",
    ERROR,
    "Code of the model's repository is run",
    "leave trust_remote_code out, or pin the revision and read the code first",
)
NON_COMMERCIAL = Rule(
    "non-commercial-license",
    WARNING,
    "The license does not allow commercial use",
    "take weights with another license, or ask the publisher",
)
NOT_LOCKED = Rule(
    "not-in-lock",
    WARNING,
    "The lock file has no line for it",
    'record it with "zoo record -- COMMAND"',
)
NOT_HELD = Rule(
    "not-held",
    WARNING,
    "The mirror or the bundle lacks it",
    'add it with "zoo mirror add" or "zoo bundle create"',
)

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        UNPINNED_REPOSITORY,
        UNPINNED_REVISION,
        UNPINNED_WEIGHTS,
        UNCHECKED_DOWNLOAD,
        INSECURE_ADDRESS,
        UNSAFE_LOAD,
        UNSAFE_FORMAT,
        REMOTE_CODE,
        NON_COMMERCIAL,
        NOT_LOCKED,
        NOT_HELD,
    )
}
_VERSION = re.compile(r"v?\d+(\.\d+)+([.-]?\w+)*")


def judge(use: Use, knowledge: Knowledge) -> list[Finding]:
    """List what should be otherwise about one use, gravest first."""
    if "*" in use.ignored:
        return []

    findings: list[Finding] = []
    for check in _CHECKS:
        findings += check(use, knowledge)

    heard = [finding for finding in findings if finding.rule.name not in use.ignored]
    return sorted(heard, key=lambda finding: -finding.severity.weight)


def _repository(use: Use, knowledge: Knowledge) -> Iterator[Finding]:
    if use.ecosystem != "github" or use.subject is None or is_commit(use.revision):
        return
    commit = knowledge.commit("github", use.subject, use.revision)
    if use.revision is None:
        message = f"{use.client} takes {use.subject} at its default branch, which moves"
        yield _finding(
            UNPINNED_REPOSITORY,
            use,
            message,
            commit=commit,
        )
    elif _VERSION.fullmatch(use.revision):
        message = f"{use.client} takes {use.subject} at the tag {use.revision}, which can be moved"
        yield _finding(
            UNPINNED_REPOSITORY,
            use,
            message,
            severity=NOTE,
            commit=commit,
        )
    else:
        message = f"{use.client} takes {use.subject} at {use.revision}, which can move"
        yield _finding(
            UNPINNED_REPOSITORY,
            use,
            message,
            commit=commit,
        )


def _revision(use: Use, knowledge: Knowledge) -> Iterator[Finding]:
    is_known = use.subject is not None and use.is_revision_known
    if use.ecosystem != "huggingface" or not is_known or is_commit(use.revision):
        return
    subject = use.subject or ""
    commit = knowledge.commit("huggingface", subject, use.revision or "main")
    where = "its branch main" if use.revision is None else use.revision
    message = f"{use.client} takes {subject} at {where}, which can move"
    yield _finding(
        UNPINNED_REVISION,
        use,
        message,
        commit=commit,
    )


def _weights(use: Use, knowledge: Knowledge) -> Iterator[Finding]:
    if use.ecosystem == "torchvision" and use.revision in ("default", "pretrained"):
        how = "weights DEFAULT" if use.revision == "default" else "pretrained=True"
        message = f"{use.client} takes {how}, which another version of torchvision may change"

        meant = knowledge.torchvision_default(use.subject or "")
        if meant:
            message += f"; today that is {meant.upper()}"
        yield _finding(UNPINNED_WEIGHTS, use, message)

    if use.ecosystem != "timm" or use.subject is None:
        return
    if use.revision is None:
        message = (
            f"timm chooses the weights of {use.subject}, and another version may choose others"
        )
        yield _finding(UNPINNED_WEIGHTS, use, message)
    elif not knowledge.has_locked(use):
        message = f"timm takes timm/{use.subject}.{use.revision} at its branch main, which can move"
        yield _finding(UNPINNED_WEIGHTS, use, message)


def _download(use: Use, knowledge: Knowledge) -> Iterator[Finding]:
    if use.ecosystem != "url":
        return

    address = use.subject or ""
    is_plain_http = "insecure" in use.marks or urlsplit(address).scheme == "http"
    if is_plain_http:
        message = f"{use.client} fetches {use} over plain http"
        yield _finding(INSECURE_ADDRESS, use, message)

    is_checked = "plain-download" in use.marks or knowledge.has_locked(use)
    if is_checked or use.subject is None:
        return

    name = _file_name(address)
    looks_at_names = use.client.endswith("load_state_dict_from_url")
    if "digest-unchecked" in use.marks:
        message = f"{use.client} takes whatever {name} holds by then"
        yield _finding(UNCHECKED_DOWNLOAD, use, message)
    elif "name-without-digest" in use.marks and looks_at_names:
        message = f"check_hash checks nothing: {name} holds no digest"
        yield _finding(UNCHECKED_DOWNLOAD, use, message)


def _load(use: Use, knowledge: Knowledge) -> Iterator[Finding]:
    del knowledge
    if "runs-pickles" in use.marks:
        message = f"{use.client} runs the code in the file: weights_only is False"
        yield _finding(
            UNSAFE_LOAD,
            use,
            message,
            severity=ERROR,
        )
    if "may-run-pickles" in use.marks:
        message = "torch.load runs the code in the file before torch 2.6: weights_only is not given"
        yield _finding(UNSAFE_LOAD, use, message)


def _format(use: Use, knowledge: Knowledge) -> Iterator[Finding]:
    if use.ecosystem != "huggingface":
        return
    if "refuses-safetensors" in use.marks:
        message = f"{use.client} refuses safetensors files"
        yield _finding(UNSAFE_FORMAT, use, message)

    is_pickle = use.path is not None and use.path.endswith(PICKLE_SUFFIXES)
    if not is_pickle:
        return
    safe = knowledge.safetensors_of(use.subject or "")
    if safe is not None:
        message = f"{use.subject} has {safe} beside {use.path}, which is a pickle"
        yield _finding(UNSAFE_FORMAT, use, message)


def _code(use: Use, knowledge: Knowledge) -> Iterator[Finding]:
    del knowledge
    if "runs-remote-code" in use.marks:
        message = f"{use.client} runs the code of {use}"
        yield _finding(REMOTE_CODE, use, message)


def _license(use: Use, knowledge: Knowledge) -> Iterator[Finding]:
    license = knowledge.license(use)
    if forbids_commercial_use(license):
        message = f"{use} is licensed under {license}, which does not allow commercial use"
        yield _finding(NON_COMMERCIAL, use, message)


def _holdings(use: Use, knowledge: Knowledge) -> Iterator[Finding]:
    if use.subject is None or use.ecosystem == "file":
        return

    if knowledge.must_be_locked and not knowledge.has_locked(use):
        message = f"{knowledge.lock_name} has no line for {use}"
        yield _finding(NOT_LOCKED, use, message)

    for place, holdings in knowledge.holdings:
        if not holdings.has(use):
            message = f"{place} does not hold {use}"
            yield _finding(NOT_HELD, use, message)


def _finding(
    rule: Rule,
    use: Use,
    message: str,
    *,
    severity: Severity | None = None,
    commit: str | None = None,
) -> Finding:
    return Finding(
        rule,
        severity or rule.severity,
        use,
        message,
        commit,
    )


def _file_name(address: str) -> str:
    path = urlsplit(address).path
    _, _, name = path.rpartition("/")
    return name or address


_CHECKS: tuple[Callable[[Use, Knowledge], Iterator[Finding]], ...] = (
    _repository,
    _revision,
    _weights,
    _download,
    _load,
    _format,
    _code,
    _license,
    _holdings,
)
