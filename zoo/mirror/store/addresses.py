"""Addresses of buckets.

``s3://bucket/prefix?endpoint=URL``, ``gs://bucket/prefix``, ``az://container/prefix``.

The address says where; credentials come from the usual places (environment, shared files,
the machine's own role) and are never part of it.
"""

from __future__ import annotations

import configparser
import hashlib
import mimetypes
import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from zoo.errors import UsageError

SCHEMES = ("s3", "gs", "az")
_OPTIONS = ("endpoint", "region")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
_PREFIX = re.compile(r"[A-Za-z0-9._/-]*")
_SECRETS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_CLIENT_SECRET",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
_LONGEST_FAULT = 200
_TIMEOUT = timedelta(hours=1)
"""For a whole file; what stalls before its first byte is given up by the system."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a bucket is."""

    scheme: str
    bucket: str
    prefix: str
    endpoint: str | None = None
    region: str | None = None

    @property
    def shown(self) -> str:
        """The address as a user types it."""
        shown = f"{self.scheme}://{self.bucket}"
        if self.prefix:
            shown += f"/{self.prefix}"

        options = {"endpoint": self.endpoint, "region": self.region}
        given: list[str] = []
        for name, value in options.items():
            if value:
                quoted = quote(value, safe=":/")
                given.append(f"{name}={quoted}")

        if not given:
            return shown
        query = "&".join(given)
        return f"{shown}?{query}"

    @property
    def id(self) -> str:
        """Hex digits that stand for it on this machine."""
        digest = hashlib.sha256(self.shown.encode())
        return digest.hexdigest()[:16]


def is_address(place: str) -> bool:
    """Tell whether a user means a bucket."""
    return "://" in place


def parse(
    place: str,
    endpoint: str | None = None,
) -> Address:
    """Read the address of a bucket.

    Args:
        place: What the user has typed.
        endpoint: The address of a server that is not the provider's own.

    Raises:
        UsageError: It is none, or holds a password.
    """
    parts = urlsplit(place)
    options = dict(parse_qsl(parts.query))
    prefix = parts.path.strip("/")
    is_bucket = parts.scheme in SCHEMES and _BUCKET.fullmatch(parts.netloc)
    knows_options = options.keys() <= set(_OPTIONS)
    if not is_bucket or not knows_options or not _is_prefix(prefix):
        form = "s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
        got = f"{parts.scheme}://... ({len(place)} letters)"
        raise UsageError(f"a bucket is named {form}, got {got}")

    chosen = endpoint or options.get("endpoint")
    if chosen is not None:
        _check_endpoint(chosen)
    return Address(
        scheme=parts.scheme,
        bucket=parts.netloc,
        prefix=prefix,
        endpoint=chosen,
        region=options.get("region"),
    )


def _is_prefix(prefix: str) -> bool:
    """Tell whether a text can be what all keys of a mirror begin with."""
    if not _PREFIX.fullmatch(prefix) or "//" in prefix:
        return False

    steps = set(prefix.split("/"))
    return steps.isdisjoint({".", ".."})


def _check_endpoint(endpoint: str) -> None:
    """Refuse an endpoint that is none, or that holds a password."""
    parts = urlsplit(endpoint)
    is_http = parts.scheme in ("http", "https")
    is_plain = is_http and parts.hostname and not parts.query
    has_login = parts.username or parts.password
    if has_login or not is_plain:
        raise UsageError("--endpoint takes http(s)://HOST:PORT without a password")


def connect(address: Address) -> Any:
    """Make obstore's client of a bucket; nothing is asked yet."""
    from obstore.store import from_url

    endpoint = address.endpoint or _endpoint_of_environment(address.scheme)
    path = f"/{address.prefix}" if address.prefix else ""
    client_options = {
        "timeout": _TIMEOUT,
        "connect_timeout": timedelta(seconds=10),
        "allow_http": bool(endpoint and endpoint.startswith("http://")),
    }
    retries = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
    make: Any = from_url  # its overloads ask for the scheme's own kind of settings
    return make(
        f"{address.scheme}://{address.bucket}{path}",
        config=_config(address),
        client_options=client_options,
        retry_config=retries,
    )


def _endpoint_of_environment(scheme: str) -> str | None:
    """Return the server that obstore takes from the environment, if there is one."""
    names = _ENDPOINTS.get(scheme, ())
    for name in names:
        chosen = os.environ.get(name)
        if chosen:
            return chosen
    return None


def _config(address: Address) -> dict[str, Any]:
    """Return the settings of a client that differ from what obstore finds in the environment."""
    config: dict[str, Any] = {}
    if address.endpoint is not None:
        config["base_url" if address.scheme == "gs" else "endpoint"] = address.endpoint
    if address.scheme == "s3":
        config |= _shared_credentials()
        regions = [
            address.region,
            os.environ.get("AWS_REGION"),
            os.environ.get("AWS_DEFAULT_REGION"),
            "us-east-1",
        ]
        config["region"] = next(filter(None, regions))
    return config


def _shared_credentials() -> dict[str, str]:
    """Read the keys that the AWS command line has written down, unless the environment has some."""
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return {}
    path = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path.expanduser(), encoding="utf-8")
        section = parser[os.environ.get("AWS_PROFILE") or "default"]
    except (OSError, RuntimeError, KeyError, configparser.Error, UnicodeDecodeError):
        return {}
    names = {
        "aws_access_key_id": "access_key_id",
        "aws_secret_access_key": "secret_access_key",
        "aws_session_token": "session_token",
    }
    return {ours: section[theirs] for theirs, ours in names.items() if theirs in section}


def without_secrets(text: str) -> str:
    """Shorten what a bucket's client says, and take out whatever is secret."""
    first = " ".join(text.split())
    secrets = [os.environ.get(name) for name in _SECRETS]
    secrets += _shared_credentials().values()
    for secret in secrets:
        if secret:
            first = first.replace(secret, "***")
    first = re.sub(r"(?i)(signature|credential|sig|token|key)=[^&\s\"]+", r"\1=***", first)
    return first[:_LONGEST_FAULT]


def content_type(key: str) -> str:
    """Return the media type of an object by its name."""
    return mimetypes.guess_type(key)[0] or "application/octet-stream"
