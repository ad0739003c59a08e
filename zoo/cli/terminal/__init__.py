"""What the commands share: how they are found, what they read, and how they print.

::

    loading.py      a command's module is imported when it is called
    options.py      what several commands take, and what completes it
    lock_options.py, signing.py    the same around zoo.lock, and for keys and passphrases
    output.py       the one sink: data to stdout, talk to stderr
    tables.py       a table as text, JSON, CSV or Markdown
    row_tables.py, layer_tables.py, bench_tables.py, cache_tables.py    what becomes a table
    sentences.py    sentences folded between words, commands on lines of their own
    record_text.py, hub_text.py, file_text.py    a record, a repository, a file, for people
    progress.py, reading.py    progress bars
    stopping.py     Ctrl-C and SIGTERM
"""
