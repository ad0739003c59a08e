"""Weights files by their address: torchvision, ``load_state_dict_from_url``, timm's older ones."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from zoo.cache import paths, status
from zoo.cache.digests import expected_of, sha256_file
from zoo.errors import UsageError
from zoo.mirror import layout, remotes, specs
from zoo.mirror.ecosystems.protocol import Cache, Ecosystem, LookUp
from zoo.mirror.handlers import weights as handlers
from zoo.mirror.specs import AddressSpec, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zoo.mirror.ecosystems.protocol import Bundle
    from zoo.mirror.index import Index, Item
    from zoo.mirror.published import RemoteItem
    from zoo.mirror.requests import Request
    from zoo.mirror.responses import AnyResponse
    from zoo.mirror.site import Handler, Site
    from zoo.mirror.specs import ItemSpec, WeightsSpec
    from zoo.mirror.upstream import Client

ADDRESS_STARTS = ("http://", "https://")
_USABLE = (status.State.WHOLE, status.State.UNKNOWN)


class Weights(Ecosystem):
    """Files that need no repository around them."""

    kind = specs.WEIGHTS
    folder = handlers.FOLDER
    hosts = handlers.HOSTS
    upstreams = MappingProxyType({"pytorch": remotes.PYTORCH})
    is_fetched_in_parts = True
    learns_digests = True

    def parse(self, text: str) -> Sequence[ItemSpec] | None:
        """Read a name or pattern of the registry, or an address."""
        if text.startswith(ADDRESS_STARTS):
            return [specs.read_address(text)]
        if "/" in text:
            return None
        return specs.find_models(text)

    def resolve(
        self,
        spec: WeightsSpec,
        _client: Client,
    ) -> list[RemoteItem]:
        """Describe the files; nobody is asked."""
        return [self.known(spec)]

    def known(self, spec: WeightsSpec) -> RemoteItem:
        """Describe the files as the registry does, or by their address."""
        if isinstance(spec, ModelSpec):
            return remotes.registered_weights(spec)
        return remotes.unregistered_weights(spec.url)

    def held(
        self,
        index: Index,
        spec: WeightsSpec,
    ) -> list[Item]:
        """List what a mirror holds for a spec."""
        versions = index.versions(self.kind, str(spec))
        return [item for item in versions if item.files]

    def describe(
        self,
        path: Path,
        spec: WeightsSpec,
    ) -> tuple[RemoteItem, dict[str, Path]]:
        """Describe a file by its address; those of the registry are known by their names."""
        if isinstance(spec, ModelSpec):
            fault = f"weights of the registry are known by their file name; import {path}"
            raise UsageError(f"{fault} without --as")

        item = remotes.weights_at(spec.url)
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
        spec: WeightsSpec,
        items: Sequence[Item],
        bundle: Bundle,
    ) -> None:
        """Add the files under the names that torch.hub looks for."""
        names = _names_in_cache(spec)
        for item in items:
            for file in item.files:
                _, _, last_step = file.path.rpartition("/")
                name = names.get(file.path) or last_step
                bundle.add_file(f"torch/hub/checkpoints/{name}", file)

    def look_up(self, spec: WeightsSpec) -> Iterator[LookUp]:
        """Look where torch.hub keeps checkpoints.

        The bytes are read, which torch itself never does.
        """
        if isinstance(spec, AddressSpec):
            yield _look_up_address(spec)
            return

        for file in spec.weights.files:
            path = paths.packaged_path(file) or paths.target_path(file)
            expected = expected_of(file)
            found = status.look(path, expected)
            decided = status.plan(found, expected)

            fault = None
            if decided.state not in _USABLE:
                fault = f"{decided.state.value}: {decided.reason}"
            yield LookUp(str(spec), "torchvision", str(path), fault)


ECOSYSTEM: Ecosystem = Weights()


def _names_in_cache(spec: WeightsSpec) -> dict[str, str]:
    """Return under which name a client looks for each weights file.

    Nothing where that is the address's own.
    """
    if isinstance(spec, AddressSpec):
        return {}

    names: dict[str, str] = {}
    for file in spec.weights.files:
        if file.url is not None:
            path = layout.weights_path(file.url)
            names[path] = file.file_name
    return names


def _look_up_address(spec: AddressSpec) -> LookUp:
    """Look where torch.hub keeps a file of this address.

    Only the digits in its name say what it should be.
    """
    _, _, name = spec.url.rpartition("/")
    path = paths.checkpoints_folder() / name
    (file,) = remotes.unregistered_weights(spec.url).files
    fault = None
    if not path.is_file():
        fault = "missing: expected a file"
    elif file.sha256 is not None and not sha256_file(path).startswith(file.sha256):
        fault = f"damaged: expected sha256 {file.sha256}"
    return LookUp(str(spec), "torch.hub", str(path), fault)
