"""How bytes get to the disk: from a record to a whole, verified file.

::

    options.py      what a caller may choose
    events.py       what a progress display is told
    sources.py      where a file may come from, in order; which addresses are allowed
    tokens.py       the user's tokens for GitHub and Hugging Face
    ranges.py       byte ranges and the two HTTP headers that carry them
    segments.py     what is still to fetch, cut into parts
    partial.py      the unfinished file and its journal
    recovery.py     what crashed runs have left, here or on other machines
    connections.py  sockets, proxies, certificates, all under deadlines
    policy.py       what a response is worth, how long to wait, where to follow, who gets a token
    decoding.py     Content-Encoding undone
    network_errors.py  the network client's errors in our words
    headers.py      the few headers that matter
    responses.py    responses judged, bodies as they arrive
    transport.py    the network client: one HTTP exchange, HEAD, JSON, documents
    scheduler.py    what the workers of one transfer share: parts, retries, sources, trust
    source_order.py which source is in use, who is asked beside it when it is silent
    memory.py       which servers were silent lately
    trust.py        what the responses of a source are trusted with
    crew.py jobs.py the workers of one transfer, and what one of them is doing
    transfer.py     many exchanges, one file, hashed as it grows
    hub.py          weights on the Hub, by commit, in huggingface_hub's cache
    several.py      several files at once, in threads that never keep the program from ending
    fetcher.py      look, plan, do: lock, transfer, verify, publish
    repair.py       fetch only the blocks of a file that are damaged
    progress.py     bars for Python programs
    api.py          ``zoo.download``

Nothing here imports torch, numpy or, before the first request, a network client. The package is
itself the function ``zoo.download``: calling it calls :func:`zoo.download.api.download`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """A package that can be called.

    Python binds the name ``zoo.download`` to it once a module of it is imported.
    """

    def __call__(
        self,
        *args: Any,
        **options: Any,
    ) -> Any:
        """Call :func:`zoo.download.api.download`."""
        from zoo.download.api import download

        return download(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
