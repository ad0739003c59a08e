"""Read ``registry.json``: find it, parse it, check it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from zoo.catalog.decoding import decode
from zoo.catalog.records import Architecture, Weights, WeightsFile
from zoo.errors import RegistryError

SCHEMA_VERSION = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA256_PREFIX = re.compile(r"[0-9a-f]{6,63}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
_TAG = re.compile(r"[a-z0-9][a-z0-9_.]*")


@dataclass(frozen=True, slots=True)
class Registry:
    """All records.

    ``categories`` maps a key such as ``"imagenet1k"`` to the names of its classes, in the order of the outputs.
    Names may repeat: COCO has ``N/A`` where a class was given up. (ImageNet's two cranes and two maillots are told
    apart as torchvision does.)
    """

    schema_version: int
    generated_by: Mapping[str, str]
    categories: Mapping[str, tuple[str, ...]]
    category_ids: Mapping[str, tuple[str, ...]]
    """Identifiers of the same classes where they have some: WordNet's for ``"imagenet1k"``."""
    architectures: Mapping[str, Architecture]

    def files(self) -> dict[str, WeightsFile]:
        """All weights files by name."""
        every = (w for a in self.architectures.values() for w in a.weights.values())
        return {file.file_name: file for weights in every for file in weights.files}


def find_registry() -> Path:
    """Find ``registry.json``: inside the installed package, else at the top of the checkout that holds the package.

    Raises:
        RegistryError: It is at neither place.
    """
    package = Path(__file__).parents[1]
    for candidate in (package / "registry.json", package.parent / "registry.json"):
        if candidate.is_file():
            return candidate
    raise RegistryError("$", f"no registry.json in {package} or {package.parent}")


def load_registry(path: Path | None = None) -> Registry:
    """Read the registry, by default the one that ships with zoo (read once a process).

    Raises:
        RegistryError: The file cannot be read, is not JSON, or breaks the schema; names the JSON path of the fault.
    """
    return _load(path or find_registry())


@cache
def _load(path: Path) -> Registry:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError("$", f"cannot be read ({error})", str(path)) from error
    return parse_registry(text, str(path))


def parse_registry(text: str, file: str = "registry.json") -> Registry:
    """Parse and check the text of a ``registry.json``.

    Raises:
        RegistryError: See :func:`load_registry`.
    """
    try:
        content = json.loads(text, object_pairs_hook=_refuse_duplicates)
        version = content.get("schema_version") if isinstance(content, dict) else None
        if isinstance(content, dict) and version != SCHEMA_VERSION:
            fault = f"expected schema version {SCHEMA_VERSION}, got {version!r:.40}; update torch-zoo if it is newer"
            raise RegistryError("$.schema_version", fault)
        registry = decode(Registry, content)
        _check(registry)
    except json.JSONDecodeError as error:
        fault = f"not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        raise RegistryError("$", fault, file) from error
    except RecursionError as error:
        raise RegistryError("$", "nested too deeply", file) from error
    except RegistryError as error:
        raise RegistryError(error.json_path, error.fault, file) from error
    return registry


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RegistryError(f"$..{twice}", f"the key {twice!r:.60} stands twice in one object")
    return result


def _check(registry: Registry) -> None:
    """Check what types cannot say."""
    seen: dict[str, tuple[str | None, str | None]] = {}
    for name, architecture in registry.architectures.items():
        path = f"$.architectures.{name}"
        _check_architecture(path, name, architecture)
        for tag, weights in architecture.weights.items():
            _check_weights(f"{path}.weights.{tag}", tag, weights, registry)
            for index, file in enumerate(weights.files):
                file_path = f"{path}.weights.{tag}.files[{index}]"
                check_file(file_path, file)
                digest = (file.sha256, file.sha256_prefix)
                if seen.setdefault(file.file_name, digest) != digest:
                    raise RegistryError(f"{file_path}.file_name", "another record has this file name and another hash")


def _check_architecture(path: str, name: str, architecture: Architecture) -> None:
    if not _MODEL_NAME.fullmatch(name):
        raise RegistryError(path, "expected a name of lower-case letters, digits and underscores")
    if architecture.name != name:
        raise RegistryError(f"{path}.name", f"expected {name!r}, got {architecture.name!r}")
    if architecture.default_weights is not None and architecture.default_weights not in architecture.weights:
        raise RegistryError(f"{path}.default_weights", f"no weights are called {architecture.default_weights!r}")
    for index, published in enumerate(architecture.published):
        if published.error_percent > 100:
            raise RegistryError(f"{path}.published[{index}].error_percent", "expected at most 100")


def _check_weights(path: str, tag: str, weights: Weights, registry: Registry) -> None:
    if weights.tag != tag or not _TAG.fullmatch(tag):
        raise RegistryError(f"{path}.tag", f"expected {tag!r} in lower case, got {weights.tag!r}")
    if weights.categories is not None and weights.categories not in registry.categories:
        raise RegistryError(f"{path}.categories", f"$.categories has no {weights.categories!r}")


def check_file(path: str, file: WeightsFile) -> None:
    """Refuse a file record that could write outside its folder, reach a private scheme, or check nothing.

    Raises:
        RegistryError: With ``path`` extended by the field.
    """
    if not _FILE_NAME.fullmatch(file.file_name):
        raise RegistryError(f"{path}.file_name", f"expected a plain file name, got {file.file_name!r:.80}")
    if file.sha256 is not None and not _SHA256.fullmatch(file.sha256):
        raise RegistryError(f"{path}.sha256", f"expected 64 lower-case hex digits, got {file.sha256!r:.80}")
    if file.sha256_prefix is not None and not _SHA256_PREFIX.fullmatch(file.sha256_prefix):
        raise RegistryError(f"{path}.sha256_prefix", f"expected 6 to 63 hex digits, got {file.sha256_prefix!r:.80}")
    if (file.url is None) == (file.packaged is None):
        raise RegistryError(f"{path}.url", "expected either a url or a path in packaged")
    if file.url is not None:
        check_url(f"{path}.url", file.url)
    if file.packaged is not None and not all(_FILE_NAME.fullmatch(part) for part in file.packaged.split("/")):
        raise RegistryError(f"{path}.packaged", f"expected a path inside the package, got {file.packaged!r:.80}")


def check_url(path: str, url: str) -> None:
    """Refuse a URL that is not https (or http, which some old publishers still speak) to a public host name.

    Raises:
        RegistryError: It has another scheme, a user or password, or names this machine or an address.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        has_credentials = parts.username is not None or parts.password is not None
    except ValueError as error:
        raise RegistryError(path, f"not a URL: {error}") from error
    if parts.scheme not in {"https", "http"}:
        raise RegistryError(path, f"expected an https or http URL, got {url!r:.80}")
    if has_credentials:
        raise RegistryError(path, "a URL in the registry must not carry a user or a password")
    is_address = ":" in host or host.replace(".", "").isdigit()
    if "." not in host or is_address or host.endswith((".local", ".internal", ".localhost")):
        raise RegistryError(path, f"expected the name of a public host, got {host!r:.80}")
