"""What exists: records of architectures and weights, read from ``registry.json`` without torch.

::

    records.py          the records: an architecture, its weights, what was published of them
    registry.py         registry.json: parse it, check it
    reading.py          whatever is wrong with a file of it becomes an error that names the file
    wellformed.py       what cannot be true although every value has the right type
    entry_points.py     what a record may name as its builder, and with which options
    file_names.py       what may be the name of a file
    families.py         records of large sources, decoded when one is asked for
    hub_repositories.py the same for repositories of PyTorch Hub
    category_sets.py    the labels of a data set's classes
    published_speed.py  speeds that others have published
    places.py           where registry.json lies, and the index beside it
    installed.py        where an update installs one, and whether it goes before the wheel's
    local.py            the user's own registry
    entries.py          an entry for each set of weights, with the columns that lists show
    index.py            every entry of every source, by name
    nearness.py         which names look like one that does not exist
    specs.py            what a user types for a model, and the name that it means
    resolver.py         from that to a record
    wanted.py           from names, patterns and families to sets of weights
    quantities.py       quantities as people read and write them
    licenses.py         licenses in groups, and the words for them
    rows.py             rows and columns
    where.py            the language of ``--where``
    query.py            filters, sorting, the Pareto front
    comparison.py       models side by side
    chooser.py          the models within limits that no other beats
"""
