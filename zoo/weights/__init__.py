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
    gaps.py       what is still to fetch, cut into parts
    wire.py       connections under deadlines: sockets, proxies, certificates
    transport.py  one HTTP exchange; with wire.py the only user of a network client
    verdicts.py   what an answer is worth, how long to wait
    ledger.py     what the workers of one transfer share: parts, retries, sources, trust
    transfer.py   many exchanges, one file, hashed as it grows
    adoption.py   what crashed runs have left, here or on other machines
    locks.py      one process at a time, where that can be had
    disk.py       what the file system says, in our words
    fetcher.py    look, plan, do: lock, transfer, verify, publish
    events.py     what a progress display is told

Nothing here imports torch, numpy or, before the first request, a network client.
"""
