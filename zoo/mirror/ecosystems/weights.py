"""Weights files by their address: torchvision, ``load_state_dict_from_url``, timm's older ones."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from zoo.cache import paths, status
from zoo.cache.digests import expected_of, sha256_file
from zoo.errors import UsageError
from zoo.mirror import layout, remotes, wants
from zoo.mirror.ecosystems.protocol import Cache, Ecosystem, LookUp
from zoo.mirror.handlers import weights as handlers
from zoo.mirror.wants import AddressWant, ModelWant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zoo.mirror.ecosystems.protocol import Bundle
    from zoo.mirror.index import Index, Item
    from zoo.mirror.published import RemoteItem
    from zoo.mirror.requests import Request
    from zoo.mirror.responses import AnyResponse
    from zoo.mirror.site import Handler, Site
    from zoo.mirror.upstream import Client
    from zoo.mirror.wants import Want, WeightsWant

ADDRESS_STARTS = ("http://", "https://")
_USABLE = (status.State.WHOLE, status.State.UNKNOWN)


class Weights(Ecosystem):
    """Files that need no repository around them."""

    kind = wants.WEIGHTS
    folder = handlers.FOLDER
    hosts = handlers.HOSTS
    upstreams = MappingProxyType({"pytorch": remotes.PYTORCH})
    is_fetched_in_parts = True
    learns_digests = True

    def parse(self, text: str) -> Sequence[Want] | None:
        """Read a name or pattern of the registry, or an address."""
        if text.startswith(ADDRESS_STARTS):
            return [wants.address(text)]
        if "/" in text:
            return None
        return wants.models(text)

    def resolve(
        self,
        want: WeightsWant,
        _client: Client,
    ) -> list[RemoteItem]:
        """Describe the files; nobody is asked."""
        return [self.known(want)]

    def known(self, want: WeightsWant) -> RemoteItem:
        """Describe the files as the registry does, or by their address."""
        if isinstance(want, ModelWant):
            return remotes.registered_weights(want)
        return remotes.unregistered_weights(want.url)

    def held(
        self,
        index: Index,
        want: WeightsWant,
    ) -> list[Item]:
        """List what a mirror holds of a want."""
        versions = index.versions(self.kind, str(want))
        return [item for item in versions if item.files]

    def describe(
        self,
        path: Path,
        want: WeightsWant,
    ) -> tuple[RemoteItem, dict[str, Path]]:
        """Describe a file by its address; those of the registry are known by their names."""
        if isinstance(want, ModelWant):
            fault = f"weights of the registry are known by their file name; import {path}"
            raise UsageError(f"{fault} without --as")

        item = remotes.weights_at(want.url)
        file = item.files[0]
        return item, {file.path: path}

    def describe_by_name(self, path: Path) -> tuple[RemoteItem, dict[str, Path]] | None:
        """Describe a file that has the name of registered weights."""
        item = remotes.weights_named(path.name)
        if item is None:
            return None

        file = item.files[0]
        return item, {file.path: path}

    def describe_by_place(self, steps: Sequence[str]) -> RemoteItem | None:
        """Describe the only file of weights whose digest is published: ``host/path``."""
        if len(steps) < 2:
            return None

        place = "/".join(steps)
        item = remotes.weights_at(f"https://{place}")
        if len(item.files) != 1:
            return None

        (file,) = item.files
        if file.sha256 is None:
            return None
        return item

    def route(self, request: Request) -> Handler | None:
        """Recognise a file by its host and path."""
        return handlers.route(request)

    async def fetch(
        self,
        site: Site,
        path: str,
    ) -> AnyResponse | None:
        """Fetch a file by its host and path, if the mirror stands for the host."""
        return await handlers.fetch(site, path)

    def caches(self) -> tuple[Cache, ...]:
        """Name torch.hub's folder."""
        hub = paths.checkpoints_folder().parent
        return (Cache("torch/hub", hub),)

    def bundle(
        self,
        want: WeightsWant,
        items: Sequence[Item],
        bundle: Bundle,
    ) -> None:
        """Add the files under the names that torch.hub looks for."""
        names = _names_in_cache(want)
        for item in items:
            for file in item.files:
                _, _, last_step = file.path.rpartition("/")
                name = names.get(file.path) or last_step
                bundle.add_file(f"torch/hub/checkpoints/{name}", file)

    def look_up(self, want: WeightsWant) -> Iterator[LookUp]:
        """Look where torch.hub keeps checkpoints.

        The bytes are read, which torch itself never does.
        """
        if isinstance(want, AddressWant):
            yield _look_up_address(want)
            return

        for file in want.weights.files:
            path = paths.packaged_path(file) or paths.target_path(file)
            expected = expected_of(file)
            found = status.look(path, expected)
            decided = status.plan(found, expected)

            fault = None
            if decided.state not in _USABLE:
                fault = f"{decided.state.value}: {decided.reason}"
            yield LookUp(str(want), "torchvision", str(path), fault)


ECOSYSTEM: Ecosystem = Weights()


def _names_in_cache(want: WeightsWant) -> dict[str, str]:
    """Return under which name a client looks for each weights file.

    Nothing where that is the address's own.
    """
    if isinstance(want, AddressWant):
        return {}

    names: dict[str, str] = {}
    for file in want.weights.files:
        if file.url is not None:
            path = layout.weights_path(file.url)
            names[path] = file.file_name
    return names


def _look_up_address(want: AddressWant) -> LookUp:
    """Look where torch.hub keeps a file of this address.

    Only the digits in its name say what it should be.
    """
    _, _, name = want.url.rpartition("/")
    path = paths.checkpoints_folder() / name
    (file,) = remotes.unregistered_weights(want.url).files
    fault = None
    if not path.is_file():
        fault = "missing: expected a file"
    elif file.sha256 is not None and not sha256_file(path).startswith(file.sha256):
        fault = f"damaged: expected sha256 {file.sha256}"
    return LookUp(str(want), "torch.hub", str(path), fault)
