"""What is known about our own architectures and their released weights, in the registry's words."""

from __future__ import annotations


def list_names() -> list[str]:
    """Names of all our entry points."""
    return []
