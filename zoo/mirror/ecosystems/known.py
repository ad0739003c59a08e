"""All ecosystems, the one that a kind means, and what they say together."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zoo.download import sources
from zoo.errors import MirrorError, PolicyError, UsageError
from zoo.mirror import specs
from zoo.mirror.ecosystems import NAMES
from zoo.mirror.settings import Upstreams

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.mirror.ecosystems.protocol import Ecosystem
    from zoo.mirror.index import Item, Kind
    from zoo.mirror.policy import Policy
    from zoo.mirror.published import RemoteItem
    from zoo.mirror.specs import ItemSpec

MIRROR = "mirror"
"""What another zoo mirror is called among the upstreams."""


def _load(name: str) -> Ecosystem:
    module = importlib.import_module(f"zoo.mirror.ecosystems.{name}")
    ecosystem: Ecosystem = module.ECOSYSTEM
    return ecosystem


ECOSYSTEMS: tuple[Ecosystem, ...] = tuple(map(_load, NAMES))
_BY_KIND = {ecosystem.kind: ecosystem for ecosystem in ECOSYSTEMS}


def of(kind: Kind) -> Ecosystem:
    """Return the ecosystem of an item or a spec.

    Raises:
        MirrorError: A newer zoo has written of one that this one does not know.
    """
    ecosystem = _BY_KIND.get(kind)
    if ecosystem is None:
        fault = f"expected an ecosystem of {', '.join(_BY_KIND)}"
        raise MirrorError(kind, fault, 'update torch-zoo, or remove it with "zoo mirror remove"')
    return ecosystem


# -- specs


def parse(text: str) -> list[ItemSpec]:
    """Read one spec of the command line; a pattern stands for several.

    Raises:
        UnknownNameError: The registry has no such model or weights.
        UsageError: No ecosystem knows such a form, or a name or ref cannot exist.
    """
    for ecosystem in ECOSYSTEMS:
        found = ecosystem.parse(text)
        if found is not None:
            return list(found)
    raise UsageError(
        f"expected a model, a repository, a Hugging Face model or an address, got {text!r:.80}"
    )


def parse_all(texts: Iterable[str]) -> list[ItemSpec]:
    """Read several specs; what several of them name is there once."""
    found: list[ItemSpec] = []
    for text in texts:
        found += parse(text)

    once = dict.fromkeys(found)
    return list(once)


def parse_offline(texts: Iterable[str]) -> tuple[list[ItemSpec], list[ItemSpec]]:
    """Read several specs: what has to be brought, and what ships inside the package."""
    to_bring: list[ItemSpec] = []
    at_hand: list[ItemSpec] = []
    for text in texts:
        spec = specs.find_shipped(text)
        if spec is None:
            to_bring += parse(text)
        else:
            at_hand.append(spec)
    return list(dict.fromkeys(to_bring)), list(dict.fromkeys(at_hand))


def spelled(
    kind: Kind,
    name: str,
) -> str:
    """Write the name of an item as users do."""
    ecosystem = _BY_KIND.get(kind)
    if ecosystem is None:
        return name
    return f"{ecosystem.prefix}{name}"


def former_names(item: Item | RemoteItem) -> list[str]:
    """Write the names that an item had before as users do."""
    return [spelled(item.kind, alias) for alias in item.aliases]


def allowed(
    policy: Policy,
    item: RemoteItem,
) -> RemoteItem:
    """Leave out of an item what a mirror's policy keeps out.

    Raises:
        PolicyError: Nothing is left.
    """
    name = spelled(item.kind, item.name)
    former = former_names(item)
    return policy.apply(item, name, former)


def refusal(
    policy: Policy,
    spec: Any,
) -> str | None:
    """Say why a policy keeps out what a spec names, as far as one knows without asking anybody."""
    item = of(spec.kind).known(spec)
    if item is None:
        by_name = replace(policy, allow_licenses=(), deny_licenses=())
        name = spelled(spec.kind, spec.name)
        return by_name.fault(name, None)

    try:
        allowed(policy, item)
    except PolicyError as error:
        return error.reason
    return None


# -- upstreams


def public_addresses() -> dict[str, str]:
    """List the public address of each upstream by the name that ``--upstream`` gives it."""
    found: dict[str, str] = {}
    for ecosystem in ECOSYSTEMS:
        found |= ecosystem.upstreams
    return found


def parse_upstreams(
    options: Iterable[str],
    *,
    sends_tokens: bool = False,
) -> Upstreams:
    """Read ``KIND=ADDRESS`` options.

    Raises:
        UsageError: No such kind, or not an http(s) address.
    """
    public = public_addresses()
    kinds = (*public, MIRROR)
    bases: dict[str, str] = {}
    for option in options:
        kind, _, base = option.partition("=")
        parts = urlsplit(base)
        is_address = parts.scheme in {"http", "https"} and parts.hostname
        if kind not in kinds or not is_address:
            names = ", ".join(kinds)
            form = f"KIND=ADDRESS with a KIND of {names}"
            raise UsageError(f"--upstream takes {form}, got {option!r:.80}")

        if parts.username or parts.query:
            place = sources.shown(base)
            fault = f"--upstream takes no password or query in {place}"
            raise UsageError(f"{fault}; put passwords in ~/.netrc")

        bases[kind] = base.rstrip("/")

    mirror = bases.pop(MIRROR, None)
    if mirror is not None:
        bases = dict.fromkeys(public, mirror) | bases
    by_address = {public[kind]: base for kind, base in bases.items()}
    return Upstreams(by_address, mirror, sends_tokens)


def bearer_tokens(upstreams: Upstreams) -> tuple[tuple[str, str], ...]:
    """Find the user's tokens and the addresses that they may go to.

    Their own, and others only if that was set.
    """
    allowed: list[tuple[str, str]] = []
    for ecosystem in ECOSYSTEMS:
        for public, token in ecosystem.credentials():
            base = upstreams.base(public)
            if base == public or upstreams.sends_tokens:
                allowed.append((base, token))
    return tuple(dict.fromkeys(allowed))
