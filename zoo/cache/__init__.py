"""What lies on the disk, where torch looks for it.

::

    paths.py               torch's cache: folders, safe names, side files
    disk.py                what the file system says, in our words
    digests.py             SHA-256: what is expected, what a file has
    block_hashes.py        digests of blocks, to fetch again only what is damaged
    verified.py            full checks remembered by size, times and inode
    locks.py               one process at a time, where that can be had
    liveness.py            whether somebody is writing an unfinished file now
    quarantine.py          where files go that are not what they should be
    lockfile.py            zoo.lock: what a project fetches, learnt once and demanded ever after
    lock_lines.py          what stands in one line of it
    status.py              what stands under a final name, and what to do about it
    safetensors_copies.py  the copies that ``zoo convert`` lays beside pickle files
    inventory.py           every file of the cache, and whose it is
    verify.py prune.py dedupe.py   upkeep: decide first, then do
    hub_files.py           where a file of the Hub lies in huggingface_hub's cache
    huggingface.py         that cache, read only: what is in it, and whether it is right
    presence.py            which weights are there, from one look
    listing.py api.py      zoo.list_models, zoo.cached, zoo.verify

Nothing here imports torch, numpy or a network client, or knows how bytes get here.
"""
