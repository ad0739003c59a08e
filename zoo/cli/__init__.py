"""The command line. A command parses, calls one function and prints through one sink.

::

    main.py      which commands there are; error -> exit code
    terminal/    what commands share: options, output, tables, progress bars
    the others   a command each, called like it

Only this package knows Typer, and it imports the rest of ``zoo`` inside functions, so that a
command starts fast.
"""
