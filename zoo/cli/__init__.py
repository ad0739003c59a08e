"""The command line. A command parses, calls one function and prints through :mod:`zoo.cli.output`.

::

    main.py         which commands there are; error -> exit code
    loading.py      a command's module is imported when it is called
    options.py      what several commands take, and what completes it
    output.py       the one sink: data to stdout, talk to stderr
    tables.py       a table as text, JSON, CSV or Markdown
    row_tables.py, layer_tables.py, record_text.py    records and layers as tables and text
    presence.py     what lies in the cache, from one look
    progress.py     progress bars
    the others      a command each

Only this package knows Typer, and it imports the rest of ``zoo`` inside functions, so that a command starts fast.
"""
