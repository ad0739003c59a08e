"""Trust without trusting the host: signed registries after The Update Framework (TUF).

::

    keys.py         keys as files with a passphrase
    publishing.py   make, sign, publish and rotate a repository of signed files
    fetching.py     fetch with limits on length and time
    reading.py      a signed repository: its metadata, then the files that it names
    refusals.py     what python-tuf refuses, in sentences
    updating.py     fetch a registry, believe it only if it is signed, install it in one step
    mirrors.py      believe a mirror as far as its list of files is signed
    signatures.py   detached signatures of weights files
    installed.py    what is installed: status, rollback, pin

python-tuf is imported only by what publishes or updates.
"""
