"""Run a local mirror of weights, torch.hub repositories and Hugging Face models.

A mirror is a folder or a bucket of files that any web server can serve (:mod:`zoo.mirror.layout`)
and an index of them. In reading order::

    layout.py index.py manifests.py     what lies where, what is here
    published.py specs.py               what is upstream, what is asked for
    ecosystems/                         one object for each kind of upstream with its clients
    store/                              a folder or a bucket: all that reads and writes it
    planning.py sync.py arrivals.py     what to fetch; fetch it; enter what is whole
    entries.py check.py                 an entry of the index, and whether its bytes are right
    imports.py upkeep.py                fill it by hand, look after it
    requests.py handlers/ responses.py  what clients ask, and what is answered
    serve/                              how it is answered: the server, its proxy, its log
    bundle.py offline.py                the same without a network
"""
