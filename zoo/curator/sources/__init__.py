"""Where records come from: one module a source, all alike.

:mod:`~zoo.curator.sources.torchvision` reads torchvision's enums, :mod:`~zoo.curator.sources.zoo`
our own facts, :mod:`~zoo.curator.sources.timm` timm's pretrained configurations,
:mod:`~zoo.curator.sources.hub` what was read of PyTorch Hub's cards and repositories. A module is a
:class:`Source`: another one is a file here and a line in :data:`SOURCES`. Records of the first
three are architectures; foreign code builds what the fourth has, so its records are repositories.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.catalog.hub_repositories import HubRepository
    from zoo.catalog.records import Architecture
    from zoo.curator.facts import Facts


Record_co = TypeVar("Record_co", covariant=True)


class Source(Protocol[Record_co]):
    """What each module of this package offers."""

    def list_names(self) -> list[str]:
        """List the names of all its records, in the order of the registry."""

    def describe(
        self,
        name: str,
        facts: Facts,
    ) -> Record_co:
        """Make the record of one name.

        Figures that are computed from the built model are left at zero.
        """

    def categories(self) -> Mapping[str, tuple[str, ...]]:
        """Give the names of the classes of each data set that it knows."""


SOURCES = ("torchvision", "zoo", "timm", "hub")
"""The sources, in the order of the registry."""


def source(name: str) -> Source[Architecture]:
    """Import the module of a source of architectures."""
    return cast("Source[Architecture]", _module(name))


def hub_source() -> Source[HubRepository]:
    """Import the module of the source of repositories."""
    return cast("Source[HubRepository]", _module("hub"))


def _module(name: str) -> Any:
    return import_module(f"zoo.curator.sources.{name}")
