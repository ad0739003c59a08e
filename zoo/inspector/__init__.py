"""What a network is made of.

Its layers, counted and drawn, and which network a file was saved from.

::

    inspection.py     everything about one model of the registry, without torch
    layers.py         the shipped layer tables, read and folded
    tracing.py        one pass through a network, each layer with its shapes
    counting.py       multiply-adds and activations, one formula an operator
    live.py           the layers of a network built here, with options or another input
    cells.py          the cells of NASNet and PNASNet as graphs
    made_tables.py    layer tables that are made when they are asked for: timm's
    identify.py       the architecture that a state dict belongs to
    weights_file.py   what a weights file is, how sure that is, and what it was wrapped in
    own_models.py     a trained file as a record of the user's own registry
"""
