"""Executors: where work is done. This machine, or the nodes of a Ray cluster.

::

    record.py       words: Place, Task, Ended, and the protocol Executor
    dispatching.py  give each free place a task, take what comes back
    workshops.py    what does the work at a place, named by a dotted path
    local.py        places on this machine, a thread each
    cluster.py      places on the nodes of a Ray cluster, an actor each

Nothing here knows what the work is: a task is plain JSON for a workshop of another package.
"""
