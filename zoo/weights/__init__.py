"""Bytes to trust: from a record to a whole, verified file where torch looks for it.

::

    options.py    what a caller may choose; environment and config file
    sources.py    where a file may come from, in order; which addresses are allowed
    cache.py      torch's cache: folders, safe names, side files
    digests.py    SHA-256: what is expected, what a file has
    receipts.py   full checks remembered by size, times and inode
    lockfile.py   zoo.lock: digests learnt on first download, demanded ever after
    ranges.py     byte ranges and the two HTTP headers that carry them
    partial.py    the unfinished file and its journal
    transport.py  one HTTP exchange, with deadlines; the only user of a network client
    transfer.py   many exchanges, one file: parts, retries, sources, hashing as it grows
    fetcher.py    plan, then do: lock, transfer, verify, publish
    events.py     what a progress display is told

Nothing here imports torch, numpy or, before the first request, a network client.
"""
