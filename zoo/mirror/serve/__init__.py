"""How a mirror is served: from a connection to the bytes on the wire.

In reading order::

    service.py server.py           run until a signal ends it; one request, from its head to its end
    peers.py readers.py            who asks, who may
    routes.py pages.py             who answers; what browsers and load balancers see
    conditions.py bodies.py        what is sent of a file
    sending.py aborts.py           how, and what tells a client that it failed
    pull.py                        fetch what is missing while it is asked for
    proxy.py forwarding.py         stand for the hosts that clients believe to ask
    ca.py client_environment.py    whom clients trust, and how they get here
    access_log.py metrics.py       what is written down
"""
