"""Weights by their public address.

Torchvision, ``load_state_dict_from_url`` and timm's older files.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING
from urllib.parse import quote

from zoo.download import sources
from zoo.errors import SourceError
from zoo.mirror import layout, remotes
from zoo.mirror.responses import (
    IMMUTABLE,
    AnyResponse,
    FileResponse,
    StreamResponse,
    text,
    unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.mirror.requests import Request
    from zoo.mirror.site import Handler, Site

PYTORCH_HOST = "download.pytorch.org"


FOLDER = "weights"
HOSTS = (
    PYTORCH_HOST,
    "release-assets.githubusercontent.com",
    "objects.githubusercontent.com",
    "dl.fbaipublicfiles.com",
    "storage.googleapis.com",
)
RELEASE_HOSTS = ("github.com",)
"""Hosts that serve such files beside other things, under ``releases/download``."""


def route(request: Request) -> Handler | None:
    """Recognise a file by its host; by ``/models/...`` on the mirror itself."""
    steps = request.steps
    if request.host in HOSTS:
        return _at(request.host, steps)
    if request.host in RELEASE_HOSTS and steps[2:4] == ("releases", "download"):
        return _at(request.host, steps)
    if request.host is None and steps[0] == "models":
        return _at(PYTORCH_HOST, steps)
    return None


def _at(
    host: str,
    steps: tuple[str, ...],
) -> Handler | None:
    if any("/" in step for step in steps):
        return None
    path = "/".join(quote(step) for step in steps)
    return functools.partial(_serve, url=f"https://{host}/{path}")


async def fetch(
    site: Site,
    path: str,
) -> AnyResponse | None:
    """Fetch a file by its path in the static layout.

    ``None`` if it is not one that may be fetched.
    """
    host, _, rest = path.removeprefix(f"{FOLDER}/").partition("/")
    is_served = host in HOSTS or host in RELEASE_HOSTS
    if not is_served or not rest or site.upstream is None:
        return None
    return await _serve(site, f"https://{host}/{rest}", {"Cache-Control": IMMUTABLE})


async def _serve(
    site: Site,
    url: str,
    headers: Mapping[str, str] | None = None,
) -> AnyResponse:
    path = layout.weights_path(url)
    if (file := site.whole(path)) is not None:
        return FileResponse(file, headers or {})
    if site.upstream is not None:
        return await _pull(site, url, headers or {})
    if path in site.index.files:
        return unavailable("the mirror has lost this file")
    return text(404, "the mirror does not hold this file")


async def _pull(
    site: Site,
    url: str,
    headers: Mapping[str, str],
) -> AnyResponse:
    """Begin to fetch a file, or join those who have."""
    if site.upstream is None or sources.split(url).hostname not in (
        *HOSTS,
        *RELEASE_HOSTS,
    ):
        return text(404, "this host is not one that the mirror stands for")
    item = await asyncio.to_thread(remotes.weights_at, url)
    try:
        item = site.upstream.allowed(item)
    except SourceError as refusal:
        return text(403, str(refusal))
    file = next((file for file in item.files if file.origin == url), None)
    if file is None:
        return text(403, "the mirror's policy does not allow this file")

    try:
        return StreamResponse(await site.upstream.join(item, file), headers)
    except SourceError as error:
        if error.status in (404, 410):
            return text(404, "the upstream does not have this file")
        return unavailable("the mirror does not hold this file", error)
