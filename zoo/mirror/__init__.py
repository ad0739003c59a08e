"""Run a local mirror of weights, torch.hub repositories and Hugging Face models.

A mirror is a folder or a bucket of files that any web server can serve (:mod:`zoo.mirror.layout`)
and an index of them. In reading order::

    layout.py index.py manifests.py     what lies where, what is here
    settings.py specs.py                what a mirror is asked to hold, and how that is written
    policy.py quota.py                  what it may hold; what leaves when it has grown too large
    published.py upstream.py remotes.py what is upstream, and how it is asked
    ecosystems/                         one object for each kind of upstream with its clients
    store/                              a folder or a bucket: all that reads and writes it
    planning.py sync.py arrivals.py     what to fetch; fetch it; enter what is whole
    pacing.py schedule.py               how fast, and how often
    entries.py check.py                 an entry of the index, and whether its bytes are right
    archives.py git_objects.py          the same for archives of repositories, and by Git's digests
    status.py refusals.py usage.py      what is here, what was refused, what was asked for when
    imports.py upkeep.py                fill it by hand, look after it
    signing.py                          what a signed mirror says of its files
    requests.py handlers/ responses.py  what clients ask, and what is answered
    hub_documents.py catalog.py         in the Hub's own JSON; as a web site
    site.py lookups.py downloads.py     what a handler works with: files here and files on their way
    serve/                              how it is answered: the server, its proxy, its log
    bundle.py offline.py                the same without a network
"""
