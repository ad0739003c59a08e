"""Load from a repository: find the commit, verify its files, ask for trust, then run it.

::

    from zoo.torch_hub import load

    model = load("isl-org/MiDaS", "MiDaS_small", trust=True, pretrained=False)

What :func:`prepare` does runs nothing of the repository; :func:`run` does.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from zoo.errors import MirrorError, TrustError, UnknownNameError
from zoo.mirror.ecosystems.known import bearer_tokens
from zoo.mirror.settings import Upstreams
from zoo.mirror.upstream import Client
from zoo.torch_hub import decisions, keeping
from zoo.torch_hub.decisions import Decision
from zoo.torch_hub.reading import Hubconf, Offer, read_hubconf
from zoo.torch_hub.resolving import Resolved, parse_spec, resolve

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Prepared:
    """A repository at a commit, verified and read; nothing of it has run."""

    resolved: Resolved
    archive: Path
    files_sha256: str
    hubconf: Hubconf

    @property
    def missing_packages(self) -> tuple[str, ...]:
        """What ``hubconf.py`` says it needs, or imports, and is not installed."""
        needed = dict.fromkeys((*(self.hubconf.dependencies or ()), *self.hubconf.packages))
        return tuple(name for name in needed if find_spec(name) is None)

    def offer(self, name: str) -> Offer:
        """Find what is offered under a name.

        Raises:
            UnknownNameError: Nothing is; names the nearest.
        """
        found = self.hubconf.find(name)
        if found is None:
            from zoo.catalog.nearness import nearest

            names = [offer.name for offer in self.hubconf.offers]
            kind = f"entry point of {self.resolved.repository}"
            advice = f'to see all, run "zoo hub list {self.resolved.spec}"'
            raise UnknownNameError(kind, name, nearest(name, names), advice=advice)
        return found


def prepare(
    spec: str,
    upstreams: Upstreams | None = None,
    *,
    is_update: bool = False,
) -> Prepared:
    """Find the commit, fetch its archive and read what it offers. Nothing of it runs.

    Args:
        spec: ``OWNER/NAME`` or ``OWNER/NAME:REF``.
        upstreams: Where GitHub is; by default the public one.
        is_update: Ask GitHub for the newest commit, whatever was decided or recorded.

    Raises:
        UsageError: It is no name of a repository.
        SourceError: There is no such repository, ref or commit, or nobody answers.
        MirrorError: The archive is refused, or its ``hubconf.py`` cannot be read.
        TrustError: The file of decisions is malformed.
    """
    parsed = parse_spec(spec)
    upstreams = upstreams or Upstreams()
    client = Client(upstreams, bearer_tokens(upstreams))
    try:
        resolved = resolve(parsed, client, is_update=is_update)
        archive = keeping.fetch(resolved, client)
    finally:
        client.close()
    return Prepared(resolved, archive, keeping.digest_of(archive), _read(archive, resolved))


def is_trusted(prepared: Prepared) -> bool:
    """Tell whether somebody has decided to trust this very commit with these very files.

    Raises:
        TrustError: It was trusted with other files: the archive is not what it was.
    """
    resolved = prepared.resolved
    decision = decisions.find_decision(resolved.repository, resolved.commit)
    if decision is None:
        return False
    if decision.files_sha256 != prepared.files_sha256:
        fault = f"commit {resolved.commit} had other files when it was trusted"
        advice = (
            f'look at both; to trust anew, run "zoo hub trusted --forget {resolved.repository}"'
        )
        raise TrustError(resolved.repository, fault, advice)
    return True


def decide(
    prepared: Prepared,
    decided_by: str,
) -> None:
    """Write down that a commit is trusted.

    Raises:
        TrustError: The file of decisions is malformed.
        CacheError: It cannot be written.
    """
    resolved = prepared.resolved
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    decision = Decision(
        repository=resolved.repository,
        commit=resolved.commit,
        files_sha256=prepared.files_sha256,
        ref=resolved.ref,
        decided_at=moment,
        decided_by=decided_by,
    )
    decisions.write_decision(decision)


def run(
    prepared: Prepared,
    entry_point: str,
    *args: Any,
    **options: Any,
) -> Any:
    """Run the repository's code: call one of its entry points, as ``torch.hub.load`` does.

    Args:
        prepared: From :func:`prepare`.
        entry_point: A name that ``hubconf.py`` offers.
        *args: Passed on.
        **options: Passed on.

    Raises:
        TrustError: Nobody has decided to trust it, or its files have changed since.
    """
    resolved = prepared.resolved
    if not is_trusted(prepared):
        fault = f"nobody has decided to trust commit {resolved.commit}"
        advice = (
            f'to trust it and run it, type "zoo hub load {resolved.spec} {entry_point} --trust"'
        )
        raise TrustError(resolved.repository, fault, advice)

    folder = keeping.unpacked_path(resolved)
    if not folder.is_dir():
        keeping.unpack(prepared.archive, folder)
    keeping.check_unpacked(folder, prepared.files_sha256)

    import torch.hub

    hub: Any = torch.hub
    return hub.load(str(folder), entry_point, *args, source="local", **options)


def load(
    spec: str,
    entry_point: str,
    *args: Any,
    trust: bool = False,
    upstreams: Upstreams | None = None,
    **options: Any,
) -> Any:
    """Load what an entry point of a repository builds: ``torch.hub.load``, at a trusted commit.

    Args:
        spec: ``OWNER/NAME`` or ``OWNER/NAME:REF``; without a ref the commit that was trusted last,
            or the one that the registry records.
        entry_point: A function of its ``hubconf.py``.
        *args: Passed on to it.
        trust: Decide to trust the commit, and write that down.
        upstreams: Where GitHub is; by default the public one.
        **options: Passed on to the entry point.

    Raises:
        TrustError: Nobody has decided to trust the commit.
        UnknownNameError: There is no such entry point.
    """
    prepared = prepare(spec, upstreams)
    has_decided = is_trusted(prepared)
    if prepared.hubconf.is_complete:
        prepared.offer(entry_point)
    if trust and not has_decided:
        decide(prepared, "Python")
    return run(prepared, entry_point, *args, **options)


def _read(
    archive: Path,
    resolved: Resolved,
) -> Hubconf:
    """Read ``hubconf.py`` and what it imports out of an archive."""
    with zipfile.ZipFile(archive) as opened:
        top = opened.infolist()[0].filename
        names = frozenset(opened.namelist())

        def read(path: str) -> str | None:
            full = f"{top}{path}"
            return opened.read(full).decode("utf-8", "replace") if full in names else None

        try:
            return read_hubconf(read)
        except (SyntaxError, ValueError, RecursionError) as error:
            fault = f"its hubconf.py cannot be read: {error}"
            advice = "tell the repository's owner, or name another commit"
            raise MirrorError(resolved.spec, fault, advice) from error
