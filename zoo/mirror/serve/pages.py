"""What a browser and a load balancer see: the page at ``/``, ``/healthz`` and ``/readyz``."""

from __future__ import annotations

import functools
import html
from typing import TYPE_CHECKING

from zoo.errors import ZooError
from zoo.mirror.responses import AnyResponse, Response, text

if TYPE_CHECKING:
    from zoo.mirror.index import Item
    from zoo.mirror.requests import Request
    from zoo.mirror.site import Handler, Site

MAX_ROWS = 500
HEALTH = "healthz"
READINESS = "readyz"
OWN_PAGE = "mirror.html"
"""What is here and how to use it; ``/`` as well where no site about the registry is served."""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>zoo mirror</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
body {{ padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ text-align: left; padding: .2rem .6rem; border-bottom: 1px solid #ddd }}
td:last-child, th:last-child {{ text-align: right }}
pre {{ background: #f4f4f4; padding: .8rem; overflow: auto }}
</style>
</head>
<body>
<h1>A mirror of weights, hub repositories and Hugging Face models</h1>
<p>Run anything against it, unchanged:</p>
<pre>zoo mirror exec --mirror {base} -- python train.py</pre>
<p>or set the variables yourself:</p>
<pre>eval "$(zoo mirror env --mirror {base})"</pre>
<p>Hugging Face's clients alone need <code>HF_ENDPOINT={base}</code>.</p>
<h2>What is here</h2>
<p>{summary}</p>
<table>
<tr><th>kind</th><th>name</th><th>revision</th><th>license</th><th>size</th></tr>
{rows}
</table>
<p><a href="index.json">index.json</a> has all of it. <a href="ca.pem">ca.pem</a> is the certificate
of the proxy's own CA.</p>
</body>
</html>
"""


def route(request: Request) -> Handler | None:
    """Recognise the mirror's own pages."""
    if request.steps == (OWN_PAGE,):
        return functools.partial(_page, base=request.base)
    if request.steps == ("",):
        return functools.partial(_start, base=request.base)
    if request.steps == (HEALTH,):
        return _health
    if request.steps == (READINESS,):
        return _readiness
    return None


async def _start(
    site: Site,
    base: str,
) -> AnyResponse:
    """Answer with the site about the registry and this mirror, or with the mirror's own page."""
    if site.catalog is None:
        return await _page(site, base)
    return await site.catalog.respond(site.index, "")


async def _health(_site: Site) -> AnyResponse:
    """Say that the process lives."""
    return text(200, "ok", {"Cache-Control": "no-store"})


async def _readiness(site: Site) -> AnyResponse:
    """Say whether requests can be answered now."""
    headers = {"Cache-Control": "no-store"}
    try:
        count = len(site.store.readable())
    except ZooError as error:
        return text(503, f"the mirror cannot be read: {error}", headers)
    return text(200, f"ready, {count} items", headers)


async def _page(
    site: Site,
    base: str,
) -> AnyResponse:
    items = site.index.items
    total_bytes = sum(item.size_bytes for item in items)
    summary = f"{len(items)} items, {_size(total_bytes)}."
    if len(items) > MAX_ROWS:
        summary += f" The first {MAX_ROWS} are listed."
    rows = "\n".join(_row(item) for item in items[:MAX_ROWS])
    page = _PAGE.format(base=html.escape(base), summary=summary, rows=rows)
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-cache",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return Response(200, page.encode(), headers)


def _row(item: Item) -> str:
    note = " (a part)" if item.is_partial else ""
    note += " (gated)" if item.is_gated else ""
    cells = (
        item.kind,
        item.name + note,
        (item.revision or "")[:12],
        item.license or "",
        _size(item.size_bytes),
    )
    escaped = [f"<td>{html.escape(cell)}</td>" for cell in cells]
    row = "".join(escaped)
    return f"<tr>{row}</tr>"


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
