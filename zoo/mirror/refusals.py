"""What the last sync was not allowed to bring, and why: ``status``, which asks nobody, says it.

::

    .private/refused.json   {"schema_version": 1, "policy": "3f...", "reasons": {"hf:o/m": "..."}}

Licenses and names of files are known to the upstreams alone. What they said counts as long as the
policy stays as it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping  # noqa: TC003 - the strict decoder reads it
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from zoo.documents import parse_document
from zoo.errors import ZooError
from zoo.mirror import layout

if TYPE_CHECKING:
    from zoo.mirror.policy import Policy
    from zoo.mirror.store import Store

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class _Document:
    """All of ``refused.json``."""

    policy: str = ""
    """Digest of the policy that refused."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """By what is wanted, as ``mirror.json`` writes it."""
    schema_version: int = SCHEMA_VERSION


def write(
    store: Store,
    policy: Policy,
    reasons: Mapping[str, str],
) -> None:
    """Write down what a policy has refused, unless that is known."""
    before = _read(store)
    after = _Document(_digest(policy), dict(reasons))
    is_known = after == before or not (reasons or before.reasons)
    if not is_known:
        text = json.dumps(asdict(after))
        store.objects.update(layout.REFUSED, lambda _: text.encode())


def read(
    store: Store,
    policy: Policy,
) -> Mapping[str, str]:
    """Return what a policy has refused, and why; nothing where it was another policy."""
    known = _read(store)
    if known.policy != _digest(policy):
        return {}
    return known.reasons


def _read(store: Store) -> _Document:
    """Read the document; one that is damaged says nothing."""
    try:
        document = store.objects.read(layout.REFUSED)
        if document is None:
            return _Document()
        return parse_document(document.data, _Document, SCHEMA_VERSION)
    except ZooError:
        return _Document()


def _digest(policy: Policy) -> str:
    text = json.dumps(asdict(policy), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
