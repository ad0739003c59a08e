"""The registry as a web site: static pages that need no server program and no other host.

::

    columns.py      which columns the pages can show, and how each is written and packed
    data.py         the one adapter: the registry as the JSON that the pages read
    layers.py       layer tables packed for the browser
    history.py      the line from LeNet-5 to NASNet
    plain.py        the same as tables in plain HTML, for browsers that run no scripts
    gallery.py      what many machines measured, in plain HTML
    pages.py        the frame around every page
    build.py        all files of a site, by name; writing them into a folder
    mirrored.py     the site of a mirror, with what it holds
    server.py       show a site to this machine
    pages/          what stands in each page
    assets/         style sheet and JavaScript modules, as they are served
"""
