"""Where a mirror lies: the only package that reads and writes it.

::

    objects.py   what a place must be able to do
    folder.py    a folder does it
    bucket.py    a bucket of S3, Google Cloud Storage or Azure does it, through obstore
    addresses.py its address, and where credentials come from
    leases.py    who works in a bucket, which has no locks
    places.py    from a path or an address to the place
    listing.py   the index and the manifests over it
    blocks.py    digests of blocks beside weights files
    mirror.py    settings, listing and files of one mirror, over any place
"""

from zoo.mirror.store.mirror import Store, now

__all__ = ["Store", "now"]
