"""A web site about what the mirror holds, at ``/``; who makes its files is not known here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.mirror.responses import AnyResponse, Response, text

if TYPE_CHECKING:
    from zoo.mirror.index import Index
    from zoo.mirror.requests import Request

Files = Mapping[str, bytes]
START = "index.html"
_FOLDERS = {"assets": 2, "plain": 2, "data": 3}
"""Folders of the site, and how many steps a path in them has at most."""
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def has_place(request: Request) -> bool:
    """Tell from a path alone whether it can be one of the site's."""
    *folders, name = request.steps
    if not folders:
        return name.endswith(".html")
    is_file = name[name.rfind(".") :] in MEDIA_TYPES
    return is_file and len(request.steps) <= _FOLDERS.get(folders[0], 0)


@dataclass
class Catalog:
    """The site's files, made at the first request, and again after the mirror has changed.

    Args:
        make: Makes all files from the index; runs in a thread.
    """

    make: Callable[[Index], Files]
    _made: tuple[Index, Files] | None = field(default=None, init=False, repr=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    async def respond(
        self,
        index: Index,
        path: str,
    ) -> AnyResponse:
        """Send a file of the site."""
        files = await self._files(index)
        name = path or START
        content = files.get(name)
        if content is None:
            return text(404, "neither the mirror nor its site has this file")
        headers = {
            "Content-Type": MEDIA_TYPES[name[name.rfind(".") :]],
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "frame-ancestors 'none'",
        }
        return Response(200, content, headers)

    async def _files(self, index: Index) -> Files:
        async with self._lock:
            if self._made is None or self._made[0] is not index:
                files = await asyncio.to_thread(self.make, index)
                self._made = (index, files)
            return self._made[1]
