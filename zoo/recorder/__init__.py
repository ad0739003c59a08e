"""What did that program fetch? Run it behind a proxy, lock it, have it again anywhere.

::

    addresses.py     what an address means: a repository, a model's file, weights, something else
    trees.py         the digest of a repository's files, whatever archive carries them
    certificates.py  a certificate authority (CA) that lives as long as one command
    observing.py     from requests and responses to lines of the lock file
    policy.py        from a lock file to what may pass, and what it must be
    proxy.py         the proxy: forward, hash, hold back what is not proven
    bodies.py        the body of a response on its way through it
    environment.py   the variables that send a program through it
    running.py       run a program behind the proxy
    locking.py       add lines to a lock file, compare lock files, check one
    syncing.py       fetch what a lock file says into the caches
    checking.py      compare it with what lies there
"""
