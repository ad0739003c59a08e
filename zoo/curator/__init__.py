"""Build ``registry.json`` and the layer tables from packages, cited facts and built models.

::

    sources/         where records come from, one module a source
    facts.py         facts.toml: papers, families, published errors
    plain.py         records as JSON values, and how two of those differ
    schema.py        the JSON Schemas, made from the record classes
    family_files.py  the files beside registry.json
    building.py      put all of it together, and compare it with what stands on disk
    pins.py          commits, lengths and digests of weights on the Hub
    looking.py       one look at one address
    watching.py      a look at all of them, and what has changed since the last
"""
