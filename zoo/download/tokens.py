"""The user's tokens for GitHub and Hugging Face, from where their own programs look for them."""

from __future__ import annotations

import contextlib
import os

from zoo.cache import hub_files
from zoo.config import expanded

GITHUB = ("https://api.github.com", "https://github.com")
HUGGINGFACE = ("https://huggingface.co",)
LONGEST_TOKEN_BYTES = 4096


def from_environment() -> tuple[tuple[str, str], ...]:
    """List (address, token): each token may go to that address's origin, and nowhere else."""
    found: list[tuple[str, str]] = []
    github = github_token()
    if github:
        found += [(address, github) for address in GITHUB]
    huggingface = huggingface_token()
    if huggingface:
        found += [(address, huggingface) for address in HUGGINGFACE]
    return tuple(found)


def github_token() -> str | None:
    """Return the user's token for GitHub."""
    return os.environ.get("GITHUB_TOKEN") or os.environ.get("GH_TOKEN")


def huggingface_token() -> str | None:
    """Return the user's token for Hugging Face: of the environment, else of ``hf auth login``."""
    token = os.environ.get("HF_TOKEN")
    if token:
        return token

    named = os.environ.get("HF_TOKEN_PATH")
    place = expanded(named) if named else hub_files.home_folder() / "token"
    with (
        contextlib.suppress(OSError, UnicodeDecodeError),
        place.open("rb") as stream,
    ):
        return stream.read(LONGEST_TOKEN_BYTES).decode("utf-8").strip() or None
    return None
