"""Who answers a request.

The mirror itself for its own layout, else the ecosystem that recognises it.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

from zoo.mirror import layout
from zoo.mirror.catalog import has_place
from zoo.mirror.ecosystems.known import ECOSYSTEMS, spelled
from zoo.mirror.index import to_json
from zoo.mirror.responses import (
    IMMUTABLE,
    AnyResponse,
    FileResponse,
    Response,
    error,
    text,
)
from zoo.mirror.serve import pages

if TYPE_CHECKING:
    from zoo.mirror.requests import Request
    from zoo.mirror.site import Handler, Site

DOCUMENTS = {
    layout.INDEX: "application/json",
    layout.CERTIFICATE: "application/x-pem-file",
}
FRESH = "no-cache"
GATED = "this file is gated: ask for a token of this mirror that may read it"


def takes_form(request: Request) -> bool:
    """Tell whether a POST only asks."""
    return any(ecosystem.takes_form(request) for ecosystem in ECOSYSTEMS)


def find(request: Request) -> Handler | None:
    """Return what answers a request; ``None`` if nothing of the kind is served."""
    if request.host is None and (handler := _own(request)) is not None:
        return handler
    for ecosystem in ECOSYSTEMS:
        handler = ecosystem.route(request)
        if handler is not None:
            return handler
    return None


def _own(request: Request) -> Handler | None:
    """Recognise the mirror's pages, and the static layout, which any web server can serve."""
    handler = pages.route(request)
    if handler is not None:
        return handler

    hides_a_slash = any("/" in step for step in request.steps)
    if hides_a_slash:
        return None
    return _in_layout(request)


def _in_layout(request: Request) -> Handler | None:
    """Recognise a path of the static layout."""
    if request.path in DOCUMENTS:
        return functools.partial(_document, path=request.path)
    if request.path.startswith(layout.TRUST):
        return functools.partial(_signed, path=request.path)
    if has_place(request):
        return functools.partial(_page, path=request.path)

    folders = {ecosystem.folder for ecosystem in ECOSYSTEMS}
    top, *rest = request.steps
    if rest and top in folders:
        return functools.partial(_stored, request=request)
    return None


async def _page(
    site: Site,
    path: str,
) -> AnyResponse:
    """Answer with a file of the site about the registry."""
    if site.catalog is None:
        return text(404, "this mirror serves no site about the registry")
    return await site.catalog.respond(site.index, path)


async def _document(
    site: Site,
    path: str,
) -> AnyResponse:
    """Answer with what is here now, or with the certificate of the proxy's CA."""
    body = site.certificate
    if path == layout.INDEX:
        body = to_json(site.index).encode()
    if body is None:
        return text(404, "there is none")
    headers = {"Content-Type": DOCUMENTS[path], "Cache-Control": FRESH}
    if path == layout.CERTIFICATE and site.proxy_port is not None:
        headers[layout.PROXY_PORT_HEADER] = str(site.proxy_port)
    return Response(200, body, headers)


async def _signed(
    site: Site,
    path: str,
) -> AnyResponse:
    """Answer with a file that zoo mirror sign has put there."""
    document = await asyncio.to_thread(site.store.objects.read, path)
    if document is None:
        return text(404, "this mirror is not signed, or has signed no such file")
    headers = {"Content-Type": "application/json", "Cache-Control": FRESH}
    return Response(200, document.data, headers)


async def _stored(
    site: Site,
    request: Request,
) -> AnyResponse:
    """Answer with a file by its path in the layout."""
    path = request.path
    if (refusal := _gated(site, request)) is not None:
        return refusal
    if (described := layout.described_by(path)) is not None:
        return await _blocks(site, described)
    if (file := site.whole(path)) is not None:
        return FileResponse(file, {"Cache-Control": IMMUTABLE})
    folder = path.partition("/")[0]
    owner = next(ecosystem for ecosystem in ECOSYSTEMS if ecosystem.folder == folder)
    if (fetched := await owner.fetch(site, path)) is not None:
        return fetched
    return text(404, "the mirror does not hold this file")


def _gated(
    site: Site,
    request: Request,
) -> AnyResponse | None:
    """Refuse a file that only gated items have, none of which the one who asks may read."""
    holders = site.index.holders(request.path)
    names = [spelled(item.kind, item.name) for item in holders if item.is_gated]
    is_gated = bool(names) and len(names) == len(holders)
    if not is_gated or any(map(request.may_read_gated, names)):
        return None
    return error(403, "GatedRepo", GATED)


async def _blocks(
    site: Site,
    path: str,
) -> Response:
    """Answer with the digests of a file's blocks.

    They are never fetched, for they are made from the file.
    """
    blocks = None
    if site.whole(path) is not None:
        blocks = await asyncio.to_thread(site.store.read_blocks, path)
    if blocks is None:
        return text(404, "the mirror has no digests of this file's blocks")
    return Response(200, blocks, {"Content-Type": "application/json", "Cache-Control": FRESH})
