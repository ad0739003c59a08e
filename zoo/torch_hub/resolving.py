"""Which commit a repository and a ref mean: decided before, recorded, or asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.catalog import hub_repositories
from zoo.errors import SourceError
from zoo.hashes import is_commit
from zoo.mirror import remotes, specs
from zoo.torch_hub import decisions

if TYPE_CHECKING:
    from zoo.mirror.specs import RepositorySpec
    from zoo.mirror.upstream import Client

Origin = Literal["the spec", "a decision", "the registry", "GitHub"]
_Known = tuple[str, Origin]
"""A commit, and what says that it is meant."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A repository at a commit."""

    repository: str
    """As GitHub calls it now, where that is known."""
    commit: str
    ref: str | None
    """What was asked for."""
    origin: Origin
    """What said which commit it is."""
    typed: str
    """What it was called."""

    @property
    def spec(self) -> str:
        """As torch.hub takes it, to find the very folder."""
        return f"{self.repository}:{self.commit}"

    @property
    def is_renamed(self) -> bool:
        """Whether it has another name than the one that was typed, whatever the case of letters."""
        return self.repository.lower() != self.typed.lower()


def parse_spec(text: str) -> RepositorySpec:
    """Read ``OWNER/NAME`` or ``OWNER/NAME:REF``, also with ``hub/`` before it.

    >>> parse_spec("hub/pytorch/vision:v0.10.0")
    RepositorySpec(name='pytorch/vision', ref='v0.10.0')

    Raises:
        UsageError: GitHub has no such owner, name or ref.
    """
    prefix = hub_repositories.PREFIX
    name, colon, ref = text.strip().partition(":")
    has_prefix = name.lower().startswith(prefix)
    has_owner_too = name.count("/") == 2  # somebody's own account may be called hub
    if has_prefix and has_owner_too:
        name = name[len(prefix) :]
    return specs.check_repository(name, ref if colon else None)


def resolve(
    spec: RepositorySpec,
    client: Client,
    *,
    is_update: bool = False,
) -> Resolved:
    """Find the commit that is meant; GitHub is asked only where nothing else says it.

    Args:
        spec: From :func:`parse_spec`.
        client: Asks GitHub.
        is_update: Ask GitHub even where a decision or the registry names a commit.

    Raises:
        SourceError: There is no such repository or ref, or nobody answers.
        RegistryError: The registry's record is malformed.
        TrustError: The file of decisions is malformed.
    """
    name = hub_repositories.current_name(spec.name)
    ref = spec.ref
    known: _Known | None = None
    if is_commit(ref):
        known = (str(ref), "the spec")
    elif not is_update:
        known = _known_commit(name, ref)
    if known is None:
        return _asked(name, spec, client)

    commit, origin = known
    return Resolved(
        repository=name,
        commit=commit,
        ref=ref,
        origin=origin,
        typed=spec.name,
    )


def _known_commit(
    name: str,
    ref: str | None,
) -> _Known | None:
    """Look at what was decided last, then at what the registry records."""
    decision = decisions.last_decision(name, ref)
    if decision is not None:
        return decision.commit, "a decision"

    record = hub_repositories.find_repository(name)
    if record is None or record.commit is None:
        return None
    is_meant = ref is None or ref == record.ref
    return (record.commit, "the registry") if is_meant else None


def _asked(
    name: str,
    spec: RepositorySpec,
    client: Client,
) -> Resolved:
    """Ask GitHub; a repository that was renamed is followed to its new name."""
    api = client.upstreams.base(remotes.GITHUB_API)
    address = f"{api}/repos/{name}"
    about = client.json(address).content
    if isinstance(about, dict):
        full_name = about.get("full_name", name)
        name = specs.check_repository(str(full_name), None).name

    ref = spec.ref or _recorded_ref(name)
    exact = specs.check_repository(name, ref)
    items = remotes.hub_repositories(exact, client)

    # A ref that is both a branch and a tag means the branch, as for torch.hub.
    commit = items[0].revision
    if commit is None:
        raise SourceError(address, "expected a commit, got none")
    return Resolved(
        repository=name,
        commit=commit,
        ref=spec.ref,
        origin="GitHub",
        typed=spec.name,
    )


def _recorded_ref(name: str) -> str | None:
    """Take the branch or tag that the registry's record is about, where none is named."""
    record = hub_repositories.find_repository(name)
    return record.ref if record is not None else None
