"""Break a connection off so that every client sees an error.

None takes the end of the connection for the end of the file.

urllib, and with it torch.hub, takes a short body for a whole one wherever the connection just
ends; over TLS it even takes a TCP reset for that. So a plain connection is reset, and on a TLS
connection bytes are sent that are no TLS: every client's TLS library refuses those aloud.
``docs/decisions/0060-answers-that-break.md`` has what was measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct

NO_TLS = b"this answer was broken off by the mirror\r\n" * 450
"""Longer than the longest TLS record: the connection may have stopped in the middle of one."""
FLUSH_S = 5.0
"""How long a client that reads slowly may take until those bytes fit into its connection."""


async def abort(transport: asyncio.BaseTransport) -> None:
    """Break a connection off in the middle of a response."""
    sock = transport.get_extra_info("socket")
    if sock is None or not isinstance(transport, asyncio.WriteTransport):
        transport.close()
        return

    if transport.get_extra_info("ssl_object") is None:
        reset(transport)
        return

    # asyncio closes its own descriptor as soon as the transport is aborted; ours keeps the
    # connection open
    try:
        handle = os.dup(sock.fileno())
    except OSError:  # it is closed already
        transport.abort()
        return
    transport.abort()
    with socket.socket(fileno=handle) as own:
        own.setblocking(False)
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(own, NO_TLS), FLUSH_S)


def reset(transport: asyncio.WriteTransport) -> None:
    """End a plain connection with a TCP reset."""
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
