"""Read ``registry.json``: parse it, check it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zoo.catalog.entry_points import entry_point_fault, options_fault
from zoo.catalog.places import LARGEST_BYTES, find_registry
from zoo.catalog.reading import naming
from zoo.catalog.records import Architecture, HubFile, Weights, WeightsFile
from zoo.documents import parse_document, read_regular_file
from zoo.errors import RegistryError
from zoo.hashes import is_commit, is_sha256

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 1
_SHA256_PREFIX = re.compile(r"[0-9a-f]{6,63}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_MODEL_NAME = re.compile(r"([a-z]+/)?[a-z0-9][a-z0-9_.-]*")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_TAG = re.compile(r"[a-z0-9][a-z0-9_.]*")
_PLAIN_PROVIDERS = ("torchvision", "zoo")
"""Their names stand without a prefix."""
_LOCAL_DOMAINS = (".local", ".internal", ".localhost")


@dataclass(frozen=True, slots=True)
class Registry:
    """All records.

    ``categories`` maps a key such as ``"imagenet1k"`` to the names of its classes, in the order of
    the outputs. Names may repeat: COCO has ``N/A`` where a class was given up. (ImageNet's two
    cranes and two maillots are told apart as torchvision does.)
    """

    schema_version: int
    generated_by: Mapping[str, str]
    categories: Mapping[str, tuple[str, ...]]
    category_ids: Mapping[str, tuple[str, ...]]
    """Identifiers of the same classes where they have some: WordNet's for ``"imagenet1k"``."""
    architectures: Mapping[str, Architecture]

    def files(self) -> dict[str, WeightsFile]:
        """All weights files by name."""
        by_name = {}

        for architecture in self.architectures.values():
            for weights in architecture.weights.values():
                for file in weights.files:
                    by_name[file.file_name] = file

        return by_name


def empty_registry() -> Registry:
    """Return a registry that knows nothing, for what works without one."""
    return Registry(
        schema_version=SCHEMA_VERSION,
        generated_by={},
        categories={},
        category_ids={},
        architectures={},
    )


def load_registry(path: Path | None = None) -> Registry:
    """Read the registry, by default the one that ships with zoo (read once a process).

    Raises:
        RegistryError: The file cannot be read, is not JSON, or breaks the schema; names the JSON
            path of the fault.
    """
    return _load(path or find_registry())


@cache
def _load(path: Path) -> Registry:
    with naming(path):
        text = read_regular_file(path, LARGEST_BYTES).decode("utf-8")
    return parse_registry(text, str(path))


def parse_registry(text: str, file: str = "registry.json") -> Registry:
    """Parse and check the text of a ``registry.json``.

    Raises:
        RegistryError: See :func:`load_registry`.
    """
    with naming(file):
        registry = parse_document(text, Registry, SCHEMA_VERSION)
        check_architectures(registry.architectures, registry.categories)
    return registry


def check_architectures(
    architectures: Mapping[str, Architecture], categories: Mapping[str, object] | None
) -> None:
    """Check what types cannot say.

    Args:
        architectures: By name.
        categories: The keys that records may name; ``None`` where they stand in another file.

    Raises:
        RegistryError: With the JSON path of the fault.
    """
    files: dict[str, WeightsFile] = {}

    for name, architecture in architectures.items():
        path = f"$.architectures.{name}"
        _check_architecture(path, name, architecture)

        for tag, weights in architecture.weights.items():
            weights_path = f"{path}.weights.{tag}"
            _check_weights(weights_path, tag, weights, categories)

            for index, file in enumerate(weights.files):
                file_path = f"{weights_path}.files[{index}]"
                files[file_path] = file

    _check_files(files)


def _check_files(files: Mapping[str, WeightsFile]) -> None:
    """Check each file; two records may share one, which is one file in the cache."""
    seen: dict[str, tuple[str | None, str | None]] = {}

    for path, file in files.items():
        check_file(path, file)
        name = file.file_name
        digest = (file.sha256, file.sha256_prefix)
        first = seen.setdefault(name, digest)
        if first != digest:
            fault = "another record has this file name and another hash"
            raise RegistryError(f"{path}.file_name", fault)


def _check_architecture(
    path: str,
    name: str,
    architecture: Architecture,
) -> None:
    if _MODEL_NAME.fullmatch(name) is None:
        fault = "expected a name of lower-case letters, digits and underscores"
        raise RegistryError(path, fault)

    own_name = architecture.name
    if own_name != name:
        fault = f"expected {name!r}, got {own_name!r}"
        raise RegistryError(f"{path}.name", fault)

    provider = architecture.provider
    is_prefixed = name.startswith(f"{provider}/")
    is_plain = "/" not in name and provider in _PLAIN_PROVIDERS
    if not is_prefixed and not is_plain:
        fault = f"does not fit the name {name!r}"
        raise RegistryError(f"{path}.provider", fault)

    entry_point = architecture.entry_point
    fault_of_builder = entry_point_fault(provider, name, entry_point)
    if fault_of_builder is not None:
        raise RegistryError(f"{path}.entry_point", fault_of_builder)

    default = architecture.default_weights
    tags = architecture.weights
    known_tags = {None, *tags}
    if default not in known_tags:
        fault = f"no weights are called {default!r}"
        raise RegistryError(f"{path}.default_weights", fault)

    for index, published in enumerate(architecture.published):
        percent = published.error_percent
        if percent > 100:
            claim = f"{path}.published[{index}]"
            place = f"{claim}.error_percent"
            raise RegistryError(place, "expected at most 100")


def _check_weights(
    path: str,
    tag: str,
    weights: Weights,
    categories: Mapping[str, object] | None,
) -> None:
    own_tag = weights.tag
    is_tag = _TAG.fullmatch(tag) is not None
    if own_tag != tag or not is_tag:
        fault = f"expected {tag!r} in lower case, got {own_tag!r}"
        raise RegistryError(f"{path}.tag", fault)

    if not weights.files:
        raise RegistryError(f"{path}.files", "expected at least one file")

    options = weights.options or {}
    fault_of_options = options_fault(options)
    if fault_of_options is not None:
        raise RegistryError(f"{path}.options", fault_of_options)

    if categories is None:
        return
    key = weights.category_set
    known_keys = {None, *categories}
    if key not in known_keys:
        fault = f"$.categories has no {key!r}"
        raise RegistryError(f"{path}.category_set", fault)


def check_file(path: str, file: WeightsFile) -> None:
    """Refuse a file record that could do harm, or that checks nothing.

    It must not write outside its folder nor reach a private scheme.

    Raises:
        RegistryError: With ``path`` extended by the field.
    """
    _check_name_and_digests(path, file)
    url = file.url
    packaged = file.packaged
    places = [url, packaged]
    if places.count(None) != 1:
        raise RegistryError(f"{path}.url", "expected either a url or a path in packaged")

    if url is not None:
        check_url(f"{path}.url", url)
    if file.hub is not None:
        _check_hub_file(f"{path}.hub", file.hub)

    for index, alternate in enumerate(file.alternates):
        place = f"{path}.alternates[{index}]"
        check_url(place, alternate)

    if packaged is None:
        return
    if not _is_plain_path(packaged):
        fault = f"expected a path inside the package, got {packaged!r:.80}"
        raise RegistryError(f"{path}.packaged", fault)


def _check_name_and_digests(path: str, file: WeightsFile) -> None:
    name = file.file_name
    if not _is_plain_name(name):
        fault = f"expected a plain file name, got {name!r:.80}"
        raise RegistryError(f"{path}.file_name", fault)

    sha256 = file.sha256
    if sha256 is not None and not is_sha256(sha256):
        fault = f"expected 64 lower-case hex digits, got {sha256!r:.80}"
        raise RegistryError(f"{path}.sha256", fault)

    prefix = file.sha256_prefix
    if prefix is None:
        return
    if _SHA256_PREFIX.fullmatch(prefix) is None:
        fault = f"expected 6 to 63 hex digits, got {prefix!r:.80}"
        raise RegistryError(f"{path}.sha256_prefix", fault)


def _check_hub_file(path: str, hub: HubFile) -> None:
    repository = hub.repository
    if _REPOSITORY.fullmatch(repository) is None:
        fault = f"expected ORGANISATION/NAME, got {repository!r:.80}"
        raise RegistryError(f"{path}.repository", fault)

    revision = hub.revision
    if revision is not None and not is_commit(revision):
        fault = f"expected a commit of 40 hex digits, got {revision!r:.80}"
        raise RegistryError(f"{path}.revision", fault)

    if not _is_plain_path(hub.path):
        fault = f"expected a plain path, got {hub.path!r:.80}"
        raise RegistryError(f"{path}.path", fault)


def _is_plain_path(path: str) -> bool:
    steps = path.split("/")
    return all(map(_is_plain_name, steps))


def _is_plain_name(name: str) -> bool:
    return _FILE_NAME.fullmatch(name) is not None


def check_url(path: str, url: str) -> None:
    """Refuse a URL that is not https to the name of a public host.

    http passes as well: some old publishers speak nothing else.

    Raises:
        RegistryError: It has another scheme, a user or password, or names this machine or an
            address.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        fault = f"not a URL: {error}"
        raise RegistryError(path, fault) from error

    if parts.scheme not in {"https", "http"}:
        fault = f"expected an https or http URL, got {url!r:.80}"
        raise RegistryError(path, fault)
    credentials = {parts.username, parts.password}
    if credentials != {None}:
        raise RegistryError(path, "a URL in the registry must not carry a user or a password")

    without_dots = host.replace(".", "")
    is_digits = without_dots.isdigit()
    is_address = is_digits or ":" in host
    is_local = without_dots == host or host.endswith(_LOCAL_DOMAINS)
    if is_address or is_local:
        fault = f"expected the name of a public host, got {host!r:.80}"
        raise RegistryError(path, fault)
