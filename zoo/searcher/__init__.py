"""Architecture search: networks that design networks, from a folder of images to a found cell.

::

    search.py      a whole search: propose, train, choose, judge
    setup.py       what decides a search
    cells.py       one form for all isomorphic cells
    space.py       which cells there are: drawn, changed, grown
    strategies/    what proposes the next one: random, evolution, progressive; ask and tell
    zero_cost.py   what an untrained network says of itself: synflow, naswot, jacob_cov
    limits.py      what a network costs, counted or measured before it is trained
    stack.py       from a genotype to a network
    dataset.py     images to learn from, to compare by, and to judge by once
    halving.py     which trials go on
    desk.py        what is trained next, and what becomes of it
    journal.py     what happened, line by line; to go on, it is replayed
    training.py    one order: some epochs of a trial; worker.py and workshop.py carry it out
    report.py      what a search found; significance.py says whether it is better than another
    table.py       a table of trained cells, to test strategies without training
"""
