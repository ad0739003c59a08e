"""What the commands share: how they are found, what they read, and how they print.

::

    loading.py      a command's module is imported when it is called
    options.py      what several commands take, and what completes it
    output.py       the one sink: data to stdout, talk to stderr
    tables.py       a table as text, JSON, CSV or Markdown
    row_tables.py, layer_tables.py, bench_tables.py, cache_tables.py    what becomes a table
    record_text.py  an architecture's record, written for people
    presence.py     what lies in the cache, from one look
    progress.py, reading.py    progress bars
    stopping.py     Ctrl-C and SIGTERM
"""
