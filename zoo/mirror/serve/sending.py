"""From file to socket without a copy, on more than one core.

Sending to fast clients is one long system call after another. asyncio makes them in the thread of
its event loop, one at a time. Here a few threads make them as soon as two clients are served at
once, while the event loop waits for the sockets that are full. A slow client costs no thread: the
call never blocks.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_BYTES = 4 << 20
"""The most that one call sends ..."""
TURN_BYTES = 32 << 20
"""... and that a client gets before the next one has its turn."""
SMALL_BYTES = 256 << 10
"""Not worth the arrangements."""


class Sender:
    """Threads that send for one server."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="send")
        self._active = 0

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)

    async def send(
        self,
        transport: asyncio.Transport,
        stream: IO[bytes],
        start: int,
        length_bytes: int,
        on_sent: Callable[[int], None],
    ) -> None:
        """Send a part of a file, as far as there is so much of it.

        Args:
            transport: The connection.
            stream: The file.
            start: Where the part begins.
            length_bytes: How long it is.
            on_sent: Called with the number of bytes that have just gone.

        Raises:
            ConnectionError: The client has gone.
            OSError: The file cannot be read.
        """
        is_plain = transport.get_extra_info("ssl_object") is None and hasattr(os, "sendfile")
        if not is_plain or transport.get_write_buffer_size() or length_bytes <= SMALL_BYTES:
            loop = asyncio.get_running_loop()
            on_sent(await loop.sendfile(transport, stream, start, length_bytes))
            return
        # asyncio keeps the transport's own file descriptor to itself, so we wait on another one of
        # the same socket
        handle = os.dup(transport.get_extra_info("socket").fileno())
        self._active += 1
        try:
            sent = 0
            while sent < length_bytes:
                done, is_full = await self._take_turn(
                    handle, stream.fileno(), start + sent, length_bytes - sent
                )
                sent += done
                on_sent(done)
                if is_full:
                    await _writable(handle)
                elif done == 0:
                    break
        finally:
            self._active -= 1
            os.close(handle)

    async def _take_turn(
        self,
        handle: int,
        source: int,
        offset: int,
        count: int,
    ) -> tuple[int, bool]:
        """Send: here if nobody else is served, else in a thread.

        Never leave while a thread sends.
        """
        if self._active == 1:
            return _push(handle, source, offset, min(count, CHUNK_BYTES))
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(
            self._threads, _push, handle, source, offset, min(count, TURN_BYTES)
        )
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            await asyncio.wait([call])
            raise


def _push(
    handle: int,
    source: int,
    offset: int,
    count: int,
) -> tuple[int, bool]:
    """Send until all is sent, the file ends, or the socket is full.

    Return how much went, and whether it is full.
    """
    sent = 0
    while sent < count:
        place = offset + sent
        left = count - sent
        try:
            done = os.sendfile(handle, source, place, min(CHUNK_BYTES, left))
        except BlockingIOError:
            return sent, True
        except OSError:
            if sent == 0:
                raise
            return sent, False  # what has gone is counted first; the next call fails again
        if done == 0:
            break
        sent += done
    return sent, False


async def _writable(handle: int) -> None:
    """Wait until a socket takes more."""
    loop, is_writable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_writer(handle, is_writable.set)
    try:
        await is_writable.wait()
    finally:
        loop.remove_writer(handle)
